"""Writing: files are edited and put back, and what the server made of that is read back.

Conditions hold on two levels. The engine's version is that of the component (see `editing`); the
file is put back only if it is still the one that was edited (If-Match), else it is read and judged
again. Writes to one file travel together, for whatever is changed in a file, all of it is sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from integrations.caldav.copies import Contents, Reader, contents
from integrations.caldav.editing import Done, Editor, name_of
from integrations.caldav.errors import misread, refused
from integrations.caldav.resources import Shelf, Stored
from sync.core.provider import Copy, Outcome, Refusal, Remedy, Write, WriteKind

_ROUNDS: Final = 4  # how often a file that moves under our hands is read again
_SHUT: Final = (Remedy.FREEZE, Remedy.HOLD)
_BUSY: Final = (0, 429, 503)

# What became of a write: what is still to be read back, or the answer.
_Result = Done | Outcome


class Writer:
    """Carries out the writes of one calendar, file by file."""

    def __init__(self, shelf: Shelf, reader: Reader, now: datetime) -> None:
        self._shelf = shelf
        self._reader = reader
        self._editor = Editor(reader, now)

    def carry_out(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        """Yield one outcome for each write; what each left behind is read back together."""
        stored, trouble = self._before(writes)
        done: list[Done] = []
        for file, group in _by_file(writes).items():
            if trouble:
                yield from (Outcome(write, refusal=trouble) for write in group)
                continue
            for result in self._results(group, stored.get(file)):
                if isinstance(result, Done):
                    done.append(result)
                else:
                    yield result
                    trouble = trouble or _trouble_after(result.refusal)
        yield from self._after(done)

    def _before(self, writes: Sequence[Write]) -> tuple[dict[str, Stored], Refusal | None]:
        """Read the files that are about to be edited."""
        files = {name_of(w).file for w in writes if w.kind is not WriteKind.CREATE or w.parent}
        try:
            return self._shelf.many(sorted(files)), None
        except Refusal as refusal:
            return {}, _unsent(refusal)

    def _after(self, done: Sequence[Done]) -> Iterator[Outcome]:
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

    def _results(self, writes: Sequence[Write], stored: Stored | None) -> Iterator[_Result]:
        """Yield what becomes of each write to one file: together if that is possible."""
        together = self._together(writes, stored) if stored and len(writes) > 1 else None
        if together is not None:
            yield from together
            return
        trouble: Refusal | None = None
        for write in writes:
            try:
                yield Outcome(write, refusal=trouble) if trouble else self._one(write, stored)
            except Refusal as refusal:
                yield Outcome(write, refusal=refusal)
                trouble = _trouble_after(refusal)
            # The next write to the same file starts from what this one leaves.
            stored = None

    def _together(self, writes: Sequence[Write], stored: Stored) -> Sequence[_Result] | None:
        """Carry out all writes to a file with one request; None if they have to go one by one.

        So it is if the server refuses the file, for then one of them may be to blame, and if
        nothing would be left in it. If the server is out of reach, each of them is in doubt.
        """
        for _ in range(_ROUNDS):
            results, text = self._edit_all(writes, stored)
            if text is None:
                return None
            try:
                if text is not stored.text:
                    self._put(stored, text)
                return results
            except _Moved:
                try:
                    stored = self._moved(stored)
                except Refusal:
                    return None
            except Refusal as refusal:
                if refusal.certain or not _shut(refusal):
                    return None
                return [_in_doubt(result, refusal) for result in results]
        return None

    def _edit_all(
        self, writes: Sequence[Write], stored: Stored
    ) -> tuple[list[_Result], bytes | None]:
        """Return what becomes of each write, and the text after all of them."""
        results: list[_Result] = []
        text = stored.text
        for write in writes:
            if text is None:
                break
            try:
                done, text = self._editor.edit(write, replace(stored, text=text))
                results.append(done)
            except Refusal as refusal:
                results.append(Outcome(write, refusal=refusal))
        return results, text

    def _one(self, write: Write, stored: Stored | None) -> Done:
        """Carry out one write; raises `Refusal`."""
        if write.kind is WriteKind.CREATE and not write.parent:
            return self._create(write)
        stored = stored or self._read(name_of(write).file)
        for _ in range(_ROUNDS):
            try:
                return self._edit(write, stored)
            except _Moved:
                stored = self._moved(stored)
        raise refused(Remedy.REREAD, "update", "the file moves again and again")

    def _create(self, write: Write) -> Done:
        name, text = name_of(write), self._editor.new(write)
        try:
            self._shelf.dav.put(
                "create", self._shelf.address(name.file), text, {"if-none-match": "*"}
            )
        except Refusal as refusal:
            if refusal.remedy is Remedy.ADOPT and self._shelf.one(name.file).evidence:
                # There is nothing to adopt: the UID lives elsewhere, or the text was the trouble.
                refusal.remedy = Remedy.PARK
            raise
        return Done(write, name)

    def _edit(self, write: Write, stored: Stored) -> Done:
        """Edit a file that was read; raises `_Moved` if it is no longer the one that was."""
        done, text = self._editor.edit(write, stored)
        if text is stored.text:
            return done
        if text is None:
            return self._remove(done, stored)
        self._put(stored, text)
        return done

    def _remove(self, done: Done, stored: Stored) -> Done:
        """Delete a file; that it is gone already is believed while its calendar answers."""
        try:
            self._shelf.dav.delete(self._shelf.address(stored.file), stored.condition)
        except Refusal as refusal:
            if refusal.status == 412:
                raise _Moved from None
            if refusal.remedy is not Remedy.GONE:
                raise
            self._shelf.check_calendar()
            return replace(done, evidence=f"delete: {refusal.status}")
        return done

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


def _by_file(writes: Sequence[Write]) -> Mapping[str, Sequence[Write]]:
    found: dict[str, list[Write]] = {}
    for write in writes:
        found.setdefault(name_of(write).file, []).append(write)
    return found


def _in_doubt(result: _Result, refusal: Refusal) -> _Result:
    """Say of a write that was sent that nobody answered; what was not sent keeps its answer."""
    return Outcome(result.write, refusal=refusal) if isinstance(result, Done) else result


def _seen(done: Done, stored: Stored, held: Contents) -> Outcome:
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


def _shut(refusal: Refusal) -> bool:
    """Say whether the server will refuse whatever else we send now."""
    return refusal.remedy in _SHUT or (refusal.remedy is Remedy.RETRY and refusal.status in _BUSY)


def _trouble_after(refusal: Refusal | None) -> Refusal | None:
    """Return what becomes of all later writes, None if they may be sent."""
    return _unsent(refusal) if refusal and _shut(refusal) else None


def _unsent(refusal: Refusal) -> Refusal:
    """Return the same refusal for a write that was never sent."""
    return Refusal(
        refusal.remedy,
        call=refusal.call,
        status=refusal.status,
        reason=refusal.reason,
        retry_after=refusal.retry_after,
    )
