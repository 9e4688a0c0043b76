"""Which IANA zone a calendar means by a TZID.

IANA names mean themselves; Windows names come from Unicode's table, as the icalendar library
carries it; a name behind the prefix of a vendor means the rest. What a calendar defines for itself
means the zone that keeps the same time in the years concerned, if there is one; otherwise its
moments are worked out by its own rules and said in UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from integrations.ical.lines import Block, lines_of
from integrations.ical.vtimezone import Definition, read_definition
from integrations.ical.words import unescaped

UTC_NAME: Final = "UTC"
_UTC_NAMES: Final = frozenset({"z", "tzone://microsoft/utc"})
_MOST_YEARS: Final = 12  # that zones are compared over
_MOST_DEFINITIONS: Final = 50  # of one text that are compared with every zone there is
# Asked first, so that a definition is called by a name that people know.
_WELL_KNOWN: Final = (
    *("Europe/London", "Europe/Berlin", "Europe/Helsinki", "Europe/Moscow", "America/New_York"),
    *("America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles"),
    *("America/Sao_Paulo", "Asia/Dubai", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo"),
    *("Australia/Sydney", "Pacific/Auckland", "Etc/UTC"),
)


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as a calendar uses it; `definition` is set if only its own rules tell the time.

    `problem` says in a few words why a series in it cannot be trusted to repeat as meant.
    """

    name: str
    definition: Definition | None = None
    problem: str = ""

    def utc(self, wall: datetime) -> datetime:
        """Return the instant of a time on the wall of this zone; may raise `OverflowError`."""
        if self.definition is not None:
            return (wall - self.definition.offset(wall)).replace(tzinfo=UTC)
        return wall.replace(tzinfo=zone_info(self.name)).astimezone(UTC)


@cache
def zone_info(name: str) -> ZoneInfo:
    """Return an IANA zone that is known to exist."""
    return ZoneInfo(name)


@cache
def _by_lower_case() -> Mapping[str, str]:
    return {name.lower(): name for name in available_timezones()}


@cache
def _windows() -> Mapping[str, str]:
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # takes long to load

    return {name.lower(): zone for name, zone in WINDOWS_TO_OLSON.items()}


@cache
def iana_name(text: str) -> str:
    """Return the IANA zone that a name means wherever it is used, "" if it means none."""
    name = text.strip().strip('"').strip().lower()
    if name in _UTC_NAMES:
        return UTC_NAME
    if found := _by_lower_case().get(name) or _windows().get(name):
        return found
    parts = [part for part in name.replace(" ", "_").split("/") if part]
    for size in (3, 2, 1) if name.startswith("/") else (3, 2):
        if found := _by_lower_case().get("/".join(parts[-size:])):
            return found
    return ""


def is_iana(name: str) -> bool:
    """Say whether a name is that of an IANA zone, letter by letter."""
    return _by_lower_case().get(name.lower()) == name


@dataclass(slots=True)
class Zones:
    """The zones of one text; `floating` is the zone that times without one are read in."""

    floating: str = UTC_NAME
    defined: dict[str, tuple[bytes, Block]] = field(default_factory=dict)
    _asked: int = 0
    _known: dict[tuple[str, int, int], Zone] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes, calendars: Iterable[Block], floating: str) -> "Zones":
        """Return the zones that a text defines."""
        zones = cls(iana_name(floating) or UTC_NAME)
        for calendar in calendars:
            for block in calendar.children:
                if block.name == "VTIMEZONE":
                    names = [line.value for line in lines_of(data, block) if line.name == "TZID"]
                    for name in names[:1]:
                        zones.defined[unescaped(name).strip()] = (data, block)
        return zones

    def find(self, tzid: str, first: int, last: int) -> Zone:
        """Return the zone that a TZID means in the years from `first` to `last`."""
        tzid, last = tzid.strip(), min(last, first + _MOST_YEARS, MAXYEAR - 1)
        key = (tzid, first, last)
        if key not in self._known:
            self._known[key] = self._found(tzid, first, last)
        return self._known[key]

    def _found(self, tzid: str, first: int, last: int) -> Zone:
        name = iana_name(tzid)
        if tzid not in self.defined:
            return Zone(name) if name else Zone(self.floating, problem="its time zone is unknown")
        if name and ("/" in name or name == UTC_NAME):
            return Zone(name)
        data, block = self.defined[tzid]
        self._asked += 1
        if self._asked > _MOST_DEFINITIONS:
            return Zone(name or self.floating, problem="too many time zones of its own")
        try:
            definition = read_definition(data, block)
            return _named(definition, [name, *_located(data, block), self.floating], first, last)
        except (ValueError, KeyError, TypeError, OverflowError, IndexError):
            return Zone(name or self.floating, problem="its time zone cannot be understood")


def _located(data: bytes, block: Block) -> list[str]:
    """Return what the library that wrote a definition calls it."""
    return [
        iana_name(line.value) for line in lines_of(data, block) if line.name == "X-LIC-LOCATION"
    ]


def _named(definition: Definition, likely: list[str], first: int, last: int) -> Zone:
    """Return the IANA zone that keeps the time of a definition in these years, or its own rules.

    A definition that is older than a change of the law goes on as if there were none: a zone that
    keeps its time at first is what is meant, but nothing is written on that assumption.
    """
    if name := _same_time(definition, likely, first, last):
        return Zone(name)
    problem = "no known time zone keeps its time"
    if name := _same_time(definition, likely, first, first):
        return Zone(name, problem=f"{problem} in later years")
    return Zone(UTC_NAME, definition, problem)


def _same_time(definition: Definition, likely: list[str], first: int, last: int) -> str:
    """Return the IANA zone that keeps the time of a definition in these years, "" if none does."""
    walls = _telling_times(definition, first, last)
    wanted = [definition.offset(wall) for wall in walls]
    for name in (*filter(None, likely), *_WELL_KNOWN, *sorted(available_timezones())):
        zone = zone_info(name)
        if all(w.replace(tzinfo=zone).utcoffset() == o for w, o in zip(walls, wanted, strict=True)):
            return name
    return ""


def _telling_times(definition: Definition, first: int, last: int) -> list[datetime]:
    """Return times that tell zones apart: summer and winter first, then around every change."""
    walls = [datetime(first, month, 1, 12) for month in (1, 7, 4, 10)]  # noqa: DTZ001
    for year in range(first, last + 1):
        walls += [datetime(year, 1, 1, 12) + timedelta(days=7 * week) for week in range(53)]  # noqa: DTZ001
        for onset in definition.onsets(year):
            if onset.wall.year == year:
                walls += [onset.wall + timedelta(hours=hours) for hours in (-4, -2, 2, 4)]
    return walls
