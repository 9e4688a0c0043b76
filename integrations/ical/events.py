"""The VEVENTs of a text by their lines, before anybody asks what they mean."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from integrations.ical.lines import MAX_LINE, Block, Line, read_line
from integrations.ical.rules import NAMES
from integrations.ical.times import Malformed, Moment, day_of, slot_of, time_of, wall_of
from integrations.ical.words import unescaped
from integrations.ical.zones import Zones
from sync.core.rules import MOST_DATES, parts_of

MARK: Final = "X-LOCKSTEP-MARK"
OURS: Final = "X-LOCKSTEP"  # the parameter of an EXDATE that stands for a cancelled exception
MOST_LINES: Final = 10_000  # of one event
_NAME: Final = re.compile(rb"[A-Za-z-]*+")
# Lines that are read, whatever their length; of any other nobody looks at a long one.
_READ: Final = frozenset(
    b"SUMMARY DESCRIPTION LOCATION DTSTART DTEND RRULE RDATE EXDATE EXRULE ATTENDEE".split()
)
_YEARS_AHEAD: Final = 10  # how far a zone that a calendar defines is compared for a series
_DAYS: Final = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31}

Properties = Mapping[str, list[Line]]


@dataclass(slots=True)
class Event:
    """One VEVENT of a text: its place and its content lines by name.

    `last_year` is the last one that its zone matters in. `damaged` says that its text is not
    UTF-8, `problem` why the event cannot be read at all.
    """

    block: Block
    properties: Properties
    uid: str
    last_year: int
    damaged: bool
    problem: str

    def first(self, name: str) -> Line | None:
        """Return the first line of a name."""
        lines = self.properties.get(name)
        return lines[0] if lines else None

    def all(self, name: str) -> list[Line]:
        """Return all lines of a name."""
        return self.properties.get(name, [])

    def text(self, name: str) -> str:
        """Return a text, "" if it is missing."""
        line = self.first(name)
        return unescaped(line.value) if line else ""


def families_of(data: bytes, calendars: Iterable[Block]) -> Iterator[list[Event]]:
    """Yield the VEVENTs of a text, those together that share a UID.

    The lines of one family are read at a time: to hold those of a large text is slow.
    """
    sound = _is_utf8(data)
    families: dict[str, list[Block]] = defaultdict(list)
    for number, block in enumerate(_blocks(calendars)):
        families[_uid_of(data, block) or f"\0{number}"].append(block)
    for blocks in families.values():
        yield [
            _event(data, block, sound or _is_utf8(data[block.start : block.end]))
            for block in blocks
        ]


def _blocks(calendars: Iterable[Block]) -> Iterator[Block]:
    return (block for one in calendars for block in one.children if block.name == "VEVENT")


def _uid_of(data: bytes, block: Block) -> str:
    """Return the UID of a VEVENT, from one line of it where that is easily found."""
    likely = (span for span in block.spans[:MOST_LINES] if data[span[0] : span[0] + 3] == b"UID")
    for span in likely:
        line = read_line(data, span)
        if line and line.name == "UID":
            return _said_uid(line)
    return _event(data, block, sound=True).uid


def _said_uid(line: Line) -> str:
    return unescaped(line.value).strip()


def _is_utf8(data: bytes) -> bool:
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def _event(data: bytes, block: Block, sound: bool) -> Event:
    properties: dict[str, list[Line]] = defaultdict(list)
    for span in block.spans[:MOST_LINES]:
        if line := read_line(data, span):
            properties[line.name].append(line)
    found = dict(properties)
    uid = _said_uid(found["UID"][0]) if "UID" in found else ""
    return Event(block, found, uid, _last_year(found), not sound, _problem(data, block, found))


def _problem(data: bytes, block: Block, properties: Properties) -> str:
    """Say why an event cannot be read at all, "" if it can."""
    if len(block.spans) > MOST_LINES:
        return "it has too many lines"
    long = [data[start : start + 20] for start, end in block.spans if end - start > MAX_LINE]
    if any(found[0].upper() in _READ for head in long if (found := _NAME.match(head))):
        return "a line is too long"
    return "" if "DTSTART" in properties else "DTSTART: missing"


def _last_year(properties: Properties) -> int:
    """Return the last year that the zone of a series matters in, as far as we look ahead; or 0."""
    rules, dates = properties.get("RRULE", []), properties.get("RDATE", [])
    if not (rules or dates) or "DTSTART" not in properties:
        return 0
    try:
        first = day_of(wall_of(properties["DTSTART"][0].value)[0])
    except ValueError:
        return 0
    ends = [int(line.value[:4]) for line in dates if line.value[:4].isdecimal()]
    ends += [_last_year_of(parts_of(line.value), first) for line in rules]
    return min(max([first.year, *ends]), first.year + _YEARS_AHEAD)


def _last_year_of(parts: Mapping[str, str], first: date) -> int:
    """Return the last year of a rule; one that is counted makes at least one start at a time."""
    until, count = parts.get("UNTIL", "")[:4], parts.get("COUNT", "")
    if until.isdecimal():
        return int(until)
    interval = parts.get("INTERVAL", "1")
    if count.isdecimal() and interval.isdecimal() and len(count + interval) < 7:
        days = int(count) * int(interval) * _DAYS.get(parts.get("FREQ", ""), 366)
        days = min(days, 366 * _YEARS_AHEAD, (date.max - first).days)
        return (first + timedelta(days=days)).year
    return first.year + _YEARS_AHEAD


def start_of(events: list[Event], zones: Zones) -> Moment | None:
    """Return the start of the series among events that share a UID, None if there is none."""
    for event in events:
        line = event.first("DTSTART")
        if line is not None and event.first("RECURRENCE-ID") is None:
            try:
                return time_of(line, zones, event.last_year)
            except Malformed:
                return None
    return None


def rules_of(event: Event) -> list[Line]:
    """Return the lines that make a series of an event, without our cancellations."""
    lines = (line for name in NAMES for line in event.all(name))
    return [line for line in lines if line.value.strip() and not line.parameter(OURS)]


def too_many_dates(rules: Sequence[Line]) -> bool:
    """Say whether a series adds and excludes more dates than anybody needs."""
    return sum(line.value.count(",") + 1 for line in rules) > MOST_DATES


def cancelled_slots(event: Event, start: Moment | None, zones: Zones) -> Iterator[tuple[str, Line]]:
    """Yield the occurrences that Lockstep has cancelled in a series, and the lines that say so."""
    for line in event.all("EXDATE"):
        if line.parameter(OURS):
            try:
                yield slot_of(line, zones, start), line
            except Malformed:
                continue
