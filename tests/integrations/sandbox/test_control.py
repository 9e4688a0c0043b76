"""The control API: people, calendars, options, and errors that say what to do."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.sandbox.client import ControlRefused
from tests.integrations.sandbox.caller import HOME, WORK, Caller, whole

DAY = whole("2026-12-01", "2026-12-02", id="abcde", summary="Day")


def test_a_person_creates_edits_moves_and_deletes_without_a_trace_in_the_journal(work, sandbox):
    at = {"account": WORK, "calendar": WORK}
    other = sandbox.post("calendars", account=WORK, summary="Other")["id"]
    sandbox.post("events", **at, event=DAY)
    sandbox.post("events/edit", **at, id="abcde", changes={"summary": "Changed"})
    sandbox.post("events/move", **at, id="abcde", destination=other)
    sandbox.post("events/delete", account=WORK, calendar=other, id="abcde")
    assert sandbox.journal() == []
    events = sandbox.get("events", calendar=other)["events"]
    assert [(event["summary"], event["status"]) for event in events] == [("Changed", "cancelled")]


def test_a_person_answers_an_invitation(work, sandbox):
    work.ok("POST", "calendars/primary/events", DAY | {"attendees": [{"email": HOME}]})
    answer = {"account": HOME, "calendar": HOME, "id": "abcde", "response": "tentative"}
    sandbox.post("events/respond", **answer)
    assert work.events()["abcde"]["attendees"][0]["responseStatus"] == "tentative"
    with pytest.raises(ControlRefused, match="not invited"):
        sandbox.post("events/respond", **answer | {"account": WORK, "calendar": WORK})


def test_calendars_can_be_renamed_hidden_shared_and_removed(work, home, sandbox):
    name = sandbox.post("calendars", account=WORK, summary="Shared", timeZone="Asia/Tokyo")["id"]
    sandbox.post("calendars/share", account=WORK, calendar=name, role="writer", **{"with": HOME})
    sandbox.post("calendars/change", account=WORK, calendar=name, changes={"summary": "Renamed"})
    entry = home.ok("GET", f"users/me/calendarList/{name}")
    assert (entry["summary"], entry["timeZone"]) == ("Renamed", "Asia/Tokyo")
    sandbox.post("calendars/entry", account=HOME, calendar=name, changes={"hidden": True})
    names = [one["id"] for one in home.ok("GET", "users/me/calendarList")["items"]]
    assert name not in names
    sandbox.post("calendars/delete", account=WORK, calendar=name)
    assert work.refused("GET", f"calendars/{name}") == (404, "notFound")
    assert work.refused("GET", f"calendars/{name}/events") == (404, "notFound")


def test_a_removed_calendar_does_not_come_back_with_its_old_events(work, sandbox):
    name = work.ok("POST", "calendars", {"summary": "Twin"})["id"]
    work.ok("POST", f"calendars/{name}/events", DAY)
    work.ok("DELETE", f"calendars/{name}")
    twin = work.ok("POST", "calendars", {"summary": "Twin"})["id"]
    assert twin != name
    assert work.events(twin) == {}


def test_a_primary_calendar_is_cleared_and_never_deleted(work):
    work.ok("POST", "calendars/primary/events", DAY)
    assert work.refused("DELETE", f"calendars/{WORK}")[0] == 403
    token = work.sync_token()
    work.ok("POST", "calendars/primary/clear")
    assert work.delta(token)["abcde"]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("call", "body", "words"),
    [
        ("nothing", {}, "there are: GET state"),
        ("accounts", {"email": WORK}, "new address"),
        ("calendars", {"account": "nobody@example.com"}, "accounts are work@example.com"),
        ("events/edit", {"account": WORK}, "needs account, calendar, id"),
        ("options", {"speed": 9}, "options are access_token_seconds"),
        ("options", {"strict_tokens": "yes"}, "takes a value like True"),
        ("reset", {"seed_data": "carnival"}, "seeds are empty, demo, large"),
        ("calendars/share", {"account": WORK, "calendar": WORK, "with": HOME, "role": "king"},
         "roles are none"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_answered_with_what_is_right(sandbox, call, body, words):
    with pytest.raises(ControlRefused, match=words):
        sandbox.post(call, **body)


def test_an_unknown_seed_does_not_forget_anything(sandbox, work):
    work.ok("POST", "calendars/primary/events", DAY)
    with pytest.raises(ControlRefused):
        sandbox.post("reset", seed_data="carnival")
    assert set(work.events()) == {"abcde"}


def test_the_state_names_what_exists_and_no_secret(sandbox, work):
    state = sandbox.get("state")
    assert state["accounts"] == [WORK, HOME]
    assert state["options"]["access_token_seconds"] == 3600
    assert work.session.headers["Authorization"].split()[1] not in str(state)


def test_the_clock_can_be_moved(work, sandbox):
    sandbox.post("options", clock_offset_seconds=-86400 * 400)
    then = (datetime.now(UTC) - timedelta(days=399)).isoformat()
    assert work.ok("POST", "calendars/primary/events", DAY)["created"] < then


def test_the_demo_is_believable(demo):
    events = [
        event
        for account in (WORK, HOME)
        for calendar in demo.get("state")["calendars"]
        if calendar["owner"] == account
        for event in Caller(demo, account).events(calendar["id"]).values()
    ]
    assert 24 <= len(events) <= 30
    types = {event.get("eventType") for event in events} - {None}
    assert types == {"default", "birthday", "focusTime", "outOfOffice", "workingLocation"}
    assert {e["status"] for e in events} == {"confirmed", "tentative", "cancelled"}
    responses = {a["responseStatus"] for e in events for a in e.get("attendees", [])}
    assert {"accepted", "declined", "needsAction"} <= responses
    assert demo.get("journal")["mails"] == 0
