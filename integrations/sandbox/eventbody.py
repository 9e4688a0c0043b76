"""The rules of an event's fields: what a write may hold and how Google hands it back.

Tidying is modest: line ends become LF, scripts, styles and comments leave descriptions, empty
texts and default values disappear, attendees' addresses are lower case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from integrations.sandbox import eventtypes, series
from integrations.sandbox.errors import ApiError, invalid
from integrations.sandbox.times import check_order, parse

EVENT_COLORS = tuple(str(number) for number in range(1, 12))
_WORDS = {
    "status": ("confirmed", "tentative", "cancelled"),
    "visibility": ("default", "public", "private", "confidential"),
    "transparency": ("opaque", "transparent"),
    "colorId": EVENT_COLORS,
}
_RESPONSES = ("needsAction", "declined", "tentative", "accepted")
_DEFAULTS = {
    "anyoneCanAddSelf": False,
    "guestsCanInviteOthers": True,
    "guestsCanModify": False,
    "guestsCanSeeOtherGuests": True,
    "privateCopy": False,
    "transparency": "opaque",
    "visibility": "default",
}
_HIDDEN_HTML = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)


def canonical(body: dict[str, Any], calendar: dict[str, Any]) -> dict[str, Any]:
    """Return an event's writable fields as Google would hand them back; raise its 400s.

    `body` is the whole intended event (a patch already merged), without null values.
    """
    body = {name: value for name, value in body.items() if value != ""}
    for name, words in _WORDS.items():
        if name in body and body[name] not in words:
            raise invalid(f"Invalid value for: {name}. Valid values: {', '.join(words)}.", name)
    done = {**body, **_times(body, calendar["timeZone"])}
    for name, tidy in _TIDY.items():
        if name in done:
            done[name] = tidy(done[name])
    done.setdefault("reminders", {"useDefault": True})
    done.setdefault("status", "confirmed")
    done.setdefault("eventType", "default")
    eventtypes.check(done)
    return {k: v for k, v in done.items() if v not in ("", [], {}) and v != _DEFAULTS.get(k)}


def _times(body: dict[str, Any], calendar_zone: str) -> dict[str, Any]:
    start = parse(body.get("start") or {}, calendar_zone, which="start")
    end = parse(body.get("end") or {}, calendar_zone, which="end")
    check_order(start, end)
    if body.get("recurrence"):
        series.check(body["recurrence"], start, body["start"].get("timeZone"))
    return {"start": start.shown(calendar_zone), "end": end.shown(calendar_zone)}


def _text(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _description(text: str) -> str:
    return _text(_HIDDEN_HTML.sub("", text))


def _attendees(attendees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for attendee in attendees:
        email = str(attendee.get("email", "")).strip().lower()
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
            raise invalid("Invalid attendee email.", "attendees")
        response = attendee.get("responseStatus") or "needsAction"
        if response not in _RESPONSES:
            raise invalid("Invalid value for: responseStatus.", "attendees")
        kept = {k: v for k, v in attendee.items() if v not in (None, False, "")}
        kept.pop("self", None)
        kept.pop("organizer", None)
        found[email] = kept | {"email": email, "responseStatus": response}
    return list(found.values())


def _reminders(reminders: dict[str, Any]) -> dict[str, Any]:
    if reminders.get("useDefault", not reminders.get("overrides")):
        if reminders.get("overrides"):
            raise invalid("Cannot specify both default reminders and overrides.", "reminders")
        return {"useDefault": True}
    overrides = reminders.get("overrides") or []
    if len(overrides) > 5:
        raise invalid("An event takes at most 5 reminder overrides.", "reminders")
    for one in overrides:
        if one.get("method") not in ("email", "popup") or not 0 <= one.get("minutes", -1) <= 40320:
            raise invalid("Invalid reminder.", "reminders")
    return {"useDefault": False} | ({"overrides": overrides} if overrides else {})


def _properties(properties: dict[str, Any]) -> dict[str, Any]:
    kept = {
        group: {k: v[:1024] for k, v in pairs.items() if len(k) <= 44 and v is not None}
        for group, pairs in properties.items()
        if pairs
    }
    pairs = [(k, v) for group in kept.values() for k, v in group.items()]
    if len(pairs) > 300 or sum(len(k) + len(v) for k, v in pairs) > 32 * 1024:
        raise invalid("Extended properties exceed their limits.", "extendedProperties")
    return {group: found for group, found in kept.items() if found}


def _attachments(attachments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(attachments) > 25:
        raise invalid("An event takes at most 25 attachments.", "attachments")
    if not all(str(one.get("fileUrl", "")).startswith("https://") for one in attachments):
        raise invalid("Invalid attachment fileUrl.", "attachments")
    return attachments


def _source(source: dict[str, Any]) -> dict[str, Any]:
    if not re.match(r"https?://", source.get("url") or ""):
        raise invalid("Invalid source url.", "source")
    return source


_TIDY: dict[str, Callable[[Any], Any]] = {
    "summary": _text,
    "location": _text,
    "description": _description,
    "attendees": _attendees,
    "reminders": _reminders,
    "extendedProperties": _properties,
    "attachments": _attachments,
    "source": _source,
}


def check_id(name: str) -> None:
    """Raise the 400 for a client's event id outside base32hex or 5 to 1024 characters."""
    if not re.fullmatch(r"[a-v0-9]{5,1024}", name):
        raise ApiError(400, "invalid", "Invalid resource id value.")


def merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return a resource after a patch: objects merge, lists are replaced, null deletes."""
    result = dict(old)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = merged({}, value) if isinstance(value, dict) else value
    return result


def without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body in which null fields are simply absent, as in inserts and updates."""
    return merged({}, body)
