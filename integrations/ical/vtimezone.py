"""Time zones that a calendar defines for itself (VTIMEZONE), and the definition of a known one.

A definition is evaluated here and not by dateutil's `tzical`, because that expands whatever rule
it finds, however long that takes; the rules of zones are simple. Nor is it made by the icalendar
library: its daylight time begins an hour late (it names the onset in the new offset; RFC 5545,
section 3.6.5, wants the old).
"""

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from integrations.ical.lines import Block, Line, lines_of
from sync.core.rules import parts_of

_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d):?(\d\d)?")
_WALL: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d))?Z?")
_LAST_YEAR: Final = 2037  # what a zone does later is what it does in these years
_STEP: Final = timedelta(days=4)  # no zone changes twice in so few days
_MOST_ONSETS: Final = 1_000
_NEVER: Final = datetime(MAXYEAR, 12, 31)  # noqa: DTZ001 - a wall clock has no zone
_PARTS: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"})
_HOUR_PARTS: Final = ("BYHOUR", "BYMINUTE", "BYSECOND")
_DAY_PARTS: Final = frozenset({"BYMONTH", "BYMONTHDAY", "BYDAY"})
_WEEKDAY: Final = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
_FAR_BACK: Final = 40  # years: in which a rule with a leap day or a long interval makes an onset
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


class Onset(NamedTuple):
    """When an offset begins, by the wall clock until then, and the offsets before and after."""

    wall: datetime
    before: timedelta
    after: timedelta


@dataclass(frozen=True, slots=True)
class Yearly:
    """A rule that makes one onset a year, the only kind by which zones change."""

    start: datetime
    interval: int = 1
    last: datetime = _NEVER
    month: int = 1
    days: frozenset[int] = frozenset()  # of the month, negative from its end; empty: any
    weekday: int | None = None
    nth: int = 0  # which of these weekdays in the month; 0: the first that fits

    def onset(self, year: int) -> datetime | None:
        """Return the onset in a year, if the rule makes one."""
        if year < self.start.year or (year - self.start.year) % self.interval:
            return None
        size = monthrange(year, self.month)[1]
        fitting = [day for day in range(1, size + 1) if self._fits(year, day, size)]
        index = self.nth - 1 if self.nth > 0 else self.nth
        if not -len(fitting) <= index < len(fitting):
            return None
        at = self.start.replace(year=year, month=self.month, day=fitting[index])
        return at if self.start <= at <= self.last else None

    def _fits(self, year: int, day: int, size: int) -> bool:
        if self.days and not {day, day - size - 1} & self.days:
            return False
        return self.weekday is None or date(year, self.month, day).weekday() == self.weekday

    def before(self, year: int) -> datetime | None:
        """Return the last onset before a year."""
        latest = min(year - 1, self.last.year)
        years = range(latest, max(self.start.year, latest - _FAR_BACK) - 1, -1)
        return next((at for past in years if (at := self.onset(past))), None)


@dataclass(slots=True)
class Observance:
    """A STANDARD or DAYLIGHT part: onsets that are listed, and rules that make more of them."""

    before: timedelta
    after: timedelta
    listed: list[datetime]
    rules: list[Yearly]

    def onsets(self, year: int) -> list[datetime]:
        """Return the onsets within a year, and the last one before it."""
        within = {at for at in self.listed if at.year == year}
        within |= {at for rule in self.rules if (at := rule.onset(year))}
        earlier = [at for at in self.listed if at.year < year]
        earlier += [at for rule in self.rules if (at := rule.before(year))]
        return [*([max(earlier)] if earlier else []), *sorted(within)]


