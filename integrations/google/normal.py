"""How Google hands back what it is given: the canonical form of fields after a round trip.

Every rule holds for what Google itself hands out, so a record that came from Google is left as it
is. Limits from developers.google.com/workspace/calendar/api/guides/extended-properties and from
the reference of the Events resource. What Google rewrites by rules it does not publish (HTML in
descriptions) is not guessed here: the engine compares with what the write answered.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from integrations.google.events import OURS, UTC_NAME, instant, text_of
from sync.core.events import EMPTY, FIELDS
from sync.core.records import Fields

_KEY_LENGTH: Final = 44  # a longer key is dropped silently
_VALUE_LENGTH: Final = 1024  # a longer value is cut silently
_MOST_PROPERTIES: Final = 300 - len(OURS)
_MOST_BYTES: Final = 32 * 1024 - 512  # the rest is kept for our mark
_MOST_ATTACHMENTS: Final = 25
_MOST_REMINDERS: Final = 5
_LONGEST_REMINDER: Final = 40320  # minutes: four weeks


def normalise(fields: Fields) -> Fields:
    """Return the fields as Google would hand them back; a missing field stays missing."""
    known = {name: value for name, value in fields.items() if name in FIELDS}
    return {
        name: EMPTY[name] if value is None else _RULES.get(name, _same)(value)
        for name, value in known.items()
    }


def _same(value: Any) -> Any:
    return value


def _time(value: Mapping[str, str]) -> Mapping[str, str]:
    if "date" in value:
        return {"date": value["date"]}
    zone = value.get("zone") or UTC_NAME
    return {"at": instant(value["at"], zone), "zone": zone}


def _recurrence(lines: Iterable[str]) -> list[str]:
    said = (line.strip() for line in lines)
    return sorted(
        line for line in said if line and not line.upper().startswith(("DTSTART", "DTEND"))
    )


def _attendees(guests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = {guest["email"].strip().lower(): guest for guest in guests}
    return [_guest(email, guest) for email, guest in sorted(found.items())]


def _guest(email: str, guest: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {
        "email": email,
        "name": guest.get("name") or "",
        "response": guest.get("response") or "needsAction",
        "optional": bool(guest.get("optional")),
        "resource": bool(guest.get("resource")),
    }
    return kept | {"self": True} if guest.get("self") else kept


def _reminders(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if value.get("default", True):
        return {"default": True}
    said = {
        (r["method"], min(max(r["minutes"], 0), _LONGEST_REMINDER))
        for r in value.get("overrides", ())
    }
    overrides = [{"method": m, "minutes": n} for m, n in sorted(said)[:_MOST_REMINDERS]]
    return {"default": False, "overrides": overrides}


def _attachments(value: Sequence[Any]) -> Sequence[Any]:
    return list(value[:_MOST_ATTACHMENTS])


def _metadata(value: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, str]]:
    """Cut the extended properties as Google does, and leave out those beyond its limits."""
    count, size = 0, 0
    kept: dict[str, dict[str, str]] = {}
    for part in ("private", "shared"):
        for key, said in sorted(value.get(part, {}).items()):
            text = (said if isinstance(said, str) else json.dumps(said))[:_VALUE_LENGTH]
            bytes_more = len(key.encode()) + len(text.encode())
            fits = count < _MOST_PROPERTIES and size + bytes_more <= _MOST_BYTES
            if fits and len(key) <= _KEY_LENGTH and not (part == "private" and key in OURS):
                kept.setdefault(part, {})[key] = text
                count, size = count + 1, size + bytes_more
    return kept


_RULES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "title": text_of,
    "description": text_of,
    "location": text_of,
    "start": _time,
    "end": _time,
    "recurrence": _recurrence,
    "attendees": _attendees,
    "reminders": _reminders,
    "attachments": _attachments,
    "metadata": _metadata,
}
