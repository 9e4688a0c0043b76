"""How a stored event looks to whoever reads it: role, zone, attendee limit, tombstones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.roles import rank, role_of
from integrations.sandbox.times import parse, zone
from integrations.sandbox.world import Call

_BUSY = ("kind", "etag", "id", "status", "htmlLink", "start", "end", "eventType", "iCalUID")
_HIDDEN = (*_BUSY, "created", "updated", "creator", "organizer", "sequence", "visibility",
           "transparency", "recurrence", "recurringEventId", "originalStartTime")  # fmt: skip
_TOMBSTONE = ("kind", "etag", "id", "status", "recurringEventId", "originalStartTime")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose eyes, and in which form: everything the view of an event depends on."""

    role: str
    calendar_zone: str
    zone: str
    most_attendees: int = 0

    @property
    def plain(self) -> bool:
        """True if events are shown exactly as they are stored."""
        sees_all = rank(self.role) >= rank("writer")
        return sees_all and self.zone == self.calendar_zone and not self.most_attendees


def viewer(call: Call, calendar: dict[str, Any]) -> Viewer:
    """Return how this call sees this calendar's events; raise the 400s of bad parameters."""
    if name := call.query.text("timeZone"):
        zone(name)
    return Viewer(
        role=role_of(calendar, call.account),
        calendar_zone=calendar["timeZone"],
        zone=call.query.text("timeZone") or calendar["timeZone"],
        most_attendees=call.query.number("maxAttendees", 0),
    )


def hides_details(eyes: Viewer, body: dict[str, Any]) -> bool:
    """Return whether a private event must not show its details to this role."""
    private = body.get("visibility") in ("private", "confidential")
    return private and rank(eyes.role) < rank("writer")


def shown(eyes: Viewer, body: dict[str, Any]) -> dict[str, Any]:
    """Return the event as this viewer gets it."""
    if eyes.plain:
        return body
    public = body.get("visibility") == "public"
    if eyes.role == "freeBusyReader" and not public:
        return _zoned(eyes, {key: body[key] for key in _BUSY if key in body})
    if hides_details(eyes, body):
        body = {key: body[key] for key in _HIDDEN if key in body}
    return _zoned(eyes, _few_attendees(eyes, body))


def _few_attendees(eyes: Viewer, body: dict[str, Any]) -> dict[str, Any]:
    attendees = body.get("attendees", [])
    if not eyes.most_attendees or len(attendees) <= eyes.most_attendees:
        return body
    own = [one for one in attendees if one.get("self")]
    return body | {"attendees": own, "attendeesOmitted": True}


def _zoned(eyes: Viewer, body: dict[str, Any]) -> dict[str, Any]:
    if eyes.zone == eyes.calendar_zone:
        return body
    times = {
        name: parse(body[name], eyes.calendar_zone, which=name).shown(eyes.zone)
        for name in ("start", "end", "originalStartTime")
        if name in body
    }
    return body | times


def tombstone(body: dict[str, Any]) -> dict[str, Any]:
    """Return what a listing shows of a cancelled event: who it was and nothing else."""
    return {key: body[key] for key in _TOMBSTONE if key in body}
