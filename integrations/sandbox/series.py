"""Recurring events: which occurrences a series has, their ids, and cutting a series in two.

The rules expand in the series' own zone on the wall clock, as iCalendar asks; dateutil does the
arithmetic on times without zone and every occurrence gets its zone back afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import Any

from dateutil.rrule import rrule, rruleset, rrulestr

from integrations.sandbox.book import Book
from integrations.sandbox.errors import invalid, required
from integrations.sandbox.times import EventTime, parse, zone

MOST_INSTANCES = 3000
_LINE = re.compile(r"(RRULE|EXRULE|RDATE|EXDATE)((?:;[^:]*)?):(.+)", re.IGNORECASE)
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_UNTIL = re.compile(r"UNTIL=([0-9TZ]+)")


def check(lines: list[str], start: EventTime, start_zone: str | None) -> None:
    """Raise the 400s for recurrence lines that Google would not take."""
    if not all(isinstance(line, str) and _LINE.fullmatch(line) for line in lines):
        raise invalid("Invalid recurrence rule.", "recurrence")
    if start.moment and not start_zone:
        raise required("Missing time zone definition for start time.")
    for line in lines:
        parts = dict(p.split("=", 1) for p in _value(line).upper().split(";") if "=" in p)
        ruled = line.upper().startswith(("RRULE", "EXRULE"))
        if ruled and parts.get("FREQ") not in _FREQUENCIES:
            raise invalid("Invalid recurrence rule.", "recurrence")
        if ruled and parts.get("INTERVAL", "1").lstrip("0") in ("", "-"):
            raise invalid("Invalid recurrence rule.", "recurrence")
    try:
        next(iter(_rules(tuple(lines), start)), None)
    except (ValueError, KeyError, TypeError):
        raise invalid("Invalid recurrence rule.", "recurrence") from None


def _value(line: str) -> str:
    return line.split(":", 1)[1]


@lru_cache(maxsize=512)
def _rules(lines: tuple[str, ...], start: EventTime) -> rruleset:
    """Return the set of local start times: rules and RDATEs less EXRULEs and EXDATEs."""
    rules = rruleset(cache=True)
    kinds = {line.split(":")[0].split(";")[0].upper() for line in lines}
    if not kinds & {"RRULE", "RDATE"}:
        rules.rdate(start.local())
    for line in lines:
        _add(rules, line, start)
    return rules


def _add(rules: rruleset, line: str, start: EventTime) -> None:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(line)
    kind, params, value = match[1].upper(), match[2], match[3]
    if kind in ("RRULE", "EXRULE"):
        until = lambda m: f"UNTIL={_local(m[1], '', start):%Y%m%dT%H%M%S}"  # noqa: E731
        rule = rrulestr(_UNTIL.sub(until, value.upper()), dtstart=start.local())
        (rules.rrule if kind == "RRULE" else rules.exrule)(_one(rule))
        return
    if kind == "RDATE":
        rules.rdate(start.local())
    named = re.search(r"TZID=([^;:]+)", params, re.IGNORECASE)
    for text in value.split(","):
        moment = _local(text.upper(), named[1] if named else "", start)
        (rules.rdate if kind == "RDATE" else rules.exdate)(moment)


def _one(rule: rrule | rruleset) -> rrule:
    if isinstance(rule, rruleset):
        raise ValueError("one rule a line")
    return rule


def _local(text: str, zone_name: str, start: EventTime) -> datetime:
    """Return an iCalendar date or time as wall-clock time in the series' zone."""
    if "T" not in text:
        day = datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 (a floating day)
        midnight = start.local().replace(hour=0, minute=0, second=0)
        until_end_of_day = start.local() - midnight if start.moment else timedelta(0)
        return day + until_end_of_day
    moment = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
    given = UTC if text.endswith("Z") else zone(zone_name or start.zone or "UTC")
    own = zone(start.zone or "UTC")
    return moment.replace(tzinfo=given).astimezone(own).replace(tzinfo=None)


def starts(master: dict[str, Any], calendar_zone: str) -> Iterator[EventTime]:
    """Yield the original start of every occurrence, in order; perhaps without end."""
    first = parse(master["start"], calendar_zone, which="start")
    return (first.moved_to(local) for local in _rules(tuple(master["recurrence"]), first))


