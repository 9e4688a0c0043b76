"""What must hold at each write and each cursor while a world goes on; raises AssertionError."""

import uuid
from typing import TYPE_CHECKING

from conflicts.models import Conflict
from integrations.models import Collection
from sync.core.marks import Marker
from sync.core.provider import Write, WriteKind
from sync.core.records import Direction
from sync.models import Mapping, SyncItem
from tests.sync.remote import KEY, RemoteCalendar, Stored
from tests.sync.simulator.oracle import thing_of, tokens
from tests.sync.simulator.service import VEIL

if TYPE_CHECKING:
    from tests.sync.simulator.world import Simulation


def judge_write(
    simulation: "Simulation", collection: Collection, write: Write, there: Stored | None
) -> None:
    """Judge one write at the moment the service carries it out."""
    assert collection.direction != Direction.PULL, "I-14: a write against the direction"
    assert not simulation.upheavals.is_shut(collection), "I-26: a write to what is shut to us"
    _was_announced(collection, write)
    if write.kind is WriteKind.CREATE:
        _is_new(simulation, collection, write)
        return
    assert there is not None
    mapped = Mapping.objects.filter(collection=collection, remote_id=write.remote_id)
    assert mapped.exists(), "I-13: a write to a copy that is not ours to touch"
    if write.kind is WriteKind.DELETE:
        _forgive_what_nobody_saw(simulation, collection, write, there)
    if simulation.traits.conditional:
        assert write.version == str(there.version), "I-6: not conditional"
        _loser_was_kept(simulation, collection, write, there)
    if write.kind is WriteKind.UPDATE:
        old = there.fields or {}
        idle = [n for n in write.changed if old.get(n) == write.fields.get(n)]
        assert not simulation.traits.conditional or not idle, f"I-13: touched for nothing: {idle}"


def _was_announced(collection: Collection, write: Write) -> None:
    """I-18: a committed intent says what this write is."""
    announced = SyncItem.objects.filter(pk=uuid.UUID(write.attempt)).select_related("operation")
    intent = announced.first()
    assert intent is not None, "I-18: a write that nothing announced"
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
    if thing in simulation.oracle.invited:
        return
    assert not thing or thing not in {thing_of(f) for f in alive}, f"I-7: a second {thing}"


def _loser_was_kept(
    simulation: "Simulation", collection: Collection, write: Write, there: Stored
) -> None:
    """I-4: a version that nobody superseded is in a conflict before it is overwritten."""
    touched = write.changed if write.kind is WriteKind.UPDATE else (there.fields or {}).keys()
    before = {name: value for name, value in (there.fields or {}).items() if name in touched}
    going = tokens(before) - tokens(write.fields) - simulation.oracle.superseded
    if not going or write.rule:
        return
    alike = Collection.objects.alike(collection)
    conflicts = Conflict.objects.filter(mapping__collection__in=alike)
    kept = tokens([list(pair) for pair in conflicts.values_list("local", "remote")])
    assert going <= kept, f"I-4: overwritten unkept: {going - kept}"


def _forgive_what_nobody_saw(
    simulation: "Simulation", collection: Collection, write: Write, there: Stored
) -> None:
    """What goes with a deletion although no condition covers it, or nobody may have seen it.

    That is what changed of the exceptions of a series, and fields that are hidden from our reader.
    """
    superseded = simulation.oracle.superseded
    rows = Mapping.objects.filter(collection=collection)
    # A right that has grown shows nothing before the next listing.
    half_seen = rows.filter(remote_id=write.remote_id, partial=True).exists()
    for name in VEIL if half_seen else simulation.upheavals.veil(collection):
        superseded |= tokens((there.fields or {}).get(name))
    seen = dict(rows.values_list("remote_id", "version"))
    for stored in simulation.calendars[collection.pk].events.values():
        if stored.parent != write.remote_id:
            continue
        if seen.get(stored.remote_id) != str(stored.version):
            superseded |= tokens(stored.fields)
        for name in simulation.upheavals.veil(collection):
            superseded |= tokens((stored.fields or {}).get(name))


def cursor_is_safe(simulation: "Simulation", collection: Collection) -> None:
    """I-9: all that a stored cursor covers has been written down in the same transaction.

    But for what lies outside the window: no complete listing shows a change there.
    """
    calendar = simulation.calendars[collection.pk]
    upto = int(Collection.objects.get(pk=collection.pk).cursor or 0)
    latest = {s.remote_id: s for s in calendar.history[:upto]}
    rows = Mapping.objects.filter(collection=collection)
    known = {m.remote_id: m for m in rows.only("remote_id", "version", "remote_hash")}
    for remote_id, stored in latest.items():
        mapping = known.get(remote_id)
        if simulation.upheavals.was_outside(collection, remote_id):
            continue
        if mapping is None:
            forgiven = (collection.pk, remote_id) in simulation.forgiven
            unwanted = collection.direction == Direction.PUSH or is_ours(calendar, stored)
            gone = calendar.events[remote_id].fields is None  # and read so by id meanwhile
            assert gone or unwanted or forgiven, f"I-9: {remote_id} was passed over"
        elif mapping.remote_hash or stored.fields:
            seen = int(mapping.version or 0)
            gone = not mapping.remote_hash and calendar.events[remote_id].fields is None
            found = f"{seen} {mapping.remote_hash!r}, there {stored.version}"
            assert seen >= stored.version or gone, f"I-9: {remote_id} is behind: {found}"


def is_ours(calendar: RemoteCalendar, stored: Stored) -> bool:
    """Say whether we wrote a copy, by a mark that is genuine."""
    mark = Marker([KEY], calendar.name).read(stored.mark, stored.remote_id, stored.parent)
    return mark is not None and not (mark.inherited and not mark.rule)


def is_block(calendar: RemoteCalendar, stored: Stored) -> bool:
    """Say whether a copy is a busy block of ours."""
    mark = Marker([KEY], calendar.name).read(stored.mark, stored.remote_id, stored.parent)
    return mark is not None and bool(mark.rule)
