"""What a run costs: it goes by what changed, not by how much there is."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import Collection
from sync.models import Mapping
from tests.sync.remote import RemoteProvider
from tests.sync.world import World, edit_locally, local_titles

pytestmark = pytest.mark.django_db

SIZES = (100, 2_000)
# What a run with nothing to do asks the database, transactions included; whoever needs more of it
# has to find that worth the while.
IDLE = 42


def full(size: int) -> tuple[World, Collection]:
    """A world whose calendar holds so many events, all of them in step."""
    world = World()
    calendar = world.collection()
    for number in range(size):
        world.calendars["main"].add(f"event{number}", title=f"Meeting {number}")
    sync(world, calendar)
    return world, calendar


def sync(world: World, calendar: Collection) -> int:
    """Run once, with pages and batches as large as Google's; return the number of queries."""
    provider = RemoteProvider(world.calendars["main"], page=2_500)
    with CaptureQueriesContext(connection) as queries:
        world.sync(calendar, provider)
    return len(queries)


def test_pulling_costs_as_many_queries_in_a_small_calendar_as_in_a_large_one() -> None:
    costs = []
    for size in SIZES:
        world, calendar = full(size)
        costs.append([])
        for changes in (0, 2, 100):
            for number in range(changes):
                world.calendars["main"].edit(
                    f"event{number}", title=f"Moved {size} {changes} {number}"
                )
            costs[-1].append(sync(world, calendar))

            assert (
                sum(title.startswith(f"Moved {size} {changes} ") for title in local_titles())
                == changes
            )

    small, large = costs
    assert small == large
    nothing, two, hundred = large
    assert nothing < two == hundred
    assert nothing <= IDLE


def test_pushing_costs_as_many_queries_in_a_small_calendar_as_in_a_large_one() -> None:
    costs = []
    for size in SIZES:
        world, calendar = full(size)
        edit_locally("Meeting 7", world.clock(), title="Moved")
        costs.append(sync(world, calendar))

        assert "Moved" in world.calendars["main"].titles()

    assert costs[0] == costs[1]


def test_the_answers_to_a_batch_are_written_down_together() -> None:
    world, calendar = full(SIZES[0])
    costs = []
    for changes in (2, 3):
        for number in range(changes):
            edit_locally(f"Meeting {number}", world.clock(), location=f"Room {changes}")
        costs.append(sync(world, calendar))
        sync(world, calendar)  # sees what was written, so that the next one has nothing to read

    assert world.provider(calendar).traits.batch == 3
    assert costs[0] == costs[1]


def test_for_a_deletion_no_more_items_are_counted_than_make_a_difference() -> None:
    world, calendar = full(SIZES[0])
    world.calendars["main"].delete("event7")
    with CaptureQueriesContext(connection) as queries:
        sync(world, calendar)

    assert "Meeting 7" not in local_titles()
    asked = [query["sql"] for query in queries if "base_hash" in query["sql"]]
    counts = [sql for sql in asked if "COUNT(" in sql]
    assert counts
    assert all("LIMIT 2)" in sql for sql in counts)


def test_copies_are_found_by_their_names_without_reading_the_whole_table() -> None:
    names = [f"event{number}" for number in range(2_500)]
    here = Mapping.objects.filter(collection=World().collection())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'sync_mapping'"
            " AND indexdef LIKE '%(collection_id)'"
        )
        (every_row_of_a_collection,) = cursor.fetchone()
        cursor.execute(f"DROP INDEX {every_row_of_a_collection}")
        cursor.execute("SET LOCAL enable_seqscan = off")

    assert "one_mapping_per_remote_copy" in here.named(names).explain()
    assert "mappings_by_series" in here.parts_of(names).explain()


def test_a_large_import_lets_postgresql_know_how_the_table_has_grown() -> None:
    full(5_000)

    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'sync_mapping'")
        (rows,) = cursor.fetchone()
    assert rows >= 5_000
