"""Dates and moments: as iCalendar spells them, and in canonical form.

A moment is spelled by the wall clock of its zone. Where that would name another instant (the
second pass of an hour that comes twice) or where nobody knows the zone, it is spelled in UTC.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from integrations.ical.lines import Line
from integrations.ical.zones import UTC_NAME, Zone, Zones, is_iana, zone_info
from sync.core.records import Fields

Moment = Mapping[str, str]

_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?([Zz]?))?")
_DAY: Final = timedelta(days=1)


class Malformed(ValueError):
    """A part of a component is not what RFC 5545 says; the text names the part, never content."""


@lru_cache(maxsize=4096)
def wall_of(text: str) -> tuple[date | datetime, bool]:
    """Read a DATE or DATE-TIME value: a date, or a time on a wall and whether that is UTC's."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise Malformed("a time is not one")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if found[4] is None:
        return date(year, month, day), False
    return datetime(year, month, day, hour, minute, min(second, 59)), bool(found[7])  # noqa: DTZ001


def day_of(wall: date | datetime) -> date:
    """Return the day of a date or of a time on a wall."""
    return wall.date() if isinstance(wall, datetime) else wall


def zone_of(line: Line, zones: Zones, year: int, last: int = 0) -> Zone:
    """Return the zone that the times of a line are said in."""
    tzid = line.parameter("TZID")
    return zones.find(tzid, year, max(year, last)) if tzid else Zone(zones.floating)


def time_of(line: Line, zones: Zones, last: int = 0) -> dict[str, str]:
    """Read DTSTART, DTEND or RECURRENCE-ID in canonical form; raise `Malformed`.

    `last` is the last year that matters for the zone, where it matters beyond the time itself.
    """
    try:
        wall, utc = wall_of(line.value)
        if not isinstance(wall, datetime):
            return {"date": wall.isoformat()}
        if utc:
            return {"at": _text(wall), "zone": UTC_NAME}
        zone = zone_of(line, zones, wall.year, last)
        return {"at": _text(zone.utc(wall)), "zone": zone.name}
    except (ValueError, OverflowError):
        raise Malformed(f"{line.name}: neither a date nor a time") from None


def _text(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def instant(moment: Moment) -> datetime:
    """Return a canonical moment as an instant; a date begins at midnight UTC."""
    at = datetime.fromisoformat(moment.get("at") or moment["date"])
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def normal_time(moment: Moment) -> dict[str, str]:
    """Return a canonical time as it comes back from iCalendar."""
    if "date" in moment:
        return {"date": date.fromisoformat(moment["date"]).isoformat()}
    at = instant(moment).replace(microsecond=0)
    return {"at": _text(at), "zone": _said_zone(at, moment.get("zone", ""))}


def _said_zone(at: datetime, name: str) -> str:
    if name in ("", UTC_NAME) or not is_iana(name):
        return UTC_NAME
    try:
        wall = at.astimezone(zone_info(name)).replace(fold=0)
        return name if wall.astimezone(UTC) == at else UTC_NAME
    except OverflowError:
        return UTC_NAME


def spelled(moment: Moment, tzid: str = "") -> tuple[tuple[tuple[str, str], ...], str]:
    """Return parameters and value of a canonical time; `tzid` is what its zone is called."""
    said = normal_time(moment)
    if "date" in said:
        return (("VALUE", "DATE"),), said["date"].replace("-", "")
    at = instant(said)
    if said["zone"] == UTC_NAME:
        return (), compact(at) + "Z"
    wall = at.astimezone(zone_info(said["zone"]))
    return (("TZID", tzid or said["zone"]),), compact(wall)


def compact(at: datetime) -> str:
    """Return a time as RFC 5545 spells it, without a zone."""
    return at.replace(tzinfo=None).isoformat(timespec="seconds").replace("-", "").replace(":", "")


def duration(text: str) -> timedelta:
    """Read a DURATION value; raise `Malformed`."""
    from icalendar.prop import vDuration  # takes long to load, and most runs read no duration

    try:
        length: timedelta = vDuration.from_ical(text.strip().upper())  # type: ignore[no-untyped-call]
        return length
    except (ValueError, OverflowError, TypeError):
        raise Malformed("DURATION: not a length of time") from None


def default_end(start: Moment) -> dict[str, str]:
    """Return the end of an event that says none: after one day, or at once (section 3.6.1)."""
    if "date" in start and start["date"] < date.max.isoformat():
        return {"date": (date.fromisoformat(start["date"]) + _DAY).isoformat()}
    return dict(start)


def end_after(start: Moment, length: timedelta, zones: Zones) -> dict[str, str]:
    """Return the end of an event of some length: days by the wall clock, hours by any clock."""
    if length < timedelta(0):
        return default_end(start)
    if "date" in start:
        return _settled_date(date.fromisoformat(start["date"]) + length, start)
    days = timedelta(days=length.days)
    at = instant(start)
    if days and start["zone"] != UTC_NAME:
        wall = at.astimezone(zone_info(start["zone"])).replace(tzinfo=None) + days
        at = wall.replace(tzinfo=zone_info(start["zone"])).astimezone(UTC)
    else:
        at += days
    return {"at": _text(at + (length - days)), "zone": start["zone"]}


def _settled_date(day: date, start: Moment) -> dict[str, str]:
    return settled(start, {"date": day.isoformat()})


def settled(start: Moment, end: Moment) -> dict[str, str]:
    """Return an end that is of the start's kind and not before it."""
    try:
        return _settled(start, end)
    except OverflowError:
        return default_end(start)


def _settled(start: Moment, end: Moment) -> dict[str, str]:
    if "date" in start and "at" in end:
        zone = zone_info(end["zone"]) if is_iana(end.get("zone", "")) else UTC
        end = {"date": instant(end).astimezone(zone).date().isoformat()}
    elif "at" in start and "date" in end:
        zone = zone_info(start["zone"]) if is_iana(start.get("zone", "")) else UTC
        midnight = datetime.fromisoformat(end["date"]).replace(tzinfo=zone)
        end = {"at": _text(midnight.astimezone(UTC)), "zone": start["zone"]}
    backwards = instant(end) < instant(start) or ("date" in start and end == start)
    return default_end(start) if backwards else dict(end)


def slot_of(line: Line, zones: Zones, start: Moment | None) -> str:
    """Return the name of an occurrence from its RECURRENCE-ID, in the form of its series' start."""
    said = time_of(line, zones)
    if start is None or ("date" in said) == ("date" in start):
        return said.get("date") or said["at"]
    if "date" in start:
        return day_of(wall_of(line.value)[0]).isoformat()
    return at_time_of(date.fromisoformat(said["date"]), start)


def at_time_of(day: date, start: Moment) -> str:
    """Return the instant of a day at the hour at which a series begins."""
    zone = zone_info(start["zone"])
    wall = instant(start).astimezone(zone)
    at = datetime.combine(day, wall.time(), zone)
    return _text(at.astimezone(UTC))


def slot_moment(slot: str, start: Fields) -> dict[str, Any]:
    """Return a slot as a time that is said like the start of its series."""
    return {"at": slot, "zone": start.get("zone", "")} if "T" in slot else {"date": slot}
