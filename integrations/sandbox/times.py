"""Times of events: RFC 3339 in, a calendar's zone out, and the rules between start and end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from integrations.sandbox.errors import ApiError, invalid, required

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?")

_YEARS = range(1000, 9000)


@dataclass(frozen=True, slots=True)
class EventTime:
    """One end of an event: a `day` (all-day) or a `moment` in UTC with the name of its zone."""

    day: date | None = None
    moment: datetime | None = None
    zone: str = ""

    def instant(self, calendar_zone: str) -> datetime:
        """Return the instant in UTC; days begin at midnight of the calendar's zone."""
        if self.moment:
            return self.moment
        day = self.day or date.min
        return datetime(day.year, day.month, day.day, tzinfo=zone(calendar_zone)).astimezone(UTC)

    def shown(self, display_zone: str) -> dict[str, str]:
        """Return the API's form, with the offset of `display_zone`."""
        if self.moment is None:
            return {"date": str(self.day)}
        return {"dateTime": rfc3339(self.moment, display_zone), "timeZone": self.zone}

    def local(self) -> datetime:
        """Return the wall-clock time in the event's own zone, without zone."""
        if self.moment is None:
            day = self.day or date.min
            return datetime(day.year, day.month, day.day)  # noqa: DTZ001 (a floating day)
        return self.moment.astimezone(zone(self.zone)).replace(tzinfo=None)

    def moved_to(self, local: datetime) -> EventTime:
        """Return the same kind of time at another wall-clock time of the same zone."""
        if self.moment is None:
            return EventTime(day=local.date())
        moment = local.replace(tzinfo=zone(self.zone)).astimezone(UTC)
        return EventTime(moment=moment, zone=self.zone)

    def shifted(self, length: timedelta) -> EventTime:
        """Return this time `length` later: real time for moments, whole days for days."""
        if self.moment is None:
            return EventTime(day=(self.day or date.min) + length)
        return EventTime(moment=self.moment + length, zone=self.zone)

    def until(self, other: EventTime) -> timedelta:
        """Return how long it is from here to `other`, a time of the same kind."""
        if self.moment and other.moment:
            return other.moment - self.moment
        return (other.day or date.min) - (self.day or date.min)

    def suffix(self) -> str:
        """Return what follows `<master>_` in the id of the instance that starts here."""
        if self.moment is None:
            return f"{self.day:%Y%m%d}"
        return f"{self.moment:%Y%m%dT%H%M%SZ}"


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return a zone by its IANA name; raise the API's 400 for an unknown one."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        message = "Invalid time zone definition"
        raise invalid(f"{message} for start time." if name else message) from None


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.upper())


def rfc3339(moment: datetime, display_zone: str) -> str:
    """Return a moment in whole seconds with the offset of a zone, `Z` for UTC."""
    local = moment.astimezone(zone(display_zone)).replace(microsecond=0)
    return local.isoformat().replace("+00:00", "Z") if not local.utcoffset() else local.isoformat()


def parse_moment(text: str, name: str) -> datetime:
    """Return an RFC 3339 query parameter as UTC; an offset is mandatory."""
    complaint = f"Bad Request: {name} must be an RFC3339 time with an offset."
    moment = _read(text, complaint)
    if moment.tzinfo is None:
        raise invalid(complaint, name)
    return moment.astimezone(UTC)


def _read(text: str, complaint: str) -> datetime:
    """Return an RFC 3339 time of a year that arithmetic on it can bear."""
    try:
        moment = _moment(text) if _RFC3339.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None or moment.year not in _YEARS:
        raise invalid(complaint)
    return moment


def parse(value: dict[str, Any], calendar_zone: str, *, which: str) -> EventTime:
    """Return the `start`, `end` or `originalStartTime` of an event; raise 400s as Google does."""
    has_date, has_moment = value.get("date"), value.get("dateTime")
    if has_date and has_moment:
        raise invalid(f"Invalid {which} time: date and dateTime are both set.")
    if has_date:
        return EventTime(day=_day(str(has_date), which))
    if not has_moment:
        raise required(f"Missing {which} time.")
    return _timed(str(has_moment), value.get("timeZone"), calendar_zone, which)


def _timed(text: str, zone_name: str | None, calendar_zone: str, which: str) -> EventTime:
    moment = _read(text, f"Invalid {which} time.")
    if moment.tzinfo is None:
        if not zone_name:
            raise required(f"Missing time zone definition for {which} time.")
        moment = moment.replace(tzinfo=zone(zone_name))
    if zone_name:
        zone(zone_name)
    moment = moment.astimezone(UTC).replace(microsecond=0)
    return EventTime(moment=moment, zone=zone_name or calendar_zone)


def _day(text: str, which: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise invalid(f"Invalid {which} time.") from None
    if day.year not in _YEARS:
        raise invalid(f"Invalid {which} time.")
    return day


def check_order(start: EventTime, end: EventTime) -> None:
    """Raise the 400s for mixed kinds and for an end before its start."""
    if (start.day is None) != (end.day is None):
        raise invalid("The start and end times must either both be date or both be dateTime.")
    length = start.until(end)
    if length < timedelta(0) or (start.day and not length):
        raise ApiError(
            400, "timeRangeEmpty", "The specified time range is empty.", domain="calendar"
        )
