"""Editing: what a write makes of the text of its file, if it still holds for what that says.

The engine's version is that of the component, so that a change of an exception does not stand in
the way of its series, nor of another exception.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from integrations.caldav.copies import Reader
from integrations.caldav.errors import refused
from integrations.caldav.names import Name, parse_name, uid_of
from integrations.caldav.ownership import check_ownership
from integrations.caldav.resources import Stored
from integrations.ical import BadCalendar, Component, Resource, put_event, remove_event
from sync.core.provider import Remedy, Write, WriteKind
from sync.core.rules import problem_of


@dataclass(slots=True)
class Done:
    """A write that was carried out: what is to be read back, or how a deletion is known."""

    write: Write
    name: Name
    evidence: str = ""


class Editor:
    """Edits the files of one calendar; `now` is what changes of ours are dated."""

    def __init__(self, reader: Reader, now: datetime) -> None:
        self._reader = reader
        self._now = now

    def new(self, write: Write) -> bytes:
        """Return the text of a new file. Raises `Refusal`."""
        with _translated(write):
            return self._put_event(None, uid_of(name_of(write).file), "", write, None)

    def edit(self, write: Write, stored: Stored) -> tuple[Done, bytes | None]:
        """Return what becomes of a write to a file, and the file's text after it.

        The text is None if nothing is left in the file; it is that of `stored` if there is nothing
        to do. Raises `Refusal`; a bad record costs only itself.
        """
        with _translated(write):
            return self._edit(write, stored)

    def _edit(self, write: Write, stored: Stored) -> tuple[Done, bytes | None]:
        name = name_of(write)
        if stored.problem:
            raise refused(Remedy.PARK, "get", stored.problem)
        if stored.text is None:
            if write.kind is WriteKind.DELETE:
                return Done(write, name, f"delete: {stored.evidence}"), stored.text
            raise refused(Remedy.REREAD, "update", "the file is gone")
        family = _Family(self._parsed(stored), name)
        match write.kind:
            case WriteKind.DELETE:
                return self._delete(write, stored.text, family)
            case WriteKind.UPDATE:
                part = _check_current(family.find(name.slot), write)
                check_ownership(write.fields, write.changed, part)
            case WriteKind.CREATE:
                _check_free(family, name)
        changed = write.changed if write.kind is WriteKind.UPDATE else None
        text = self._put_event(stored.text, family.uid, name.slot, write, changed)
        return Done(write, name), text

    def _delete(self, write: Write, text: bytes, family: "_Family") -> tuple[Done, bytes | None]:
        part = family.find(family.name.slot)
        if part is None:
            return Done(write, family.name, "delete: not in its file"), text
        _check_current(part, write)
        slot, zone = family.name.slot, self._reader.zone
        left = remove_event(text, family.uid, slot, zone=zone)
        return Done(write, family.name, "deleted by us"), left

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
        mark = self._reader.marker.sign(str(name_of(write)), attempt=write.attempt, rule=write.rule)
        zone = self._reader.zone
        return put_event(
            data, uid, slot, write.fields, changed, mark=mark, now=self._now, zone=zone
        )


def name_of(write: Write) -> Name:
    """Return the name of what a write is about; a new exception is named after its series."""
    if write.parent and write.kind is WriteKind.CREATE:
        series = parse_name(write.parent)
        return Name(series.file, series.uid, write.slot)
    return parse_name(write.remote_id)


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


@contextmanager
def _translated(write: Write) -> Iterator[None]:
    """Raise `Refusal` for a record of which no text can be made."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"the record cannot be written, {type(error).__name__}"
        raise refused(Remedy.PARK, write.kind.value, reason) from None
