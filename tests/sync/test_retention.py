"""Retention: what has expired goes, in the right order; what somebody may still need stays."""

from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from calendars.models import BusyRule, Event, Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.models import Mapping, SyncItem, SyncLog, SyncOperation
from sync.retention import BATCH, purge
from tests.sync.blocks import world_with_blocks
from tests.sync.world import World, delete_locally

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return world_with_blocks(monkeypatch)


@pytest.fixture
def target(world: World) -> Collection:
    return Collection.objects.get(remote_id="target")


def later(world: World, collection: Collection, days: int) -> dict[str, int]:
    """Purge so many days from now; returns what went."""
    counts = purge(collection, world.clock() + timedelta(days=days))
    return {what: number for what, number in counts.items() if number}


def line(collection: Collection, world: World, **columns: object) -> SyncItem:
    operation = SyncOperation.objects.create(
        collection=collection, trigger="test", started_at=world.clock()
    )
    values = {"side": "remote", "action": "update", "state": "done", "created_at": world.clock()}
    return SyncItem.objects.create(operation=operation, **values | columns)


def test_nothing_young_goes(world: World, target: Collection) -> None:
    assert later(world, target, days=1) == {}


def test_the_journal_goes_after_its_time_and_no_sooner(world: World, target: Collection) -> None:
    SyncLog.objects.create(
        operation=SyncOperation.objects.filter(collection=target).get(),
        at=world.clock(),
        level="warning",
        code="test",
    )
    lines = SyncItem.objects.filter(operation__collection=target).count()

    assert later(world, target, days=179) == {}
    assert later(world, target, days=181) == {"journal lines": lines, "logs": 1, "operations": 1}
    assert SyncOperation.objects.filter(collection__remote_id="source").exists()


def test_the_settings_say_how_long(world: World, target: Collection, settings: Settings) -> None:
    settings.LOCKSTEP_JOURNAL_DAYS = 7

    assert later(world, target, days=8)["operations"] == 1


@pytest.mark.parametrize("state", ["intended", "held"])
def test_what_waits_for_an_answer_stays_however_old(
    world: World, target: Collection, state: str
) -> None:
    waiting = line(target, world, state=state)

    later(world, target, days=1000)

    assert SyncItem.objects.filter(pk=waiting.pk).exists()


def test_a_lost_write_stays_until_the_journal_expires_and_its_grave_with_it(
    world: World, target: Collection
) -> None:
    item = delete_locally("A meeting", world.clock())
    world.sync(target)
    grave = Mapping.objects.get(item=item)
    line(target, world, state="lost", mapping=grave, item=item)

    later(world, target, days=100)
    assert Mapping.objects.filter(pk=grave.pk).exists()

    later(world, target, days=200)
    assert not Mapping.objects.filter(pk=grave.pk).exists()


def test_a_settled_conflict_goes_and_an_open_one_stays_with_all_it_is_about(
    world: World, target: Collection
) -> None:
    item = delete_locally("A meeting", world.clock())
    world.sync(target)
    grave = Mapping.objects.get(item=item)
    waiting = Conflict.objects.create(
        mapping=grave,
        operation=line(target, world).operation,
        strategy="manual_review",
        created_at=world.clock(),
    )
    later(world, target, days=1000)
    assert Conflict.objects.filter(pk=waiting.pk, operation__isnull=False).exists()
    assert Mapping.objects.filter(pk=grave.pk).exists()

    Conflict.objects.update(outcome="moot")
    later(world, target, days=1000)
    assert not Conflict.objects.exists()
    assert not Mapping.objects.filter(pk=grave.pk).exists()


def test_a_losing_version_is_kept_as_long_as_the_journal(world: World, target: Collection) -> None:
    item = delete_locally("A meeting", world.clock())
    world.sync(target)
    Conflict.objects.create(
        mapping=Mapping.objects.get(item=item),
        strategy="preserve_remote",
        outcome="automatic",
        created_at=world.clock(),
    )

    later(world, target, days=100)

    assert Conflict.objects.exists()


def test_a_deleted_item_goes_once_all_its_mappings_are_old_graves(
    world: World, target: Collection
) -> None:
    item = delete_locally("A meeting", world.clock())
    later(world, target, days=100)
    assert Item.objects.filter(pk=item.pk).exists()
    world.sync(target)

    assert later(world, target, days=59) == {}
    assert later(world, target, days=61) == {"mappings": 1, "items": 1}
    assert not Event.objects.filter(pk=item.pk).exists()


def test_the_grave_of_a_living_item_names_its_successor_and_stays(
    world: World, target: Collection
) -> None:
    Mapping.objects.filter(item__event__title="A meeting").update(base_hash="", remote_hash="")

    assert later(world, target, days=100) == {}


def test_a_copy_that_never_became_an_item_leaves_no_grave(world: World, target: Collection) -> None:
    Mapping.objects.create(collection=target, remote_id="ghost", seen_at=world.clock())

    assert later(world, target, days=61) == {"mappings": 1}


def test_blocks_go_before_sources_exceptions_before_series_and_then_the_rule(
    world: World, target: Collection
) -> None:
    """Every reference between events forbids deleting what it points to."""
    source = Collection.objects.get(remote_id="source")
    BusyRule.objects.update(removed_at=world.clock())
    Item.objects.update(deleted_at=world.clock())
    Mapping.objects.update(base_hash="", remote_hash="", base=None, remote=None)

    assert "items" not in later(world, source, days=61)
    assert later(world, target, days=61) == {"mappings": 5, "items": 5, "rules": 1}
    assert later(world, source, days=61) == {"items": 4}
    assert not Event.objects.exists()


def test_a_rule_stays_while_one_block_of_it_is_left(world: World, target: Collection) -> None:
    BusyRule.objects.update(removed_at=world.clock())

    assert later(world, target, days=61) == {}


@pytest.mark.django_db(transaction=True)
def test_a_row_that_a_run_is_working_on_is_left_for_the_next_time(
    world: World, target: Collection
) -> None:
    ghost = Mapping.objects.create(collection=target, remote_id="ghost", seen_at=world.clock())
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT id FROM sync_mapping WHERE id = %s FOR UPDATE", [ghost.pk])
            assert later(world, target, days=61) == {}
            cursor.execute("ROLLBACK")
    finally:
        other.close()

    assert later(world, target, days=61) == {"mappings": 1}


def test_expired_lines_go_in_batches(world: World, target: Collection) -> None:
    operation = SyncOperation.objects.create(
        collection=target, trigger="test", started_at=world.clock()
    )
    old = 2 * BATCH + 1
    SyncItem.objects.bulk_create(
        SyncItem(operation=operation, side="local", state="done", created_at=world.clock())
        for _ in range(old)
    )

    gone = later(world, target, days=181)

    assert gone["journal lines"] > old
    assert not SyncItem.objects.filter(operation=operation).exists()
