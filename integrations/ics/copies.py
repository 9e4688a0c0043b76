"""The events of a feed as copies: what each is called, and which of them are shown."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Final

from integrations.ical import Broken, Component, Starts, read_calendar, spell_out
from integrations.ical.lines import Block
from sync.core.provider import Copy, Unreadable
from sync.core.records import Fields

READ_ONLY: Final = "a feed is only read"
_LONGEST_UID: Final = 900
# All-day events are placed in the calendar's zone, at most 14 hours off UTC.
_ZONE_MARGIN: Final = timedelta(days=1)


def name_of(uid: str, slot: str) -> str:
    """Return the remote id of an event: its UID, and for an exception its original start."""
    if len(uid) > _LONGEST_UID:
        uid = f"sha256:{sha256(uid.encode('utf-8', 'replace')).hexdigest()}"
    uid = uid.replace("%", "%25").replace("#", "%23")
    return f"{uid}#{slot}" if slot else uid


def copies_of(
    content: bytes, calendars: Sequence[Block], zone: str, starts: Starts | None = None
) -> tuple[dict[str, Copy], list[Unreadable]]:
    """Read a feed: the copies by name, and what could not be read."""
    resource = read_calendar(content, zone=zone, calendars=calendars)
    if starts:
        spell_out(resource, starts)
    families: dict[str, list[Component]] = defaultdict(list)
    for component in resource.components:
        families[component.uid].append(component)
    damaged = {broken.uid for broken in resource.unreadable}
    found = {
        copy.remote_id: copy
        for uid, family in families.items()
        for copy in _copies(family, whole=uid not in damaged)
    }
    return found, [_unreadable(broken) for broken in resource.unreadable]


def _unreadable(broken: Broken) -> Unreadable:
    return Unreadable(name_of(broken.uid, broken.slot), broken.problem)


def _copies(family: Sequence[Component], *, whole: bool) -> Iterator[Copy]:
    """Yield the copies of the events that share a UID; `whole` if all of them could be read.

    What was called off as a whole is gone. An occurrence that a feed shows without its series is
    an event on its own, if it takes place.
    """
    series = next((component for component in family if not component.slot), None)
    exceptions = [component for component in family if component.slot]
    if series is None:
        yield from (_copy(one) for one in exceptions if one.fields["status"] != "cancelled")
    elif series.fields["status"] == "cancelled":
        yield Copy(name_of(series.uid, ""), version=series.digest, evidence="called off")
    else:
        names = frozenset(name_of(exception.uid, exception.slot) for exception in exceptions)
        yield _copy(series, occurrences=names if whole else None)
        yield from (_copy(exception, parent=name_of(series.uid, "")) for exception in exceptions)


def _copy(
    component: Component, *, parent: str = "", occurrences: frozenset[str] | None = None
) -> Copy:
    return Copy(
        remote_id=name_of(component.uid, component.slot),
        version=component.digest,
        fields=component.fields,
        parent=parent,
        slot=component.slot if parent else "",
        partial=component.fields.get("status") == "cancelled",
        obstacle=READ_ONLY,
        occurrences=occurrences,
        facts=component.facts,
    )


def is_shown(copy: Copy, since: datetime) -> bool:
    """Say whether a listing shows a copy; the exceptions of a series always come with it.

    In doubt it is shown, and not said to be covered.
    """
    return bool(copy.parent) or copy.fields is None or covers(copy.fields, since - 2 * _ZONE_MARGIN)


def covers(fields: Fields, since: datetime) -> bool:
    """Say whether a listing surely shows a record: every series, and what ends after `since`."""
    if fields.get("recurrence"):
        return True
    end = fields.get("end")
    return end is not None and _instant(end) - _ZONE_MARGIN > since


def _instant(moment: Fields) -> datetime:
    if "at" in moment:
        return datetime.fromisoformat(moment["at"])
    day = date.fromisoformat(moment["date"])
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
