"""Occurrences of a series: whether one is still as the rule makes it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from integrations.google.events import Raw, fields_of, slot_of


def as_in_the_series(occurrence: Raw, series: Raw) -> bool:
    """Say whether nobody has changed this occurrence.

    Google shows an untouched occurrence like a changed one; only its content tells them apart.
    """
    mine, theirs = fields_of(occurrence), fields_of(series)
    inherited = mine.keys() - {"start", "end", "recurrence"}
    return (
        all(mine[name] == theirs[name] for name in inherited)
        and slot_of(occurrence["start"]) == slot_of(occurrence["originalStartTime"])
        and not _lengths(mine["start"], mine["end"]).isdisjoint(
            _lengths(theirs["start"], theirs["end"])
        )
    )


def _lengths(start: Mapping[str, str], end: Mapping[str, str]) -> set[timedelta]:
    """Return how long it takes, and how long by the wall clock: in some nights these differ."""
    if "date" in start:
        return {date.fromisoformat(end["date"]) - date.fromisoformat(start["date"])}
    first, last = datetime.fromisoformat(start["at"]), datetime.fromisoformat(end["at"])
    walls = [
        at.astimezone(ZoneInfo(time["zone"])).replace(tzinfo=None)
        for at, time in ((first, start), (last, end))
    ]
    return {last - first, walls[1] - walls[0]}
