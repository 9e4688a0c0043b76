"""Google events read: from the resource as it comes to the canonical form.

Facts from the reference of the Events resource (developers.google.com/workspace/calendar/api/v3/
reference/events). Unknown words pass through as text; what cannot be understood raises `Malformed`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sync.core.marks import Mark, Marker
from sync.core.provider import Copy, Unreadable
from sync.core.records import Fields

Raw = Mapping[str, Any]

# Our private extended properties: the signed mark, and a constant on busy blocks to search by.
MARK_KEY: Final = "lockstep"
BLOCK_KEY: Final = "lockstepBlock"
BLOCK_VALUE: Final = "1"
OURS: Final = frozenset({MARK_KEY, BLOCK_KEY})
UTC_NAME: Final = "UTC"

# Everything a person can have entered and everything we state; left out is only what Google
# derives (kind, created, creator, hangoutLink) or has given up (gadget).
MASK: Final = (
    "id,etag,status,updated,summary,description,location,start,end,endTimeUnspecified,recurrence,"
    "recurringEventId,originalStartTime,visibility,transparency,eventType,attendees,"
    "attendeesOmitted,reminders,colorId,eventLabelId,conferenceData,attachments,"
    "extendedProperties,iCalUID,sequence,organizer,htmlLink,locked,privateCopy,source,"
    "guestsCanInviteOthers,guestsCanModify,guestsCanSeeOtherGuests,anyoneCanAddSelf,"
    "birthdayProperties,focusTimeProperties,outOfOfficeProperties,workingLocationProperties"
)

WRITERS: Final = frozenset({"owner", "writer", "writerWithoutPrivateAccess"})
_BUSY_ONLY: Final = "freeBusyReader"
_NO_PRIVATE: Final = frozenset({"reader", "writerWithoutPrivateAccess"})
_PRIVATE: Final = frozenset({"private", "confidential"})


class Malformed(ValueError):
    """A part of an event is not what Google says it is; the text names the part, never content."""


def read_page(
    items: Sequence[Raw], *, marker: Marker, role: str, evidence: str
) -> tuple[list[Copy], list[Unreadable]]:
    """Read the events of one page; what cannot be understood costs only itself."""
    copies: list[Copy] = []
    unreadable: list[Unreadable] = []
    for raw in items:
        try:
            copies.append(copy_of(raw, marker=marker, role=role, evidence=evidence))
        except (Malformed, KeyError, TypeError, AttributeError, ValueError) as error:
            unreadable.append(Unreadable(_id_of(raw), problem_of(error)))
    return copies, unreadable


def problem_of(error: Exception) -> str:
    """Say what is wrong with an event without any of its content."""
    return str(error) if isinstance(error, Malformed) else type(error).__name__


def copy_of(raw: Raw, *, marker: Marker, role: str, evidence: str) -> Copy:
    """Return one event as a `Copy`; `evidence` is what a tombstone says about itself.

    `role` is the reader's access role: who sees only busy times gets occurrences without their
    series, which are then events on their own.
    """
    parent = raw.get("recurringEventId", "") if role != _BUSY_ONLY else ""
    slot = slot_of(raw["originalStartTime"]) if parent and "originalStartTime" in raw else ""
    if raw.get("status") == "cancelled":
        return _cancelled(raw, parent, slot, _mark_of(raw, parent, marker), evidence)
    partial = _hidden(raw, role)
    return Copy(
        remote_id=raw["id"],
        version=raw.get("etag", ""),
        fields=_visible_fields(raw) if partial else fields_of(raw),
        ordinal=raw.get("updated", ""),
        parent=parent,
        slot=slot,
        mark=_mark_of(raw, parent, marker),
        partial=partial or raw.get("attendeesOmitted", False),
        obstacle=_obstacle(raw, role, partial),
        facts=_facts_of(raw),
        raw=raw,
    )


def _cancelled(raw: Raw, parent: str, slot: str, mark: Mark | None, evidence: str) -> Copy:
    """Read a cancelled item: an occurrence that does not take place, or a deleted event.

    Of the first only id, series and original start are promised, of the second only the id.
    """
    occurrence = bool(parent and slot)
    return Copy(
        remote_id=raw["id"],
        version=raw.get("etag", ""),
        fields={"status": "cancelled"} if occurrence else None,
        ordinal=raw.get("updated", ""),
        parent=parent,
        slot=slot,
        mark=mark,
        partial=occurrence,
        evidence="" if occurrence else evidence,
        raw=raw,
    )


def _mark_of(raw: Raw, parent: str, marker: Marker) -> Mark | None:
    properties = raw.get("extendedProperties")
    text = properties.get("private", {}).get(MARK_KEY) if properties else None
    return marker.read(text, raw["id"], parent) if text else None


def _hidden(raw: Raw, role: str) -> bool:
    """Say whether this reader is shown the time only."""
    return role == _BUSY_ONLY or (role in _NO_PRIVATE and raw.get("visibility") in _PRIVATE)


def _obstacle(raw: Raw, role: str, partial: bool) -> str:
    if role not in WRITERS:
        return f"the calendar is shared with us as {role}"
    if partial:
        return "private details are hidden from us"
    if raw.get("locked"):
        return "the event is locked"
    event_type = raw.get("eventType", "default")
    return "" if event_type == "default" else f"events of type {event_type} are only read"


def fields_of(raw: Raw) -> Fields:
    """Return the canonical fields of an event whose details we see."""
    fields = {
        "title": text_of(raw.get("summary", "")),
        "description": text_of(raw.get("description", "")),
        "location": text_of(raw.get("location", "")),
        "start": time_of(raw.get("start"), "start"),
        "end": time_of(raw.get("end"), "end"),
        "recurrence": recurrence_of(raw["recurrence"]) if "recurrence" in raw else [],
        "status": raw.get("status", "confirmed"),
        "visibility": raw.get("visibility", "default"),
        "transparency": raw.get("transparency", "opaque"),
        "event_type": raw.get("eventType", "default"),
        "attendees": attendees_of(raw["attendees"]) if "attendees" in raw else [],
        "reminders": reminders_of(raw["reminders"]) if "reminders" in raw else {"default": True},
        "colour": raw.get("colorId", ""),
        "conference": raw.get("conferenceData"),
        "attachments": raw.get("attachments", []),
        "metadata": metadata_of(raw["extendedProperties"]) if "extendedProperties" in raw else {},
    }
    if raw.get("attendeesOmitted"):
        del fields["attendees"]
    return fields


def text_of(text: str) -> str:
    """Return a text as it is compared and stored: line ends as LF, no NUL (PostgreSQL has none)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", "")


