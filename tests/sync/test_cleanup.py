"""Cleanup: blocks that belong to nothing go, here and there; what anything claims stays."""

import io
import json
import uuid

import pytest
from django.core.management import call_command
from django.utils import timezone

from calendars.models import BusyRule, Event, Item
from integrations.models import Collection
from sync.cleanup import cleanup_orphaned, preview_cleanup, strays_in
from sync.errands import Errand
from sync.models import Mapping, SyncItem, SyncOperation
from tests.sync.blocks import draw, lose_database, one_block, with_fault, world_with_blocks
from tests.sync.remote import RemoteProvider, Stored
from tests.sync.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return world_with_blocks(monkeypatch)


@pytest.fixture
def target(world: World) -> Collection:
    return Collection.objects.get(remote_id="target")


def cleanup(world: World, collection: Collection) -> Errand:
    (errand,) = cleanup_orphaned(collections=[collection], clock=world.clock)
    return errand


def titles(world: World) -> list[str]:
    return world.calendars["target"].titles()


def stray(world: World, name: str = "stray", **fields: object) -> Stored:
    """A block of ours that a sleeping worker wrote after all: genuine, and mapped nowhere."""
    stored = world.calendars["target"].add(name, title="Stray", **fields)
    marker = world.provider(Collection.objects.get(remote_id="target")).marker
    stored.mark = marker.sign(name, attempt=uuid.uuid4().hex, rule=BusyRule.objects.get().pk.hex)
    return stored


def test_where_everything_belongs_to_something_nothing_goes(
    world: World, target: Collection
) -> None:
    before = titles(world)

    errand = cleanup(world, target)

    assert (errand.state, errand.counts) == ("done", {})
    assert titles(world) == before
    assert not SyncItem.objects.filter(operation=errand.operation).exists()


def test_a_block_there_that_nothing_claims_is_deleted_with_its_evidence(
    world: World, target: Collection
) -> None:
    stray(world)

    errand = cleanup(world, target)

    assert errand.counts == {"remote.delete": 1}
    assert titles(world) == ["A meeting", "Busy", "Busy", "Busy", "Busy"]
    line = SyncItem.objects.get(operation=errand.operation)
    assert (line.remote_id, line.state, line.mapping) == ("stray", "done", None)
    assert line.evidence.startswith("genuine mark of rule")


def test_after_the_database_was_lost_all_blocks_go_and_nothing_else(
    world: World, target: Collection
) -> None:
    anew = lose_database()
    world.calendars["target"].add("copied", title="Copied").mark = "1.x.y.z"

    cleanup(world, anew)

    assert titles(world) == ["A meeting", "Copied"]


def test_a_block_that_another_account_with_the_same_calendar_claims_stays(
    world: World, target: Collection
) -> None:
    before = titles(world)
    other = World(clock=world.clock)
    shared = other.collection("target")

    errand = cleanup(world, shared)

    assert errand.counts == {}
    assert titles(world) == before


@pytest.mark.parametrize("mark_of_series", ["there", "gone"])
def test_an_occurrence_that_a_person_moved_in_our_series_stays(
    world: World, target: Collection, mark_of_series: str
) -> None:
    remote = world.calendars["target"]
    series = remote.events[next(s.parent for s in remote.events.values() if s.parent)]
    slot = "2026-05-07T09:00:00Z"
    moved = remote.add("moved", title="Moved", parent=series.remote_id, slot=slot)
    moved.mark = series.mark
    if mark_of_series == "gone":
        series.mark = ""

    cleanup(world, target)

    assert "Moved" in titles(world)


def test_a_copy_that_came_back_after_its_block_was_deleted_goes(
    world: World, target: Collection
) -> None:
    BusyRule.objects.update(enabled=False)
    remote = world.calendars["target"]
    block = remote.events[one_block(remote)]
    name, fields, mark = block.remote_id, dict(block.fields or {}), block.mark
    Item.objects.filter(mappings__remote_id=name).update(deleted_at=world.clock())
    Item.objects.filter(mappings__remote_id=name).touch()
    world.sync(target)
    assert name not in remote.alive()
    restored = remote.add(name, **fields)
    restored.mark = mark

    errand = cleanup(world, target)

    assert errand.counts == {"remote.delete": 1}
    assert name not in remote.alive()


