"""Whatever a listing does wrong: no event is lost, no deletion believed, and all is well after."""

import pytest

from tests.e2e.local import collection, local_titles, sync_at_once
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import HOME, WORK, People

TITLES = [f"Meeting {number}" for number in range(8)]

BROKEN_ANSWERS = [
    ("truncated_json", {}),
    ("html", {}),
    ("empty", {}),
    ("gzip_cut", {}),
    ("lost_request", {}),
    ("lost_answer", {}),
    ("no_sync_token", {}),
    ("error", {"status": 500}),
    ("error", {"status": 503, "reason": "backendError"}),
    ("error", {"status": 429, "reason": "rateLimitExceeded", "retry_after": "1"}),
    ("error", {"status": 403, "reason": "quotaExceeded"}),
    ("error", {"status": 418, "reason": "neverHeardOf"}),
]


@pytest.fixture
def synced(blocking: Lockstep, people: People) -> Lockstep:
    """Eight events in one calendar, their blocks in the other, both sides in step."""
    for title in TITLES:
        people.add(WORK, title)
    sync_at_once()
    assert len(people.blocks(HOME)) == 8
    return blocking


def last_new_title(people: People) -> str:
    """Something happens that the next run has to find out."""
    people.add(WORK, "The news")
    return "The news"


@pytest.mark.parametrize(("kind", "rule"), BROKEN_ANSWERS, ids=lambda value: str(value))
def test_a_broken_answer_changes_nothing(
    synced: Lockstep, people: People, kind: str, rule: dict[str, object]
) -> None:
    news, cursor = last_new_title(people), collection(WORK).cursor
    people.fault(kind, "events.list", calendar=WORK, times=None, **rule)

    reports = synced.sync(code=1)

    assert reports.changes == set()
    assert (reports.of(WORK)["state"], reports.of(HOME)["state"]) == ("failed", "done")
    assert local_titles(WORK) == TITLES
    assert collection(WORK).cursor == cursor
    people.clear_faults()
    assert sync_at_once() == 2  # the event and its block
    assert local_titles(WORK) == [*TITLES, news]


@pytest.mark.parametrize("kind", ["truncated_json", "lost_request", "error"])
def test_what_passes_by_itself_is_tried_again_within_the_run(
    synced: Lockstep, people: People, kind: str
) -> None:
    news = last_new_title(people)
    people.fault(kind, "events.list", calendar=WORK)

    synced.sync(code=0)

    assert local_titles(WORK) == [*TITLES, news]


def test_a_dead_cursor_means_one_complete_listing(synced: Lockstep, people: People) -> None:
    news = last_new_title(people)
    people.sandbox.post("tokens/kill_sync")
    last = people.last_request()

    reports = synced.sync(code=0)

    assert reports.counts() == {"local.create": 1, "remote.create": 1}
    assert local_titles(WORK) == [*TITLES, news]
    listings = people.requests(after=last, operation="events.list")
    assert sorted((r["calendar"], r["status"]) for r in listings) == [
        (HOME, 200),
        (HOME, 410),
        (WORK, 200),
        (WORK, 410),
    ]
    assert sync_at_once() == 0


def test_a_deletion_during_a_dead_cursor_is_found_by_reading_the_missing_event(
    synced: Lockstep, people: People
) -> None:
    gone = next(e["id"] for e in people.events(WORK) if e["summary"] == "Meeting 3")
    people.delete(WORK, gone)
    people.sandbox.post("tokens/kill_sync")

    reports = synced.sync(code=0)

    assert reports.counts() == {"local.delete": 1, "remote.delete": 1}
    assert people.requests(operation="events.get")[-1]["status"] == 200  # shown as cancelled
    assert len(people.blocks(HOME)) == 7


@pytest.mark.parametrize("every", [1, 2, 4])
def test_a_short_listing_deletes_nothing(synced: Lockstep, people: People, every: int) -> None:
    people.fault("missing_items", "events.list", calendar=WORK, every=every)

    reports = synced.sync("--force-full", "--calendar-id", WORK, code=0 if every > 1 else 3)

    assert reports.changes == set()
    assert local_titles(WORK) == TITLES
    assert people.writes() == ["events.insert home@example.com 200"] * 8
    assert sync_at_once() == 0


def test_pages_that_are_empty_or_come_twice_harm_nothing(
    connected: Lockstep, people: People
) -> None:
    for title in TITLES:
        people.add(WORK, title)
    people.fault("short_page", "events.list", calendar=WORK, size=2, times=None)
    people.fault("empty_page", "events.list", calendar=WORK, page=2)
    people.fault("duplicate_items", "events.list", calendar=WORK, page=3, count=2)
    people.fault("repeat_page", "events.list", calendar=WORK, page=4)

    connected.sync(code=0)

    assert local_titles(WORK) == TITLES
    assert sync_at_once() == 0


def test_an_access_token_that_has_run_out_is_renewed_in_silence(
    synced: Lockstep, people: People
) -> None:
    news = last_new_title(people)
    people.sandbox.post("tokens/expire_access")

    synced.sync(code=0)

    assert local_titles(WORK) == [*TITLES, news]
