"""The events of one calendar, kept as JSON with just enough beside it to list them fast."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from integrations.sandbox.times import parse

PAST_VERSIONS = 20


class Event:
    """One stored event, series master or exception.

    `raw` is its JSON as the calendar's writers see it; `number` its fixed place in listings;
    `seq` the change number of its last write; `start` and `end` are Unix seconds (of the first
    occurrence of a series). `dropped` exceptions no longer exist but in deltas. `past` holds
    earlier (seq, raw) pairs, so that a lagging listing can be played.
    """

    __slots__ = (
        "dropped", "end", "event_type", "ical_uid", "id", "master", "number", "past",
        "raw", "recurring", "seq", "start", "status", "updated", "view",
    )  # fmt: skip

    def __init__(self, body: dict[str, Any], *, seq: int, zone: str, dropped: bool = False) -> None:
        self.id: str = body["id"]
        self.seq = seq
        self.number = seq
        self.dropped = dropped
        self.past: list[tuple[int, bytes]] = []
        self.rewrite(body, zone)

    def rewrite(self, body: dict[str, Any], zone: str) -> None:
        """Replace the JSON of this very version: the same event, shown in another zone."""
        self.raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        self.view: tuple[Any, bytes] | None = None
        self._index(body, zone)

    def _index(self, body: dict[str, Any], zone: str) -> None:
        self.status: str = body["status"]
        self.updated: str = body["updated"]
        self.master: str | None = body.get("recurringEventId")
        self.recurring = "recurrence" in body
        self.ical_uid: str = body["iCalUID"]
        self.event_type: str = body.get("eventType", "default")
        self.start = parse(body["start"], zone, which="start").instant(zone).timestamp()
        self.end = parse(body["end"], zone, which="end").instant(zone).timestamp()

    @classmethod
    def read(cls, name: str, raw: bytes, *, seq: int, zone: str, dropped: bool) -> Event:
        """Return an event from its stored JSON."""
        event = cls.__new__(cls)
        event.id, event.raw, event.seq, event.number = name, raw, seq, seq
        event.dropped, event.past, event.view = dropped, [], None
        event._index(json.loads(raw), zone)
        return event

    def body(self) -> dict[str, Any]:
        """Return a fresh copy of the event resource."""
        body: dict[str, Any] = json.loads(self.raw)
        return body

    @property
    def cancelled(self) -> bool:
        """True for deleted events and cancelled occurrences."""
        return self.status == "cancelled"

    def as_of(self, seq: int) -> bytes | None:
        """Return the JSON that was current at change number `seq`, None if there was none."""
        if self.seq <= seq:
            return self.raw
        return next((raw for at, raw in reversed(self.past) if at <= seq), None)

    def seq_as_of(self, seq: int) -> int:
        """Return the change number of that version, 0 if there was none."""
        if self.seq <= seq:
            return self.seq
        return next((at for at, _ in reversed(self.past) if at <= seq), 0)


class Book:
    """Events by id, in listing order, and in order of change."""

    def __init__(self) -> None:
        self.by_id: dict[str, Event] = {}
        self.updated = ""
        self.exceptions: dict[str, dict[str, Event]] = {}
        self._order: list[Event] = []
        self._log: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[Event]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def get(self, name: str) -> Event | None:
        """Return the event with that id, whatever its status; None if it never was."""
        event = self.by_id.get(name)
        return None if event is None or event.dropped else event

    def put(self, event: Event) -> None:
        """Add an event or replace the one with its id; the old version moves to its past."""
        old = self.by_id.get(event.id)
        if old:
            event.number = old.number
            event.past = [*old.past, (old.seq, old.raw)][-PAST_VERSIONS:]
            self._order[bisect_right(self._order, old.number, key=_number) - 1] = event
        else:
            self._order.append(event)
        self.load(event, ordered=False)

    def load(self, event: Event, *, ordered: bool = True) -> None:
        """Add an event that comes from the file, in order of change; `sort` afterwards."""
        self.by_id[event.id] = event
        self.updated = max(self.updated, event.updated)
        self._log.append((event.seq, event.id))
        if event.master:
            self.exceptions.setdefault(event.master, {})[event.id] = event
        if ordered:
            self._order.append(event)
        elif len(self._log) > 4 * len(self._order) + 1000:
            self._log = [(seq, name) for seq, name in self._log if self.by_id[name].seq == seq]

    def sort(self) -> None:
        """Restore the listing order after loading."""
        self._order.sort(key=_number)

    def after(self, number: int) -> Iterator[Event]:
        """Yield events in listing order whose place comes after `number`."""
        start = bisect_right(self._order, number, key=_number)
        return iter(self._order[start:])

    def changed_since(self, seq: int) -> list[Event]:
        """Return events written after change number `seq`, in listing order."""
        start = bisect_right(self._log, seq, key=lambda entry: entry[0])
        found = {name for _, name in self._log[start:]}
        return sorted((self.by_id[name] for name in found), key=_number)

    def last_seq(self) -> int:
        """Return the change number of the newest write, 0 in an empty book."""
        return self._log[-1][0] if self._log else 0

    def living_exceptions(self, master: str) -> list[Event]:
        """Return the exceptions of a series, cancelled occurrences included."""
        return [e for e in self.exceptions.get(master, {}).values() if not e.dropped]


def _number(event: Event) -> int:
    return event.number
