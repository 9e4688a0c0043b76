"""The people of a simulated world: they write on both sides, and see only their own."""

import uuid
from collections.abc import Mapping as Map
from copy import deepcopy
from random import Random
from typing import Any

from django.db import transaction

from calendars.event_fields import COLUMNS, columns_of, fields_of
from calendars.models import Event, Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.core.events import EMPTY
from sync.core.records import Direction
from sync.models import Mapping
from tests.sync.remote import RemoteCalendar, Stored
from tests.sync.simulator.oracle import Oracle, thing_of

SLOTS = tuple(f"2026-05-{day:02}T07:00:00Z" for day in (5, 6, 7))
DAILY = "RRULE:FREQ=DAILY;COUNT=5"
_FIELDS = ("title", "location", "description")


class People:
    """Everybody who edits, at the service or in Lockstep's own pages."""

    def __init__(self, rng: Random, oracle: Oracle, new_id: Any, redraw: Any) -> None:
        self.redraw = redraw
        self.rng = rng
        self.oracle = oracle
        self.new_id = new_id

    def act(self, collection: Collection, calendar: RemoteCalendar, now: Any) -> str:
        """One person does one thing; returns what, "" if there was nothing to do it to."""
        deed = self.rng.choices(
            ("create", "edit", "delete", "exception", "copy", "retouch", "rule", "tamper"),
            (3, 10, 3, 2, 0.5, 1, 3, 1),
        )[0]
        if deed == "rule":
            return self._rule(collection, now)
        if deed == "tamper":
            return self._tamper(calendar)
        side = self.rng.choice(("local", "remote"))
        if side == "remote":
            return f"remote {deed} {self._remote(deed, collection, calendar)}"
        with transaction.atomic():
            return f"local {deed} {self._local(deed, collection, now)}"

    def _content(self, thing: str, **more: Any) -> dict[str, Any]:
        word = self.oracle.new_token(thing)
        start, end = _times(self.rng)
        place = self.oracle.new_token(thing)
        return {
            **deepcopy(dict(EMPTY)),
            "title": f"{thing} {word}",
            "location": place,
            "description": "one\ntwo\nthree\nfour\nfive\n",
            "start": start,
            "end": end,
            **more,
        }

    def _edited(self, fields: Map[str, Any], *, counts: bool) -> dict[str, Any]:
        """Change one field of a record, as somebody does who sees all of it."""
        thing = thing_of(fields)
        name = self.rng.choice(_FIELDS)
        token = self.oracle.new_token(thing)
        new = {"title": f"{thing} {token}", "location": token}.get(name)
        if new is None:
            lines = (fields["description"] or "one\n").splitlines()
            lines[self.rng.randrange(len(lines))] = token
            new = "\n".join(lines) + "\n"
        self.oracle.person_wrote(fields[name], new, counts=counts)
        return {name: new}

    # At the service

    def _remote(self, deed: str, collection: Collection, calendar: RemoteCalendar) -> str:
        if deed == "create":
            return self.create_remotely(calendar)
        there = [s for s in calendar.events.values() if s.takes_place and thing_of(s.fields)]
        if not there:
            return ""
        stored = self.rng.choice(there)
        assert stored.fields is not None
        mapped = Mapping.objects.filter(collection=collection, remote_id=stored.remote_id)
        counts = collection.direction != Direction.PUSH or not mapped.exists()
        match deed:
            case "edit":
                calendar.edit(stored.remote_id, **self._edited(stored.fields, counts=counts))
            case "delete":
                for one in self._with_exceptions(calendar, stored):
                    self.oracle.person_deleted(one.fields or {}, counts=counts)
                calendar.delete(stored.remote_id)
            case "exception":
                return self._change_occurrence(calendar, stored)
            case "copy":
                self._copy(calendar, stored)
            case "retouch":
                calendar.edit(stored.remote_id)
        return stored.remote_id

    def _tamper(self, calendar: RemoteCalendar) -> str:
        """Somebody changes or deletes a busy block, which is not theirs to change."""
        blocks = [s for s in calendar.events.values() if s.fields and s.fields["title"] == "Busy"]
        if not blocks:
            return ""
        block = self.rng.choice(blocks)
        if self.rng.random() < 0.5:
            calendar.delete(block.remote_id)
        else:
            calendar.edit(block.remote_id, location="mine")
        return f"tampered with {block.remote_id}"

    def create_remotely(self, calendar: RemoteCalendar) -> str:
        thing = self.oracle.new_thing()
        recurrence = [DAILY] if self.rng.random() < 0.3 else []
        calendar.add(thing, **self._content(thing, recurrence=recurrence))
        return thing

    def _with_exceptions(self, calendar: RemoteCalendar, stored: Stored) -> list[Stored]:
        parts = [s for s in calendar.events.values() if s.parent == stored.remote_id and s.fields]
        return [stored, *parts]

    def _change_occurrence(self, calendar: RemoteCalendar, stored: Stored) -> str:
        slot = self.rng.choice(SLOTS)
        remote_id = f"{stored.remote_id}_{slot}"
        if not (stored.fields and stored.fields["recurrence"]) or remote_id in calendar.events:
            return ""
        thing = self.oracle.new_thing()
        self.oracle.series_of[thing] = thing_of(stored.fields)
        content = self._content(thing)
        series_mark = stored.mark
        added = calendar.add(remote_id, parent=stored.remote_id, slot=slot, **content)
        added.mark = calendar.history[-1].mark = series_mark
        return remote_id

    def _copy(self, calendar: RemoteCalendar, stored: Stored) -> None:
        """Copy and paste: another event with the same content, and with the mark of the first."""
        thing = self.oracle.new_thing()
        pasted = calendar.add(thing, **self._content(thing))
        pasted.mark = calendar.history[-1].mark = stored.mark

    # In Lockstep

    def _local(self, deed: str, collection: Collection, now: Any) -> str:
        if deed == "create":
            thing = self.oracle.new_thing()
            recurrence = [DAILY] if self.rng.random() < 0.3 else []
            self._insert(collection, now, self._content(thing, recurrence=recurrence))
            return thing
        there = local_events(collection)
        if not there:
            return ""
        item_id, fields = self.rng.choice(there)
        mapped = Mapping.objects.filter(collection=collection, item=item_id)
        counts = collection.direction != Direction.PULL or not mapped.exists()
        match deed:
            case "edit":
                write_locally(item_id, now, {**fields, **self._edited(fields, counts=counts)})
                self.redraw(collection, [item_id])
            case "delete":
                self._delete_locally(collection, item_id, fields, now, counts=counts)
            case "exception":
                return self._insert_exception(collection, item_id, fields, now)
            case _:
                return ""
        return thing_of(fields)

    def _delete_locally(
        self,
        collection: Collection,
        item_id: uuid.UUID,
        fields: Map[str, Any],
        now: Any,
        *,
        counts: bool,
    ) -> None:
        self.oracle.person_deleted(fields, counts=counts)
        parts = Event.objects.filter(series=item_id, item__deleted_at=None)
        for row in parts.values(*COLUMNS):
            self.oracle.person_deleted(fields_of(row), counts=counts)
        item = Item.objects.filter(pk=item_id)
        item.update(deleted_at=now, updated_at=now)
        item.touch()
        self.redraw(collection, [item_id])

    def _insert(
        self, collection: Collection, now: Any, fields: Map[str, Any], **series: Any
    ) -> None:
        item = Item.objects.create(
            id=self.new_id(),
            workspace_id=collection.account.workspace_id,
            kind="event",
            home=collection,
            created_at=now,
            updated_at=now,
        )
        Event.objects.create(item=item, **columns_of(fields), **series)
        self.redraw(collection, [item.pk])

    def _insert_exception(
        self, collection: Collection, item_id: uuid.UUID, fields: Map[str, Any], now: Any
    ) -> str:
        slot = self.rng.choice(SLOTS)
        taken = Event.objects.filter(series=item_id, slot=slot).exists()
        if not fields["recurrence"] or taken:
            return ""
        thing = self.oracle.new_thing()
        self.oracle.series_of[thing] = thing_of(fields)
        self._insert(collection, now, self._content(thing), series_id=item_id, slot=slot)
        return thing

    def _rule(self, collection: Collection, now: Any) -> str:
        """Decide an open conflict in favour of one side as it was shown."""
        open_ones = Conflict.objects.filter(mapping__collection=collection, outcome="open")
        conflicts = list(open_ones.order_by("created_at", "pk"))
        if not conflicts:
            return ""
        conflict = self.rng.choice(conflicts)
        fields = self.rng.choice((conflict.local, conflict.remote))
        self.oracle.person_ruled(fields)
        conflict.outcome, conflict.ruled_at = Conflict.Outcome.RULED, now
        conflict.ruling = {"exists": fields is not None, "fields": fields}
        conflict.save()
        return f"ruled {thing_of(fields)}"


def local_events(collection: Collection) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """What people see of a calendar in Lockstep, in a stable order."""
    rows = Event.objects.filter(item__home=collection, item__deleted_at=None, busy_rule=None)
    alive = rows.exclude(status="cancelled").exclude(series__deleted_at__isnull=False)
    found = [(row["item_id"], fields_of(row)) for row in alive.values("item_id", *COLUMNS)]
    return sorted((row for row in found if thing_of(row[1])), key=lambda row: row[1]["title"])


def write_locally(item_id: uuid.UUID, now: Any, fields: Map[str, Any]) -> None:
    """A person saves an event in Lockstep."""
    Event.objects.filter(pk=item_id).update(**columns_of(fields))
    item = Item.objects.filter(pk=item_id)
    item.update(updated_at=now)
    item.touch()


def _times(rng: Random) -> tuple[dict[str, str], dict[str, str]]:
    minute = rng.randrange(60)
    at = {"zone": "Europe/Berlin"}
    return (
        {"at": f"2026-05-05T07:{minute:02}:00Z", **at},
        {"at": f"2026-05-05T08:{minute:02}:00Z", **at},
    )
