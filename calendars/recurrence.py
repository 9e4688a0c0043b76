"""When the occurrences of a series take place; pure, and dateutil does the counting.

A series repeats by the clock on the wall of its zone (RFC 5545, section 3.3.10), so its rules are
expanded in local times without a zone. Rules that repeat within a day, and rules that dateutil
cannot read, are not expanded.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, WEEKLY, rrule, rruleset, rrulestr

from sync.core.records import Fields

_RULES = ("RRULE", "EXRULE", "RDATE", "EXDATE")
# What dateutil and zoneinfo raise for rules, times and zones that they cannot read.
_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, OSError)
_FIXED_STEPS = {DAILY: timedelta(days=1), WEEKLY: timedelta(weeks=1)}


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
    before = since - max(end - start, timedelta(seconds=1))
    try:
        return next(_starts_after(fields, before), until) < until
    except _UNREADABLE:
        return True


def has_slot(fields: Fields, slot: str) -> bool:
    """Say whether a series has an occurrence whose original start is `slot`."""
    at = instant(_moment(slot, fields))
    try:
        return next(_starts_after(fields, at - timedelta(seconds=1)), None) == at
    except _UNREADABLE:
        return True


def at_slot(fields: Fields, slot: str) -> dict[str, Any]:
    """Return one occurrence as its series makes it: the same record at another time."""
    length = instant(fields["end"]) - instant(fields["start"])
    end = instant(_moment(slot, fields)) + length
    text = end.strftime("%Y-%m-%dT%H:%M:%SZ" if "T" in slot else "%Y-%m-%d")
    return {
        **fields,
        "start": _moment(slot, fields),
        "end": _moment(text, fields, "end"),
        "recurrence": [],
    }


def excluding(slot: str) -> str:
    """Return the line that leaves one occurrence out of its series."""
    parameter = "" if "T" in slot else ";VALUE=DATE"
    return f"EXDATE{parameter}:{slot.replace('-', '').replace(':', '')}"


def _moment(text: str, fields: Fields, like: str = "start") -> dict[str, str]:
    if "T" not in text:
        return {"date": text}
    return {"at": text, "zone": fields[like].get("zone", "")}


def _starts_after(fields: Fields, since: datetime) -> Iterator[datetime]:
    """Yield the starts of the occurrences after an instant, in order; perhaps without end."""
    zone = _zone(fields)
    wall = since.astimezone(zone).replace(tzinfo=None)
    for start in _expansion(fields, zone, wall).xafter(wall):
        yield start.replace(tzinfo=zone).astimezone(UTC)


def _expansion(fields: Fields, zone: tzinfo, wall: datetime) -> rruleset:
    """Return the rules of a series, expanded from its start or from shortly before `wall`."""
    first = instant(fields["start"]).astimezone(zone).replace(tzinfo=None)
    found = rruleset()
    found.rdate(first)
    for line in rule_lines(fields):
        name, _, value = line.partition(":")
        match _name(line):
            case "RRULE":
                found.rrule(_rule(value, first, zone, wall))
            case "EXRULE":
                found.exrule(_rule(value, first, zone, wall))
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
    except _UNREADABLE:
        return UTC


def _rule(value: str, first: datetime, zone: tzinfo, wall: datetime) -> rrule:
    """Read one rule; an endless count from long ago starts near `wall`, which saves the way."""
    parts = dict(part.split("=", 1) for part in value.upper().split(";") if "=" in part)
    if "UNTIL" in parts:
        parts["UNTIL"] = _wall_time(parts["UNTIL"], zone, last=True).strftime("%Y%m%dT%H%M%S")
    rule = rrulestr(";".join(f"{k}={v}" for k, v in parts.items()), dtstart=first)
    within_a_day = parts["FREQ"] in ("HOURLY", "MINUTELY", "SECONDLY")
    if not isinstance(rule, rrule) or within_a_day or parts.get("INTERVAL") == "0":
        raise ValueError("a rule that is not expanded")
    step = _FIXED_STEPS.get(rule._freq, timedelta(0)) * rule._interval  # type: ignore[attr-defined]
    if "COUNT" in parts or not step or wall <= first:
        return rule
    return rule.replace(dtstart=first + step * ((wall - first) // step))


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
