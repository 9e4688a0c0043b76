"""A service that keeps the port's contract as badly as the contract allows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sync.core.provider import Copy, Page
from sync.core.records import Fields
from tests.sync.remote import RemoteCalendar, RemoteProvider, Stored
from tests.sync.simulator.faults import Faults

# Where the window of a world with one begins; what starts earlier is not listed.
WINDOW = "2026-05-01T00:00:00Z"
# What a reader with few rights does not see.
VEIL = frozenset({"description", "attendees"})


class SimulatedCalendar(RemoteCalendar):
    """A calendar that may tidy what it is given, as services do."""

    trimming = False

    def put(self, stored: Stored) -> Stored:
        """Store a new version of an event, tidied."""
        if stored.fields is not None:
            stored.fields = self.tidy(stored.fields)
        return super().put(stored)

    def tidy(self, fields: Fields) -> dict[str, Any]:
        """Return the fields as the calendar would hold them."""
        if not self.trimming or "description" not in fields:
            return dict(fields)
        return {**fields, "description": fields["description"].rstrip()}

    def remove(self, remote_id: str) -> None:
        """Take an event out of the calendar altogether, an occurrence too."""
        gone = replace(self.events[remote_id])
        gone.fields = None
        self.put(gone)


class FaultyProvider(RemoteProvider):
    """A provider whose listings lag, hide, repeat, break off, and lose their cursors.

    `veil` names the fields that this reader may not see, `since` the start of its window ("" for
    none).
    """

    calendar: SimulatedCalendar
    faults: Faults
    forgive: Callable[[str], None]
    veil: frozenset[str] = frozenset()
    since: str = ""

    def changes(self, cursor: str) -> Iterator[Page]:
        for page in super().changes(cursor):
            if self.faults.strikes("empty page"):
                yield Page([])
            if page.copies and self.faults.strikes("doubled id"):
                page = replace(page, copies=[*page.copies, page.copies[0]])
            if page.cursor is None and self.faults.strikes("repeated page"):
                yield page
            lost = page.cursor is not None and self.faults.strikes("missing cursor")
            yield replace(page, cursor=None) if lost else page

    def _shown(self, cursor: str, upto: int) -> list[Stored]:
        shown = super()._shown(cursor, upto)
        if not cursor:
            shown = self._short([s for s in shown if self.covers(s.fields or {})])
        if shown and self.faults.strikes("repetition"):
            again = self.faults.rng.choice(shown)
            versions = [s for s in self.calendar.history[:upto] if s.remote_id == again.remote_id]
            older = self.faults.rng.choice(versions)
            if cursor or older.fields is not None:
                shown.insert(self.faults.rng.randrange(len(shown) + 1), older)
        return shown

    def _short(self, shown: list[Stored]) -> list[Stored]:
        """Leave some or all out of a complete listing."""
        share = 1.0 if self.faults.strikes("empty listing") else 0.3
        if share < 1 and not self.faults.strikes("short listing"):
            return shown
        left_out = {s.remote_id for s in shown if self.faults.rng.random() < share}
        for remote_id in sorted(left_out):
            self.forgive(remote_id)
        return [s for s in shown if s.remote_id not in left_out]

    def prepare_listing(self) -> None:
        """Decide what the next listings will be like."""
        self.lag = self.faults.rng.randrange(4) if self.faults.strikes("lag") else 0
        if self.faults.strikes("dead cursor"):
            self.calendar.dead_before = self.calendar.tick + 1

    def copy(self, stored: Stored, listed: bool = False) -> Copy:
        copy = super().copy(stored, listed)
        if not self.veil or copy.fields is None:
            return copy
        fields = {name: value for name, value in copy.fields.items() if name not in self.veil}
        return replace(copy, fields=fields, partial=True)

    def normalise(self, fields: Fields) -> Fields:
        return super().normalise(self.calendar.tidy(fields))

    def covers(self, fields: Fields) -> bool:
        return covers(self.since, fields)


def covers(since: str, fields: Fields) -> bool:
    """Say whether a window shows a record; a series goes on, whenever it began."""
    start = fields.get("start")
    if not since or not start or fields.get("recurrence"):
        return True
    return datetime.fromisoformat(start["at"]) >= datetime.fromisoformat(since)
