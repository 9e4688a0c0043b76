"""Occurrences that one exception speaks for: RANGE=THISANDFUTURE (RFC 5545, section 3.2.13).

Each later occurrence becomes an exception of its own, as if the text had spelled it out: with the
content of the last such change before it, moved as far as that one by the clock on the wall.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import blake2b
from itertools import islice, takewhile
from typing import Any, Final

from integrations.ical.reading import Component, Resource
from integrations.ical.times import Moment, instant, slot_moment
from integrations.ical.zones import UTC_NAME, zone_info
from sync.core.records import Fields

# How far a change is followed: each occurrence costs a write in every calendar that shows it, at a
# CalDAV server of a file with all of them in it, and services refuse occurrences of far years.
REACH: Final = timedelta(days=400)
MOST: Final = 200  # occurrences of one series, from its first change on
MOST_SERIES: Final = 100  # of one text

# Yields when a series takes place after an instant; raises if its rules cannot be followed.
Starts = Callable[[Fields, datetime], Iterator[datetime]]
_UNREADABLE: Final = (ArithmeticError, LookupError, OSError, TypeError, ValueError)

_Family = Mapping[str, Component]  # the components that share a UID, by their slots


def spell_out(resource: Resource, starts: Starts) -> None:
    """Add an exception for each occurrence that a change of all later ones speaks for.

    A series whose rules cannot be followed stays as it is, and so does one after `MOST_SERIES`.
    """
    broken: dict[str, set[str]] = defaultdict(set)
    for one in resource.unreadable:
        broken[one.uid].add(one.slot)
    for uid, family in islice(_changed_series(resource).items(), MOST_SERIES):
        resource.components += _followers(family, {*family, *broken[uid]}, starts)


def _changed_series(resource: Resource) -> Mapping[str, _Family]:
    """Return the series with a change of all later occurrences, by their UIDs."""
    changed = {one.uid for one in resource.components if one.ranged}
    families: dict[str, dict[str, Component]] = defaultdict(dict)
    for one in resource.components:
        if one.uid in changed:
            families[one.uid][one.slot] = one
    return {uid: family for uid, family in families.items() if "" in family}


def _followers(family: _Family, taken: Container[str], starts: Starts) -> list[Component]:
    """Return the occurrences that changes speak for and that have no exception of their own."""
    series = family[""]
    changes = sorted(slot for slot, one in family.items() if one.ranged)
    try:
        later = [slot for slot in _later(series, changes, starts) if slot not in taken]
        last = (changes[bisect_right(changes, slot) - 1] for slot in later)
        pairs = zip(later, last, strict=True)
        return [_follower(family[change], series, slot) for slot, change in pairs]
    except _UNREADABLE:
        return []


def _later(series: Component, changes: Sequence[str], starts: Starts) -> Iterator[str]:
    """Yield the slots of a series that its changes reach."""
    first = series.fields["start"]
    since, last = (instant(slot_moment(changes[end], first)) for end in (0, -1))
    found = islice(starts(series.fields, since), MOST)
    for at in takewhile(lambda at: at - last <= REACH, found):
        yield at.date().isoformat() if "date" in first else _text(at)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _follower(change: Component, series: Component, slot: str) -> Component:
    """Return an occurrence as a change has it; its version moves with the change and the series."""
    said = f"{change.digest} {series.digest} {slot}".encode()
    return replace(
        change,
        slot=slot,
        fields=_fields(change, series, slot),
        digest=blake2b(said, digest_size=16).hexdigest(),
        mark="",
        ranged=False,
    )


def _fields(change: Component, series: Component, slot: str) -> Fields:
    fields = change.fields
    if fields["status"] == "cancelled":
        return fields
    start = _start(change, series, slot)
    end = instant(start) + (instant(fields["end"]) - instant(fields["start"]))
    return {**fields, "start": start, "end": _like(fields["end"], end)}


def _start(change: Component, series: Component, slot: str) -> dict[str, Any]:
    """Return when a change has another occurrence begin: as far from its slot, on the wall."""
    start, first = change.fields["start"], series.fields["start"]
    zone = zone_info(first.get("zone") or start.get("zone") or UTC_NAME)
    slots = (slot_moment(change.slot, first), slot_moment(slot, first))
    here, there = (_wall(moment, zone) for moment in slots)
    if "date" in start:  # days, whatever the hours of the slots are
        here, there = (wall.replace(hour=0, minute=0, second=0) for wall in (here, there))
    at = there + (_wall(start, zone) - here)
    return _like(start, at.replace(tzinfo=UTC if "date" in start else zone))


def _wall(moment: Moment, zone: tzinfo) -> datetime:
    """Return a moment as the clock of a zone shows it; a date begins at midnight anywhere."""
    at = instant(moment)
    return (at if "date" in moment else at.astimezone(zone)).replace(tzinfo=None)


def _like(moment: Moment, at: datetime) -> dict[str, Any]:
    """Return an instant, said in the way of another moment."""
    return {"date": at.date().isoformat()} if "date" in moment else {**moment, "at": _text(at)}
