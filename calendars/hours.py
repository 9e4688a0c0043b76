"""Working hours and weekdays by the clock on the wall of one zone; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# Whatever lasts longer has a whole day of every sort in it.
_ALL_SORTS_OF_DAYS: Final = timedelta(days=9)


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody works: on these weekdays, from one time of the day to another.

    None stands for the beginning or the end of the day, no weekdays for all of them.
    """

    begin: time | None = None
    end: time | None = None
    weekdays: frozenset[str] = frozenset()
    zone: str = "UTC"

    def __bool__(self) -> bool:
        return bool(self.begin or self.end or self.weekdays)

    def meet(self, start: datetime | date, end: datetime | date) -> bool:
        """Say whether some of the time from start to end (exclusive) is working time.

        A date begins at midnight of the zone. A moment without length counts as its first second.
        """
        zone = zone_of(self.zone)
        since, until = _instant(start, zone), _instant(end, zone)
        try:
            until = min(max(until, since + timedelta(seconds=1)), since + _ALL_SORTS_OF_DAYS)
            spells = list(self._spells(since, until, zone))
        except OverflowError:  # at the end of the calendar, where nobody works
            return False
        return any(begin < until and since < finish for begin, finish in spells)

    def _spells(
        self, since: datetime, until: datetime, zone: tzinfo
    ) -> Iterator[tuple[datetime, datetime]]:
        """Yield when work begins and ends on each day between two instants."""
        first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            if self.weekdays and WEEKDAYS[day.weekday()] not in self.weekdays:
                continue
            until_midnight = _at(day + timedelta(days=1), time(), zone)
            finish = _at(day, self.end, zone) if self.end else until_midnight
            yield _at(day, self.begin or time(), zone), finish


def zone_of(name: str) -> tzinfo:
    """Return a zone by its name; UTC for a name that nobody knows."""
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, KeyError, OSError):
        return UTC


def _instant(said: datetime | date, zone: tzinfo) -> datetime:
    return said if isinstance(said, datetime) else _at(said, time(), zone)


def _at(day: date, at: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
