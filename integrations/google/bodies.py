"""Google events written: from the canonical form to request bodies."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from integrations.google.events import BLOCK_KEY, BLOCK_VALUE, MARK_KEY, OURS, UTC_NAME, Raw
from sync.core.events import EMPTY
from sync.core.records import Fields

Body = dict[str, Any]


def new_body(fields: Fields) -> Body:
    """Return the body that creates an event: whatever is not at its default."""
    said = {n: v for n, v in fields.items() if v is not None and v != EMPTY.get(n)}
    body: Body = {}
    for name in _WRITE.keys() & said.keys():
        body |= _WRITE[name](said[name])
    return {key: _without_nulls(value) for key, value in body.items() if value is not None}


def patch_body(fields: Fields, changed: Collection[str], current: Raw) -> Body:
    """Return the body that changes these fields and nothing else; null clears.

    `current` is the event as it stands; only a change of "attendees" or "metadata" looks at it. A
    list of guests replaces the whole list, so what Lockstep does not model of a guest is taken
    over, and an extended property goes only by a null in its place.
    """
    body: Body = {}
    for name in sorted(changed):
        if name == "attendees":
            body["attendees"] = _merged_guests(fields.get(name) or [], current)
        elif name == "metadata":
            body["extendedProperties"] = _replaced(fields.get(name) or {}, current)
        else:
            value = fields.get(name)
            body |= _WRITE[name](EMPTY[name] if value is None else value)
    return body


def with_mark(body: Body, mark: str, *, block: bool) -> Body:
    """Return the body with our signed mark in it, and on a busy block the constant to search by."""
    properties = dict(body.get("extendedProperties", {}))
    ours = {MARK_KEY: mark} | ({BLOCK_KEY: BLOCK_VALUE} if block else {})
    properties["private"] = {**properties.get("private", {}), **ours}
    return {**body, "extendedProperties": properties}


def _merged_guests(guests: Sequence[Mapping[str, Any]], current: Raw) -> list[Body]:
    """Return the whole list of guests, each with what is not modelled of it as it stands."""
    known = {str(g.get("email", "")).lower(): g for g in current.get("attendees", ())}
    return [{**known.get(guest["email"].lower(), {}), **_guest(guest)} for guest in guests]


def _guest(guest: Mapping[str, Any]) -> Body:
    return {
        "email": guest["email"],
        "displayName": guest.get("name", ""),
        "responseStatus": guest.get("response", "needsAction"),
        "optional": guest.get("optional", False),
        "resource": guest.get("resource", False),
    }


def _replaced(metadata: Mapping[str, Mapping[str, str]], current: Raw) -> Body:
    """Return extended properties that set the new ones and clear the others, ours excepted."""
    before = current.get("extendedProperties", {})
    return {
        part: {
            **{key: None for key in before.get(part, {}) if key not in OURS},
            **metadata.get(part, {}),
        }
        for part in ("private", "shared")
        if part in before or part in metadata
    }


def _time(value: Mapping[str, str] | None) -> Body | None:
    """Return a start or an end; the nulls clear what an event of the other kind has there."""
    if not value:
        return None
    if "date" in value:
        return {"date": value["date"], "dateTime": None, "timeZone": None}
    return {"dateTime": value["at"], "timeZone": value.get("zone") or UTC_NAME, "date": None}


def _reminders(value: Mapping[str, Any]) -> Body:
    return {"useDefault": value["default"], "overrides": value.get("overrides", [])}


def _plain(key: str) -> Callable[[Any], Body]:
    return lambda value: {key: value}


def _clearable(key: str) -> Callable[[Any], Body]:
    return lambda value: {key: value or None}


_WRITE: Final[Mapping[str, Callable[[Any], Body]]] = {
    "title": _clearable("summary"),
    "description": _clearable("description"),
    "location": _clearable("location"),
    "start": lambda value: {"start": _time(value)},
    "end": lambda value: {"end": _time(value)},
    "recurrence": _plain("recurrence"),
    "status": _plain("status"),
    "visibility": _plain("visibility"),
    "transparency": _plain("transparency"),
    "attendees": lambda value: {"attendees": _merged_guests(value, {})},
    "reminders": lambda value: {"reminders": _reminders(value)},
    "colour": _clearable("colorId"),
    "conference": _plain("conferenceData"),
    "attachments": _plain("attachments"),
    "metadata": lambda value: {"extendedProperties": dict(value)},
}
WRITABLE: Final = frozenset(_WRITE)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value
