"""From a file to the copies in it: one for each event, series and exception."""

from dataclasses import dataclass, field
from typing import Final

from integrations.caldav.calendars import OWNER
from integrations.caldav.names import Name
from integrations.caldav.resources import Stored
from integrations.ical import BadCalendar, Component, Resource, Starts, read_calendar, spell_out
from sync.core.marks import Marker
from sync.core.provider import Copy, Unreadable

_LONGEST_ID: Final = 1024  # what the engine can keep


@dataclass(frozen=True, slots=True)
class Reader:
    """What the meaning of a file depends on: whose marks count, our role, the zone of times that
    name none, the e-mail addresses (lower case) that are the calendar's own, and how a series is
    expanded, without which a change of all later occurrences is read for one.
    """

    marker: Marker
    role: str = OWNER
    zone: str = "UTC"
    me: frozenset[str] = frozenset()
    starts: Starts | None = None

    def parse(self, stored: Stored) -> Resource:
        """Read a file that is there. Raises `BadCalendar`."""
        resource = read_calendar(stored.text or b"", zone=self.zone, me=self.me)
        if self.starts:
            spell_out(resource, self.starts)
        return resource


@dataclass(slots=True)
class Contents:
    """The copies in a file, and what of it could not be understood."""

    copies: list[Copy] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    def find(self, remote_id: str) -> Copy | None:
        """Return the copy of this name."""
        return next((copy for copy in self.copies if copy.remote_id == remote_id), None)


def contents(stored: Stored, reader: Reader) -> Contents:
    """Return what a file holds; what cannot be understood costs only itself."""
    if stored.text is None:
        problem = [Unreadable(stored.file, stored.problem)] if stored.problem else []
        return Contents(unreadable=problem)
    try:
        resource = reader.parse(stored)
    except BadCalendar as bad:
        return Contents(unreadable=[Unreadable(stored.file, str(bad))])
    return _Namer(stored.file, resource).contents(reader)


class _Namer:
    """Names the components of one file."""

    def __init__(self, file: str, resource: Resource) -> None:
        self._file = file
        self._resource = resource
        parts = resource.components
        self._damaged = {part.uid for part in resource.unreadable}
        self._several = len({part.uid for part in parts} | self._damaged) > 1
        self._series = {part.uid for part in parts if not part.slot}

    def contents(self, reader: Reader) -> Contents:
        found = Contents()
        for part in self._resource.unreadable:
            found.unreadable.append(Unreadable(self._id(part.uid, part.slot), part.problem))
        for component in self._resource.components:
            name = self._id(component.uid, component.slot)
            if len(name) <= _LONGEST_ID:
                found.copies.append(self._copy(component, reader))
            else:
                found.unreadable.append(Unreadable(name[:_LONGEST_ID], "its name is too long"))
        return found

    def _id(self, uid: str, slot: str) -> str:
        return str(self._name(uid, slot))

    def _name(self, uid: str, slot: str) -> Name:
        return Name(self._file, uid if self._several else "", slot)

    def _copy(self, part: Component, reader: Reader) -> Copy:
        name = self._name(part.uid, part.slot)
        # An exception alone (of somebody invited to one occurrence) is an event of its own.
        inside = bool(part.slot) and part.uid in self._series
        parent = name.series if inside else ""
        cancelled = inside and part.fields.get("status") == "cancelled"
        return Copy(
            remote_id=str(name),
            version=part.digest,
            fields={"status": "cancelled"} if cancelled else part.fields,
            parent=parent,
            slot=part.slot if inside else "",
            mark=reader.marker.read(part.mark, str(name), parent) if part.mark else None,
            partial=cancelled,
            obstacle=part.obstacle if reader.role == OWNER else _shared(reader.role),
            occurrences=None if part.slot else self._exceptions(part.uid),
            facts=part.facts,
        )

    def _exceptions(self, uid: str) -> frozenset[str] | None:
        """Name all exceptions of a series; None if some of its parts could not be understood."""
        if uid in self._damaged:
            return None
        slots = (p.slot for p in self._resource.components if p.uid == uid and p.slot)
        return frozenset(self._id(uid, slot) for slot in slots)


def _shared(role: str) -> str:
    return f"the calendar is shared with us as {role}"


def loose_in(found: Contents, file: str) -> list[str]:
    """Name what a file holds besides one event or series with its exceptions.

    A deletion speaks of files, so these have to be remembered.
    """
    heads = [copy.remote_id for copy in found.copies if not copy.parent]
    odd = [bad.remote_id for bad in found.unreadable if "##" in bad.remote_id]
    return sorted({name for name in (*heads, *odd) if name != file})
