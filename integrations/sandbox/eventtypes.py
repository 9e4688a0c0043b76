"""What each event type may look like and which of its fields may change (calendar-status guide)."""

from __future__ import annotations

from datetime import date
from typing import Any

from integrations.sandbox.errors import ApiError

TYPES = ("default", "birthday", "focusTime", "fromGmail", "outOfOffice", "workingLocation")
_UPDATABLE = {
    "birthday": {"colorId", "summary", "reminders", "start", "end"},
    "fromGmail": {
        "attendees", "colorId", "extendedProperties", "reminders", "status", "transparency",
        "visibility",
    },
}  # fmt: skip
_DETAILS = {
    "birthday": "birthdayProperties",
    "focusTime": "focusTimeProperties",
    "outOfOffice": "outOfOfficeProperties",
    "workingLocation": "workingLocationProperties",
}


def refuse(message: str) -> ApiError:
    """Return the 400 for something an event's type does not allow."""
    return ApiError(400, "eventTypeRestriction", message, domain="calendar")


def check(body: dict[str, Any]) -> None:
    """Raise the 400 for an event whose fields do not fit its type."""
    kind = body["eventType"]
    if kind not in TYPES:
        raise ApiError(400, "invalid", "Invalid value for: eventType.", location="eventType")
    for other, details in _DETAILS.items():
        if details in body and other != kind:
            raise refuse(f"{details} needs an event of type {other}.")
    if kind in ("outOfOffice", "focusTime"):
        _check_status_event(body, kind)
    elif kind == "workingLocation":
        _check_working_location(body)
    elif kind == "birthday":
        _check_birthday(body)


def _check_status_event(body: dict[str, Any], kind: str) -> None:
    if "date" in body["start"]:
        raise refuse(f"An event of type {kind} cannot be an all-day event.")
    if body.get("transparency") == "transparent":
        raise refuse(f"An event of type {kind} must be opaque.")


def _check_working_location(body: dict[str, Any]) -> None:
    if body.get("visibility") != "public" or body.get("transparency") != "transparent":
        raise refuse("A working location event must be public and transparent.")
    if not body.get("workingLocationProperties", {}).get("type"):
        raise refuse("A working location event needs workingLocationProperties.type.")
    if "date" in body["start"] and _days(body) != 1:
        raise refuse("An all-day working location event must be exactly one day long.")


def _check_birthday(body: dict[str, Any]) -> None:
    if "date" not in body["start"] or _days(body) != 1:
        raise refuse("A birthday must be an all-day event of one day.")
    if body.get("visibility") != "private" or body.get("transparency") != "transparent":
        raise refuse("A birthday must be private and transparent.")


def _days(body: dict[str, Any]) -> int:
    days = date.fromisoformat(body["end"]["date"]) - date.fromisoformat(body["start"]["date"])
    return days.days


def check_create(body: dict[str, Any], *, primary: bool, batch: bool) -> None:
    """Raise the refusals that concern new events only."""
    kind = body.get("eventType", "default")
    if kind == "fromGmail":
        raise refuse("Events from Gmail cannot be created.")
    if kind in ("outOfOffice", "focusTime", "workingLocation") and not primary:
        raise refuse(f"An event of type {kind} can only be created on a primary calendar.")
    yearly = any("FREQ=YEARLY" in line for line in body.get("recurrence", []))
    if kind == "birthday" and not yearly:
        raise refuse("A birthday must recur yearly.")
    if kind == "workingLocation" and batch:
        raise refuse("Working location events cannot be written in a batch.")


def check_update(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raise the 400 for a changed type or for a field that the type does not let change."""
    kind = old.get("eventType", "default")
    if new.get("eventType", "default") != kind:
        raise ApiError(400, "invalid", "Event type cannot be changed.", location="eventType")
    if kind not in _UPDATABLE:
        return
    changed = {k for k in old.keys() | new.keys() if old.get(k) != new.get(k)}
    if refused := sorted(changed - _UPDATABLE[kind] - {"sequence"}):
        raise refuse(f"An event of type {kind} does not allow changes of {', '.join(refused)}.")
