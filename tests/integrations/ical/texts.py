"""Texts of calendars for these tests, and short ways to read and write them."""

from datetime import UTC, datetime

from integrations.ical import put_event, read_calendar
from sync.core.events import EMPTY

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def moment(at, zone=BERLIN):
    return {"at": at, "zone": zone}


def event(**more):
    """Return canonical fields: an hour in Berlin, and whatever is asked for."""
    return {
        **EMPTY,
        "title": "Dentist",
        "start": moment("2026-05-05T07:00:00Z"),
        "end": moment("2026-05-05T08:00:00Z"),
        **more,
    }


def vevent(*lines, uid="u1", start="DTSTART:20260505T070000Z", newline="\r\n"):
    said = ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", start, *lines, "END:VEVENT"]
    return newline.join(line for line in said if line)


def calendar(*parts, newline="\r\n"):
    said = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//y//EN", *parts, "END:VCALENDAR", ""]
    return newline.join(said).encode()


def read(*lines, zone="UTC", me=frozenset(), **more):
    """Return the one component of a calendar with one event of these lines."""
    (component,) = components(calendar(vevent(*lines, **more)), zone=zone, me=me)
    return component


def components(data, zone="UTC", me=frozenset()):
    resource = read_calendar(data, zone=zone, me=me)
    assert not resource.unreadable
    return resource.components


def by_slot(data, **more):
    return {component.slot: component for component in components(data, **more)}


def put(data, fields, *changed, slot="", uid="u1", mark="", zone="UTC"):
    names = frozenset(changed) if changed else None
    return put_event(data, uid, slot, fields, names, mark=mark, now=NOW, zone=zone)
