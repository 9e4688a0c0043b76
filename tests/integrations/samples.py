"""Records to write, in canonical form."""

from collections.abc import Mapping
from typing import Any

from sync.core.records import Fields

MOMENT = {"at": "2026-12-01T09:00:00Z", "zone": "Europe/Berlin"}
HOUR_LATER = {"at": "2026-12-01T10:00:00Z", "zone": "Europe/Berlin"}
DAILY: Fields = {
    "title": "Standup",
    "start": MOMENT,
    "end": HOUR_LATER,
    "recurrence": ["RRULE:FREQ=DAILY;COUNT=5"],
}

# One value for each field that is not its default, and what else the event needs with it.
SAMPLES: Mapping[str, Fields] = {
    "title": {"title": "  Ünïcode 🎉 & <b>more</b>"},
    "description": {"description": "first\r\nsecond <b>bold</b>"},
    "location": {"location": "Room 1"},
    "start": {"start": {"at": "2026-12-01T08:30:15Z", "zone": "America/New_York"}},
    "end": {"end": {"at": "2026-12-03T09:00:00Z", "zone": "Asia/Kolkata"}},
    "start without a zone": {
        "start": {"at": "2026-12-01T09:00:00Z", "zone": ""},
        "end": {"at": "2026-12-01T10:00:00Z", "zone": ""},
    },
    "all day": {"start": {"date": "2026-12-05"}, "end": {"date": "2026-12-07"}},
    "recurrence": {
        "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=TU", "EXDATE;TZID=Europe/Berlin:20261208T100000"]
    },
    "status": {"status": "tentative"},
    "visibility": {"visibility": "private"},
    "transparency": {"transparency": "transparent"},
    "attendees": {
        "attendees": [
            {"email": "Zoe@example.com", "name": "Zoe", "response": "accepted", "optional": True},
            {"email": "adam@example.com"},
        ]
    },
    "reminders": {
        "reminders": {
            "default": False,
            "overrides": [{"method": "popup", "minutes": 30}, {"method": "email", "minutes": 60}],
        }
    },
    "no reminders": {"reminders": {"default": False, "overrides": []}},
    "colour": {"colour": "7"},
    "attachments": {
        "attachments": [{"fileUrl": "https://files.example.com/1", "title": "Plan"}],
    },
    "metadata": {"metadata": {"private": {"amount": "12"}, "shared": {"project": "x" * 2000}}},
}


def plain(title: str = "Dentist", **more: Any) -> Fields:
    """Return a simple record."""
    return {"title": title, "start": MOMENT, "end": HOUR_LATER, **more}
