"""What must hold once a world has settled, by the numbers of the invariants.

Each function raises AssertionError.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Q

from calendars.event_fields import COLUMNS, fields_of
from calendars.models import BusyRule, Event, Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.core.events import SHARED
from sync.core.proof import MOST_ATTEMPTS
from sync.core.records import Direction, fingerprint
from sync.models import Mapping, SyncItem
from tests.sync.simulator.judging import is_block
from tests.sync.simulator.oracle import TEXT_TOKEN, thing_of
from tests.sync.simulator.service import VEIL, SimulatedCalendar, covers

if TYPE_CHECKING:
    from tests.sync.simulator.world import Simulation

UNSETTLED = ("open", "ruled")
SHARE_LISTED_AGAIN = 0.4


def check(simulation: "Simulation") -> None:
    """Check all that can be checked once a world has settled.

    Checked while it goes on (`judging`): I-4, I-6, I-13, I-14, I-18, I-26 at each write, I-9 at
    each cursor; I-16 at each commit, I-17 at each call (the provider itself), I-23 at each dry run.
    By construction: I-10, a listing that breaks off yields no cursor; I-20, all observations go
    through `staging._absorb`, and what it let through is judged by I-1 and I-9.
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
        here = _local_events([m.item_id for m in mappings])
        waiting = _waiting(collection)
        for mapping in mappings:
            if not {mapping.remote_id, mapping.parent} & waiting:
                _pair_agrees(collection, calendar, mapping, here.get(mapping.item_id))
        _all_are_mapped(simulation, collection, calendar, mappings)
    left = Conflict.objects.filter(mapping__collection__in=simulation.collections, outcome="ruled")
    assert not left.exists(), "I-1: a ruling was neither carried out nor found moot"


def _waiting(collection: Collection) -> set[str]:
    """Name the copies that wait for a person; "" for one that has no name yet is left out."""
    unsettled = Conflict.objects.filter(mapping__collection=collection, outcome__in=UNSETTLED)
    return set(unsettled.values_list("mapping__remote_id", flat=True)) - {""}


def _pair_agrees(
    collection: Collection,
    calendar: SimulatedCalendar,
    mapping: Mapping,
    here: dict[str, Any] | None,
) -> None:
    stored = calendar.events.get(mapping.remote_id)
    there = stored.fields if stored else None
    if collection.direction == Direction.PUSH and here is None and mapping.base_hash == "":
        return
    if collection.direction == Direction.PULL and there is None and mapping.base_hash == "":
        return
    if here is None and stored and not stored.takes_place and is_block(calendar, stored):
        # Of a series of blocks an occurrence can be cancelled; a service deletes it no further.
        return
    shown = calendar.tidy(here) if here is not None else None
    if mapping.away:
        # What is not shared is each copy's own affair.
        shown, there = _shared(shown), _shared(there)
    assert _core(shown) == _core(there), f"I-1: {mapping.remote_id}: here {here}, there {there}"


