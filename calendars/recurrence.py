"""When the occurrences of a series take place; pure, and dateutil does the counting.

A series repeats by the clock on the wall of its zone (RFC 5545, section 3.3.10), so its rules are
expanded in local times without a zone. Rules that `sync.core.rules` refuses are not expanded.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rruleset

from calendars.rules import times_of
from sync.core.records import Fields
from sync.core.rules import parts_of, problem_of

_RULES = ("RRULE", "EXRULE", "RDATE", "EXDATE")
_HOURS = ("BYHOUR", "BYMINUTE", "BYSECOND")
_PERIOD = re.compile(r"(\d{8}T\d{6}Z)/(\d{8}T\d{6}Z)")
# What dateutil and zoneinfo raise for rules, times and zones that they cannot read.
UNREADABLE = (ValueError, LookupError, TypeError, OverflowError, OSError)


def rule_lines(fields: Fields) -> list[str]:
    """Return the lines that make a series of an event, without any that say something else."""
    lines = fields.get("recurrence") or []
    return [line for line in lines if _name(line) in _RULES]


def is_series(fields: Fields) -> bool:
    """Say whether an event repeats."""
    return any(_name(line) in ("RRULE", "RDATE") for line in rule_lines(fields))


def instant(moment: Fields) -> datetime:
    """Return a canonical moment as an instant; a date begins at midnight UTC."""
    text = moment.get("at") or moment["date"]
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def reaches(fields: Fields, since: datetime, until: datetime) -> bool:
    """Say whether an event, or any occurrence of it, takes place between two instants.

    What cannot be expanded counts as taking place. Raises nothing: a service's odd rule is no
    reason to lose the event.
    """
    start, end = instant(fields["start"]), instant(fields["end"])
    if start >= until:
        return False
    if not is_series(fields):
        return end > since or start >= since
    before = since - max(longest(fields), timedelta(seconds=1))
    try:
        return next(starts_after(fields, before), until) < until
    except UNREADABLE:
        return True


def has_slot(fields: Fields, slot: str) -> bool:
    """Say whether a series has an occurrence whose original start is `slot`."""
    at = instant(_moment(slot, fields))
    try:
        return next(starts_after(fields, at - timedelta(seconds=1)), None) == at
    except UNREADABLE:
        return True


def at_slot(fields: Fields, slot: str) -> dict[str, Any]:
    """Return one occurrence as its series makes it: the same record at another time."""
    start = instant(_moment(slot, fields))
    length = instant(fields["end"]) - instant(fields["start"])
    end = start + own_lengths(fields).get(start, length)
    text = end.strftime("%Y-%m-%dT%H:%M:%SZ" if "T" in slot else "%Y-%m-%d")
    return {
        **fields,
        "start": _moment(slot, fields),
        "end": _moment(text, fields, "end"),
        "recurrence": [],
    }


def own_lengths(fields: Fields) -> dict[datetime, timedelta]:
    """Return how long added periods take (RDATE;VALUE=PERIOD), by their starts.

    Only periods that name both instants in UTC are known, as the adapters spell them.
    """
    lines = [line for line in rule_lines(fields) if _name(line) == "RDATE" and "/" in line]
    texts = [text for line in lines for text in line.partition(":")[2].split(",")]
    return dict(period for text in texts for period in _period(text))


def _period(text: str) -> Iterator[tuple[datetime, timedelta]]:
    found = _PERIOD.fullmatch(text)
    with suppress(ValueError):
        if found:
            start, end = _wall_time(found[1], UTC), _wall_time(found[2], UTC)
            yield start.replace(tzinfo=UTC), max(end - start, timedelta(0))


def longest(fields: Fields) -> timedelta:
    """Return how long the longest occurrence of an event takes."""
    length = instant(fields["end"]) - instant(fields["start"])
    return max([length, *own_lengths(fields).values()])


def excluding(slot: str) -> str:
    """Return the line that leaves one occurrence out of its series."""
    parameter = "" if "T" in slot else ";VALUE=DATE"
    return f"EXDATE{parameter}:{slot.replace('-', '').replace(':', '')}"


def _moment(text: str, fields: Fields, like: str = "start") -> dict[str, str]:
    if "T" not in text:
        return {"date": text}
    return {"at": text, "zone": fields[like].get("zone", "")}


def starts_after(fields: Fields, since: datetime) -> Iterator[datetime]:
    """Yield the starts of the occurrences after an instant, in order; perhaps without end."""
    zone = _zone(fields)
    wall = since.astimezone(zone).replace(tzinfo=None)
    for start in _expansion(fields, zone, wall).xafter(wall):
        yield start.replace(tzinfo=zone).astimezone(UTC)


def _expansion(fields: Fields, zone: tzinfo, wall: datetime) -> rruleset:
    """Return the rules of a series, expanded from its start or from shortly before `wall`."""
    first = instant(fields["start"]).astimezone(zone).replace(tzinfo=None)
    lines = rule_lines(fields)
    if problem := problem_of(lines):
        raise ValueError(problem)
    found = rruleset()
    found.rdate(first)
    for line in lines:
        name, _, value = line.partition(":")
        match _name(line):
            case "RRULE":
                found.rrule(_rule(value, fields, first, wall))  # type: ignore[arg-type]
            case "EXRULE":
                found.exrule(_rule(value, fields, first, wall))  # type: ignore[arg-type]
            case "RDATE":
                _each(found.rdate, _wall_times(name, value, zone))
            case "EXDATE":
                _each(found.exdate, _wall_times(name, value, zone))
    return found


def _each(add: Any, times: Iterable[datetime]) -> None:
    for time in times:
        add(time)


def _name(line: str) -> str:
    return line.partition(":")[0].partition(";")[0].upper()


def _zone(fields: Fields) -> tzinfo:
    """Return the zone a series repeats in; an all-day one repeats by dates, wherever one is."""
    try:
        return ZoneInfo(fields["start"].get("zone") or "UTC")
    except UNREADABLE:
        return UTC


def _rule(value: str, fields: Fields, first: datetime, wall: datetime) -> Iterator[datetime]:
    """Return the times of one rule; a date that ends it includes that day.

    An all-day series has no hours: parts that name them are left out (RFC 5545, section 3.3.10).
    """
    zone, parts = _zone(fields), parts_of(value)
    if "date" in fields["start"]:
        parts = {name: text for name, text in parts.items() if name not in _HOURS}
    until = parts.pop("UNTIL", "")
    return times_of(parts, first, wall, _wall_time(until, zone, last=True) if until else None)


def _wall_times(name: str, value: str, zone: tzinfo) -> Iterator[datetime]:
    """Yield the times of an RDATE or EXDATE line; of a period its start."""
    said = zone
    for parameter in name.split(";")[1:]:
        key, _, text = parameter.partition("=")
        said = ZoneInfo(text.strip('"')) if key.upper() == "TZID" else said
    for text in value.split(","):
        at = _wall_time(text.partition("/")[0], said)
        yield at.replace(tzinfo=said).astimezone(zone).replace(tzinfo=None)


def _wall_time(text: str, zone: tzinfo, *, last: bool = False) -> datetime:
    """Read an iCalendar date or time as local time; `last` takes a date to the end of its day."""
    if "T" not in text:
        day = datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 - a wall clock has no zone
        return day + timedelta(days=1, seconds=-1) if last else day
    if not text.endswith("Z"):
        return datetime.strptime(text, "%Y%m%dT%H%M%S")  # noqa: DTZ007
    at = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return at.astimezone(zone).replace(tzinfo=None)
