"""Reset: exactly the busy blocks with a genuine mark go, whatever the database knows of them."""

from collections.abc import Callable

import pytest

from calendars.models import BusyRule, Item
from calendars.services import refresh_busy_blocks, remove_busy_rule
from integrations.models import Collection
from sync.core.provider import Refusal, Remedy
from sync.models import Mapping, SyncItem, SyncOperation
from sync.reset import preview_reset, reset_calendar, rules_into
from tests.sync.blocks import draw, lose_database, one_block, with_fault, world_with_blocks
from tests.sync.world import World, delete_locally, edit_locally

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The process died here."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return world_with_blocks(monkeypatch)


@pytest.fixture
def target(world: World) -> Collection:
    return Collection.objects.get(remote_id="target")


def titles(world: World) -> list[str]:
    return world.calendars["target"].titles()


def reset(world: World, target: Collection) -> None:
    errand = reset_calendar(collection=target, clock=world.clock)
    assert errand.state == "done", errand.error


def test_a_reset_removes_the_blocks_and_nothing_else(world: World, target: Collection) -> None:
    assert titles(world) == ["A meeting", "Busy", "Busy", "Busy", "Busy"]

    reset(world, target)

    assert titles(world) == ["A meeting"]
    assert world.calendars["source"].titles() == ["Moved", "Secret A", "Secret B", "Secret series"]


def test_a_reset_works_with_an_empty_database(world: World, target: Collection) -> None:
    anew = lose_database()

    reset(world, anew)

    assert titles(world) == ["A meeting"]
    lines = SyncItem.objects.filter(side="remote", action="delete")
    assert lines.count() == 3
    assert all(line.mapping is None and line.expected_version for line in lines)


def test_a_persons_copy_of_a_block_and_records_with_another_mark_stay(
    world: World, target: Collection
) -> None:
    remote = world.calendars["target"]
    block = next(s for s in remote.events.values() if s.mark and not s.parent)
    copied = remote.add("copied", title="Copied by a person")
    copied.mark = block.mark
    edit_locally("A meeting", world.clock(), title="Our own edit")
    world.sync(target)
    assert remote.events["meeting"].mark

    reset(world, target)

    assert titles(world) == ["Copied by a person", "Our own edit"]


def test_local_blocks_are_deleted_and_their_mappings_are_graves(
    world: World, target: Collection
) -> None:
    reset(world, target)

    blocks = Item.objects.filter(event__busy_rule__isnull=False)
    assert blocks.count() == 4
    assert not blocks.alive().exists()
    assert not blocks.filter(pending=True).exists()
    graves = Mapping.objects.filter(item__in=blocks)
    assert set(graves.values_list("base_hash", "remote_hash", "base")) == {("", "", None)}


def test_rules_that_still_exist_draw_their_blocks_anew(world: World, target: Collection) -> None:
    before = world.calendars["target"].alive().keys()
    reset(world, target)
    assert rules_into(target) == 1

    refresh_busy_blocks(now=world.clock())
    world.sync(target)
    world.sync(target)  # the occurrences of a series that was made again
    after = world.sync(target)

    assert titles(world) == ["A meeting", "Busy", "Busy", "Busy", "Busy"]
    assert world.calendars["target"].alive().keys() & before == {"meeting"}
    assert after.operation.counts == {}


def test_a_calendar_without_rules_stays_empty_of_blocks(world: World, target: Collection) -> None:
    BusyRule.objects.update(enabled=False)
    reset(world, target)

    refresh_busy_blocks(now=world.clock())
    after = world.sync(target)

    assert titles(world) == ["A meeting"]
    assert [what for what in after.operation.counts if what.startswith("remote")] == []