def starts_between(
    master: dict[str, Any], calendar_zone: str, earliest: datetime, latest: datetime
) -> list[EventTime]:
    """Return the occurrences that end after `earliest` and start before `latest` (UTC)."""
    length = duration(master, calendar_zone)
    early = earliest.timestamp() - max(length.total_seconds(), 1)
    found = (s for s in starts(master, calendar_zone) if _seconds(s, calendar_zone) >= early)
    inside = takewhile(lambda s: _seconds(s, calendar_zone) < latest.timestamp(), found)
    return [
        start
        for start in islice(inside, MOST_INSTANCES)
        if start.shifted(length).instant(calendar_zone) > earliest
    ]


def _seconds(start: EventTime, calendar_zone: str) -> float:
    return start.instant(calendar_zone).timestamp()


def overlaps(
    master: dict[str, Any], calendar_zone: str, earliest: datetime, latest: datetime
) -> bool:
    """Return whether any occurrence lies in the window (both bounds exclusive, UTC)."""
    length = duration(master, calendar_zone)
    for start in starts(master, calendar_zone):
        if start.instant(calendar_zone) >= latest:
            return False
        if start.shifted(length).instant(calendar_zone) > earliest:
            return True
    return False


def duration(master: dict[str, Any], calendar_zone: str) -> timedelta:
    """Return the length of each occurrence."""
    start = parse(master["start"], calendar_zone, which="start")
    return start.until(parse(master["end"], calendar_zone, which="end"))


def occurrence(master: dict[str, Any], suffix: str, calendar_zone: str) -> EventTime | None:
    """Return the original start that an instance id's suffix names, None if there is none."""
    if "recurrence" not in master:
        return None
    first = parse(master["start"], calendar_zone, which="start")
    shape = "%Y%m%d" if first.moment is None else "%Y%m%dT%H%M%SZ"
    try:
        moment = datetime.strptime(suffix, shape).replace(tzinfo=UTC)
    except ValueError:
        return None
    local = moment.astimezone(zone(first.zone)) if first.moment else moment
    wanted = local.replace(tzinfo=None)
    rules = _rules(tuple(master["recurrence"]), first)
    return first.moved_to(wanted) if wanted in rules else None


_NOT_INHERITED = ("recurrence", "etag", "id", "start", "end")


def instance(master: dict[str, Any], start: EventTime, calendar_zone: str) -> dict[str, Any]:
    """Return one occurrence as its own event resource, before anybody changed it."""
    body = {key: value for key, value in master.items() if key not in _NOT_INHERITED}
    end = start.shifted(duration(master, calendar_zone))
    return body | {
        "id": f"{master['id']}_{start.suffix()}",
        "etag": master["etag"],
        "recurringEventId": master["id"],
        "originalStartTime": start.shown(calendar_zone),
        "start": start.shown(calendar_zone),
        "end": end.shown(calendar_zone),
    }


def find(book: Book, name: str, calendar_zone: str) -> dict[str, Any] | None:
    """Return an event by id, also an occurrence that nobody has changed yet; None for neither."""
    if event := book.get(name):
        return event.body()
    prefix, _, suffix = name.rpartition("_")
    master = book.get(prefix)
    if master is None or not master.recurring:
        return None
    body = master.body()
    start = occurrence(body, suffix, calendar_zone)
    return instance(body, start, calendar_zone) if start else None


def ended_before(lines: list[str], start: EventTime) -> list[str]:
    """Return recurrence lines that stop just before the occurrence at `start`."""
    if start.moment:
        until = f"UNTIL={start.moment - timedelta(seconds=1):%Y%m%dT%H%M%SZ}"
    else:
        until = f"UNTIL={start.shifted(timedelta(days=-1)).day:%Y%m%d}"
    return [f"{_without_end(line)};{until}" if _is_rule(line) else line for line in lines]


def _is_rule(line: str) -> bool:
    return line.upper().startswith("RRULE")


def _without_end(line: str) -> str:
    kind, value = line.split(":", 1)
    kept = [p for p in value.split(";") if not p.upper().startswith(("UNTIL=", "COUNT="))]
    return f"{kind}:{';'.join(kept)}"


def remaining(lines: list[str], first: EventTime, start: EventTime) -> list[str]:
    """Return recurrence lines for a new series that takes over at `start`."""
    before = sum(1 for s in takewhile(lambda s: s < start.local(), _rules(tuple(lines), first)))
    return [_less(line, before) if _is_rule(line) else line for line in lines]


def _less(line: str, count: int) -> str:
    return re.sub(r"COUNT=(\d+)", lambda m: f"COUNT={max(int(m[1]) - count, 1)}", line)
