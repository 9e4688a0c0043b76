"""Several workers at once, each at another calendar of the same circle."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from calendars.models import Item
from integrations import registry
from integrations.models import Account, Collection
from sync import inward
from sync.circles import add_to_circle
from sync.models import SyncItem, SyncOperation
from sync.services import sync_due_collection
from tests.sync.circle import Ring, one_item

pytestmark = pytest.mark.django_db(transaction=True)

ABC = ["a", "b", "c"]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    ring = Ring()
    ring.members = [ring.collection(name) for name in ABC]
    Account.objects.update(listed_at=ring.clock())
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: ring.provider(c))
    return ring


def at_once(*deeds: Callable[[], object]) -> None:
    """Do all of it at the same time, each with a connection of its own."""
    troubles: list[Exception] = []

    def run(deed: Callable[[], object]) -> None:
        try:
            deed()
        except Exception as error:
            troubles.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []


def workers(ring: Ring) -> None:
    """One worker for each calendar, as often as something is due."""
    for _ in range(6):
        ring.clock.advance(minutes=10)
        ids = Collection.objects.due(ring.clock()).values_list("pk", flat=True)
        at_once(*(_worker(ring, pk) for pk in ids))


def _worker(ring: Ring, pk: object) -> Callable[[], object]:
    return lambda: sync_due_collection(collection_id=pk, clock=ring.clock, seconds=60)


def test_runs_may_name_items_that_each_other_has_locked(ring: Ring) -> None:
    """One transaction closes the writes of a batch and announces the next batch."""
    add_to_circle(name="ours", collections=ring.members, clock=ring.clock)
    ring.calendars["a"].add("one", title="One")
    ring.calendars["a"].add("two", title="Two")
    workers(ring)
    one, two = (one_item(title).pk for title in ("One", "Two"))
    operation = SyncOperation.objects.latest("started_at")
    both_have_locked = threading.Barrier(2)

    def close(mine: object, following: object) -> None:
        with transaction.atomic():
            inward.lock([mine])
            both_have_locked.wait()
            SyncItem.objects.create(
                operation=operation, item_id=following, created_at=ring.clock(), attempts=0
            )

    at_once(lambda: close(one, two), lambda: close(two, one))


def test_edits_taken_in_at_the_same_time_all_survive(ring: Ring) -> None:
    """Each of them is another change, or the guard would hold them for being alike."""
    add_to_circle(name="ours", collections=ring.members, clock=ring.clock)
    for number in range(12):
        ring.calendars["a"].add(f"e{number}", title=f"Old {number:02}")
    workers(ring)
    for number in range(12):
        old = f"Old {number:02}"
        names = {name: ring.copy_in(name, old) for name in ABC}
        ring.calendars["b"].edit(names["b"], location=f"Room {number}")
        ring.calendars["c"].edit(names["c"], description=f"Cake {number}")
        ring.calendars["a"].edit(names["a"], title=f"New {number:02}")

    workers(ring)

    for calendar in ring.calendars.values():
        assert calendar.titles() == [f"New {number:02}" for number in range(12)]
        for event in calendar.alive().values():
            number = int(event["title"][-2:])
            assert event["location"] == f"Room {number}"
            assert event["description"] == f"Cake {number}"


def test_calendars_linked_by_several_workers_at_once_hold_every_event_once(ring: Ring) -> None:
    for number in range(12):
        for name in ABC:
            ring.calendars[name].add(f"{name}{number}", title=f"Event {number}", uid=f"u{number}")
    workers(ring)
    add_to_circle(name="ours", collections=ring.members, clock=ring.clock)

    workers(ring)

    assert [len(calendar.alive()) for calendar in ring.calendars.values()] == [12, 12, 12]
    assert Item.objects.alive().count() == 12
    assert ring.writes() == 0
