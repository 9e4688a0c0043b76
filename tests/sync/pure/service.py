"""A calendar service that keeps the port's contract, as well as its kind can."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from sync.core.marks import Marker
from sync.core.provider import Copy, Refusal, Remedy, Traits, Write, WriteKind
from sync.core.records import Fields
from tests.sync.pure.store import EMPTY
from tests.sync.simulator.oracle import thing_of

KEY = b"a key for tests"
EVERYTHING = 2


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one event; `fields` is None once it is deleted."""

    remote_id: str
    fields: Fields | None
    number: int
    at: datetime
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Manners:
    """What one kind of service is like.

    `ordered`: versions bear the time of their change. `burning`: the name of a deleted event stays
    taken, and a read by id still shows its tombstone; `telling`: with its mark. `tidy`: it strips
    the white space around a title. `narrow`: it has no place for "place".
    """

    traits: Traits
    ordered: bool = True
    burning: bool = True
    telling: bool = True
    tidy: bool = False
    narrow: bool = False

    @property
    def strong(self) -> bool:
        """True if nothing can be doubled or overwritten unseen here."""
        return self.traits.conditional and self.traits.client_ids

    def normalise(self, fields: Fields) -> Fields:
        """Return the fields as this service would hand them back."""
        kept = {n: v for n, v in fields.items() if not (self.narrow and n == "place")}
        if self.tidy and "title" in kept:
            kept["title"] = kept["title"].strip()
        return kept


@dataclass(slots=True)
class Service:
    """One calendar as its service holds it: every event ever, all versions in order, our writes.

    `judge` sees each write as it is carried out, with what stood there before. `shut` says why
    nobody gets in, "" if everybody does. `only` is the filter that runs ask for: everything, or the
    things with even (0) or odd (1) numbers.
    """

    name: str
    manners: Manners
    clock: Callable[[], datetime]
    judge: Callable[[Write, Version | None], None] = lambda write, there: None
    current: dict[str, Version] = field(default_factory=dict)
    history: list[Version] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)
    ours: set[str] = field(default_factory=set)
    poisoned: str = ""
    shut: str = ""
    only: int = EVERYTHING
    dead_before: int = 0
    met: Counter[str] = field(default_factory=Counter)

    @property
    def tick(self) -> int:
        """The number of changes so far."""
        return len(self.history)

    @property
    def marker(self) -> Marker:
        return Marker((KEY,), self.name)

    def put(self, remote_id: str, fields: Fields | None, mark: str = "") -> Version:
        """Store a new version of an event."""
        at = self.clock() + timedelta(milliseconds=self.tick)
        held = None if fields is None else self.manners.normalise(fields)
        version = Version(remote_id, held, self.tick + 1, at, mark)
        self.current[remote_id] = version
        self.history.append(version)
        return version

    def edit(self, remote_id: str, fields: Fields) -> None:
        """A person changes an event; its mark stays on it."""
        there = self.current[remote_id]
        self.put(remote_id, {**(there.fields or {}), **fields}, there.mark)

    def delete(self, remote_id: str) -> None:
        """Somebody deletes an event."""
        self.put(remote_id, None, self.current[remote_id].mark)

    def alive(self) -> dict[str, Fields]:
        """The events that are there, by id."""
        return {k: v.fields for k, v in self.current.items() if v.fields is not None}

    # What the port does

    def shown(self, cursor: str, lag: timedelta, only: int) -> tuple[list[Version], int]:
        """Return what a listing shows, as far as it has caught up, and how far that is.

        `only` is the filter that was asked for.
        """
        known = int(cursor or 0)
        upto, late = self.tick, self.clock() - lag
        while upto > known and self.history[upto - 1].at > late:
            upto -= 1
        latest = {version.remote_id: version for version in self.history[known:upto]}
        seen = [v for v in latest.values() if v.fields is None or covers(v.fields, only)]
        return ([v for v in seen if cursor or v.fields is not None], upto)

    def copy(self, version: Version, *, listed: bool) -> Copy:
        """Show one version as the port does."""
        gone = version.fields is None
        if gone and not self.manners.burning:
            return Copy(version.remote_id, evidence="tombstone" if listed else "read: 404")
        mark = version.mark if self.manners.telling or not gone else ""
        return Copy(
            version.remote_id,
            version=str(version.number),
            fields=version.fields,
            ordinal=version.at.isoformat(timespec="milliseconds") if self.manners.ordered else "",
            mark=self.marker.read(mark, version.remote_id) if mark else None,
            evidence="" if not gone else "tombstone" if listed else "read: gone",
        )

    def check_open(self, call: str) -> None:
        """Refuse everybody while the calendar is shut."""
        if self.shut:
            raise Refusal(Remedy.FREEZE, call=call, status=403, reason=self.shut)

    def read(self, remote_id: str) -> Copy:
        """Show one event as it is now."""
        version = self.current.get(remote_id)
        return self.copy(version, listed=False) if version else Copy(remote_id, evidence="404")

    def write(self, write: Write) -> Copy:
        """Carry out one write, or refuse it."""
        remote_id = write.remote_id or f"{self.name}-{self.tick}"
        there = self.current.get(remote_id)
        if self.poisoned and thing_of(write.fields) == self.poisoned:
            raise Refusal(Remedy.PARK, call="write", status=400, reason="invalid")
        if write.kind is WriteKind.CREATE:
            self._check_name(there)
        else:
            self._check_version(write, there)
        self.judge(write, there)
        self.writes.append((write.kind, remote_id))
        self.ours.add(remote_id)
        if write.kind is WriteKind.DELETE:
            self.delete(remote_id)
            return Copy(remote_id, evidence="deleted by us")
        return self.copy(self._written(write, remote_id, there), listed=False)

    def _written(self, write: Write, remote_id: str, there: Version | None) -> Version:
        update = write.kind is WriteKind.UPDATE and there is not None
        old = (there.fields or {}) if update and there else {}
        sent = {n: v for n, v in write.fields.items() if not update or n in write.changed}
        mark = self.marker.sign(remote_id, attempt=write.attempt)
        return self.put(remote_id, {**EMPTY, **old, **sent}, mark)

    def _check_name(self, there: Version | None) -> None:
        """A name is given once, and for ever where names burn."""
        if there and (there.fields is not None or self.manners.burning):
            self.met["409 live" if there.fields is not None else "409 burned"] += 1
            raise Refusal(Remedy.ADOPT, call="write", status=409, reason="duplicate")

    def _check_version(self, write: Write, there: Version | None) -> None:
        if there is None or there.fields is None:
            self.met["gone"] += 1
            raise Refusal(Remedy.GONE, call="write", status=410, reason="deleted")
        if self.manners.traits.conditional and self.is_stale(write, there):
            self.met["412"] += 1
            raise Refusal(Remedy.REREAD, call="write", status=412, reason="conditionNotMet")

    def is_stale(self, write: Write, there: Version) -> bool:
        """Say whether a write rests on a version that is no longer current."""
        return str(there.number) != write.version


def covers(fields: Fields, only: int) -> bool:
    """Say whether a filter shows a record; what bears no number is always shown."""
    thing = thing_of(fields)
    return only == EVERYTHING or not thing or int(thing[1:-1]) % 2 == only


def name(parts: Iterable[str]) -> str:
    """Return a valid name made of the parts: the same parts, the same name."""
    return sha256("|".join(parts).encode()).hexdigest()[:20]
