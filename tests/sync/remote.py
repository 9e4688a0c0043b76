"""A calendar service inside the test process that keeps the port's contract, and can break it."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import connection

from sync.core.events import EMPTY
from sync.core.marks import Marker
from sync.core.provider import Copy, Outcome, Page, Refusal, Remedy, Traits, Write, WriteKind
from sync.core.records import Fields

KEY = b"a key for tests"
FULL = Traits(conditional=True, client_ids=True, batch=3)


@dataclass(slots=True)
class Stored:
    """One event as the service holds it; `fields` is None once it is deleted."""

    remote_id: str
    fields: dict[str, Any] | None
    version: int
    changed_at: datetime
    mark: str = ""
    parent: str = ""
    slot: str = ""
    uid: str = ""

    @property
    def takes_place(self) -> bool:
        """False for a deleted event and for a cancelled occurrence."""
        return self.fields is not None and self.fields["status"] != "cancelled"


@dataclass(slots=True)
class RemoteCalendar:
    """What the service holds: every event ever, all its versions in order, and our writes."""

    clock: Callable[[], datetime]
    name: str = "calendar@example.com"
    events: dict[str, Stored] = field(default_factory=dict)
    history: list[Stored] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)
    dead_before: int = 0

    @property
    def tick(self) -> int:
        """The number of changes so far."""
        return len(self.history)

    def put(self, stored: Stored) -> Stored:
        """Store a new version of an event."""
        stored.version = self.tick + 1
        stored.changed_at = self.clock() + timedelta(milliseconds=self.tick)
        self.events[stored.remote_id] = stored
        self.history.append(deepcopy(stored))
        return stored

    def add(self, remote_id: str, **fields: Any) -> Stored:
        """A person makes an event, or changes one occurrence of a series."""
        about = {name: fields.pop(name, "") for name in ("parent", "slot", "uid")}
        content = deepcopy(dict(EMPTY)) | {"start": at(9), "end": at(10)} | fields
        return self.put(Stored(remote_id, content, 0, self.clock(), **about))

    def edit(self, remote_id: str, **fields: Any) -> Stored:
        """A person changes an event."""
        stored = deepcopy(self.events[remote_id])
        assert stored.fields is not None
        stored.fields |= fields
        return self.put(stored)

    def delete(self, remote_id: str) -> Stored:
        """A person deletes an event, with its exceptions; an occurrence is cancelled instead."""
        stored = deepcopy(self.events[remote_id])
        if stored.parent and stored.fields is not None:
            stored.fields["status"] = "cancelled"
            return self.put(stored)
        for other in list(self.events.values()):
            if other.parent == remote_id and other.fields is not None:
                gone = deepcopy(other)
                gone.fields = None
                self.put(gone)
        stored.fields = None
        return self.put(stored)

    def drop(self, remote_id: str) -> None:
        """A person lets an occurrence be as its series says again; the series is shown anew."""
        gone = deepcopy(self.events[remote_id])
        gone.fields = None
        self.events[remote_id] = gone
        self.history += [deepcopy(gone), deepcopy(self.events[gone.parent])]

    def alive(self) -> dict[str, dict[str, Any]]:
        """The events that take place, by id."""
        return {k: s.fields for k, s in self.events.items() if s.fields and s.takes_place}

    def titles(self) -> list[str]:
        """The titles of the events that take place, sorted."""
        return sorted(fields["title"] for fields in self.alive().values())


def at(hour: int, day: int = 5) -> dict[str, str]:
    """A moment in May 2026, as canonical fields hold it."""
    return {"at": f"2026-05-{day:02}T{hour:02}:00:00Z", "zone": "Europe/Berlin"}


@dataclass(slots=True)
class RemoteProvider:
    """The port to a `RemoteCalendar`. `fault` is asked before and after every call.

    `witness` sees each write as it is carried out, with what stood there before. `ordered` says
    that versions bear the time of their change; `telling` that tombstones still bear their mark.
    What is `lost` cannot be stored by this service. One with `whole_series` keeps a series and its
    exceptions together: it shows which there are, and forgets those that are deleted. A `prompt`
    one carries out writes as they are handed over, another when their outcomes are asked for.
    """

    calendar: RemoteCalendar
    traits: Traits = FULL
    shape: str = "test"
    calls: int = 0
    page: int = 3
    lag: int = 0
    hidden: frozenset[str] = frozenset()
    # Old versions that a listing shows once more, at its end.
    also: Sequence[Stored] = ()
    ordered: bool = True
    lost: frozenset[str] = frozenset()
    whole_series: bool = False
    telling: bool = True
    prompt: bool = False
    fault: Callable[[str, str], None] = lambda call, moment: None
    witness: Callable[[Write, Stored | None], None] = lambda write, there: None
    # How many transactions are open where no more may be: a test may have one around itself.
    outside: int = field(default_factory=lambda: len(connection.atomic_blocks))

    @property
    def marker(self) -> Marker:
        """Signs and reads the marks of this calendar."""
        return Marker([KEY], self.calendar.name)

    def ask_ahead(self, cursor: str) -> None:
        """Wait for the question itself: one seed is one trace."""

    def changes(self, cursor: str) -> Iterator[Page]:
        self._call("list", "before")
        if cursor and int(cursor) < self.calendar.dead_before:
            raise Refusal(Remedy.RESYNC, call="list", status=410, reason="fullSyncRequired")
        upto = max(self.calendar.tick - self.lag, int(cursor or 0))
        shown = [*self._shown(cursor, upto), *self.also]
        pages = [shown[i : i + self.page] for i in range(0, len(shown), self.page)] or [[]]
        for number, page in enumerate(pages):
            self._call("page", "before")
            last = number == len(pages) - 1
            copies = [self.copy(s, listed=True) for s in page]
            yield Page(copies, str(upto) if last else None, strong=self.whole_series)

    def _shown(self, cursor: str, upto: int) -> list[Stored]:
        """What a listing shows: in a delta what changed, in a complete one what is there."""
        latest = {s.remote_id: s for s in self.calendar.history[int(cursor or 0) : upto]}
        if self.whole_series:
            latest = {k: s for k, s in latest.items() if s.fields or not s.parent}
        if cursor:
            return list(latest.values())
        return [s for s in latest.values() if s.fields and s.remote_id not in self.hidden]

    def read(self, remote_id: str) -> Copy:
        self._call("read", "before")
        stored = self.calendar.events.get(remote_id)
        copy = self.copy(stored) if stored else Copy(remote_id, evidence="read: 404")
        self._call("read", "after")
        return copy

    def write(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        outcomes = self._outcomes(writes)
        return iter(list(outcomes)) if self.prompt else outcomes

    def _outcomes(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        for write in writes:
            try:
                self._call("write", "before")
                copy = self._carry_out(write)
                self._call("write", "after")
                yield Outcome(write, copy=copy)
            except Refusal as refusal:
                yield Outcome(write, refusal=refusal)

    def name(self, *parts: str) -> str:
        return sha256("|".join(parts).encode()).hexdigest()[:20]

    def normalise(self, fields: Fields) -> Fields:
        return {n: EMPTY[n] if n in self.lost else value for n, value in fields.items()}

    def covers(self, fields: Fields) -> bool:
        return True

    def marked(self) -> Iterator[Copy]:
        self._call("list", "before")
        for stored in list(self.calendar.events.values()):
            copy = self.copy(stored)
            if copy.fields is not None and copy.mark and copy.mark.rule:
                yield copy

    def _call(self, call: str, moment: str) -> None:
        assert len(connection.atomic_blocks) == self.outside, "a remote call in a transaction"
        self.calls += moment == "before" and call != "list"
        self.fault(call, moment)

    def copy(self, stored: Stored, listed: bool = False) -> Copy:
        """Show one event as the port does; a cancelled occurrence shows nothing but that."""
        gone, cancelled = stored.fields is None, not stored.takes_place
        marked = stored.mark if self.telling or not gone else ""
        return Copy(
            stored.remote_id,
            version=str(stored.version),
            fields={"status": "cancelled"} if cancelled and not gone else deepcopy(stored.fields),
            ordinal=stored.changed_at.isoformat(timespec="milliseconds") if self.ordered else "",
            parent=stored.parent,
            slot=stored.slot,
            mark=self.marker.read(marked, stored.remote_id, stored.parent),
            partial=cancelled and not gone,
            evidence="" if not gone else "tombstone" if listed else "read: gone",
            occurrences=self._exceptions(stored) if self.whole_series else None,
            facts={"uid": stored.uid} if stored.uid else {},
            raw={"id": stored.remote_id},
        )

    def _exceptions(self, stored: Stored) -> frozenset[str] | None:
        parts = (s for s in self.calendar.events.values() if s.parent == stored.remote_id)
        return None if stored.parent else frozenset(s.remote_id for s in parts if s.fields)

    def _carry_out(self, write: Write) -> Copy:
        remote_id = write.remote_id or self._own_name(write)
        there = self.calendar.events.get(remote_id)
        if write.kind is WriteKind.CREATE:
            self._check_place(write, there)
        else:
            self._check(write, there)
        self.witness(write, there)
        self.calendar.writes.append((write.kind, remote_id))
        if write.kind is WriteKind.DELETE:
            drops = self.whole_series and there and there.parent
            (self.calendar.drop if drops else self.calendar.delete)(remote_id)
            return Copy(remote_id, evidence="deleted by us")
        return self.copy(self.calendar.put(self._written(write, remote_id, there)))

    def _own_name(self, write: Write) -> str:
        if write.parent:
            return f"{write.parent}_{write.slot}"
        return f"{self.calendar.name}-{self.calendar.tick}"

    def _written(self, write: Write, remote_id: str, there: Stored | None) -> Stored:
        mark = self.marker.sign(remote_id, attempt=write.attempt, rule=write.rule)
        old = there.fields if there and there.fields and write.kind is WriteKind.UPDATE else {}
        sent = {k: v for k, v in write.fields.items() if not old or k in write.changed}
        fields = deepcopy({**dict(EMPTY), **old, **self.normalise(sent)})
        uid = there.uid if there else ""
        now = self.calendar.clock()
        return Stored(remote_id, fields, 0, now, mark, write.parent, write.slot, uid)

    def _check_place(self, write: Write, there: Stored | None) -> None:
        """A name is given once and for ever; an occurrence needs its series."""
        dropped = self.whole_series and there and there.parent and there.fields is None
        if there and not dropped:
            raise Refusal(Remedy.ADOPT, call="insert", status=409, reason="duplicate")
        series = self.calendar.events.get(write.parent)
        if write.parent and (series is None or series.fields is None):
            raise Refusal(Remedy.GONE, call="insert", status=404, reason="notFound")

    def _check(self, write: Write, there: Stored | None) -> None:
        if there is None or there.fields is None:
            raise Refusal(Remedy.GONE, call=write.kind, status=410, reason="deleted")
        if self.traits.conditional and str(there.version) != write.version:
            raise Refusal(Remedy.REREAD, call=write.kind, status=412, reason="conditionNotMet")