def test_each_deletion_is_announced_with_its_evidence_before_it_is_sent(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def fault(call: str, moment: str) -> None:
        if (call, moment) == ("write", "before"):
            seen.append(list(SyncItem.objects.filter(state="intended")))

    with_fault(world, monkeypatch, fault)
    reset(world, target)

    rule = BusyRule.objects.get()
    assert len(seen) == 3
    assert {i.evidence for i in seen[0]} == {f"genuine mark of rule {rule.pk.hex}"}
    assert all(i.mapping_id and i.before and i.expected_version for i in seen[0])
    assert not SyncItem.objects.filter(state="intended").exists()


def on_call(number: int, wanted: str, deed: Callable[[], None]) -> Callable[[str, str], None]:
    """Return a fault that strikes at the n-th moment of this kind, and never again."""
    moments = iter(range(number, -1, -1))

    def fault(call: str, moment: str) -> None:
        if f"{call} {moment}" == wanted and next(moments, -1) == 0:
            deed()

    return fault


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("moment", ["write before", "write after"])
def test_a_run_that_was_killed_simply_starts_again(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch, number: int, moment: str
) -> None:
    def kill() -> None:
        raise Killed

    with_fault(world, monkeypatch, on_call(number, moment, kill))
    with pytest.raises(Killed):
        reset_calendar(collection=target, clock=world.clock)

    reset(world, target)

    assert titles(world) == ["A meeting"]
    assert not SyncItem.objects.filter(state="intended").exists()
    assert not Item.objects.alive().filter(event__busy_rule__isnull=False).exists()


@pytest.mark.parametrize("moment", ["write before", "write after"])
def test_an_answer_that_is_lost_does_no_harm(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def lose() -> None:
        raise Refusal(Remedy.RETRY, call="delete", certain=False)

    with_fault(world, monkeypatch, on_call(1, moment, lose))
    reset(world, target)

    assert titles(world) == ["A meeting"]
    assert not SyncItem.objects.filter(state="intended").exists()


def test_a_block_that_a_person_just_edited_is_read_again_and_goes(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = world.calendars["target"]
    block = one_block(remote)
    edit = on_call(0, "write before", lambda: _discard(remote.edit(block, title="Mine now?")))
    with_fault(world, monkeypatch, edit)

    reset(world, target)

    assert titles(world) == ["A meeting"]
    lines = SyncItem.objects.filter(remote_id=block, action="delete").order_by("created_at", "pk")
    assert [line.state for line in lines] == ["lost", "done"]


def _discard(value: object) -> None:
    """A deed has no result."""


@pytest.mark.parametrize("mark", ["gone", "of an ordinary record"])
def test_a_block_whose_mark_went_away_meanwhile_is_left_alone(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    remote = world.calendars["target"]
    block = one_block(remote)
    ordinary = world.provider(target).marker.sign(block, attempt="f" * 32)

    def take_over() -> None:
        taken = remote.edit(block, title="Taken over by a person")
        taken.mark = "" if mark == "gone" else ordinary

    with_fault(world, monkeypatch, on_call(0, "write before", take_over))
    reset(world, target)

    assert "Taken over by a person" in titles(world)
    line = SyncItem.objects.get(remote_id=block, side="remote", action="delete")
    assert (line.state, line.error) == ("skipped", "it no longer bears our mark")


def test_a_block_here_whose_copy_lost_its_mark_is_left_to_the_next_sync(
    world: World, target: Collection
) -> None:
    """The mark is gone, but the database knows that the copy is ours."""
    BusyRule.objects.update(enabled=False)
    remote = world.calendars["target"]
    remote.events[one_block(remote)].mark = ""

    errand = reset_calendar(collection=target, clock=world.clock)
    assert errand.counts == {"remote.delete": 2, "local.delete": 1}
    assert titles(world) == ["A meeting", "Busy"]

    world.sync(target)
    assert titles(world) == ["A meeting"]


def test_a_block_that_somebody_else_just_deleted_counts_as_removed(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = world.calendars["target"]
    delete = on_call(0, "write before", lambda: _discard(remote.delete(one_block(remote))))
    with_fault(world, monkeypatch, delete)

    errand = reset_calendar(collection=target, clock=world.clock)

    assert (errand.state, errand.counts["remote.delete"]) == ("done", 3)


def test_an_occurrence_of_ours_in_a_series_of_somebody_else_is_cancelled(
    world: World, target: Collection
) -> None:
    remote = world.calendars["target"]
    series = next(s for s in remote.events.values() if s.parent).parent
    remote.edit(series, title="Taken over").mark = ""

    reset(world, target)

    assert titles(world) == ["A meeting", "Taken over"]
    assert preview_reset(collection=target, clock=world.clock).found == 0


def test_a_service_that_asks_for_patience_is_left_in_peace(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise Refusal(Remedy.RETRY, call="delete", status=429, reason="rateLimitExceeded")

    with_fault(world, monkeypatch, on_call(1, "write before", refuse))
    errand = reset_calendar(collection=target, clock=world.clock)
    assert (errand.state, errand.error) == ("failed", "delete: 429 rateLimitExceeded")

    reset(world, target)

    assert titles(world) == ["A meeting"]


def test_a_block_that_cannot_be_deleted_costs_only_itself(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise Refusal(Remedy.PARK, call="delete", status=400, reason="eventTypeRestriction")

    with_fault(world, monkeypatch, on_call(1, "write before", refuse))
    errand = reset_calendar(collection=target, clock=world.clock)

    assert (errand.state, errand.counts["remote.delete"]) == ("failed", 2)
    line = SyncItem.objects.get(operation=errand.operation, state="failed")
    assert line.error == "delete: 400 eventTypeRestriction"


def test_a_dead_grant_stops_the_account_and_removes_nothing(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise Refusal(Remedy.FREEZE, call="oauth2.token", status=400, reason="invalid_grant")

    with_fault(world, monkeypatch, on_call(0, "list before", refuse))
    errand = reset_calendar(collection=target, clock=world.clock)

    assert (errand.state, errand.counts) == ("failed", {})
    world.account.refresh_from_db()
    assert world.account.state == "needs_reconnect"
    assert titles(world).count("Busy") == 4


def test_two_runs_do_not_meet(world: World, target: Collection) -> None:
    run = world.run(target)

    errand = reset_calendar(collection=target, clock=world.clock)

    assert errand.state == "busy"
    assert world.calendars["target"].titles().count("Busy") == 4
    assert not SyncOperation.objects.filter(trigger="reset").exists()
    run.collection.return_lease()


def test_a_reset_does_not_use_up_what_the_guard_lets_pass(world: World, target: Collection) -> None:
    for number in range(20):
        world.calendars["source"].add(f"e{number}", title=f"Secret {number}")
    draw(world)
    BusyRule.objects.update(enabled=False)
    reset(world, target)
    world.calendars["target"].add("other", title="Another meeting")
    world.sync(target)
    delete_locally("Another meeting", world.clock())

    run = world.sync(target)

    assert run.operation.holds == []
    assert titles(world) == ["A meeting"]


def test_a_removed_rule_does_not_use_up_what_the_guard_lets_pass(
    world: World, target: Collection
) -> None:
    for number in range(20):
        world.calendars["source"].add(f"e{number}", title=f"Secret {number}")
    draw(world)
    remove_busy_rule(rule=BusyRule.objects.get(), now=world.clock())
    assert world.sync(target).operation.holds == []
    assert titles(world) == ["A meeting"]
    world.calendars["target"].add("other", title="Another meeting")
    world.sync(target)
    delete_locally("Another meeting", world.clock())

    run = world.sync(target)

    assert run.operation.holds == []
    assert titles(world) == ["A meeting"]


def test_a_preview_counts_and_changes_nothing(world: World, target: Collection) -> None:
    errand = preview_reset(collection=target, clock=world.clock)

    assert (errand.state, errand.found) == ("done", 3)
    assert len(titles(world)) == 5
    assert not SyncOperation.objects.filter(trigger="reset").exists()
