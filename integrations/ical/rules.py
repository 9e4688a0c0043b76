"""The recurrence lines of an event in one spelling, whoever wrote them.

Times are spelled like the start of the series, one to a line; UNTIL is in UTC, or a date for an
all-day series (RFC 5545, section 3.3.10). So they mean the same at every service, and two writers'
spellings of one rule are not taken for a change.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from integrations.ical.lines import Line, line_of
from integrations.ical.times import (
    Malformed,
    Moment,
    at_time_of,
    compact,
    day_of,
    duration,
    instant,
    spelled,
    wall_of,
    zone_of,
)
from integrations.ical.words import on_one_line
from integrations.ical.zones import UTC_NAME, Zones, zone_info

NAMES: Final = frozenset({"RRULE", "EXRULE", "RDATE", "EXDATE"})


def rule_lines(lines: Iterable[Line], start: Moment | None, zones: Zones) -> list[str]:
    """Return the lines in their one spelling, sorted; what makes no sense stays as it stands."""
    found: set[str] = set()
    for line in lines:
        try:
            found.update(_spellings(line, start, zones))
        except (Malformed, ValueError, KeyError, OverflowError):
            found.add(_as_it_stands(line))
    return sorted(found)


def normal_rules(lines: Iterable[str], start: Moment | None) -> list[str]:
    """Return canonical recurrence lines as they come back from iCalendar."""
    read = (line_of(on_one_line(text)) for text in lines)
    return rule_lines((line for line in read if line and line.name in NAMES), start, Zones())


def _as_it_stands(line: Line) -> str:
    said = "".join(f";{key}={text}" for key, text in line.parameters)
    return on_one_line(f"{line.name}{said}:{line.value}")


def _spellings(line: Line, start: Moment | None, zones: Zones) -> Iterator[str]:
    if start is None:
        yield _as_it_stands(line)
    elif line.name in ("RRULE", "EXRULE"):
        yield f"{line.name}:{_rule(line.value, start)}"
    else:
        for text in filter(None, line.value.replace(" ", "").split(",")):
            yield _date(line, text, start, zones)


def _rule(value: str, start: Moment) -> str:
    """Spell a rule with its parts in one order: some servers sort them in an order of their own."""
    parts = [part.strip() for part in on_one_line(value).upper().replace("\\", "").split(";")]
    said = (
        f"UNTIL={_until(part[6:], start)}" if part.startswith("UNTIL=") else part
        for part in parts
        if part
    )
    return ";".join(sorted(said, key=lambda part: (not part.startswith("FREQ="), part)))


def _until(text: str, start: Moment) -> str:
    """Spell an end; a date ends a timed series with the last second of that day in its zone."""
    wall, utc = wall_of(text)
    if "date" in start:
        return day_of(wall).isoformat().replace("-", "")
    if not isinstance(wall, datetime):
        wall = datetime(wall.year, wall.month, wall.day) + timedelta(days=1, seconds=-1)  # noqa: DTZ001
    zone = UTC if utc else zone_info(start["zone"])
    return compact(wall.replace(tzinfo=zone).astimezone(UTC)) + "Z"


def _date(line: Line, text: str, start: Moment, zones: Zones) -> str:
    """Spell one time of an RDATE or EXDATE; a day of a timed series means its hour that day."""
    begin, slash, end = text.partition("/")
    at = _moment(line, begin, start, zones)
    if slash:
        last = _period_end(line, at, end, start, zones)
        period = f"{compact(instant(at))}Z/{compact(instant(last))}Z"
        return f"{line.name};VALUE=PERIOD:{period}"
    parameters, value = spelled(at)
    return f"{line.name}{''.join(f';{key}={said}' for key, said in parameters)}:{value}"


def _period_end(line: Line, at: Moment, end: str, start: Moment, zones: Zones) -> Moment:
    if "date" in at:
        raise Malformed("RDATE: a period of days")
    if end[:1].upper() in ("P", "+", "-"):
        return {"at": (instant(at) + duration(end)).isoformat(), "zone": UTC_NAME}
    return _moment(line, end, start, zones)


def _moment(line: Line, text: str, start: Moment, zones: Zones) -> Moment:
    wall, utc = wall_of(text)
    if "date" in start:
        return {"date": day_of(wall).isoformat()}
    if not isinstance(wall, datetime):
        return {"at": at_time_of(wall, start), "zone": start["zone"]}
    zone = zone_of(line, zones, wall.year)
    at = wall.replace(tzinfo=UTC) if utc else zone.utc(wall)
    return {"at": at.isoformat(), "zone": start["zone"]}