def test_blocks_here_whose_rule_or_source_is_gone_are_deleted_and_the_next_sync_follows(
    world: World, target: Collection
) -> None:
    source = Event.objects.get(title="Secret A").item
    Item.objects.filter(pk=source.pk).update(deleted_at=world.clock())

    errand = cleanup(world, target)
    world.sync(target)

    assert errand.counts == {"local.delete": 1}
    assert titles(world) == ["A meeting", "Busy", "Busy", "Busy"]
    line = SyncItem.objects.get(operation=errand.operation)
    assert (line.side, line.evidence) == ("local", "its source was deleted")

    BusyRule.objects.update(removed_at=world.clock())
    assert cleanup(world, target).counts == {"local.delete": 3}


def test_the_block_of_an_exception_outlives_its_source(world: World, target: Collection) -> None:
    moved = Event.objects.get(title="Moved").item
    Item.objects.filter(pk=moved.pk).update(deleted_at=world.clock())

    assert cleanup(world, target).counts == {}


def test_a_calendar_that_is_only_read_or_takes_no_part_is_not_written_to(
    world: World, target: Collection
) -> None:
    stray(world)
    for settings in ({"direction": "pull"}, {"selected": False}, {"gone_at": timezone.now()}):
        Collection.objects.filter(pk=target.pk).update(
            **{"direction": "two_way", "selected": True, "gone_at": None} | settings
        )
        target.refresh_from_db()
        cleanup(world, target)

    assert "Stray" in titles(world)


def test_while_a_sync_runs_the_remote_part_waits_and_the_rest_is_done(
    world: World, target: Collection
) -> None:
    stray(world)
    BusyRule.objects.update(removed_at=world.clock())
    run = world.run(target)

    errand = cleanup(world, target)

    assert (errand.state, errand.counts) == ("busy", {"local.delete": 4})
    assert "Stray" in titles(world)
    run.collection.return_lease()
    assert cleanup(world, target).counts == {"remote.delete": 1}


def test_a_cleanup_that_was_killed_simply_starts_again(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process died here."""

    def kill(call: str, moment: str) -> None:
        if (call, moment) == ("write", "after"):
            raise Killed

    stray(world)
    with_fault(world, monkeypatch, kill)
    with pytest.raises(Killed):
        cleanup(world, target)
    with_fault(world, monkeypatch, lambda call, moment: None)

    errand = cleanup(world, target)

    assert errand.state == "done"
    assert "Stray" not in titles(world)
    assert not SyncItem.objects.filter(state="intended").exists()


def test_a_block_that_is_being_made_right_now_is_claimed_by_its_intent(
    world: World, target: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mapping is committed before the copy is made, so whoever sees the copy sees its claim."""
    seen: list[int] = []

    def look(call: str, moment: str) -> None:
        if (call, moment) == ("write", "after"):
            seen.append(len(strays_in(target, RemoteProvider(world.calendars["target"]))))

    provider = RemoteProvider(world.calendars["target"], fault=look)
    world.calendars["source"].add("c", title="Secret C")
    draw(world, provider)

    assert seen == [0]


def test_a_dry_run_says_what_would_go_and_changes_no_table(
    world: World, target: Collection
) -> None:
    stray(world)
    BusyRule.objects.update(removed_at=world.clock())
    before = _everything()

    (errand,) = preview_cleanup(collections=[target], clock=world.clock)

    assert (errand.found, errand.counts) == (1, {"local.delete": 4})
    assert _everything() == before
    assert "Stray" in titles(world)


def _everything() -> list[list[dict[str, object]]]:
    models = (Item, Event, Mapping, BusyRule, SyncItem, SyncOperation, Collection)
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def test_the_command_cleans_every_calendar_and_says_so(world: World, target: Collection) -> None:
    stray(world)
    plain, document = io.StringIO(), io.StringIO()

    call_command("cleanup_orphaned", "--dry-run", stdout=plain)
    call_command("cleanup_orphaned", "--json", stdout=document)

    assert "blocks deleted there: 1" in plain.getvalue()
    assert "Nothing was changed." in plain.getvalue()
    said = {c["name"]: c for c in json.loads(document.getvalue())["collections"]}
    assert said["target"]["counts"]["remote.delete"] == 1
    assert "remote.delete" not in said["source"]["counts"]
    assert "Stray" not in titles(world)
