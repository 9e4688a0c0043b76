"""Events that travel from Google to iCalendar and back: what they lose is what is documented."""

import re
from pathlib import Path

import pytest

from integrations.google import normal as google
from integrations.google.events import fields_of
from integrations.ical import normalise
from integrations.ical.normal import LOSSY
from sync.core.events import EMPTY
from sync.core.records import changed_fields
from tests.integrations.ical.texts import by_slot, put, read

DOCUMENT = Path(__file__).parents[3] / "docs" / "fidelity.md"

RAW = {
    "id": "event1",
    "summary": "Quarterly <b>review</b>; part 1, 2",
    "description": "first\nsecond \\ third",
    "location": "Room 1",
    "status": "tentative",
    "start": {"dateTime": "2026-12-01T10:00:00+01:00", "timeZone": "Europe/Berlin"},
    "end": {"dateTime": "2026-12-01T11:00:00+01:00", "timeZone": "Asia/Kolkata"},
    "recurrence": [
        "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20270201T085959Z",
        "EXDATE;TZID=Europe/Berlin:20261208T100000",
    ],
    "visibility": "private",
    "transparency": "transparent",
    "eventType": "focusTime",
    "attendees": [
        {"email": "me@example.com", "self": True, "responseStatus": "accepted"},
        {"email": "room@example.com", "displayName": "Room, 1st", "resource": True},
        {"email": "zoe@example.com", "optional": True, "responseStatus": "declined"},
    ],
    "reminders": {"useDefault": False, "overrides": [{"method": "email", "minutes": 60}]},
    "colorId": "7",
    "conferenceData": {"conferenceId": "abc"},
    "attachments": [{"fileUrl": "https://files.example.com/1"}],
    "extendedProperties": {"shared": {"project": "x"}},
}


def documented(heading):
    """Return the fields in the first table below a heading of the document."""
    text = DOCUMENT.read_text().split(f"## {heading}", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0]
    return {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }


def there_and_back(fields):
    """Return fields of Google's after a way through the text of a calendar."""
    me = frozenset({"me@example.com"})
    again = by_slot(put(None, fields), me=me)[""].fields
    return google.normalise(again)


def test_a_full_google_event_loses_just_what_is_documented():
    fields = google.normalise(fields_of(RAW))
    assert all(fields[name] != EMPTY[name] for name in EMPTY)
    lost = set(changed_fields(fields, there_and_back(fields)))
    assert lost == documented("Lost in iCalendar") == LOSSY


def test_what_is_lost_comes_back_empty():
    back = there_and_back(google.normalise(fields_of(RAW)))
    assert {name: back[name] for name in LOSSY} == {name: EMPTY[name] for name in LOSSY}


@pytest.mark.parametrize(
    ("field", "value", "back"),
    [
        ("reminders", {"default": False, "overrides": []}, {"default": True}),
        ("title", "a\x01b\r\nc", "ab\nc"),
        ("visibility", "two words", "default"),
        ("attendees", [{"email": ""}], []),
        ("start", {"at": "2026-10-25T01:30:00Z", "zone": "Europe/Berlin"}, None),
    ],
)
def test_what_changes_in_one_respect_changes_in_that(field, value, back):
    single = {**fields_of(RAW), "recurrence": [], field: value}
    if field == "start":
        back = {**value, "zone": "UTC"}
    assert there_and_back(single)[field] == back


def test_what_came_from_a_calendar_is_unchanged_by_google():
    found = read(
        "SUMMARY:a\\nb",
        "DTEND;TZID=Europe/Berlin:20260505T100000",
        "RRULE:FREQ=WEEKLY;UNTIL=20261201",
        "EXDATE;TZID=Europe/Berlin:20260512T090000,20260519T090000",
        "CLASS:CONFIDENTIAL",
        "ATTENDEE;CN=Zoe;PARTSTAT=DECLINED:mailto:Zoe@example.com",
        "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT10M\r\nEND:VALARM",
        start="DTSTART;TZID=Europe/Berlin:20260505T090000",
    ).fields
    assert google.normalise(found) == found == normalise(found)


def test_the_limits_of_google_are_documented():
    assert {"reminders", "attachments", "metadata"} <= documented("Lost in Google")
    many = {"default": False, "overrides": [{"method": "popup", "minutes": n} for n in range(9)]}
    assert len(google.normalise({"reminders": many})["reminders"]["overrides"]) == 5
