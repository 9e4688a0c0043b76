"""What must hold once a world has settled; each function raises AssertionError."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sync.core.records import Direction, Fields, Side, fingerprint
from sync.core.trees import remote_tree
from tests.sync.pure.service import Service, covers
from tests.sync.pure.store import EMPTY, Tie
from tests.sync.simulator.oracle import thing_of

if TYPE_CHECKING:
    from tests.sync.pure.world import World


def pair_agrees(world: "World", service: Service, tie: Tie) -> None:
    """I-1: a copy is as its item, unless a conflict names it or nothing could be done about it."""
    place = world.store.places[tie.place]
    if world.store.conflict(tie):
        return
    item, there = world.store.item_of(tie), service.alive().get(tie.remote_id)
    here = item.fields if item else None
    one_way = place.direction is not Direction.TWO_WAY
    if one_way and tie.base_hash == "" and None in (here, there):
        return
    if not covers(there or remote_tree(tie) or {}, service.only):
        return
    if service.poisoned and service.poisoned in (thing_of(here), thing_of(there)):
        return
    if here is None and thing_of(there) in world.late_again:
        return
    assert _as_there(service, here) == _as_there(service, there), (
        f"I-1: {tie.place} {tie.remote_id}: here {here}, there {there}"
    )


def _as_there(service: Service, fields: Fields | None) -> Fields | None:
    """What a service would show of a record; what it has no place for counts for nothing."""
    return None if fields is None else service.manners.normalise({**EMPTY, **fields})


def nothing_is_left_open(world: "World") -> None:
    """I-18, I-21: no write is left in doubt, no ruling undone, no write tried beyond its limit."""
    for intent in world.store.intents.values():
        shut = bool(world.services[intent.place].shut)
        assert shut or intent.state != "intended", "I-18: an intent was never closed"
    for conflict in world.store.conflicts:
        service = world.services[world.store.ties[conflict.tie].place]
        about = {thing_of(conflict.local), thing_of(conflict.remote)}
        in_vain = bool(service.shut) or bool(service.poisoned and service.poisoned in about)
        assert in_vain or conflict.outcome != "ruled", "I-1: a ruling was not carried out"
    assert all(tie.attempts <= 8 for tie in world.store.ties.values()), "I-21: tried too often"


def nothing_is_lost(world: "World") -> None:
    """I-3: each version that nobody superseded is current, or kept in a conflict."""
    lost = world.oracle.lost(world.kept())
    assert not lost, f"I-3: lost {lost}"


def nothing_rises_again(world: "World") -> None:
    """I-5: what somebody deleted who had seen every version of it, is alive nowhere."""
    unsettled = [c for c in world.store.conflicts if c.outcome in ("open", "ruled")]
    waiting = {thing_of(side) for c in unsettled for side in (c.local, c.remote)}
    # What a filter hides is left alone, even if it was deleted behind it.
    only = [service.only for service in world.services.values()]
    seen = {t for t in world.oracle.dead() if all(covers({"title": t}, one) for one in only)}
    dead = seen - waiting
    for service in world.services.values():
        risen = dead & {thing_of(fields) for fields in service.alive().values()}
        assert service.shut or not risen, f"I-5: alive at {service.name}: {risen}"
    here = dead & {thing_of(item.fields) for item in world.store.items.values()}
    assert not here, f"I-5: alive here: {here}"


def nothing_is_there_twice(world: "World") -> None:
    """I-7: one live copy of each thing in each calendar, and one live item."""
    for service in world.services.values():
        twice = _twice(thing_of(fields) for fields in service.alive().values()) - world.late_again
        assert not twice, f"I-7: copies at {service.name}: {twice}"
    twice = _twice(thing_of(item.fields) for item in world.store.items.values()) - world.late_again
    assert not twice, f"I-7: items: {twice}"


def _twice(things: Iterable[str]) -> set[str]:
    return {thing for thing, number in Counter(things).items() if thing and number > 1}


def bases_are_true(world: "World") -> None:
    """I-19: a base is what the service once really held."""
    for name, service in world.services.items():
        real = {fingerprint(_as_there(service, v.fields)) for v in service.history}
        for tie in world.store.at(name):
            base = fingerprint(_as_there(service, tie.base))
            assert base in real or not base, f"I-19: {tie.base}"


def the_guard_held(world: "World") -> None:
    """I-12: no run that nobody released deleted more than the limits allow."""
    runs = Counter((d.place, d.side, d.run) for d in world.store.deletions)
    for (_, side, run), number in runs.items():
        assert number <= 5 or run in world.released, f"I-12: {number} deletions {Side(side)}"


def another_cycle_does_nothing(world: "World") -> None:
    """I-2, I-11, I-27: a further cycle, and one after a dead cursor, write and change nothing."""
    if any(service.poisoned for service in world.services.values()):
        return
    for complete in (False, True):
        before, writes = rows_of(world), _writes(world)
        runs = world.cycle(complete=complete)
        after = rows_of(world)
        assert _writes(world) == writes, "I-2: something was written"
        changed = [(b, a) for b, a in zip(before, after, strict=False) if b != a]
        assert before == after, f"I-2: changed: {changed}"
        assert not any(run.counts for run in runs), "I-2: something was planned"


def _writes(world: "World") -> int:
    return sum(len(service.writes) for service in world.services.values())


def rows_of(world: "World") -> list[Any]:
    """All that the rows say, without what a mere look at them changes."""
    store = world.store
    return [
        *(
            (t.pk, t.item_id, t.base_hash, t.remote_hash, t.version, t.unanswered, t.remote_id)
            for t in store.ties.values()
        ),
        *((t.predecessor, t.synced_revision, t.attempts) for t in store.ties.values()),
        *((item.pk, item.revision, item.fields) for item in store.items.values()),
        *((c.tie, c.outcome, c.local_hash, c.remote_hash) for c in store.conflicts),
        *((intent.pk, intent.state) for intent in store.intents.values()),
    ]
