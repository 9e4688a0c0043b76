"""What must hold, by the numbers of the invariants; each function raises AssertionError."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Q

from calendars.event_fields import COLUMNS, fields_of
from calendars.models import Event, Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.core.provider import Write, WriteKind
from sync.core.records import Direction, fingerprint
from sync.models import Mapping, SyncItem
from tests.sync.remote import RemoteCalendar, Stored
from tests.sync.simulator.oracle import thing_of, tokens

if TYPE_CHECKING:
    from tests.sync.simulator.world import Simulation

UNSETTLED = ("open", "ruled")


def check(simulation: "Simulation") -> None:
    """Check all that can be checked once a world has settled.

    Checked while it goes on: I-4, I-6, I-13, I-14, I-18 at each write (`judge_write`), I-9 at each
    cursor (`cursor_is_safe`), I-16 at each commit, I-17 at each call (the provider itself). By
    construction: I-10, a listing that breaks off yields no last page and so no cursor; I-20, all
    observations go through `staging._absorb`, and what it let through is judged by I-1 and I-9.
    """
    for judge in JUDGES:
        judge(simulation)


def broken(simulation: "Simulation") -> list[str]:
    """Name what does not hold, where a service is too weak for everything to hold."""
    found = []
    for judge in JUDGES:
        try:
            judge(simulation)
        except AssertionError as error:
            found.append(str(error).partition(":")[0])
    return found


def both_sides_agree(simulation: "Simulation") -> None:
    """I-1: each pair of copies is alike, or an open conflict names it; and nobody was forgotten."""
    for collection in simulation.collections:
        calendar = simulation.calendars[collection.pk]
        mappings = _mappings(collection)
        for mapping in mappings:
            _pair_agrees(simulation, collection, calendar, mapping)
        _all_are_mapped(simulation, collection, calendar, mappings)
    left = Conflict.objects.filter(mapping__collection__in=simulation.collections, outcome="ruled")
    assert not left.exists(), "I-1: a ruling was neither carried out nor found moot"


def blocks_follow_their_sources(simulation: "Simulation") -> None:
    """I-1, I-7 for busy blocks: one for each event of the source, at its time, and nothing else."""
    hidden = Q(status="cancelled") | Q(series__deleted_at__isnull=False)
    shown = Event.objects.filter(item__deleted_at=None).exclude(hidden)
    for rule in simulation.rules:
        events = shown.filter(item__home=rule.source, busy_rule=None)
        wanted = Counter(map(_times, events.values(*COLUMNS, of=F("item_id"))))
        blocks = shown.filter(busy_rule=rule)
        drawn = Counter(map(_times, blocks.values(*COLUMNS, of=F("source_id"))))
        assert drawn == wanted, f"I-1: blocks {drawn - wanted}, without {wanted - drawn}"
    for calendar in simulation.calendars.values():
        shown = [f for f in calendar.alive().values() if f["title"] == "Busy"]
        assert not any(tokens(block) for block in shown), "a block shows what it must not"


def _times(row: dict[str, Any]) -> str:
    fields = fields_of(row)
    return f"{row['of']} {fields['start']} {fields['end']}"


def _pair_agrees(
    simulation: "Simulation", collection: Collection, calendar: RemoteCalendar, mapping: Mapping
) -> None:
    unsettled = Conflict.objects.filter(mapping__collection=collection, outcome__in=UNSETTLED)
    waiting = Q(mapping=mapping)
    if mapping.parent:
        waiting |= Q(mapping__remote_id=mapping.parent)
    if unsettled.filter(waiting).exists():
        return
    stored = calendar.events.get(mapping.remote_id)
    there = calendar_fields(stored)
    here = _local(mapping.item_id)
    if collection.direction == Direction.PUSH and here is None and mapping.base_hash == "":
        return
    if collection.direction == Direction.PULL and there is None and mapping.base_hash == "":
        return
    assert _core(here) == _core(there), f"I-1: {mapping.remote_id}: here {here}, there {there}"


def _all_are_mapped(
    simulation: "Simulation",
    collection: Collection,
    calendar: RemoteCalendar,
    mappings: Iterable[Mapping],
) -> None:
    known = {m.remote_id for m in mappings if m.item_id or m.base_hash or m.remote_hash}
    if collection.direction != Direction.PUSH:
        strangers = calendar.alive().keys() - known
        if simulation.traits.client_ids:
            assert not strangers, f"I-9: never taken in: {strangers}"
    if collection.direction != Direction.PULL:
        alive = Item.objects.alive().filter(home=collection)
        buried = Event.objects.filter(series__deleted_at__isnull=False).values("item")
        alone = alive.exclude(mappings__collection=collection).exclude(pk__in=buried)
        assert not alone.exists(), f"I-1: never sent: {[_local(i.pk) for i in alone]}"


def nothing_is_lost(simulation: "Simulation") -> None:
    """I-3, I-4: each version that nobody superseded is current, or kept in a conflict."""
    lost = simulation.oracle.lost(_kept(simulation))
    assert not lost, f"I-3: lost {lost}"


def _kept(simulation: "Simulation") -> Iterator[Any]:
    for calendar in simulation.calendars.values():
        yield from (s.fields for s in calendar.events.values() if s.fields)
    for row in _events(simulation).filter(item__deleted_at=None).values(*COLUMNS):
        fields = fields_of(row)
        yield {**fields, "start": None, "end": None}
    conflicts = Conflict.objects.filter(mapping__collection__in=simulation.collections)
    for local, remote in conflicts.values_list("local", "remote"):
        yield [local, remote]


def nothing_rises_again(simulation: "Simulation") -> None:
    """I-5: what somebody deleted who had seen every version of it, is alive nowhere."""
    dead = simulation.oracle.dead() - _in_conflict(simulation)
    remotely = {
        thing_of(stored.fields)
        for calendar in simulation.calendars.values()
        for stored in calendar.events.values()
        if stored.takes_place
    }
    buried = Q(status="cancelled") | Q(series__deleted_at__isnull=False)
    alive = _events(simulation).filter(item__deleted_at=None).exclude(buried)
    locally = {thing_of({"title": title}) for title in alive.values_list("title", flat=True)}
    assert not dead & remotely, f"I-5: alive remotely: {dead & remotely}"
    assert not dead & locally, f"I-5: alive locally: {dead & locally}"


def _in_conflict(simulation: "Simulation") -> set[str]:
    unsettled = Conflict.objects.filter(
        mapping__collection__in=simulation.collections, outcome__in=UNSETTLED
    )
    pairs = unsettled.values_list("local", "remote")
    return {thing_of(side) for pair in pairs for side in pair}


def nothing_is_there_twice(simulation: "Simulation") -> None:
    """I-7: one live copy of each thing in each calendar, and one live item."""
    if simulation.traits.client_ids:
        for calendar in simulation.calendars.values():
            assert not _twice(thing_of(f) for f in calendar.alive().values()), "I-7: copies"
    for collection in simulation.collections:
        alive = Event.objects.filter(item__home=collection, item__deleted_at=None)
        titles = alive.values_list("title", flat=True)
        assert not _twice(thing_of({"title": title}) for title in titles), "I-7: items"
        slots = alive.filter(series__isnull=False).values_list("series", "slot")
        assert not _twice(f"{series} {slot}" for series, slot in slots), "I-7: occurrences"


def _twice(things: Iterable[str]) -> list[str]:
    return [thing for thing, number in Counter(things).items() if thing and number > 1]


def no_deletion_without_evidence(simulation: "Simulation") -> None:
    """I-6: only what a person deleted was deleted, and each deletion says how we know."""
    deletions = SyncItem.objects.filter(
        operation__collection__in=simulation.collections, action="delete", state="done"
    )
    assert not deletions.filter(evidence="").exists(), "I-6: a deletion without evidence"
    for before in deletions.values_list("before", flat=True):
        thing = thing_of(before)
        assert not thing or simulation.oracle.was_deleted(thing), f"I-6: {thing} was not deleted"


def conflicts_are_kept_once(simulation: "Simulation") -> None:
    """I-4: one row for one clash, however often it was met on the way."""
    rows = Conflict.objects.filter(
        mapping__collection__in=simulation.collections, outcome="automatic"
    )
    repeated = (
        rows.values("mapping", "local_hash", "remote_hash")
        .annotate(number=Count("pk"))
        .filter(number__gt=1)
    )
    assert not repeated, f"I-4: the same clash again: {list(repeated)}"


def the_guard_held(simulation: "Simulation") -> None:
    """I-12: no run that nobody released deleted more than the limits allow."""
    deletions = SyncItem.objects.filter(
        operation__collection__in=simulation.collections,
        action="delete",
        state="done",
        item__event__series=None,
    )
    for operation, side in deletions.values_list("operation", "side").distinct():
        number = deletions.filter(operation=operation, side=side).count()
        assert number <= 5 or operation in simulation.released, f"I-12: {number} deletions"


def every_intent_is_closed(simulation: "Simulation") -> None:
    """I-18: no write is left in doubt."""
    left = SyncItem.objects.filter(
        operation__collection__in=simulation.collections, state=SyncItem.State.INTENDED
    )
    assert not left.exists(), "I-18: an intent was never closed"


def bases_are_true(simulation: "Simulation") -> None:
    """I-19: a base is what the service once really held, or was really sent."""
    real = {
        fingerprint(stored.fields)
        for calendar in simulation.calendars.values()
        for stored in calendar.history
    }
    for collection in simulation.collections:
        for mapping in _mappings(collection):
            if mapping.base and mapping.base.get("status") != "cancelled":
                assert mapping.base_hash in real, f"I-19: {mapping.base}"


def another_cycle_does_nothing(simulation: "Simulation") -> None:
    """I-2, I-11: a further cycle, and one after a dead cursor, write nothing and change no row."""
    for complete in (False, True):
        before = _snapshot(simulation)
        runs = simulation.cycle(complete=complete)
        after = _snapshot(simulation)
        assert after == before, f"I-2: changed: {_difference(before, after)}"
        assert not any(run.operation.counts for run in runs), "I-2: something was planned"


def _snapshot(simulation: "Simulation") -> dict[str, Any]:
    mappings = Mapping.objects.filter(collection__in=simulation.collections)
    items = Item.objects.filter(home__in=simulation.collections)
    conflicts = Conflict.objects.filter(mapping__collection__in=simulation.collections)
    return {
        **{f"remote {c.name}": len(c.writes) for c in simulation.calendars.values()},
        **{str(row["id"]): row for row in mappings.values()},
        **{str(row["id"]): row for row in items.values()},
        **{str(row["id"]): row for row in conflicts.values()},
    }


def _difference(before: dict[str, Any], after: dict[str, Any]) -> list[Any]:
    keys = before.keys() | after.keys()
    return [(before.get(k), after.get(k)) for k in keys if before.get(k) != after.get(k)]


JUDGES = (
    both_sides_agree,
    blocks_follow_their_sources,
    nothing_is_lost,
    nothing_rises_again,
    nothing_is_there_twice,
    no_deletion_without_evidence,
    conflicts_are_kept_once,
    the_guard_held,
    every_intent_is_closed,
    bases_are_true,
    another_cycle_does_nothing,
)


# While the world goes on


def judge_write(
    simulation: "Simulation", collection: Collection, write: Write, there: Stored | None
) -> None:
    """Judge one write at the moment the service carries it out."""
    assert collection.direction != Direction.PULL, "I-14: a write against the direction"
    _was_announced(collection, write)
    if write.kind is WriteKind.CREATE:
        _is_new(simulation, collection, write)
        return
    assert there is not None
    mapped = Mapping.objects.filter(collection=collection, remote_id=write.remote_id)
    assert mapped.exists(), "I-13: a write to a copy that is not ours to touch"
    if write.kind is WriteKind.DELETE:
        _forgive_unseen_exceptions(simulation, collection, write)
    if simulation.traits.conditional:
        assert write.version == str(there.version), "I-6: not conditional"
        _loser_was_kept(simulation, collection, write, there)
    if write.kind is WriteKind.UPDATE:
        old = there.fields or {}
        idle = [n for n in write.changed if old.get(n) == write.fields.get(n)]
        assert not simulation.traits.conditional or not idle, f"I-13: touched for nothing: {idle}"


def _was_announced(collection: Collection, write: Write) -> None:
    """I-18: a committed intent says what this write is."""
    intent = SyncItem.objects.get(pk=uuid.UUID(write.attempt))
    assert intent.operation.collection_id == collection.pk
    assert intent.side == "remote"
    assert intent.action == write.kind.value, "I-18: another intent"
    assert intent.state in ("intended", "lost"), f"I-18: the intent is {intent.state}"
    assert intent.remote_id == write.remote_id
    assert write.kind is not WriteKind.DELETE or intent.evidence, "I-6: no evidence"


def _is_new(simulation: "Simulation", collection: Collection, write: Write) -> None:
    """I-7: at no moment is there a second live copy."""
    if not simulation.traits.client_ids:
        return
    alive = simulation.calendars[collection.pk].alive().values()
    thing = thing_of(write.fields)
    assert not thing or thing not in {thing_of(f) for f in alive}, f"I-7: a second {thing}"


def _loser_was_kept(
    simulation: "Simulation", collection: Collection, write: Write, there: Stored
) -> None:
    """I-4: a version that nobody superseded is in a conflict before it is overwritten."""
    going = tokens(there.fields) - tokens(write.fields) - simulation.oracle.superseded
    if not going:
        return
    conflicts = Conflict.objects.filter(mapping__collection=collection)
    kept = tokens([list(pair) for pair in conflicts.values_list("local", "remote")])
    assert going <= kept, f"I-4: overwritten unkept: {going - kept}"


def _forgive_unseen_exceptions(
    simulation: "Simulation", collection: Collection, write: Write
) -> None:
    """No condition covers the exceptions of a series: what nobody saw of them goes with it."""
    seen = dict(Mapping.objects.filter(collection=collection).values_list("remote_id", "version"))
    for stored in simulation.calendars[collection.pk].events.values():
        if stored.parent == write.remote_id and seen.get(stored.remote_id) != str(stored.version):
            simulation.oracle.superseded |= tokens(stored.fields)


def cursor_is_safe(simulation: "Simulation", collection: Collection) -> None:
    """I-9: all that a stored cursor covers has been written down in the same transaction."""
    calendar = simulation.calendars[collection.pk]
    upto = int(Collection.objects.get(pk=collection.pk).cursor or 0)
    latest = {s.remote_id: s for s in calendar.history[:upto]}
    rows = Mapping.objects.filter(collection=collection)
    known = {m.remote_id: m for m in rows.only("remote_id", "version", "remote_hash")}
    for remote_id, stored in latest.items():
        mapping = known.get(remote_id)
        if mapping is None:
            ours = bool(stored.mark)
            forgiven = (collection.pk, remote_id) in simulation.forgiven
            unwanted = collection.direction == Direction.PUSH or ours or forgiven
            gone = calendar.events[remote_id].fields is None  # and read so by id meanwhile
            assert gone or unwanted, f"I-9: {remote_id} was passed over"
        elif mapping.remote_hash or stored.fields:
            seen = int(mapping.version or 0)
            gone = not mapping.remote_hash and calendar.events[remote_id].fields is None
            found = f"{seen} {mapping.remote_hash!r}, there {stored.version}"
            assert seen >= stored.version or gone, f"I-9: {remote_id} is behind: {found}"


# Looking things up


def _mappings(collection: Collection) -> list[Mapping]:
    return list(Mapping.objects.filter(collection=collection).select_related("item"))


def _events(simulation: "Simulation") -> Any:
    workspace = simulation.collections[0].account.workspace_id
    return Event.objects.filter(item__workspace=workspace)


def _local(item_id: uuid.UUID | None) -> dict[str, Any] | None:
    row = Event.objects.filter(pk=item_id, item__deleted_at=None).values(*COLUMNS).first()
    return fields_of(row) if row else None


def calendar_fields(stored: Stored | None) -> dict[str, Any] | None:
    return stored.fields if stored else None


def _core(fields: dict[str, Any] | None) -> str:
    """A record as text; all cancelled occurrences are alike, since a service shows no more."""
    if fields is not None and fields["status"] == "cancelled":
        return "cancelled"
    return json.dumps(fields, sort_keys=True)
