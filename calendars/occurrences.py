"""The single occurrences of a series, and the same series some minutes earlier; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, Final

from calendars.recurrence import (
    UNREADABLE,
    instant,
    longest,
    own_lengths,
    rule_lines,
    starts_after,
)
from sync.core.records import Fields

# A series with more occurrences than this in a window is not taken apart.
MOST: Final = 8_000

_AT: Final = "%Y-%m-%dT%H:%M:%SZ"
_TIME: Final = re.compile(r"(\d{8}T\d{6})(Z?)")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence of a series: its name within it, and when it takes place.

    The times of an all-day series are midnights UTC.
    """

    slot: str
    start: datetime
    end: datetime


def expand(fields: Fields, since: datetime, until: datetime) -> list[Occurrence] | None:
    """Return the occurrences that reach past `since` and begin before `until`, in order.

    None if the series cannot be read, repeats within a day, or has too many.
    """
    length = instant(fields["end"]) - instant(fields["start"])
    own = own_lengths(fields)
    before = since - max(longest(fields), timedelta(seconds=1))
    form = _AT if "at" in fields["start"] else "%Y-%m-%d"
    found: list[Occurrence] = []
    try:
        for start in takewhile(lambda at: at < until, starts_after(fields, before)):
            found.append(Occurrence(start.strftime(form), start, start + own.get(start, length)))
            if len(found) > MOST:
                return None
    except UNREADABLE:
        return None
    return found


def earlier(fields: Fields, by: timedelta) -> dict[str, Any] | None:
    """Return a series, or a single event, that begins earlier by the clock on its wall.

    None if the lines of the series cannot be moved. Whether each occurrence is where it should be
    is for the caller to see: a rule such as BYDAY=MO does not follow its start into Sunday.
    """
    lines = [_earlier_line(line, by) for line in rule_lines(fields)]
    if None in lines:
        return None
    return {**fields, "start": moved(fields["start"], -by), "recurrence": lines}


def earlier_slot(slot: str, by: timedelta) -> str:
    """Return the name that an occurrence has in the series that begins earlier."""
    if "T" not in slot:
        return slot
    return (datetime.fromisoformat(slot) - by).astimezone(UTC).strftime(_AT)


def moved(moment: Fields, by: timedelta) -> dict[str, str]:
    """Return a moment some time later; a date stays."""
    if "at" not in moment:
        return dict(moment)
    return {**moment, "at": (instant(moment) + by).astimezone(UTC).strftime(_AT)}


def _earlier_line(line: str, by: timedelta) -> str | None:
    name, _, value = line.partition(":")
    if "/" in value:
        return None
    try:
        return f"{name}:{_TIME.sub(lambda found: _earlier_time(found, by), value)}"
    except (ValueError, OverflowError):
        return None


def _earlier_time(found: "re.Match[str]", by: timedelta) -> str:
    at = datetime.strptime(found[1], "%Y%m%dT%H%M%S") - by  # noqa: DTZ007 - moved as it is said
    return at.strftime("%Y%m%dT%H%M%S") + found[2]


def same_starts(
    some: Sequence[Occurrence] | None, others: Sequence[Occurrence], by: timedelta
) -> bool:
    """Say whether the first occurrences are the others, each that much earlier."""
    return some is not None and [one.start + by for one in some] == [one.start for one in others]
