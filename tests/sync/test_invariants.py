"""check_sync: a sound database passes, and each way of breaking it is found, with its row."""

import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from pytest_django import DjangoDbBlocker

from calendars.models import BusyRule, Event
from integrations.models import Account, Circle, Collection, Workspace
from sync import invariants
from sync.invariants import check_all
from sync.models import Mapping, SyncItem
from tests.sync.blocks import world_with_blocks
from tests.sync.world import World, delete_locally, edit_locally

pytestmark = pytest.mark.django_db

# When each test begins.
NOW = datetime(2026, 5, 1, 12, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Two calendars in step, with a journal, a merge and a deletion behind them.

    Built once, outside any transaction; each test then breaks it in one that is rolled back.
    """
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        world = world_with_blocks(patch)
        target = Collection.objects.get(remote_id="target")
        world.calendars["target"].add("other", title="Another meeting")
        world.sync(target)
        world.calendars["target"].edit("meeting", location="There")
        edit_locally("A meeting", world.clock(), title="Our meeting")
        delete_locally("Another meeting", world.clock())
        world.sync(target)
        world.clock.now = NOW
        yield world
        Workspace.objects.all().delete()


@pytest.fixture
def world(built: World) -> World:
    built.clock.now = NOW
    return built


def broken(world: World) -> dict[str, list[str]]:
    """Which invariants are broken now, by which rows."""
    return {f.name: list(f.rows) for f in check_all(world.clock()) if f.rows}


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount == 1


def meeting() -> Mapping:
    return Mapping.objects.get(item__event__title="Our meeting")


def exception() -> Mapping:
    """The remote copy of the block of the moved occurrence."""
    return Mapping.objects.exclude(parent="").get(collection__remote_id="target")


def a_block() -> Event:
    return Event.objects.filter(busy_rule__isnull=False, series=None, recurrence=[])[0]


def deletion() -> SyncItem:
    return SyncItem.objects.get(side="remote", action="delete")


def foreign_workspace() -> Workspace:
    return Workspace.objects.create(name="Others")


def test_a_database_in_step_is_sound(world: World) -> None:
    assert broken(world) == {}


def test_a_cursor_without_a_complete_listing_is_found(world: World) -> None:
    main = Collection.objects.get(remote_id="target")
    sql("UPDATE integrations_collection SET listed_at = NULL WHERE id = %s", main.pk)

    assert broken(world) == {"cursor_after_listing": [str(main.pk)]}


def test_a_forgotten_intent_is_found_once_no_run_is_busy(world: World) -> None:
    line = deletion()
    sql("UPDATE sync_syncitem SET state = 'intended' WHERE id = %s", line.pk)
    assert broken(world) == {}
    world.clock.advance(minutes=16)
    run = world.run(line.operation.collection)
    assert broken(world) == {}
    run.collection.return_lease()

    assert broken(world) == {"intents_answered": [str(line.pk)]}


@pytest.mark.parametrize("column", ["evidence", "expected_version"])
def test_a_deletion_without_proof_is_found(world: World, column: str) -> None:
    line = deletion()
    sql(f"UPDATE sync_syncitem SET {column} = '' WHERE id = %s", line.pk)  # noqa: S608

    assert broken(world) == {"deletions_proven": [str(line.pk)]}


def test_a_service_without_versions_has_none_to_bind_a_deletion_to(world: World) -> None:
    Mapping.objects.update(version="")
    SyncItem.objects.update(expected_version="")

    assert broken(world) == {}


def test_a_mapping_that_joins_two_workspaces_is_found(world: World) -> None:
    mapping, other = meeting(), foreign_workspace()
    sql("UPDATE calendars_item SET workspace_id = %s WHERE id = %s", other.pk, mapping.item_id)

    assert broken(world) == {"mapping_in_one_workspace": [str(mapping.pk)]}


def test_a_block_whose_source_is_of_another_workspace_is_found(world: World) -> None:
    block, other = a_block(), foreign_workspace()
    sql("UPDATE calendars_item SET workspace_id = %s WHERE id = %s", other.pk, block.source_id)

    assert broken(world)["block_in_one_workspace"] == [str(block.pk)]


def test_a_rule_between_two_workspaces_is_found(world: World) -> None:
    rule = BusyRule.objects.get()
    theirs = Account.objects.create(workspace=foreign_workspace(), service="google", identity="x")
    sql(
        "UPDATE integrations_collection SET account_id = %s WHERE id = %s",
        theirs.pk,
        rule.source_id,
    )

    assert broken(world)["rule_in_one_workspace"] == [str(rule.pk)]


@pytest.mark.parametrize(
    "tree",
    [
        "remote = base",
        "remote = NULL, remote_hash = 'x'",
        "base = NULL",
        "base_hash = '', remote_hash = ''",
    ],
)
def test_a_tree_in_the_wrong_place_is_found(world: World, tree: str) -> None:
    mapping = meeting()
    sql(f"UPDATE sync_mapping SET {tree} WHERE id = %s", mapping.pk)  # noqa: S608

    assert broken(world)["trees_in_place"] == [str(mapping.pk)]


def test_a_hash_that_is_not_that_of_its_tree_is_found(world: World) -> None:
    mapping = meeting()
    sql("UPDATE sync_mapping SET base = base || %s WHERE id = %s", '{"title": "?"}', mapping.pk)

    assert broken(world) == {"hashes_true": [str(mapping.pk)]}


def test_an_item_that_waits_for_nothing_is_found(world: World) -> None:
    item = meeting().item_id
    sql("UPDATE calendars_item SET pending = true WHERE id = %s", item)

    assert broken(world) == {"rest_when_seen": [str(item)]}


def test_a_change_that_would_never_be_sent_is_found(world: World) -> None:
    item = meeting().item_id
    sql("UPDATE calendars_item SET revision = revision + 1 WHERE id = %s", item)

    assert broken(world) == {"sent_when_changed": [str(item)]}


def test_an_exception_whose_series_is_dead_is_found(world: World) -> None:
    moved = Event.objects.get(title="Moved")
    sql("UPDATE calendars_item SET deleted_at = now() WHERE id = %s", moved.series_id)

    assert broken(world)["exception_with_series"] == [str(moved.pk)]


def test_a_remote_exception_whose_series_is_gone_is_found(world: World) -> None:
    mapping = exception()
    sql(
        "UPDATE sync_mapping SET base = NULL, base_hash = '', remote_hash = '' "
        "WHERE collection_id = %s AND remote_id = %s",
        mapping.collection_id,
        mapping.parent,
    )

    assert broken(world)["copy_with_series"] == [str(mapping.pk)]


def test_two_copies_of_one_occurrence_are_found(world: World) -> None:
    second = exception()
    second.pk, second.item_id, second.remote_id = uuid.UUID(int=2**128 - 1), None, "second"
    second.save(force_insert=True)

    assert broken(world) == {"one_copy_per_occurrence": [str(second.pk)]}


def test_an_item_that_only_lives_on_here_is_found(world: World) -> None:
    mapping = meeting()
    sql(
        "UPDATE sync_mapping SET base = NULL, base_hash = '', remote_hash = '' WHERE id = %s",
        mapping.pk,
    )

    assert broken(world) == {"gone_there_gone_here": [str(mapping.item_id)]}


def test_a_block_whose_source_is_gone_is_found(world: World) -> None:
    block = a_block()
    sql("UPDATE calendars_item SET deleted_at = now() WHERE id = %s", block.source_id)

    assert broken(world) == {"block_of_something": [str(block.pk)]}


def test_a_block_in_another_calendar_than_its_rule_says_is_found(world: World) -> None:
    block, source = a_block(), Collection.objects.get(remote_id="source")
    sql("UPDATE calendars_item SET home_id = %s WHERE id = %s", source.pk, block.pk)

    assert broken(world) == {"block_in_its_target": [str(block.pk)]}


def test_a_copy_at_home_that_counts_as_away_is_found(world: World) -> None:
    mapping = meeting()
    sql("UPDATE sync_mapping SET away = true, base = '{}' WHERE id = %s", mapping.pk)
    found = broken(world)
    found.pop("hashes_true", None)

    assert found["home_or_away"] == [str(mapping.pk)]


def test_a_copy_in_a_calendar_outside_the_circle_is_found(world: World) -> None:
    """So it is after somebody took a calendar out of its circle by hand."""
    mapping, source = meeting(), Collection.objects.get(remote_id="source")
    sql("UPDATE sync_mapping SET away = true WHERE id = %s", mapping.pk)
    sql("UPDATE calendars_item SET home_id = %s WHERE id = %s", source.pk, mapping.item_id)

    assert broken(world)["away_within_circle"] == [str(mapping.pk)]


def test_a_copy_away_from_home_that_holds_guests_is_found(world: World) -> None:
    mapping = meeting()
    sql("UPDATE sync_mapping SET away = true WHERE id = %s", mapping.pk)

    assert broken(world)["shared_only"] == [str(mapping.pk)]


def test_a_circle_across_workspaces_is_found(world: World) -> None:
    circle = Circle.objects.create(workspace=Workspace.objects.create(name="B"), name="ours")
    main = Collection.objects.get(remote_id="target")
    sql("UPDATE integrations_collection SET circle_id = %s WHERE id = %s", circle.pk, main.pk)

    assert broken(world)["circle_in_one_workspace"] == [str(main.pk)]


@pytest.mark.parametrize("until", ["'2026-05-01T15:00Z'", "'2026-04-29T00:00Z'"])
def test_a_lease_out_of_time_is_found(world: World, until: str) -> None:
    main = Collection.objects.get(remote_id="target")
    sql(
        f"UPDATE integrations_collection SET lease_holder = 'x', lease_until = {until} "  # noqa: S608
        "WHERE id = %s",
        main.pk,
    )

    assert broken(world) == {"lease_in_time": [str(main.pk)]}


def test_every_invariant_has_a_test_that_breaks_it() -> None:
    text = Path(__file__).read_text(encoding="utf-8")

    assert [check.name for check in invariants.CHECKS if f'"{check.name}"' not in text] == []


@pytest.mark.parametrize(
    ("constraint", "statement"),
    [
        (
            "one_mapping_per_item_and_collection",
            "UPDATE sync_mapping SET item_id = (SELECT item_id FROM sync_mapping "
            "WHERE remote_id = 'meeting') WHERE remote_id <> 'meeting' AND collection_id = "
            "(SELECT collection_id FROM sync_mapping WHERE remote_id = 'meeting')",
        ),
        (
            "one_mapping_per_remote_copy",
            "UPDATE sync_mapping SET remote_id = 'meeting' WHERE remote_id <> ''",
        ),
        (
            "no_remote_deletion_without_evidence",
            "UPDATE sync_syncitem SET state = 'intended', evidence = '' WHERE action = 'delete'",
        ),
        (
            "one_unsettled_conflict_per_mapping",
            "INSERT INTO conflicts_conflict (id, mapping_id, fields, local_hash, remote_hash, "
            "strategy, winners, outcome, created_at) "
            "SELECT gen_random_uuid(), id, '[]', '', '', 'x', '{}', 'open', now() "
            "FROM sync_mapping, generate_series(1, 2) WHERE remote_id = 'meeting'",
        ),
        (
            "a_ruled_conflict_has_its_ruling",
            "INSERT INTO conflicts_conflict (id, mapping_id, fields, local_hash, remote_hash, "
            "strategy, winners, outcome, created_at) "
            "SELECT gen_random_uuid(), id, '[]', '', '', 'x', '{}', 'ruled', now() "
            "FROM sync_mapping WHERE remote_id = 'meeting'",
        ),
        (
            "a_busy_block_has_both_its_rule_and_its_source",
            "UPDATE calendars_event SET source_id = NULL WHERE busy_rule_id IS NOT NULL",
        ),
        (
            "one_block_per_rule_and_occurrence",
            "UPDATE calendars_event SET source_id = (SELECT item_id FROM calendars_event "
            "WHERE title = 'Secret A') WHERE busy_rule_id IS NOT NULL",
        ),
    ],
)
def test_what_a_constraint_forbids_cannot_be_stored(
    world: World, constraint: str, statement: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_command_passes_a_sound_database_and_exits_with_1_otherwise(world: World) -> None:
    out = io.StringIO()
    call_command("check_sync", stdout=out)
    assert f"{len(invariants.CHECKS)} of {len(invariants.CHECKS)} invariants hold" in out.getvalue()

    item = meeting().item_id
    sql("UPDATE calendars_item SET pending = true WHERE id = %s", item)
    plain, document = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("check_sync", stdout=plain)
    with pytest.raises(SystemExit):
        call_command("check_sync", "--json", stdout=document)

    assert left.value.code == 1
    assert "BROKEN rest_when_seen" in plain.getvalue()
    assert f"  {item}" in plain.getvalue()
    said = json.loads(document.getvalue())
    assert said["sound"] is False
    rows = {check["name"]: check["rows"] for check in said["checks"]}
    assert rows["rest_when_seen"] == [str(item)]
