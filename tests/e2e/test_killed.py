"""kill -9 at any moment, and two runs at once: the next run finishes what was begun."""

import pytest

from integrations.models import Collection
from tests.e2e.local import is_quiet, local_titles, sync_at_once
from tests.e2e.lockstep import Lockstep, killed_at_the_end
from tests.e2e.people import HOME, WORK, People
from tests.waiting import wait_until

MANY = 24
TITLES = sorted(f"Meeting {number}" for number in range(MANY))


@pytest.fixture
def many(blocking: Lockstep, people: People) -> Lockstep:
    """A calendar with many events, of which Lockstep knows nothing yet."""
    for title in TITLES:
        people.add(WORK, title)
    return blocking


def let_the_lease_run_out() -> None:
    """Stand for the two minutes after which the lease of a dead run is free."""
    Collection.objects.update(lease_until=None)


def all_is_well(lockstep: Lockstep, people: People) -> None:
    """One clean run converges, and a second one has nothing to do."""
    let_the_lease_run_out()
    people.clear_faults()
    lockstep.sync(code=0)
    assert local_titles(WORK) == TITLES
    assert people.titles(HOME) == ["Busy"] * MANY
    last = people.last_request()
    assert sync_at_once() == 0
    assert people.writes(after=last) == []
    assert is_quiet()


@pytest.mark.parametrize("pages", [1, 5])
def test_in_the_middle_of_a_first_import(many: Lockstep, people: People, pages: int) -> None:
    people.fault("short_page", "events.list", calendar=WORK, size=4, times=None)
    people.fault("delay", "events.list", calendar=WORK, seconds=0.3, times=None)
    with killed_at_the_end(many.start("sync_calendars")) as running:
        wait_until(lambda: len(people.requests(operation="events.list")) >= pages + 1)
        running.kill()

    all_is_well(many, people)


def test_again_and_again_during_one_first_import(many: Lockstep, people: People) -> None:
    people.fault("short_page", "events.list", calendar=WORK, size=4, times=None)
    people.fault("delay", "events.list", calendar=WORK, seconds=0.2, times=None)
    for _ in range(3):
        last = people.last_request()
        with killed_at_the_end(many.start("sync_calendars")) as running:
            wait_until(lambda last=last: len(people.requests(after=last)) >= 4)
            running.kill()
        let_the_lease_run_out()

    all_is_well(many, people)


@pytest.mark.parametrize("written", [0, 1, 12, MANY])
def test_in_the_middle_of_a_push(many: Lockstep, people: People, written: int) -> None:
    """The service goes on with what it has received, whether or not anybody waits for it."""
    people.fault("delay", "events.insert", calendar=HOME, seconds=0.2, times=None)
    with killed_at_the_end(many.start("sync_calendars")) as running:
        wait_until(lambda: not is_quiet())
        wait_until(lambda: len(people.requests(operation="events.insert")) >= written)
        running.kill()

    all_is_well(many, people)


def test_in_the_middle_of_deletions(many: Lockstep, people: People) -> None:
    sync_at_once()
    for event in people.events(WORK)[:5]:
        people.delete(WORK, event["id"])
    people.fault("delay", "events.delete", calendar=HOME, seconds=0.5, times=None)
    with killed_at_the_end(many.start("sync_calendars", "--allow-mass-delete")) as running:
        wait_until(lambda: people.requests(operation="events.delete"))
        running.kill()
    let_the_lease_run_out()
    people.clear_faults()

    many.sync("--allow-mass-delete", code=0)

    assert len(people.blocks(HOME)) == MANY - 5
    assert sync_at_once() == 0
    assert is_quiet()


def test_two_runs_at_once_do_the_work_once(many: Lockstep, people: People) -> None:
    people.fault("short_page", "events.list", calendar=WORK, size=4, times=None)
    people.fault("delay", "events.list", calendar=WORK, seconds=0.1, times=None)
    running = [many.start("sync_calendars") for _ in range(3)]

    codes = [process.end().code for process in running]

    assert set(codes) <= {0, 4}
    all_is_well(many, people)
    assert people.writes() == [f"events.insert {HOME} 200"] * MANY
