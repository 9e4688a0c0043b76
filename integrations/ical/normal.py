"""How iCalendar hands back what it is given: the canonical form of fields after a round trip.

What is not modelled in iCalendar (docs/fidelity.md lists it) comes back empty.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from integrations.ical.alarms import normal_reminders
from integrations.ical.guests import normal_guests
from integrations.ical.rules import normal_rules
from integrations.ical.times import normal_time, settled
from integrations.ical.words import sayable, word_of
from sync.core.events import EMPTY, FIELDS
from sync.core.records import Fields

LOSSY: Final = frozenset({"event_type", "colour", "conference", "attachments", "metadata"})
CANCELLED: Final[Mapping[str, Any]] = {"status": "cancelled"}


def normalise(fields: Fields) -> Fields:
    """Return the fields as iCalendar would hand them back; a missing field stays missing."""
    known = {name: value for name, value in fields.items() if name in FIELDS}
    said = {
        name: EMPTY[name] if value is None or name in LOSSY else _RULES[name](value)
        for name, value in known.items()
    }
    if said.get("start") and said.get("end"):
        said["end"] = settled(said["start"], said["end"])
    if said.get("recurrence"):
        said["recurrence"] = normal_rules(said["recurrence"], said.get("start"))
    return said


def _word(default: str) -> Callable[[Any], str]:
    return lambda value: word_of(value, default)


_RULES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "title": sayable,
    "description": sayable,
    "location": sayable,
    "start": normal_time,
    "end": normal_time,
    "recurrence": list,
    "status": _word("confirmed"),
    "visibility": _word("default"),
    "transparency": _word("opaque"),
    "attendees": normal_guests,
    "reminders": normal_reminders,
}
