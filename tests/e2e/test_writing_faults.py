"""Whatever a write does wrong: nothing is doubled, nothing overwritten, and all is well after."""

import pytest

from conflicts.models import Conflict
from tests.e2e.local import is_quiet, local_titles, rename, sync_at_once
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import HOME, WORK, People, at

NUMBERS = range(6)


@pytest.fixture
def synced(blocking: Lockstep, people: People) -> Lockstep:
    """One event that everybody knows of."""
    people.add(WORK, "Lunch", **at(3, "12:00"))
    sync_at_once()
    return blocking


def converges(lockstep: Lockstep, people: People) -> None:
    """After the fault: one run mends it, a second one finds nothing to do."""
    people.clear_faults()
    lockstep.sync(code=0)
    last = people.last_request()
    assert sync_at_once() == 0
    assert people.writes(after=last) == []
    assert is_quiet()


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("lost_answer", 1),
        ("lost_answer", None),
        ("lost_request", 1),
        ("lost_request", None),
        ("html", 1),
        ("empty", 4),
    ],
)
def test_a_block_whose_making_was_not_answered_is_never_doubled(
    synced: Lockstep, people: People, kind: str, times: int | None
) -> None:
    people.add(WORK, "Dinner")
    people.fault(kind, "events.insert", calendar=HOME, times=times)

    synced.start("sync_calendars").end()

    converges(synced, people)
    assert people.titles(HOME) == ["Busy", "Busy"]


@pytest.mark.parametrize("kind", ["lost_answer", "lost_request"])
@pytest.mark.parametrize("operation", ["batch", "events.insert"])
def test_many_blocks_whose_making_was_not_answered_are_never_doubled(
    synced: Lockstep, people: People, kind: str, operation: str
) -> None:
    for number in NUMBERS:
        people.add(WORK, f"Meeting {number}")
    people.fault(kind, operation, times=3)

    synced.start("sync_calendars").end()

    converges(synced, people)
    assert people.titles(HOME) == ["Busy"] * 7


@pytest.mark.parametrize("kind", ["lost_answer", "lost_request", "html"])
def test_an_edit_whose_sending_was_not_answered_arrives_once(
    synced: Lockstep, people: People, kind: str
) -> None:
    rename("Lunch", "Late lunch")
    people.fault(kind, "events.patch", calendar=WORK)

    synced.start("sync_calendars").end()

    converges(synced, people)
    assert people.titles(WORK) == ["Late lunch"]
    assert local_titles(WORK) == ["Late lunch"]


@pytest.mark.parametrize("kind", ["lost_answer", "lost_request", "html"])
def test_a_deletion_that_was_not_answered_happens_once_and_nothing_comes_back(
    synced: Lockstep, people: People, kind: str
) -> None:
    people.delete(WORK, people.events(WORK)[0]["id"])
    people.fault(kind, "events.delete", calendar=HOME)

    synced.start("sync_calendars").end()

    converges(synced, people)
    assert people.events(HOME) == []


@pytest.mark.parametrize(
    ("rule", "times"),
    [
        ({"status": 500}, 1),
        ({"status": 503, "applied": True}, 2),
        ({"status": 429, "reason": "rateLimitExceeded", "retry_after": "1"}, 1),
        ({"status": 403, "reason": "userRateLimitExceeded"}, 2),
    ],
    ids=str,
)
def test_a_service_in_trouble_costs_patience_and_nothing_else(
    synced: Lockstep, people: People, rule: dict[str, object], times: int
) -> None:
    for number in NUMBERS:
        people.add(WORK, f"Meeting {number}")
    people.fault("error", "events.insert", calendar=HOME, times=times, **rule)

    synced.start("sync_calendars").end()

    converges(synced, people)
    assert people.titles(HOME) == ["Busy"] * 7


def test_parts_of_a_batch_that_collide_are_sent_again_alone(
    synced: Lockstep, people: People
) -> None:
    for number in NUMBERS:
        people.add(WORK, f"Meeting {number}")
    people.fault("conflict", "events.insert", calendar=HOME, times=2)

    synced.sync(code=0)

    converges(synced, people)
    assert people.titles(HOME) == ["Busy"] * 7


def test_a_person_who_edits_between_our_look_and_our_write_loses_nothing(
    synced: Lockstep, people: People
) -> None:
    """The write is conditional: it is refused (412), the copy is read again and merged."""
    lunch = people.events(WORK)[0]["id"]
    rename("Lunch", "Late lunch")
    people.fault("delay", "events.patch", calendar=WORK, seconds=6)
    running = synced.start("sync_calendars", "--json")
    people.wait_for_fault("delay")
    people.edit(WORK, lunch, location="Harbour")

    assert running.end().code == 0

    assert "events.patch work@example.com 412" in people.writes()
    converges(synced, people)
    event = people.event(WORK, lunch)
    assert (event["summary"], event["location"]) == ("Late lunch", "Harbour")
    assert local_titles(WORK) == ["Late lunch"]


def test_a_clash_between_our_look_and_our_write_is_put_before_a_person(
    synced: Lockstep, people: People
) -> None:
    lunch = people.events(WORK)[0]["id"]
    rename("Lunch", "Late lunch")
    people.fault("delay", "events.patch", calendar=WORK, seconds=6)
    running = synced.start("sync_calendars", "--json")
    people.wait_for_fault("delay")
    people.edit(WORK, lunch, summary="Brunch")

    running.end()

    converges(synced, people)
    assert (people.titles(WORK), local_titles(WORK)) == (["Brunch"], ["Late lunch"])
    conflict = Conflict.objects.get(outcome="open")
    assert (conflict.local["title"], conflict.remote["title"]) == ("Late lunch", "Brunch")
