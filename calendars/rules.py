"""The times of one recurrence rule, with an end to the search for them; pure.

dateutil looks for the next match until the year 9999, which takes seconds for a rule that has
none. The calendar repeats every 400 years to the day of the week, so a rule is expanded as if it
began in the last centuries before that, and the search ends there.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import MAXYEAR, datetime, timedelta
from typing import Any, Final

from dateutil.rrule import rrulestr

MOST_STEPS: Final = 20_000  # times of one rule that are looked at for one question
_CYCLE: Final = 400
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FIXED_STEPS: Final = {"DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1)}
_MONTHS: Final = {"MONTHLY": 1, "YEARLY": 12}


def times_of(
    parts: Mapping[str, str], first: datetime, wall: datetime, until: datetime | None
) -> Iterator[datetime]:
    """Yield the times of a rule that begins at `first`, all of them after `wall`, some before.

    Times are those of a wall, without a zone. `parts` are those of the rule but its UNTIL, which
    is `until`. Raises `ValueError` if there are too many times, or the rule is none.
    """
    parts = _with_implied(parts, first)
    count = int(parts.pop("COUNT", "0"))
    if not _some_day(parts):
        return
    begin = first if count else _near(parts, first, wall)
    for number, at in enumerate(_times(parts, _first_of_week(parts, begin), first)):
        if (until is not None and at > until) or (count and number >= count):
            return
        if number >= MOST_STEPS:
            raise ValueError("a rule with too many times")
        yield at


def _times(parts: Mapping[str, str], begin: datetime, first: datetime) -> Iterator[datetime]:
    """Yield the times from `first` on, counted from `begin` in the last centuries there are."""
    years = (MAXYEAR - 100 - begin.year) // _CYCLE * _CYCLE
    value = ";".join(f"{name}={text}" for name, text in parts.items())
    rule: Any = rrulestr(value, dtstart=begin.replace(year=begin.year + years))
    for time in rule:
        at = time.replace(year=time.year - years)
        if at >= first:
            yield at


def _with_implied(parts: Mapping[str, str], first: datetime) -> dict[str, str]:
    """Add what a rule takes from its start and dateutil does not (RFC 5545, section 3.3.10).

    A week of the year means the weekday of the start, a day of the month in a year its month.
    """
    implied: dict[str, str] = {}
    if parts["FREQ"] == "YEARLY" and not parts.keys() & {"BYDAY", "BYYEARDAY"}:
        if "BYWEEKNO" in parts and "BYMONTHDAY" not in parts:
            implied["BYDAY"] = _WEEKDAYS[first.weekday()]
        if "BYMONTHDAY" in parts and not parts.keys() & {"BYMONTH", "BYWEEKNO"}:
            implied["BYMONTH"] = str(first.month)
    if parts["FREQ"] == "WEEKLY" and "BYDAY" not in parts:
        implied["BYDAY"] = _WEEKDAYS[first.weekday()]
    return {**parts, **implied}


def _first_of_week(parts: Mapping[str, str], begin: datetime) -> datetime:
    """Return the start of a week for a rule that counts positions in weeks; dateutil cuts it."""
    if parts["FREQ"] != "WEEKLY" or "BYSETPOS" not in parts or begin.year < 2:
        return begin
    return begin - timedelta(days=(begin.weekday() - _WEEKDAYS.index(parts.get("WKST", "MO"))) % 7)


def _near(parts: Mapping[str, str], first: datetime, wall: datetime) -> datetime:
    """Return a start shortly before `wall` that makes the same times from there on."""
    if wall <= first:
        return first
    interval = int(parts.get("INTERVAL", "1"))
    if step := _FIXED_STEPS.get(parts["FREQ"]):
        return first + step * interval * ((wall - first) // (step * interval))
    months = _MONTHS[parts["FREQ"]] * interval
    passed = (wall.year - first.year) * 12 + wall.month - first.month
    # A month in which the day of the start is missing is none to begin in.
    for turn in range(passed // months, 0, -1):
        year, month = divmod(first.year * 12 + first.month - 1 + turn * months, 12)
        try:
            near = first.replace(year=year, month=month + 1)
        except ValueError:
            continue
        if near <= wall:
            return near
    return first


def _some_day(parts: Mapping[str, str]) -> bool:
    """Say whether a rule that names months and their days names a day that there is."""
    if "BYMONTH" not in parts or "BYMONTHDAY" not in parts:
        return True
    first = min(abs(int(day)) for day in parts["BYMONTHDAY"].split(","))
    return any(first <= monthrange(2024, int(m))[1] for m in parts["BYMONTH"].split(","))
