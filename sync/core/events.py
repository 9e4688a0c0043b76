"""The canonical form of a calendar event, shared by adapters, mirror rules and the database.

- title, description, location: text, "" if none; a description may hold HTML.
- start, end: a moment, {"at": "2026-05-05T07:00:00Z", "zone": "Europe/Berlin"} (the instant in
  UTC to the second, and the IANA zone it was said in, "" if none was), or a date, {"date":
  "2026-05-05"}. The end is exclusive.
- recurrence: the RRULE, EXRULE, RDATE and EXDATE lines of a series, [] otherwise.
- status: "confirmed", "tentative", "cancelled" (only for an occurrence that does not take place),
  or a service's word.
- visibility: "default", "public", "private", "confidential", or a service's word.
- transparency: "opaque" (busy) or "transparent" (free).
- event_type: "default", "outOfOffice", "focusTime", "workingLocation", "birthday", "fromGmail",
  or a service's word.
- attendees: [{"email", "name", "response", "optional", "resource"}], sorted by e-mail address in
  lower case; "self": true marks the calendar's own entry; responses as Google spells them
  ("needsAction", "accepted", "tentative", "declined").
- reminders: {"default": true} or {"default": false, "overrides": [{"method", "minutes"}, ...]},
  sorted.
- colour: the service's palette index as text, "" for the calendar's own.
- conference: the service's conference data as it came, or None.
- attachments: the service's attachments as they came, [] if none.
- metadata: {"private": {...}, "shared": {...}}, the extended properties that are not ours; empty
  parts are left out.

Facts are what a service says about an event and nobody writes: "uid" (iCalUID), "sequence",
"organizer" ({"email", "name", "self"}), "link". They are never compared and never merged.
"""

from collections.abc import Mapping
from typing import Any, Final

EMPTY: Final[Mapping[str, Any]] = {
    "title": "",
    "description": "",
    "location": "",
    "start": None,
    "end": None,
    "recurrence": [],
    "status": "confirmed",
    "visibility": "default",
    "transparency": "opaque",
    "event_type": "default",
    "attendees": [],
    "reminders": {"default": True},
    "colour": "",
    "conference": None,
    "attachments": [],
    "metadata": {},
}

FIELDS: Final[frozenset[str]] = frozenset(EMPTY)
# What a copy away from its event's home carries. Not the guests (a service would invite them to the
# copy), nor what belongs to the one event at home: its conference, its attachments, its type, and
# what programs have noted there.
SHARED: Final[frozenset[str]] = frozenset(
    {
        "title",
        "description",
        "location",
        "start",
        "end",
        "recurrence",
        "status",
        "visibility",
        "transparency",
        "reminders",
        "colour",
    }
)
FACTS: Final[frozenset[str]] = frozenset({"uid", "sequence", "organizer", "link"})