@dataclass(slots=True)
class Definition:
    """A zone by its own rules."""

    observances: Sequence[Observance]
    _years: dict[int, list[Onset]] = field(default_factory=dict)

    def onsets(self, year: int) -> list[Onset]:
        """Return the onsets of a year, after the one that its first day is under."""
        if year not in self._years:
            self._years[year] = sorted(
                Onset(at, part.before, part.after)
                for part in self.observances
                for at in part.onsets(year)
            )
        return self._years[year]

    def offset(self, wall: datetime) -> timedelta:
        """Return the offset from UTC at a time on the wall.

        A time that the clocks skip has the offset before the gap, one that comes twice is meant
        the first time (RFC 5545, section 3.3.5). Before the first onset its old offset holds.
        """
        onsets = self.onsets(wall.year)
        index = bisect_right(onsets, wall, key=lambda onset: onset.wall) - 1
        if index < 0:
            return min(part for part in self._first()).before
        onset = onsets[index]
        skipped = onset.wall <= wall < onset.wall + (onset.after - onset.before)
        return onset.before if skipped else onset.after

    def _first(self) -> Iterator[Onset]:
        for part in self.observances:
            yield Onset(min(part.listed), part.before, part.after)


def read_definition(data: bytes, block: Block) -> Definition:
    """Read a VTIMEZONE; raise `ValueError` if it defines nothing that can be evaluated."""
    parts = [
        _observance(lines_of(data, child))
        for child in block.children
        if child.name in ("STANDARD", "DAYLIGHT")
    ]
    if not parts:
        raise ValueError("a zone without any offset")
    return Definition(parts)


def _observance(lines: list[Line]) -> Observance:
    said = {line.name: line.value for line in lines}
    try:
        start = _wall(said["DTSTART"])
        before, after = _offset(said["TZOFFSETFROM"]), _offset(said["TZOFFSETTO"])
    except KeyError:
        raise ValueError("a zone without a start or an offset") from None
    dates = [text for line in lines if line.name == "RDATE" for text in line.value.split(",")]
    if len(dates) > _MOST_ONSETS:
        raise ValueError("a zone with too many onsets")
    rules = [_rule(line.value, start, before) for line in lines if line.name == "RRULE"]
    return Observance(before, after, [start, *(_wall(text) for text in dates if text)], rules)


def _rule(value: str, start: datetime, before: timedelta) -> Yearly:
    """Read the rule of an onset; raise `ValueError` for one by which no zone changes."""
    parts = parts_of(value)
    if parts.get("FREQ") != "YEARLY" or parts.keys() - _PARTS - _DAY_PARTS - {*_HOUR_PARTS}:
        raise ValueError("a zone that does not change once a year")
    interval, last = int(parts.get("INTERVAL", "1")), _NEVER
    if "UNTIL" in parts:
        last = _wall(parts["UNTIL"]) + (before if parts["UNTIL"].endswith("Z") else timedelta(0))
    elif "COUNT" in parts:
        final = start.year + (int(parts["COUNT"]) - 1) * interval
        last = datetime(max(start.year, min(final, MAXYEAR)), 12, 31, 23, 59, 59)  # noqa: DTZ001
    found = _WEEKDAY.fullmatch(parts.get("BYDAY", "")) if "BYDAY" in parts else None
    days = frozenset(map(int, parts["BYMONTHDAY"].split(","))) if "BYMONTHDAY" in parts else None
    month = int(parts.get("BYMONTH", start.month))
    clock = zip(_HOUR_PARTS, (start.hour, start.minute, start.second), strict=True)
    if any(int(parts.get(name, number)) != number for name, number in clock):
        raise ValueError("a zone that changes at another hour than it says")
    if ("BYDAY" in parts and not found) or not 1 <= month <= 12 or interval < 1:
        raise ValueError("a zone with a rule that is none")
    if days is None:
        days = frozenset() if found else frozenset({start.day})
    weekday, nth = (_DAYS.index(found[2]), int(found[1] or 1)) if found else (None, 1)
    return Yearly(start, interval, last, month, days, weekday, nth)


def _wall(text: str) -> datetime:
    found = _WALL.fullmatch(text.strip())
    if not found:
        raise ValueError("a zone with an onset that is no time")
    return datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type] # noqa: DTZ001


def _offset(text: str) -> timedelta:
    found = _OFFSET.fullmatch(text.strip())
    if not found:
        raise ValueError("a zone with an offset that is none")
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if length >= timedelta(days=1):
        raise ValueError("a zone with an offset of days")
    return -length if found[1] == "-" else length


