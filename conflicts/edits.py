"""Check values that a person typed where neither side's was right."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from calendars.event_fields import instant, moment
from calendars.models import Event
from sync.core.events import EMPTY
from sync.core.records import Fields

TIMES: Final = ("start", "end")
_A_TIME: Final = '{"at": "2026-05-05T07:00:00Z", "zone": "Europe/Berlin"} or {"date": "2026-05-05"}'


def problems_with(edits: Fields, record: Fields) -> Iterator[str]:
    """Say, one by one, why an event cannot take these values; `record` is the event with them.

    Says which field and what it takes, never the value itself: errors end up in logs.
    """
    for name, value in edits.items():
        if name not in EMPTY:
            yield f"an event has no field {name!r}; it has: {', '.join(sorted(EMPTY))}"
        elif name in TIMES:
            if not _is_time(value):
                yield f"{name} takes {_A_TIME}"
        elif not _fits(name, value):
            yield f"{name} cannot hold that value; it takes {_wanted(name)}"
    if set(TIMES) & edits.keys() and not _in_order(record.get("start"), record.get("end")):
        yield "the end has to be after the start, and both moments or both dates"


def _fits(name: str, value: Any) -> bool:
    if name in _ANYTHING_OR_NOTHING and value is None:
        return True
    if not isinstance(value, _type_of(name)) or "\x00" in str(value):
        return False
    if isinstance(value, list):
        return all(_MEMBERS[name](member) for member in value)
    return not isinstance(value, str) or len(value) <= _longest(name)


_ANYTHING_OR_NOTHING = ("conference",)

_MEMBERS: Mapping[str, Callable[[Any], bool]] = {
    "recurrence": lambda line: isinstance(line, str),
    "attendees": lambda person: isinstance(person, dict) and bool(person.get("email")),
    "attachments": lambda attachment: isinstance(attachment, dict),
}


def _type_of(name: str) -> type:
    return dict if name in _ANYTHING_OR_NOTHING else type(EMPTY[name])


def _longest(name: str) -> float:
    return getattr(Event._meta.get_field(name), "max_length", None) or float("inf")


def _wanted(name: str) -> str:
    match EMPTY[name]:
        case str():
            return f"text of at most {_longest(name)} characters"
        case list():
            return "a list of " + ("lines" if name == "recurrence" else "objects")
        case _:
            return "an object"


def _is_time(value: Any) -> bool:
    """Say whether this is a moment or a date in canonical form, in a zone that exists."""
    try:
        match value:
            case {"date": str(day)}:
                return bool(value == moment(None, date.fromisoformat(day), ""))
            case {"at": str(at), "zone": str(zone)}:
                known = not zone or ZoneInfo(zone)
                return bool(known and value == moment(instant(at), None, zone))
    except (ValueError, ZoneInfoNotFoundError):
        return False
    return False


def _in_order(start: Any, end: Any) -> bool:
    """Say whether one time is not before the other; an event may last no time at all."""
    match start, end:
        case ({"date": begins}, {"date": ends}) | ({"at": begins}, {"at": ends}):
            return bool(begins <= ends)
        case _:
            return False
