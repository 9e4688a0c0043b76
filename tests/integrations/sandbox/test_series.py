"""Recurring events: instances, exceptions, cancelled occurrences, splits."""

import pytest

from tests.integrations.sandbox.caller import WORK, Caller, timed, whole

EVENTS = "calendars/primary/events"
WINDOW = {"timeMin": "2026-03-01T00:00:00Z", "timeMax": "2026-05-01T00:00:00Z"}


@pytest.fixture
def weekly(work) -> Caller:
    """Mondays at nine in Berlin, five times, across the change to summer time on 29 March."""
    event = timed("2026-03-16T09:00", "2026-03-16T10:00", id="abcde", summary="Weekly")
    work.ok("POST", EVENTS, event | {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=5"]})
    return work


def starts(items: list[dict]) -> list[str]:
    return [item["start"]["dateTime"][:16] for item in items]


def test_instances_keep_the_wall_clock_time_and_are_named_by_their_utc_start(weekly):
    items = weekly.ok("GET", f"{EVENTS}/abcde/instances")["items"]
    assert [item["id"] for item in items[:3]] == [
        "abcde_20260316T080000Z",
        "abcde_20260323T080000Z",
        "abcde_20260330T070000Z",
    ]
    assert {start[11:] for start in starts(items)} == {"09:00"}
    assert items[0]["recurringEventId"] == "abcde"
    assert items[0]["originalStartTime"] == items[0]["start"]
    assert "recurrence" not in items[0]
    assert {item["iCalUID"] for item in items} == {"abcde@google.com"}


def test_an_unchanged_occurrence_can_be_read_and_an_invented_one_cannot(weekly):
    read = weekly.ok("GET", f"{EVENTS}/abcde_20260323T080000Z")
    assert read["summary"] == "Weekly"
    for name in ("abcde_20260324T080000Z", "abcde_20260323", "abcde_nonsense"):
        assert weekly.refused("GET", f"{EVENTS}/{name}") == (404, "notFound")


def test_a_plain_listing_shows_the_master_and_its_exceptions(weekly):
    patch = timed("2026-03-24T15:00", "2026-03-24T16:00")
    weekly.ok("PATCH", f"{EVENTS}/abcde_20260323T080000Z", patch)
    weekly.ok("DELETE", f"{EVENTS}/abcde_20260330T070000Z")
    events = weekly.events()
    assert set(events) == {"abcde", "abcde_20260323T080000Z", "abcde_20260330T070000Z"}
    moved, cancelled = events["abcde_20260323T080000Z"], events["abcde_20260330T070000Z"]
    assert moved["originalStartTime"]["dateTime"] == "2026-03-23T09:00:00+01:00"
    assert set(cancelled) == {
        "kind", "etag", "id", "status", "recurringEventId", "originalStartTime"
    }  # fmt: skip


def test_single_events_show_occurrences_with_exceptions_in_their_place(weekly):
    patch = timed("2026-03-24T15:00", "2026-03-24T16:00")
    weekly.ok("PATCH", f"{EVENTS}/abcde_20260323T080000Z", patch)
    weekly.ok("DELETE", f"{EVENTS}/abcde_20260330T070000Z")
    items = list(weekly.events(singleEvents=True, orderBy="startTime", **WINDOW).values())
    assert starts(items) == [
        "2026-03-16T09:00", "2026-03-24T15:00", "2026-04-06T09:00", "2026-04-13T09:00"
    ]  # fmt: skip
    instances = weekly.ok("GET", f"{EVENTS}/abcde/instances", showDeleted=True)["items"]
    assert [item["status"] for item in instances].count("cancelled") == 1


def test_instances_can_be_asked_for_by_their_original_start(weekly):
    patch = timed("2026-03-24T15:00", "2026-03-24T16:00")
    weekly.ok("PATCH", f"{EVENTS}/abcde_20260323T080000Z", patch)
    asked = {"originalStart": "2026-03-23T09:00:00+01:00"}
    (item,) = weekly.ok("GET", f"{EVENTS}/abcde/instances", **asked)["items"]
    assert item["id"] == "abcde_20260323T080000Z"


def test_an_endless_series_is_expanded_to_a_horizon_only(work, sandbox):
    sandbox.post("options", expansion_days=30)
    event = timed("2026-01-01T09:00", "2026-01-01T10:00", recurrence=["RRULE:FREQ=DAILY"])
    work.ok("POST", EVENTS, event)
    assert 58 <= len(work.events(singleEvents=True)) <= 62


def test_exdates_and_rdates_are_obeyed(work):
    event = timed("2026-03-16T09:00", "2026-03-16T10:00", id="abcde")
    lines = [
        "RRULE:FREQ=DAILY;UNTIL=20260318T080000Z",
        "EXDATE;TZID=Europe/Berlin:20260317T090000",
        "RDATE:20260320T080000Z",
    ]
    work.ok("POST", EVENTS, event | {"recurrence": lines})
    items = work.ok("GET", f"{EVENTS}/abcde/instances")["items"]
    assert starts(items) == ["2026-03-16T09:00", "2026-03-18T09:00", "2026-03-20T09:00"]


def test_all_day_series_name_their_instances_by_date(work):
    event = whole("2026-03-16", "2026-03-17", id="abcde", recurrence=["RRULE:FREQ=DAILY;COUNT=2"])
    work.ok("POST", EVENTS, event)
    items = work.ok("GET", f"{EVENTS}/abcde/instances")["items"]
    assert [item["id"] for item in items] == ["abcde_20260316", "abcde_20260317"]


def test_deleting_a_series_takes_its_exceptions_along(weekly):
    weekly.ok("PATCH", f"{EVENTS}/abcde_20260323T080000Z", {"summary": "Other"})
    token = weekly.sync_token()
    weekly.ok("DELETE", f"{EVENTS}/abcde")
    assert set(weekly.delta(token)) == {"abcde"}
    assert weekly.events() == {}
    assert weekly.refused("DELETE", f"{EVENTS}/abcde_20260323T080000Z") == (410, "deleted")


def test_a_delta_of_single_events_cancels_every_instance_of_a_deleted_series(weekly):
    token = weekly.sync_token(singleEvents=True)
    weekly.ok("DELETE", f"{EVENTS}/abcde")
    delta = weekly.delta(token, singleEvents=True)
    assert len(delta) == 5
    assert {item["status"] for item in delta.values()} == {"cancelled"}


def test_a_new_time_of_the_series_drops_exceptions_it_no_longer_makes(weekly):
    weekly.ok("PATCH", f"{EVENTS}/abcde_20260323T080000Z", {"summary": "Other"})
    token = weekly.sync_token()
    later = timed("2026-03-16T11:00", "2026-03-16T12:00")
    weekly.ok("PATCH", f"{EVENTS}/abcde", later)
    delta = weekly.delta(token)
    assert delta["abcde_20260323T080000Z"]["status"] == "cancelled"
    assert set(weekly.events()) == {"abcde"}
    assert len(weekly.ok("GET", f"{EVENTS}/abcde/instances")["items"]) == 5


def test_a_series_that_stops_recurring_keeps_one_event(weekly):
    weekly.ok("PATCH", f"{EVENTS}/abcde_20260323T080000Z", {"summary": "Other"})
    weekly.ok("PATCH", f"{EVENTS}/abcde", {"recurrence": None})
    assert set(weekly.events()) == {"abcde"}
    assert weekly.refused("GET", f"{EVENTS}/abcde_20260323T080000Z") == (404, "notFound")


def test_an_occurrence_cannot_recur_itself(weekly):
    patch = {"recurrence": ["RRULE:FREQ=DAILY;COUNT=2"]}
    assert weekly.refused("PATCH", f"{EVENTS}/abcde_20260323T080000Z", patch) == (400, "invalid")


def test_a_person_moves_cancels_and_splits(weekly, sandbox):
    at = {"account": WORK, "calendar": WORK, "id": "abcde"}
    moved = timed("2026-03-24T15:00", "2026-03-24T16:00")
    sandbox.post("events/edit", **at, original_start="2026-03-23T09:00:00", changes=moved)
    sandbox.post("events/delete", **at, original_start="2026-03-30T09:00:00")
    changes = {"summary": "New series"}
    new = sandbox.post("events/split", **at, original_start="2026-04-06T09:00:00", changes=changes)
    assert new["recurrence"] == ["RRULE:FREQ=WEEKLY;COUNT=2"]
    assert weekly.events()["abcde"]["recurrence"] == ["RRULE:FREQ=WEEKLY;UNTIL=20260406T065959Z"]
    items = weekly.events(singleEvents=True, orderBy="startTime", **WINDOW).values()
    assert [(item["summary"], item["start"]["dateTime"][5:16]) for item in items] == [
        ("Weekly", "03-16T09:00"),
        ("Weekly", "03-24T15:00"),
        ("New series", "04-06T09:00"),
        ("New series", "04-13T09:00"),
    ]


def test_one_occurrence_can_hide_the_series_but_not_show_more(weekly):
    name = f"{EVENTS}/abcde_20260323T080000Z"
    assert weekly.ok("PATCH", name, {"visibility": "private"})["visibility"] == "private"
    assert weekly.events()["abcde"]["visibility"] == "private"
    assert weekly.ok("PATCH", name, {"visibility": "public"})["visibility"] == "private"


def test_a_window_finds_a_series_that_has_run_for_ages(work):
    event = timed("2010-01-01T09:00", "2010-01-01T10:00", id="abcde")
    work.ok("POST", EVENTS, event | {"recurrence": ["RRULE:FREQ=DAILY"]})
    assert set(work.events(**WINDOW)) == {"abcde"}
    assert len(work.events(singleEvents=True, **WINDOW)) == 61


def test_a_window_finds_a_series_by_any_of_its_occurrences(weekly):
    april = {"timeMin": "2026-04-10T00:00:00Z", "timeMax": "2026-04-20T00:00:00Z"}
    assert set(weekly.events(**april)) == {"abcde"}
    may = {"timeMin": "2026-05-01T00:00:00Z", "timeMax": "2026-06-01T00:00:00Z"}
    assert weekly.events(**may) == {}
