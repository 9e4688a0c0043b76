"""Part: let the copies of one event in calendars that go separate ways be events of their own.

Nothing is written to any service, and no copy is deleted: each side keeps what it has, and what was
still to be sent is sent. Safe to repeat: what has been parted is not found again.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q

from calendars.models import Event, Item
from integrations.models import Collection
from sync.core.reconcile import Action
from sync.core.records import Side
from sync.core.trees import only
from sync.inward import rest
from sync.kinds import KINDS, Incoming
from sync.models import Mapping, SyncItem, SyncOperation

# How many series and single events are parted in one transaction.
BATCH = 200
_REASON = "its calendars go separate ways"


@dataclass(frozen=True, slots=True)
class _Clone:
    """An event that continues another one on the other side, with the copies it takes along."""

    old: Item
    item_id: uuid.UUID
    home: uuid.UUID
    mappings: tuple[Mapping, ...]
    series: uuid.UUID | None
    slot: str


def part_next(collection: Collection, operation: SyncOperation, now: Any) -> int:
    """Part the next batch of events between a calendar and all others; returns how many.

    Must run inside a transaction, under the leases of all calendars concerned.
    """
    heads = _shared_heads(collection)[:BATCH]
    family = Q(pk__in=heads) | Q(event__series__in=heads)
    items = Item.objects.filter(family).select_related("event").order_by("event__series", "pk")
    locked = sorted(items.select_for_update(of=("self",), no_key=True), key=_series_first)
    clones: dict[uuid.UUID, _Clone] = {}
    for item in locked:
        taken = _taken_along(collection, item)
        if clone := _clone(item, taken, clones):
            clones[item.pk] = clone
    _write(collection, operation, list(clones.values()), now)
    _regroup(collection, locked, clones)
    rest([*(item.pk for item in locked), *(clone.item_id for clone in clones.values())])
    return len(heads)


def _shared_heads(collection: Collection) -> list[uuid.UUID]:
    """Name the events that have a copy in this calendar and another, series without exceptions."""
    copies = Mapping.objects.filter(item=OuterRef("pk"))
    from_here = Q(Exists(copies.exclude(collection=collection)), home=collection)
    from_there = ~Q(home=collection) & Q(Exists(copies.filter(collection=collection)))
    ours = Item.objects.filter(from_here | from_there, event__busy_rule=None)
    heads = {series or own for own, series in ours.values_list("pk", "event__series")}
    return sorted(heads)


def _series_first(item: Item) -> tuple[bool, uuid.UUID]:
    return item.event.series_id is not None, item.pk


def _taken_along(collection: Collection, item: Item) -> list[Mapping]:
    """Find the copies on the side that the item does not stay on; drops what was never made."""
    copies = Mapping.objects.filter(item=item).order_by("collection")
    own = item.home_id == collection.pk
    leaving = copies.exclude(collection=collection) if own else copies.filter(collection=collection)
    alive = [m for m in leaving if m.remote_hash or m.base_hash]
    unmade = leaving.filter(remote_hash="", base_hash="")
    unmade.filter(version="", ordinal="", evidence="").delete()
    unmade.update(item=None, away=False)
    if item.deleted_at is None:
        return alive
    # The deletion did not get there in time: the copies stay, and are taken in as new.
    for mapping in alive:
        tree = mapping.base if mapping.remote_hash == mapping.base_hash else mapping.remote
        mapping.item, mapping.away, mapping.base, mapping.base_hash = None, False, None, ""
        mapping.remote = tree if mapping.remote_hash else None
        mapping.save()
    return []


def _clone(
    item: Item, mappings: Sequence[Mapping], clones: dict[uuid.UUID, _Clone]
) -> _Clone | None:
    if not mappings:
        return None
    series = clones.get(item.event.series_id) if item.event.series_id else None
    homes = [mapping.collection_id for mapping in mappings]
    home = series.home if series and series.home in homes else homes[0]
    first = next(mapping for mapping in mappings if mapping.collection_id == home)
    return _Clone(
        item,
        uuid.uuid5(item.pk, f"{home} {first.pk}"),
        home,
        tuple(mappings),
        series.item_id if series else None,
        item.event.slot,
    )


def _write(
    collection: Collection, operation: SyncOperation, clones: Sequence[_Clone], now: Any
) -> None:
    """Make the clones, with what was shared, and give them their copies."""
    kind = KINDS[collection.kind]
    locals_ = kind.load([clone.old.pk for clone in clones])
    Item.objects.bulk_create(
        Item(
            id=clone.item_id,
            workspace_id=clone.old.workspace_id,
            kind=clone.old.kind,
            home_id=clone.home,
            revision=clone.old.revision,
            pending=True,
            created_at=now,
            updated_at=clone.old.updated_at,
        )
        for clone in clones
    )
    contents = {c.item_id: only(locals_[c.old.pk].content, kind.shared) for c in clones}
    kind.create(
        Incoming(c.item_id, contents[c.item_id], _facts(c), c.series, c.slot) for c in clones
    )
    for clone in clones:
        ids = [mapping.pk for mapping in clone.mappings]
        Mapping.objects.filter(pk__in=ids).update(item=clone.item_id, away=True)
        Mapping.objects.filter(pk__in=ids, collection=clone.home).update(away=False)
        places = {mapping.collection_id for mapping in clone.mappings}
        blocks = Event.objects.filter(source=clone.old, busy_rule__source__in=places)
        blocks.update(source=clone.item_id)
    SyncItem.objects.bulk_create(_line(operation, c, contents[c.item_id], now) for c in clones)


def _facts(clone: _Clone) -> dict[str, Any]:
    at_home = (m.facts for m in clone.mappings if m.collection_id == clone.home)
    return dict(next(at_home, {}))


def _line(operation: SyncOperation, clone: _Clone, after: Any, now: Any) -> SyncItem:
    return SyncItem(
        operation=operation,
        item_id=clone.item_id,
        mapping=clone.mappings[0],
        remote_id=clone.mappings[0].remote_id,
        side=Side.LOCAL,
        action=Action.CREATE,
        reason=_REASON,
        state=SyncItem.State.DONE,
        after=after,
        evidence=f"continues {clone.old.pk}",
        attempts=1,
        created_at=now,
        closed_at=now,
    )


def _regroup(
    collection: Collection, items: Sequence[Item], clones: dict[uuid.UUID, _Clone]
) -> None:
    """Let the exceptions that stay follow the item that their series is on their side."""
    pairs = list(_strays(collection, items, clones))
    KINDS[collection.kind].join(pairs)


def _strays(
    collection: Collection, items: Sequence[Item], clones: dict[uuid.UUID, _Clone]
) -> Iterator[tuple[uuid.UUID, uuid.UUID]]:
    """Yield exceptions whose home is on another side than that of their series, as was allowed."""
    heads = {item.pk: item for item in items}
    for item in items:
        head = heads.get(item.event.series_id) if item.event.series_id else None
        if head is None or head.pk not in clones:
            continue
        here, series_here = (one.home_id == collection.pk for one in (item, head))
        if here != series_here:
            yield clones[head.pk].item_id, item.pk
            if item.pk in clones:
                yield head.pk, clones[item.pk].item_id