def _shared(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    return fields and {name: value for name, value in fields.items() if name in SHARED}


def _all_are_mapped(
    simulation: "Simulation",
    collection: Collection,
    calendar: SimulatedCalendar,
    mappings: Iterable[Mapping],
) -> None:
    known = {m.remote_id for m in mappings if m.item_id or m.base_hash or m.remote_hash}
    since = simulation.upheavals.since(collection)
    if collection.direction != Direction.PUSH:
        inside = {name for name, fields in calendar.alive().items() if covers(since, fields)}
        if simulation.traits.client_ids:
            assert not inside - known, f"I-9: never taken in: {inside - known}"
    if collection.direction != Direction.PULL:
        alive = Item.objects.alive().filter(home=collection)
        if collection.circle_id:
            mates = Item.objects.alive().filter(home__circle=collection.circle_id)
            alive |= mates.filter(event__busy_rule=None)
        buried = Event.objects.filter(series__deleted_at__isnull=False).values("item")
        alone = alive.exclude(mappings__collection=collection).exclude(pk__in=buried)
        assert not alone.exists(), f"I-1: never sent: {[i.pk for i in alone]}"


def blocks_follow_their_sources(simulation: "Simulation") -> None:
    """I-1, I-7 for busy blocks: one for each event of the source, at its time, and nothing else."""
    hidden = Q(status="cancelled") | Q(series__deleted_at__isnull=False)
    single = Q(series__isnull=False, series__event__recurrence=[])
    shown = Event.objects.filter(item__deleted_at=None).exclude(hidden)
    for rule in BusyRule.objects.filter(target__in=simulation.collections):
        drawn = Counter(map(_times, shown.filter(busy_rule=rule).values(*COLUMNS, of=F("source"))))
        if rule.removed_at:
            assert not drawn, f"I-1: a rule that was taken away left {drawn}"
        elif rule.enabled:
            alike = Collection.objects.alike(rule.source)
            events = shown.filter(item__home__in=alike, busy_rule=None).exclude(single)
            wanted = Counter(map(_times, events.values(*COLUMNS, of=F("item"))))
            assert drawn == wanted, f"I-1: blocks {drawn - wanted}, without {wanted - drawn}"


def _times(row: dict[str, Any]) -> str:
    fields = fields_of(row)
    return f"{row['of']} {fields['start']} {fields['end']}"


def blocks_show_nothing(simulation: "Simulation") -> None:
    """A busy block holds no word of its source."""
    for calendar in simulation.calendars.values():
        for stored in calendar.history:
            if stored.fields and is_block(calendar, stored):
                assert not TEXT_TOKEN.search(json.dumps(stored.fields)), "a block shows too much"


def nothing_is_lost(simulation: "Simulation") -> None:
    """I-3, I-4: each version that nobody superseded is current, or kept in a conflict."""
    lost = simulation.oracle.lost(kept(simulation))
    assert not lost, f"I-3: lost {lost}"


def kept(simulation: "Simulation") -> Iterator[Any]:
    """Return all versions that are current somewhere, or in a conflict."""
    for calendar in simulation.calendars.values():
        stored = calendar.events.values()
        yield from (s.fields for s in stored if s.fields and not is_block(calendar, s))
    events = _events(simulation).filter(busy_rule=None)
    yield from map(fields_of, events.filter(item__deleted_at=None).values(*COLUMNS))
    conflicts = Conflict.objects.filter(mapping__collection__in=simulation.collections)
    for local, remote in conflicts.values_list("local", "remote"):
        yield [local, remote]
    if simulation.upheavals.ever_veiled:
        # What was written here into a field hidden there stays in the deleted event.
        for row in events.exclude(item__deleted_at=None).values(*COLUMNS):
            yield {name: value for name, value in fields_of(row).items() if name in VEIL}


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
    """I-7: one live copy of each thing in each calendar, and one live item.

    What two calendars of a circle get at once may double where one of them is seen first.
    """
    excused = simulation.oracle.invited if simulation.sees_late else set()
    for calendar in simulation.calendars.values():
        twice = {*_twice(thing_of(fields) for fields in calendar.alive().values())} - excused
        assert not twice, f"I-7: copies of {twice} in {calendar.name}"
    for collection in simulation.collections:
        alike = Collection.objects.alike(collection)
        alive = Event.objects.filter(item__home__in=alike, item__deleted_at=None)
        titles = alive.values_list("title", flat=True)
        twice = {*_twice(thing_of({"title": title}) for title in titles)} - excused
        assert not twice, f"I-7: items of {twice}"


def _twice(things: Iterable[str]) -> list[str]:
    return [thing for thing, number in Counter(things).items() if thing and number > 1]


def series_are_whole(simulation: "Simulation") -> None:
    """I-28: an exception lives in one series, that is alive and no exception; one at each place."""
    alive = _events(simulation).filter(item__deleted_at=None, series__isnull=False)
    assert not alive.filter(series__event__series__isnull=False).exists(), "I-28: of an exception"
    together = Q(item__home=F("series__home"))
    together |= Q(item__home__circle=F("series__home__circle"))
    assert not alive.exclude(together).exists(), "I-28: in another calendar"
    slots = alive.values_list("series", "slot")
    assert not _twice(f"{series} {slot}" for series, slot in slots), "I-28: items of one place"
    for calendar in simulation.calendars.values():
        there = [s for s in calendar.events.values() if s.parent and s.fields]
        assert all(calendar.events[s.parent].fields for s in there), "I-28: copies without series"
        assert not _twice(f"{s.parent} {s.slot}" for s in there), "I-28: copies of one place"


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
    rows = SyncItem.objects.filter(
        operation__collection__in=simulation.collections,
        action="delete",
        state="done",
        item__event__series=None,
    ).exclude(item__event__busy_rule__removed_at__isnull=False)
    numbers = Counter(rows.values_list("operation", "side"))
    for (operation, _), number in numbers.items():
        assert number <= 5 or operation in simulation.released, f"I-12: {number} deletions"


def every_intent_is_closed(simulation: "Simulation") -> None:
    """I-18: no write is left in doubt."""
    left = SyncItem.objects.filter(
        operation__collection__in=simulation.collections, state=SyncItem.State.INTENDED
    )
    assert not left.exists(), "I-18: an intent was never closed"


def effort_is_bounded(simulation: "Simulation") -> None:
    """I-21: nothing is tried more often than a person is to wait for."""
    rows = SyncItem.objects.filter(operation__collection__in=simulation.collections)
    assert not rows.filter(attempts__gt=MOST_ATTEMPTS).exists(), "I-21: too many attempts"


def each_write_is_in_the_journal(simulation: "Simulation") -> None:
    """I-30: no more writes arrived than there are lines that announced them."""
    if simulation.upheavals.restored:
        return
    for collection in simulation.collections:
        rows = SyncItem.objects.filter(operation__collection=collection, side="remote")
        arrived = Counter(kind for kind, _ in simulation.calendars[collection.pk].writes)
        for action in ("create", "update", "delete"):
            perhaps = rows.filter(action=action).exclude(state="held").count()
            found = f"{arrived[action]} times {action}, {perhaps} lines"
            assert arrived[action] <= perhaps, f"I-30: {found}"


def bases_are_true(simulation: "Simulation") -> None:
    """I-19: a base is what the service once really held, or was really sent."""
    history = [s for c in simulation.calendars.values() for s in c.history if s.fields]
    real = {fingerprint(stored.fields) for stored in history}
    for collection in simulation.collections:
        for mapping in _mappings(collection):
            if not mapping.base or mapping.base.get("status") == "cancelled":
                continue
            if mapping.away or collection.pk in simulation.upheavals.ever_veiled:
                held = [s.fields for s in history if s.remote_id == mapping.remote_id and s.fields]
                for name, value in mapping.base.items():
                    assert any(f[name] == value for f in held), f"I-19: {name} of {mapping.base}"
            else:
                assert mapping.base_hash in real, f"I-19: {mapping.base}"


def another_cycle_does_nothing(simulation: "Simulation") -> None:
    """I-2, I-11: a further cycle, and one after a dead cursor, write nothing and change no row.

    The second is tried in a part of the worlds only: it costs as much as all else that is checked.
    """
    assert simulation.quiet, "I-2: it never came to rest"
    if simulation.rng.random() > SHARE_LISTED_AGAIN:
        return
    before = snapshot(simulation)
    runs = simulation.cycle(complete=True)
    after = snapshot(simulation)
    assert after == before, f"I-2: changed: {_difference(before, after)}"
    assert not any(run.operation.counts for run in runs), "I-2: something was planned"


def snapshot(simulation: "Simulation") -> dict[str, Any]:
    """Return all that a further cycle must not change."""
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
    blocks_show_nothing,
    nothing_is_lost,
    nothing_rises_again,
    nothing_is_there_twice,
    series_are_whole,
    no_deletion_without_evidence,
    conflicts_are_kept_once,
    the_guard_held,
    every_intent_is_closed,
    effort_is_bounded,
    each_write_is_in_the_journal,
    bases_are_true,
    another_cycle_does_nothing,
)


# Looking things up


def _mappings(collection: Collection) -> list[Mapping]:
    return list(Mapping.objects.filter(collection=collection))


def _events(simulation: "Simulation") -> Any:
    return Event.objects.filter(item__home__in=simulation.collections)


def _local_events(item_ids: Iterable[uuid.UUID | None]) -> dict[uuid.UUID | None, dict[str, Any]]:
    ids = [pk for pk in item_ids if pk]
    rows = Event.objects.filter(pk__in=ids, item__deleted_at=None).values("item_id", *COLUMNS)
    return {row["item_id"]: fields_of(row) for row in rows}


def _core(fields: dict[str, Any] | None) -> str:
    """A record as text; all cancelled occurrences are alike, since a service shows no more."""
    if fields is not None and fields["status"] == "cancelled":
        return "cancelled"
    return json.dumps(fields, sort_keys=True)
