"""Writing: each write edits one component in the text of its file, and holds only for that text.

Conditions hold on two levels. The engine's version is that of the component, so that a change of an
exception does not stand in the way of its series; the file is put back only if it is still the one
that was edited (If-Match), else it is read and judged again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from integrations.caldav.copies import Contents, Reader, contents
from integrations.caldav.errors import misread, refused
from integrations.caldav.names import Name, parse_name, uid_of
from integrations.caldav.ownership import check_ownership
from integrations.caldav.resources import Shelf, Stored
from integrations.ical import BadCalendar, Component, Resource, put_event, remove_event
from sync.core.provider import Copy, Outcome, Refusal, Remedy, Write, WriteKind
from sync.core.rules import problem_of

_ROUNDS: Final = 4  # how often a file that moves under our hands is read again
_SHUT: Final = (Remedy.FREEZE, Remedy.HOLD)
_BUSY: Final = (0, 429, 503)


@dataclass(slots=True)
class _Done:
    """A write that was carried out: what is to be read back, or how a deletion is known."""

    write: Write
    name: Name
    evidence: str = ""


class Writer:
    """Carries out the writes of one calendar, file by file."""

    def __init__(self, shelf: Shelf, reader: Reader, now: datetime) -> None:
        self._shelf = shelf
        self._reader = reader
        self._now = now

    def carry_out(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        """Yield one outcome for each write; what each left behind is read back together."""
        stored, trouble = self._before(writes)
        done: list[_Done] = []
        for write in writes:
            file = _name_of(write).file
            if trouble:
                yield Outcome(write, refusal=trouble)
                continue
            try:
                # The next write to the same file starts from what this one leaves.
                done.append(self._one(write, stored.pop(file, None)))
            except Refusal as refusal:
                yield Outcome(write, refusal=refusal)
                trouble = _unsent(refusal) if _shut(refusal) else None
        yield from self._after(done)

    def _before(self, writes: Sequence[Write]) -> tuple[dict[str, Stored], Refusal | None]:
        """Read the files that are about to be edited."""
        files = {_name_of(w).file for w in writes if w.kind is not WriteKind.CREATE or w.parent}
        try:
            return self._shelf.many(sorted(files)), None
        except Refusal as refusal:
            return {}, _unsent(refusal)

    def _after(self, done: Sequence[_Done]) -> Iterator[Outcome]:
        """Read back what was written: servers tidy what they are given."""
        for deleted in (one for one in done if one.evidence):
            yield Outcome(deleted.write, Copy(str(deleted.name), evidence=deleted.evidence))
        written = [one for one in done if not one.evidence]
        files = sorted({one.name.file for one in written})
        try:
            stored = self._shelf.many(files)
        except Refusal as refusal:
            refusal.certain = False
            yield from (Outcome(one.write, refusal=refusal) for one in written)
            return
        held = {file: contents(stored[file], self._reader) for file in files}
        for one in written:
            yield _seen(one, stored[one.name.file], held[one.name.file])

    def _one(self, write: Write, stored: Stored | None) -> _Done:
        """Carry out one write; raises `Refusal`. A bad record costs only itself."""
        try:
            if write.kind is WriteKind.CREATE and not write.parent:
                return self._create(write)
            stored = stored or self._read(_name_of(write).file)
            for _ in range(_ROUNDS):
                try:
                    return self._edit(write, stored)
                except _Moved:
                    stored = self._moved(stored)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _unwritable(write, error) from None
        raise refused(Remedy.REREAD, "update", "the file moves again and again")

    def _create(self, write: Write) -> _Done:
        name = _name_of(write)
        text = self._put_event(None, uid_of(name.file), "", write, None)
        try:
            self._shelf.dav.put(
                "create", self._shelf.address(name.file), text, {"if-none-match": "*"}
            )
        except Refusal as refusal:
            if refusal.remedy is Remedy.ADOPT and self._shelf.one(name.file).evidence:
                # There is nothing to adopt: the UID lives elsewhere, or the text was the trouble.
                refusal.remedy = Remedy.PARK
            raise
        return _Done(write, name)

    def _edit(self, write: Write, stored: Stored) -> _Done:
        """Edit a file that was read; raises `_Moved` if it is no longer the one that was."""
        name = _name_of(write)
        if stored.problem:
            raise refused(Remedy.PARK, "get", stored.problem)
        if stored.text is None:
            if write.kind is WriteKind.DELETE:
                return _Done(write, name, f"delete: {stored.evidence}")
            raise refused(Remedy.REREAD, "update", "the file is gone")
        family = _Family(self._parsed(stored), name)
        match write.kind:
            case WriteKind.DELETE:
                return self._delete(write, stored, family)
            case WriteKind.UPDATE:
                part = _check_current(family.find(name.slot), write)
                check_ownership(write.fields, write.changed, part)
            case WriteKind.CREATE:
                _check_free(family, name)
        changed = write.changed if write.kind is WriteKind.UPDATE else None
        self._put(stored, self._put_event(stored.text, family.uid, name.slot, write, changed))
        return _Done(write, name)

    def _delete(self, write: Write, stored: Stored, family: "_Family") -> _Done:
        part = family.find(family.name.slot)
        if part is None:
            return _Done(write, family.name, "delete: not in its file")
        _check_current(part, write)
        slot, zone = family.name.slot, self._reader.zone
        text = remove_event(stored.text or b"", family.uid, slot, zone=zone)
        if text is None:  # nothing is left in the file
            return self._remove(write, stored, family.name)
        self._put(stored, text)
        return _Done(write, family.name, "deleted by us")

    def _remove(self, write: Write, stored: Stored, name: Name) -> _Done:
        """Delete a file; that it is gone already is believed while its calendar answers."""
        try:
            self._shelf.dav.delete(self._shelf.address(name.file), stored.condition)
        except Refusal as refusal:
            if refusal.status == 412:
                raise _Moved from None
            if refusal.remedy is not Remedy.GONE:
                raise
            self._shelf.check_calendar()
            return _Done(write, name, f"delete: {refusal.status}")
        return _Done(write, name, "deleted by us")

    def _put(self, stored: Stored, text: bytes) -> None:
        try:
            self._shelf.dav.put("update", self._shelf.address(stored.file), text, stored.condition)
        except Refusal as refusal:
            if refusal.status == 412:
                raise _Moved from None
            raise

    def _moved(self, stored: Stored) -> Stored:
        """Read a file again; raises PARK if it is the same, so that something else was refused."""
        now = self._read(stored.file)
        if (now.etag, now.text) == (stored.etag, stored.text):
            raise refused(Remedy.PARK, "update", "refused, though nobody changed the file")
        return now

    def _read(self, file: str) -> Stored:
        """Read one file before it is written; trouble with that leaves nothing in doubt."""
        try:
            return self._shelf.many([file])[file]
        except Refusal as refusal:
            refusal.certain = True
            raise

    def _parsed(self, stored: Stored) -> Resource:
        try:
            return self._reader.parse(stored)
        except BadCalendar as bad:
            raise refused(Remedy.PARK, "get", f"unreadable, {bad}") from None

    def _put_event(
        self, data: bytes | None, uid: str, slot: str, write: Write, changed: frozenset[str] | None
    ) -> bytes:
        if changed is None or "recurrence" in changed:
            _check_rule(write)
        mark = self._reader.marker.sign(
            str(_name_of(write)), attempt=write.attempt, rule=write.rule
        )
        zone = self._reader.zone
        return put_event(
            data, uid, slot, write.fields, changed, mark=mark, now=self._now, zone=zone
        )


def _seen(done: _Done, stored: Stored, held: Contents) -> Outcome:
    """Return the outcome of a write: the copy as it stands now."""
    remote_id = str(done.name)
    if stored.evidence and done.write.kind is not WriteKind.CREATE:
        return Outcome(done.write, Copy(remote_id, evidence=stored.evidence))
    copy = held.find(remote_id)
    if copy is None:  # perhaps it was stored under a name of the server's choice
        problem = misread("get", 200, "what was written does not come back")
        return Outcome(done.write, refusal=problem)
    return Outcome(done.write, copy)


class _Moved(Exception):
    """A file is no longer the one that was read."""


class _Family:
    """The components of a file that share the UID which a name means."""

    def __init__(self, resource: Resource, name: Name) -> None:
        damaged = {part.uid for part in resource.unreadable}
        uids = {part.uid for part in resource.components} | damaged
        self.name = name
        self.alone = len(uids) == 1
        self.uid = name.uid or (next(iter(uids)) if self.alone else "")
        self.damaged = self.uid in damaged
        self._parts = [
            part
            for part in resource.components
            if part.uid == self.uid and (name.uid or self.alone)
        ]

    def find(self, slot: str) -> Component | None:
        """Return the series ("") or one exception."""
        return next((part for part in self._parts if part.slot == slot), None)


def _name_of(write: Write) -> Name:
    """Return the name of what a write is about; a new exception is named after its series."""
    if write.parent and write.kind is WriteKind.CREATE:
        series = parse_name(write.parent)
        return Name(series.file, series.uid, write.slot)
    return parse_name(write.remote_id)


def _check_current(part: Component | None, write: Write) -> Component:
    """Return the component if it is the version that the write rests on, else raise `Refusal`."""
    if part is None or not write.version or part.digest != write.version:
        raise refused(Remedy.REREAD, write.kind.value, "the version has moved")
    if part.obstacle:
        raise refused(Remedy.PARK, write.kind.value, part.obstacle)
    return part


def _check_free(family: _Family, name: Name) -> None:
    """Raise `Refusal` unless an occurrence is still as its series makes it."""
    series = family.find("")
    if series is None:
        raise refused(Remedy.REREAD, "create", "the series is gone")
    if family.find(name.slot) is not None:
        raise refused(Remedy.ADOPT, "create", "the occurrence was changed before")
    if series.obstacle or family.damaged:
        raise refused(
            Remedy.PARK, "create", series.obstacle or "a part of the series is unreadable"
        )


def _check_rule(write: Write) -> None:
    """Raise `Refusal` for a rule that we would not follow ourselves: nobody is to choke on it."""
    fields = write.fields
    if problem := problem_of(fields.get("recurrence") or [], fields.get("start")):
        raise refused(Remedy.PARK, write.kind.value, problem)


def _shut(refusal: Refusal) -> bool:
    """Say whether the server will refuse whatever else we send now."""
    return refusal.remedy in _SHUT or (refusal.remedy is Remedy.RETRY and refusal.status in _BUSY)


def _unsent(refusal: Refusal) -> Refusal:
    """Return the same refusal for a write that was never sent."""
    return Refusal(
        refusal.remedy,
        call=refusal.call,
        status=refusal.status,
        reason=refusal.reason,
        retry_after=refusal.retry_after,
    )


def _unwritable(write: Write, error: Exception) -> Refusal:
    reason = f"the record cannot be written, {type(error).__name__}"
    return refused(Remedy.PARK, write.kind.value, reason)
