"""The people of a simulated world: they write on both sides, and see only their own."""

import uuid
from collections.abc import Mapping as Map
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from django.db import transaction

from calendars.event_fields import COLUMNS, columns_of, fields_of
from calendars.models import Event, Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.core.events import SHARED
from sync.core.records import Direction
from sync.models import Mapping
from tests.sync.remote import Stored
from tests.sync.simulator.judging import is_block
from tests.sync.simulator.oracle import thing_of
from tests.sync.simulator.service import SimulatedCalendar
from tests.sync.simulator.writing import DAILY, FIRST, REST, SHORT, SLOTS, Writing

if TYPE_CHECKING:
    from tests.sync.simulator.world import Simulation

DEEDS = {
    "create": 3.0,
    "edit": 10.0,
    "delete": 3.0,
    "exception": 2.0,
    "split": 0.7,
    "repeat": 0.5,
    "move": 1.5,
    "invite": 1.0,
    "copy": 0.7,
    "retouch": 1.0,
    "rule": 3.0,
    "tamper": 2.0,
}
TRIES = 5
# Those that are counted beside the faults.
COUNTED = ("exception", "split", "repeat", "move", "invite", "copy", "rule", "tamper")


class People:
    """Everybody who edits, at the service or in Lockstep's own pages."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.rng, self.oracle = simulation.rng, simulation.oracle
        self.writing = Writing(simulation.rng, simulation.oracle)

    def act(self, collection: Collection) -> str:
        """One person does one thing; returns what. Who cannot do one thing does another."""
        for _ in range(TRIES):
            deed = self.rng.choices(list(DEEDS), list(DEEDS.values()))[0]
            if told := self._try(deed, collection):
                return told
        return ""

    def _try(self, deed: str, collection: Collection) -> str:
        calendar = self.simulation.calendars[collection.pk]
        side = self.rng.choice(("local", "remote"))
        if deed == "rule":
            done = self._rule(collection)
        elif deed == "tamper":
            done = self._tamper(calendar)
        elif side == "remote":
            done = self._remote(deed, collection, calendar)
        else:
            with transaction.atomic():
                done = self._local(deed, collection)
        if done and deed in COUNTED:
            self.simulation.faults.note(deed)
        return f"{side} {deed} {done} in {collection.name}" if done else ""

    # At the service

    def _remote(self, deed: str, collection: Collection, calendar: SimulatedCalendar) -> str:
        if deed == "create":
            return self.create_remotely(calendar)
        if deed == "invite":
            return self._invite(collection, calendar)
        there = [s for s in calendar.events.values() if s.takes_place and thing_of(s.fields)]
        if not there:
            return ""
        stored = self.rng.choice(there)
        assert stored.fields is not None
        counts = _counts_there(collection, stored)
        match deed:
            case "edit":
                calendar.edit(
                    stored.remote_id, **self._edited(collection, stored.fields, counts=counts)
                )
            case "delete":
                mapped = Mapping.objects.filter(collection=collection, remote_id=stored.remote_id)
                item_id = mapped.values_list("item", flat=True).first()
                self._note_if_apart(stored.fields, item_id, counts=counts)
                self._note_deletions(collection, _with_exceptions(calendar, stored))
                calendar.delete(stored.remote_id)
            case "exception":
                return self._change_occurrence(calendar, stored)
            case "split":
                return self._split(collection, calendar, stored)
            case "repeat":
                return self._repeat(collection, calendar, stored)
            case "move":
                return self._move(collection, calendar, stored)
            case "copy":
                self._copy(calendar, stored, self.writing.content(self.oracle.new_thing()))
            case "retouch":
                calendar.edit(stored.remote_id)
        return stored.remote_id

    def create_remotely(self, calendar: SimulatedCalendar) -> str:
        thing = self.oracle.new_thing()
        calendar.add(thing, **self.writing.content(thing, self._recurrence()))
        return thing

    def _invite(self, collection: Collection, calendar: SimulatedCalendar) -> str:
        """The same event appears in two calendars of a circle at once, with one iCalUID."""
        mates = [c for c in self.simulation.collections if c.circle_id and c.pk != collection.pk]
        if collection.circle_id is None:
            return ""
        thing = self.oracle.new_thing()
        self.oracle.invited.add(thing)
        content = self.writing.content(thing, self._recurrence())
        for one in (calendar, self.simulation.calendars[self.rng.choice(mates).pk]):
            one.add(f"{thing}{one.name[-1]}", uid=f"{thing}@example.com", **deepcopy(content))
        return thing

    def _recurrence(self) -> list[str]:
        return [DAILY] if self.rng.random() < 0.3 else []

    def _tamper(self, calendar: SimulatedCalendar) -> str:
        """Somebody changes or deletes a busy block, which is not theirs to change."""
        blocks = [s for s in calendar.events.values() if s.takes_place and is_block(calendar, s)]
        if not blocks:
            return ""
        block = self.rng.choice(blocks)
        if self.rng.random() < 0.5:
            calendar.delete(block.remote_id)
        else:
            calendar.edit(block.remote_id, location="mine")
        return block.remote_id

    def _change_occurrence(self, calendar: SimulatedCalendar, stored: Stored) -> str:
        slot = self.rng.choice(SLOTS)
        remote_id = f"{stored.remote_id}_{slot}"
        if not (stored.fields and stored.fields["recurrence"]) or remote_id in calendar.events:
            return ""
        thing = self.oracle.new_thing()
        self.oracle.series_of[thing] = thing_of(stored.fields)
        content = self.writing.content(thing)
        series_mark = stored.mark
        added = calendar.add(remote_id, parent=stored.remote_id, slot=slot, **content)
        added.mark = calendar.history[-1].mark = series_mark
        return remote_id

    def _split(self, collection: Collection, calendar: SimulatedCalendar, stored: Stored) -> str:
        """This and following: the series ends early, and another one, with its mark, goes on."""
        if not (stored.fields and stored.fields["recurrence"]) or stored.parent:
            return ""
        self._drop_exceptions(collection, calendar, stored, SLOTS[FIRST:])
        renamed = self.writing.renamed(stored.fields, counts=_counts_there(collection, stored))
        calendar.edit(stored.remote_id, **renamed, recurrence=[SHORT])
        self._copy(calendar, stored, self.writing.content(self.oracle.new_thing(), [REST]))
        return stored.remote_id

    def _repeat(self, collection: Collection, calendar: SimulatedCalendar, stored: Stored) -> str:
        """A series becomes a single event, which has no exceptions, or the other way round."""
        if stored.fields is None or stored.parent:
            return ""
        self._drop_exceptions(collection, calendar, stored, SLOTS)
        renamed = self.writing.renamed(stored.fields, counts=_counts_there(collection, stored))
        recurrence = [] if stored.fields["recurrence"] else [DAILY]
        calendar.edit(stored.remote_id, **renamed, recurrence=recurrence)
        return stored.remote_id

    def _drop_exceptions(
        self,
        collection: Collection,
        calendar: SimulatedCalendar,
        series: Stored,
        slots: tuple[str, ...],
    ) -> None:
        parts = _with_exceptions(calendar, series)[1:]
        dropped = [one for one in parts if one.slot in slots]
        self._note_deletions(collection, dropped)
        for one in dropped:
            calendar.remove(one.remote_id)

    def _note_deletions(self, collection: Collection, gone: Sequence[Stored]) -> None:
        """Tell the oracle; an exception may have a say although its series has none."""
        for one in gone:
            counts = _counts_there(collection, one)
            self.oracle.person_deleted(one.fields or {}, counts=counts)

    def _note_if_apart(
        self, saw: Map[str, Any], item_id: uuid.UUID | None, *, counts: bool
    ) -> None:
        """Tell the oracle whether every living copy of an invitation is known to be this item."""
        thing = thing_of(saw)
        if thing not in self.oracle.invited or not counts:
            return
        known = Mapping.objects.filter(item=item_id, item__isnull=False)
        tied = set(known.values_list("collection", "remote_id"))
        alive = {
            (place, stored.remote_id)
            for place, calendar in self.simulation.calendars.items()
            for stored in calendar.events.values()
            if stored.takes_place and thing_of(stored.fields) == thing
        }
        (self.oracle.apart.discard if alive <= tied else self.oracle.apart.add)(thing)

    def _move(self, collection: Collection, calendar: SimulatedCalendar, stored: Stored) -> str:
        """An event moves to another calendar of its account, where it keeps its id."""
        there = self._neighbour(collection)
        family = _with_exceptions(calendar, stored)
        things = {thing_of(one.fields) for one in family}
        if there is None or stored.parent or things & self.oracle.moved:
            return ""
        if any(one.remote_id in there.events for one in family):
            return ""
        self.oracle.moved |= things
        for one in family:
            moved = Stored(one.remote_id, dict(one.fields or {}), 0, one.changed_at, one.mark)
            moved.parent, moved.slot = one.parent, one.slot
            there.put(moved)
        # Renamed there, so that whoever deletes it here has not seen all of it.
        assert stored.fields is not None
        there.edit(stored.remote_id, **self.writing.renamed(stored.fields, counts=True))
        calendar.delete(stored.remote_id)
        return f"{stored.remote_id} to {there.name}"

    def _neighbour(self, collection: Collection) -> SimulatedCalendar | None:
        """Choose another calendar of the account; in both, what people edit there must count."""
        others = [
            other
            for other in self.simulation.collections
            if other.account_id == collection.account_id
            and other.circle_id is None
            and collection.circle_id is None
            and other.pk != collection.pk
            and Direction.PUSH not in (other.direction, collection.direction)
        ]
        return self.simulation.calendars[self.rng.choice(others).pk] if others else None

    def _copy(self, calendar: SimulatedCalendar, stored: Stored, content: dict[str, Any]) -> None:
        """Copy and paste: another event, and the mark of the first."""
        pasted = calendar.add(thing_of(content), **content)
        pasted.mark = calendar.history[-1].mark = stored.mark

    def _edited(self, collection: Collection, fields: Map[str, Any], *, counts: bool) -> Any:
        """Change one field; in a circle one that all calendars share."""
        names = SHARED if collection.circle_id else SHARED | {"attendees"}
        return self.writing.edited(fields, names, counts=counts)

    # In Lockstep

    def _local(self, deed: str, collection: Collection) -> str:
        if deed == "create":
            thing = self.oracle.new_thing()
            self._insert(collection, self.writing.content(thing, self._recurrence()))
            return thing
        there = local_events(collection)
        if not there:
            return ""
        item_id, fields = self.rng.choice(there)
        counts = _counts_here(collection, item_id)
        match deed:
            case "edit":
                new = {**fields, **self._edited(collection, fields, counts=counts)}
                self._write(collection, item_id, new)
            case "delete":
                self._note_if_apart(fields, item_id, counts=counts)
                self._delete(collection, item_id, fields)
            case "exception":
                return self._insert_exception(collection, item_id, fields)
            case "split":
                return self._split_here(collection, item_id, fields)
            case _:
                return ""
        return thing_of(fields)

    def _write(self, collection: Collection, item_id: uuid.UUID, fields: Map[str, Any]) -> None:
        Event.objects.filter(pk=item_id).update(**columns_of(fields))
        item = Item.objects.filter(pk=item_id)
        item.update(updated_at=self.simulation.clock())
        item.touch()
        self.simulation.redraw(collection, [item_id])

    def _delete(self, collection: Collection, item_id: uuid.UUID, fields: Map[str, Any]) -> None:
        now = self.simulation.clock()
        self.oracle.person_deleted(fields, counts=_counts_here(collection, item_id), here=True)
        parts = Event.objects.filter(series=item_id, item__deleted_at=None)
        for row in parts.values("item_id", *COLUMNS):
            counts = _counts_here(collection, row["item_id"])
            self.oracle.person_deleted(fields_of(row), counts=counts, here=True)
        item = Item.objects.filter(pk=item_id)
        item.update(deleted_at=now, updated_at=now)
        item.touch()
        self.simulation.redraw(collection, [item_id])

    def _insert(self, collection: Collection, fields: Map[str, Any], **series: Any) -> None:
        now = self.simulation.clock()
        item = Item.objects.create(
            id=self.simulation.new_id(),
            workspace_id=collection.account.workspace_id,
            kind="event",
            home=collection,
            created_at=now,
            updated_at=now,
        )
        Event.objects.create(item=item, **columns_of(fields), **series)
        self.simulation.redraw(collection, [item.pk])

    def _insert_exception(
        self, collection: Collection, item_id: uuid.UUID, fields: Map[str, Any]
    ) -> str:
        slot = self.rng.choice(SLOTS)
        taken = Event.objects.filter(series=item_id, slot=slot).exists()
        if not fields["recurrence"] or taken:
            return ""
        thing = self.oracle.new_thing()
        self.oracle.series_of[thing] = thing_of(fields)
        self._insert(collection, self.writing.content(thing), series_id=item_id, slot=slot)
        return thing

    def _split_here(self, collection: Collection, item_id: uuid.UUID, fields: Map[str, Any]) -> str:
        """This and following, in Lockstep."""
        if not fields["recurrence"]:
            return ""
        later = Event.objects.filter(series=item_id, slot__in=SLOTS[FIRST:], item__deleted_at=None)
        for row in later.order_by("slot").values("item_id", *COLUMNS):
            self._delete(collection, row["item_id"], fields_of(row))
        renamed = self.writing.renamed(fields, counts=_counts_here(collection, item_id))
        self._write(collection, item_id, {**fields, **renamed, "recurrence": [SHORT]})
        self._insert(collection, self.writing.content(self.oracle.new_thing(), [REST]))
        return thing_of(fields)

    def _rule(self, collection: Collection) -> str:
        """Decide an open conflict in favour of one side as it was shown."""
        open_ones = Conflict.objects.filter(mapping__collection=collection, outcome="open")
        conflicts = list(open_ones.order_by("created_at", "pk"))
        if not conflicts:
            return ""
        conflict = self.rng.choice(conflicts)
        fields = self.rng.choice((conflict.local, conflict.remote))
        self.oracle.person_ruled(fields)
        conflict.outcome, conflict.ruled_at = Conflict.Outcome.RULED, self.simulation.clock()
        conflict.ruling = {"exists": fields is not None, "fields": fields}
        conflict.save()
        return f"for {thing_of(fields) or 'nothing'}"


def _counts_there(collection: Collection, stored: Stored) -> bool:
    """Say whether people have a say about a copy: not where it only follows what is here."""
    mapped = Mapping.objects.filter(collection=collection, remote_id=stored.remote_id)
    return collection.direction != Direction.PUSH or not mapped.exists()


def _counts_here(collection: Collection, item_id: uuid.UUID) -> bool:
    """Say whether people have a say about an item: not where it only follows what is there."""
    mapped = Mapping.objects.filter(collection=collection, item=item_id)
    return collection.direction != Direction.PULL or not mapped.exists()


def _with_exceptions(calendar: SimulatedCalendar, stored: Stored) -> list[Stored]:
    parts = [s for s in calendar.events.values() if s.parent == stored.remote_id and s.fields]
    return [stored, *parts]


def local_events(collection: Collection) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """What people see of a calendar in Lockstep, in a stable order."""
    rows = Event.objects.filter(item__home=collection, item__deleted_at=None, busy_rule=None)
    alive = rows.exclude(status="cancelled").exclude(series__deleted_at__isnull=False)
    found = [(row["item_id"], fields_of(row)) for row in alive.values("item_id", *COLUMNS)]
    return sorted((row for row in found if thing_of(row[1])), key=lambda row: row[1]["title"])
