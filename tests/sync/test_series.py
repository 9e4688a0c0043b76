"""Series and their exceptions: neither goes, comes back or doubles without the other."""

from datetime import timedelta

import pytest

from calendars.models import Event
from conflicts.models import Conflict
from integrations import registry
from integrations.models import Collection
from sync import engine
from sync.core.provider import Refusal, Remedy
from sync.core.records import Direction
from sync.models import Mapping, SyncItem
from sync.preview import preview_collections
from tests.sync.world import (
    World,
    add_locally,
    delete_locally,
    edit_locally,
    except_locally,
    finish,
    local_titles,
)

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]
SLOT = "2026-05-06T07:00:00Z"


class Series(World):
    """A calendar with one series and one exception, known to both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.collection()
        self.remote = self.calendars["main"]
        self.remote.add("s", title="Daily", recurrence=DAILY)
        self.remote.add(f"s_{SLOT}", title="Later today", parent="s", slot=SLOT)
        self.sync(self.main)


@pytest.fixture
def world() -> Series:
    return Series()


def test_an_exception_belongs_to_its_series(world: Series) -> None:
    exception = Event.objects.get(title="Later today")

    assert exception.series.event.title == "Daily"
    assert exception.slot == SLOT


def test_an_exception_known_before_its_series_joins_it(world: Series) -> None:
    """Somebody may be invited to one occurrence first and to the whole series later."""
    world.remote.add(f"t_{SLOT}", title="Only this", parent="t", slot=SLOT)
    world.sync(world.main)
    assert Event.objects.get(title="Only this").series is None
    world.remote.add("t", title="All of them", recurrence=DAILY)

    world.sync(world.main)

    assert Event.objects.get(title="Only this").series.event.title == "All of them"


def test_a_change_of_this_and_all_following_is_not_held_for_being_alike(world: Series) -> None:
    """Services that keep a series in one piece show each occurrence as an exception then."""
    slots = [f"2026-05-{day:02}T07:00:00Z" for day in range(7, 20)]
    for slot in slots:
        world.remote.add(f"s_{slot}", title="Moved", parent="s", slot=slot)
    world.sync(world.main)
    for slot in slots:
        world.remote.edit(f"s_{slot}", title="Moved", location="Room 2")

    run = world.sync(world.main)

    assert run.operation.counts["local.update"] == len(slots)
    assert Event.objects.filter(location="Room 2").count() == len(slots)


def test_a_run_that_dies_never_leaves_a_series_without_its_exceptions(world: Series) -> None:
    world.remote.add(f"t_{SLOT}", title="Only this", parent="t", slot=SLOT)
    world.sync(world.main)
    world.remote.add("t", title="All of them", recurrence=DAILY)

    all_of_them = Event.objects.filter(title="All of them")
    next(step for step in engine.pull(world.run(world.main)) if step and all_of_them.exists())

    assert Event.objects.get(title="Only this").series.event.title == "All of them"


def test_a_series_whose_copy_has_no_name_stops_no_other_event(world: Series) -> None:
    """Services that name copies themselves leave them without a name until they answer."""
    world.remote.add("plain", title="Lunch")
    world.sync(world.main)
    Mapping.objects.filter(remote_id="s").update(remote_id="", remote_hash="")
    edit_locally("Later today", world.clock(), location="Room 1")
    world.remote.edit("plain", title="Late lunch")

    world.sync(world.main)

    assert "Late lunch" in local_titles()


def test_a_series_deleted_remotely_takes_its_exceptions_along(world: Series) -> None:
    world.remote.delete("s")

    world.sync(world.main)
    after = world.sync(world.main)

    assert local_titles() == []
    assert after.operation.counts == {}


def test_a_series_deleted_locally_takes_its_exceptions_along(world: Series) -> None:
    delete_locally("Daily", world.clock())

    world.sync(world.main)
    world.sync(world.main)
    after = world.sync(world.main)

    assert world.remote.titles() == []
    assert world.remote.writes == [("delete", "s")]
    assert local_titles() == []
    assert after.operation.counts == {}


def test_a_series_deleted_locally_with_its_exceptions_is_settled_in_one_run(world: Series) -> None:
    delete_locally("Later today", world.clock())
    delete_locally("Daily", world.clock())

    world.sync(world.main)
    after = world.sync(world.main)

    assert world.remote.titles() == []
    assert after.operation.counts == {}


def test_an_exception_edited_while_its_series_was_deleted_elsewhere_is_kept(world: Series) -> None:
    world.remote.delete("s")
    edit_locally("Later today", world.clock(), title="Much later")

    world.sync(world.main)
    world.sync(world.main)

    assert local_titles() == []
    assert Conflict.objects.get(outcome="automatic").local["title"] == "Much later"


def test_a_remote_exception_is_kept_before_the_deletion_of_its_series_takes_it(
    world: Series,
) -> None:
    world.remote.edit(f"s_{SLOT}", title="Much later")
    delete_locally("Daily", world.clock())

    world.sync(world.main)

    assert Conflict.objects.get(outcome="automatic").remote["title"] == "Much later"
    assert world.remote.titles() == []


def test_a_series_that_is_made_again_brings_its_exceptions_along(world: Series) -> None:
    """Else occurrences that were moved or cancelled would come back where they had been."""
    world.remote.delete("s")
    edit_locally("Daily", world.clock(), title="Daily, still")

    world.sync(world.main)
    world.sync(world.main)
    after = world.sync(world.main)

    assert world.remote.titles() == ["Daily, still", "Later today"]
    assert local_titles() == ["Daily, still", "Later today"]
    assert after.operation.counts == {}


def test_a_dry_run_foretells_an_exception_that_is_taken_in_after_its_series_came_back(
    world: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exception waits for its series, so that only the second half of a run takes it in."""
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: world.provider(c))
    slot = "2026-05-07T07:00:00Z"
    delete_locally("Daily", world.clock())
    world.remote.edit("s", title="Daily, still")
    world.remote.add(f"s_{slot}", title="Another", parent="s", slot=slot)

    world.main.refresh_from_db()
    (said,) = preview_collections(collections=[world.main], clock=world.clock)
    done = world.sync(world.main).operation

    foretold = sorted((change.side, change.action, change.key) for change in said.changes)
    assert ("local", "create", f"s_{slot}") in foretold
    assert foretold == sorted(done.items.values_list("side", "action", "remote_id"))
    assert said.counts.items() <= done.counts.items()