# The only parts of a hidden event that are true; some readers are shown "Busy" as its title.
_VISIBLE: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "start": ("start", lambda value: time_of(value, "start")),
    "end": ("end", lambda value: time_of(value, "end")),
    "recurrence": ("recurrence", lambda value: recurrence_of(value)),
    "status": ("status", str),
    "visibility": ("visibility", str),
    "transparency": ("transparency", str),
    "event_type": ("eventType", str),
}


def _visible_fields(raw: Raw) -> Fields:
    return {name: read(raw[key]) for name, (key, read) in _VISIBLE.items() if key in raw}


def time_of(value: Raw | None, part: str) -> dict[str, str]:
    """Return a start or an end in canonical form; a moment without a zone was said in UTC."""
    if not value:
        raise Malformed(f"{part}: missing")
    try:
        if "dateTime" in value:
            zone = value.get("timeZone") or UTC_NAME
            return {"at": instant(value["dateTime"], zone), "zone": zone}
        return {"date": date.fromisoformat(value["date"]).isoformat()}
    except (ValueError, KeyError, TypeError, OverflowError):
        raise Malformed(f"{part}: neither a date nor a time") from None


def instant(text: str, zone: str) -> str:
    """Return a time as UTC to the second; one without an offset is read in its zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=ZoneInfo(zone))
    return at.astimezone(UTC).isoformat(timespec="seconds")[:-6] + "Z"


def slot_of(original: Raw) -> str:
    """Return the name of an occurrence within its series: its original start."""
    time = time_of(original, "original start")
    return time.get("date") or time["at"]


def recurrence_of(lines: Sequence[str]) -> list[str]:
    """Return recurrence lines in a stable order: their order means nothing (RFC 5545 §3.8.5)."""
    return sorted(lines)


def attendees_of(attendees: Sequence[Raw]) -> list[dict[str, Any]]:
    """Return the guests, by their address in lower case."""
    return sorted(map(_attendee_of, attendees), key=lambda guest: guest["email"])


def _attendee_of(raw: Raw) -> dict[str, Any]:
    guest = {
        "email": raw.get("email", "").lower(),
        "name": raw.get("displayName", ""),
        "response": raw.get("responseStatus", "needsAction"),
        "optional": raw.get("optional", False),
        "resource": raw.get("resource", False),
    }
    return guest | {"self": True} if raw.get("self") else guest


def reminders_of(raw: Raw) -> dict[str, Any]:
    """Return the reminders of this reader."""
    if raw.get("useDefault", False):
        return {"default": True}
    overrides = [{"method": r["method"], "minutes": r["minutes"]} for r in raw.get("overrides", ())]
    return {
        "default": False,
        "overrides": sorted(overrides, key=lambda r: (r["method"], r["minutes"])),
    }


def metadata_of(properties: Raw) -> dict[str, dict[str, str]]:
    """Return the extended properties that are not ours."""
    private = {k: v for k, v in properties.get("private", {}).items() if k not in OURS}
    shared = dict(properties.get("shared", {}))
    return {name: part for name, part in (("private", private), ("shared", shared)) if part}


def _facts_of(raw: Raw) -> Fields:
    facts = {
        "uid": raw.get("iCalUID"),
        "sequence": raw.get("sequence"),
        "link": raw.get("htmlLink"),
    }
    found: dict[str, Any] = {name: value for name, value in facts.items() if value is not None}
    if organizer := raw.get("organizer"):
        found["organizer"] = {
            "email": organizer.get("email", ""),
            "name": organizer.get("displayName", ""),
            "self": organizer.get("self", False),
        }
    return found


def _id_of(raw: object) -> str:
    return str(raw.get("id", "")) if isinstance(raw, Mapping) else ""