@lru_cache(maxsize=256)
def definition_of(name: str, since: int) -> tuple[str, ...]:
    """Return the content lines of the VTIMEZONE of an IANA zone, good from a year on."""
    zone = ZoneInfo(name)
    since = min(max(since, 1900), _LAST_YEAR - 1)
    lines = ["BEGIN:VTIMEZONE", f"TZID:{name}"]
    first = datetime(since, 1, 1)  # noqa: DTZ001 - a wall clock has no zone
    offset = _offset_at(zone, first)
    lines += _part(zone, [Onset(first, offset, offset)], "")
    onsets = sorted(_transitions(zone, since), key=lambda onset: (_kind(onset), onset.wall))
    for _, group in groupby(onsets, key=_kind):
        lines += _runs(zone, list(group))
    return (*lines, "END:VTIMEZONE")


def _kind(onset: Onset) -> tuple[timedelta, timedelta]:
    return onset.before, onset.after


def _runs(zone: ZoneInfo, onsets: list[Onset]) -> list[str]:
    """Return the parts for onsets of one kind: those that still go on as a rule, others listed."""
    size, rule = len(onsets), ""
    if onsets[-1].wall.year == _LAST_YEAR:
        for kept in range(len(onsets)):
            if rule := _common_rule(onsets[kept:]):
                size = kept
                break
    listed = _part(zone, onsets[:size], "") if size else []
    return listed + (_part(zone, onsets[size:], rule) if rule else [])


def _common_rule(onsets: list[Onset]) -> str:
    """Return the yearly rule that makes these onsets, "" if there is none or too few tell."""
    walls = [onset.wall for onset in onsets]
    yearly = [wall.year for wall in walls] == list(range(walls[0].year, _LAST_YEAR + 1))
    same = {(wall.month, wall.weekday(), wall.time()) for wall in walls}
    if len(walls) < 3 or not yearly or len(same) > 1:
        return ""
    day = _DAYS[walls[0].weekday()]
    if all((wall + timedelta(days=7)).month != wall.month for wall in walls):
        return f"FREQ=YEARLY;BYMONTH={walls[0].month};BYDAY=-1{day}"
    weeks = {(wall.day - 1) // 7 + 1 for wall in walls}
    return (
        "" if len(weeks) > 1 else f"FREQ=YEARLY;BYMONTH={walls[0].month};BYDAY={weeks.pop()}{day}"
    )


def _part(zone: ZoneInfo, onsets: list[Onset], rule: str) -> list[str]:
    first = onsets[0]
    at = (first.wall + timedelta(days=1)).replace(tzinfo=zone)
    kind = "DAYLIGHT" if at.dst() else "STANDARD"
    others = [] if rule else [f"{onset.wall:%Y%m%dT%H%M%S}" for onset in onsets[1:]]
    return [
        f"BEGIN:{kind}",
        f"DTSTART:{first.wall:%Y%m%dT%H%M%S}",
        *([f"RRULE:{rule}"] if rule else []),
        *([f"RDATE:{','.join(others)}"] if others else []),
        f"TZNAME:{at.tzname()}",
        f"TZOFFSETFROM:{_offset_text(first.before)}",
        f"TZOFFSETTO:{_offset_text(first.after)}",
        f"END:{kind}",
    ]


def _offset_text(offset: timedelta) -> str:
    seconds = int(abs(offset).total_seconds())
    text = f"{seconds // 3600:02}{seconds // 60 % 60:02}"
    text += f"{seconds % 60:02}" if seconds % 60 else ""
    return ("-" if offset < timedelta(0) else "+") + text


def _offset_at(zone: ZoneInfo, wall: datetime) -> timedelta:
    return wall.replace(tzinfo=zone).utcoffset() or timedelta(0)


def _transitions(zone: ZoneInfo, since: int) -> Iterator[Onset]:
    """Yield when the zone's offset changes, found by halving between days on which it differs."""
    day = datetime(since, 1, 1)  # noqa: DTZ001
    while day.year <= _LAST_YEAR:
        later = day + _STEP
        before, after = _utc_offset(zone, day), _utc_offset(zone, later)
        if before != after:
            low, high = day, later
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                low, high = (middle, high) if _utc_offset(zone, middle) == before else (low, middle)
            yield Onset(high + before, before, after)
        day = later


def _utc_offset(zone: ZoneInfo, utc: datetime) -> timedelta:
    return utc.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta(0)