def test_both_sides_changing_the_same_occurrence_meet_in_one_exception(world: Series) -> None:
    slot = "2026-05-07T07:00:00Z"
    world.remote.add(f"s_{slot}", title="There", location="Hall", parent="s", slot=slot)
    except_locally("Daily", slot, world.clock(), title="Here")

    world.sync(world.main)

    conflict = Conflict.objects.get(outcome="open")
    assert (conflict.local["title"], conflict.remote["title"]) == ("Here", "There")
    assert Event.objects.filter(slot=slot).count() == 1


def test_a_series_and_its_exception_that_appear_within_a_run_go_out_together(
    world: Series,
) -> None:
    """As those of busy blocks do, which are drawn between the two halves of a run."""
    run = world.run(world.main)
    finish(engine.pull(run))
    starts = world.clock() + timedelta(days=1)
    times = {"starts_at": starts, "ends_at": starts + timedelta(hours=1), "start_zone": "UTC"}
    add_locally(world.main, world.clock(), title="Busy", recurrence=DAILY, **times)
    except_locally("Busy", "2026-05-03T12:01:00Z", world.clock(), title="Busy, later")

    finish(engine.push(run))

    assert world.remote.titles() == ["Busy", "Busy, later", "Daily", "Later today"]


def test_a_series_moves_before_the_exceptions_that_its_new_hour_makes_possible(
    world: Series,
) -> None:
    """A service refuses an exception of an occurrence that the series does not have yet."""
    series = edit_locally("Daily", world.clock(), location="Another hour")
    except_locally("Daily", "2026-05-07T09:00:00Z", world.clock(), title="At the new hour")

    world.sync(world.main)

    sent = SyncItem.objects.filter(side="remote").order_by("created_at", "pk")
    assert [item.item.event.title for item in sent] == ["Daily", "At the new hour"]
    assert sent[0].item == series


def test_a_new_exception_waits_for_a_series_that_could_not_be_made(world: Series) -> None:
    edit_locally("Daily", world.clock(), title="Daily, still")
    world.remote.delete("s")
    provider = world.provider(world.main)

    def fault(call: str, moment: str) -> None:
        if call == "write" and moment == "before":
            raise Refusal(Remedy.PARK, call="insert", status=400, reason="invalid")

    provider.fault = fault
    world.sync(world.main, provider)

    tried = SyncItem.objects.filter(side="remote")
    assert set(tried.values_list("item__event__title", flat=True)) == {"Daily, still"}


def test_an_occurrence_that_is_cancelled_already_is_not_deleted_again(world: Series) -> None:
    """A service shows a deleted occurrence cancelled, also if it never answered the deletion."""
    Collection.objects.update(direction=Direction.PUSH)
    delete_locally("Later today", world.clock())

    def lose_the_answer(call: str, moment: str) -> None:
        if (call, moment) == ("write", "after"):
            raise Refusal(Remedy.RETRY, call=call, certain=False)

    provider = world.provider(world.main)
    provider.fault = lose_the_answer
    world.sync(world.main, provider)
    after = world.sync(world.main)

    assert [kind for kind, _ in world.remote.writes] == ["delete"]
    assert after.operation.counts == {}
