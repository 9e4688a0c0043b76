"""Link: let copies that are there already be copies of an item, instead of making them twice.

Two calendars of a circle may hold the same event before Lockstep ever tied them: both were invited,
or somebody copied it by hand. Two items become one: the older one takes the copies of the younger,
one calendar at a time and only in the calendar whose lease the run holds, so that runs over several
calendars cannot cross. What differs between the two is left to the ordinary merge.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from django.db.models.fields.json import KT

from calendars import bulk
from calendars.event_fields import COLUMNS, fields_of
from calendars.models import Event, Item, time_ordered_uuid
from sync.core.pairing import Face, groups, look_of, why
from sync.core.plan import Change
from sync.core.reconcile import Action
from sync.core.records import Direction, Fields, Side, fingerprint
from sync.core.trees import only, remote_tree
from sync.models import Mapping, SyncItem
from sync.run import Run
from sync.wanted import TRAVELS, lacking, mates_of

# How many items are compared at a time.
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Bond:
    """A copy that is to belong to an item from now on, and how we know that it does."""

    mapping_id: uuid.UUID
    item_id: uuid.UUID
    evidence: str


def link(run: Run, arriving: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Tie copies in this calendar to the items that they are copies of.

    `arriving` are the items that this calendar should hold and does not. Returns those of them that
    are here already as another item, which gives way in a run over another calendar. Must run
    inside `run.commit()`.
    """
    if run.collection.circle_id is None:
        return set()
    reads = run.collection.direction == Direction.PULL
    new = _contributed(run) if reads else list(arriving)
    others, here = (_contributors if reads else _arrivals)(run, new)
    bonds, waiting = _choose(others.values(), here.values())
    involved = {b.item_id for b in bonds} | {copy.item_id for copy in here.values()}
    _lock(sorted(item_id for item_id in involved if item_id) if bonds else ())
    for start in range(0, len(bonds), CHUNK):
        bind(run, bonds[start : start + CHUNK])
    return waiting


def _contributed(run: Run) -> list[uuid.UUID]:
    """Name what a calendar that only contributes may hold as a copy of something older.

    Nothing ever arrives there; so what is new there is compared with what the others hold.
    """
    items = Item.objects.filter(TRAVELS, pending=True, event__series=None)
    items = items.filter(mappings__collection=run.collection, mappings__remote_hash__gt="")
    if not run.operation.complete_listing:
        items = items.filter(created_at__gte=run.operation.started_at)
    return list(items.order_by("pk").values_list("pk", flat=True))


def _arrivals(run: Run, ids: Sequence[uuid.UUID]) -> tuple[dict[Any, Face], dict[Any, "_Here"]]:
    """Return the items that are to come here, and the copies here that they may be."""
    others: dict[Any, Face] = {}
    here: dict[Any, _Here] = {}
    for chunk in _chunks(ids):
        heads = Event.objects.filter(TRAVELS_ALONE, pk__in=chunk)
        others |= {face.key: face for face in _faces(heads)}
        here |= {face.key: face for face in _faces_here(run, _alike_here(run, heads))}
    return others, here


def _contributors(run: Run, ids: Sequence[uuid.UUID]) -> tuple[dict[Any, Face], dict[Any, "_Here"]]:
    """Return these items' copies here, and the items elsewhere that those may be."""
    others: dict[Any, Face] = {}
    here: dict[Any, _Here] = {}
    for chunk in _chunks(ids):
        others |= {face.key: face for face in _faces(_elsewhere(run, chunk))}
        here |= {face.key: face for face in _faces_here(run, Q(item__in=chunk))}
    return others, here


def _chunks(ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _choose(others: Iterable[Face], here: Iterable["_Here"]) -> tuple[list[Bond], set[uuid.UUID]]:
    """Decide which copies here are tied to which items, and which items wait to be tied elsewhere.

    Of items that are one, the oldest takes the copies; none of the others gets a copy of its own.
    """
    bonds, waiting = [], set()
    for group in groups([*others, *here]):
        coming = [face for face in group if not isinstance(face, _Here)]
        copy = next((face for face in group if isinstance(face, _Here)), None)
        if copy is None:
            waiting |= {face.key for face in coming[1:]}
            continue
        waiting |= {face.key for face in coming}
        first = coming[0] if coming else None
        if first and copy.settled and (copy.item_id is None or first.age < copy.age):
            bonds.append(Bond(copy.key, first.key, why(first, copy)))
    return bonds, waiting


TRAVELS_ALONE = Q(busy_rule=None, series=None, slot="", item__deleted_at=None)


@dataclass(frozen=True, slots=True)
class _Here(Face):
    """A copy in this calendar; `settled` if neither side of it waits for anything."""

    item_id: uuid.UUID | None = None
    settled: bool = False


def _alike_here(run: Run, heads: Any) -> Q:
    """Say which copies in this calendar may be one of these events."""
    said = list(heads.values_list("uid", "begins_at"))
    ours = Mapping.objects.filter(collection__in=mates_of(run.collection))
    same_uid = ours.annotate(uid=KT("facts__uid")).filter(uid__in=[uid for uid, _ in said if uid])
    same_time = Event.objects.filter(begins_at__in=[at for _, at in said if at])
    same_time = same_time.filter(item__mappings__collection=run.collection)
    known = {item for item in same_uid.values_list("item", flat=True) if item}
    return Q(item__in=known | set(same_time.values_list("pk", flat=True))) | Q(item=None)


def _elsewhere(run: Run, chunk: Sequence[uuid.UUID]) -> Any:
    """Find the events of the other calendars that may be what these items here are."""
    said = list(Event.objects.filter(pk__in=chunk).values_list("uid", "begins_at"))
    mates = [pk for pk in mates_of(run.collection) if pk != run.collection.pk]
    theirs = Mapping.objects.filter(collection__in=mates, item__isnull=False)
    same_uid = theirs.annotate(uid=KT("facts__uid")).filter(uid__in=[uid for uid, _ in said if uid])
    same_time = Q(begins_at__in=[at for _, at in said if at], item__home__in=mates)
    alike = same_time | Q(pk__in=list(same_uid.values_list("item", flat=True)))
    here = Mapping.objects.filter(collection=run.collection, item__isnull=False)
    return Event.objects.filter(TRAVELS_ALONE & alike).exclude(pk__in=here.values("item"))


def _faces(events: Any) -> list[Face]:
    rows = list(events.values(*COLUMNS, "item_id", "uid", "item__created_at"))
    places = _places([row["item_id"] for row in rows])
    return [_face(row, places) for row in rows]


def _face(row: Any, places: dict[uuid.UUID, frozenset[uuid.UUID]]) -> Face:
    pk = row["item_id"]
    age = (row["item__created_at"], pk)
    return Face(pk, age, row["uid"], look_of(fields_of(row)), places.get(pk, frozenset()))


def _places(item_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
    """Return the calendars in which these items have a living copy."""
    alive = Mapping.objects.filter(item__in=list(item_ids), remote_hash__gt="")
    found: dict[uuid.UUID, set[uuid.UUID]] = {}
    for item_id, place in alive.values_list("item", "collection"):
        if item_id:
            found.setdefault(item_id, set()).add(place)
    return {item_id: frozenset(where) for item_id, where in found.items()}


def _faces_here(run: Run, which: Q) -> list[_Here]:
    """Return the copies in this calendar that stand for themselves, taken in or not, or to come."""
    copies = Mapping.objects.filter(which, collection=run.collection, parent="")
    to_come = Q(item__isnull=False, item__deleted_at=None)
    alive = copies.filter(Q(remote_hash__gt="") | to_come).defer("raw").order_by("pk")
    rows = list(alive.select_related("item"))
    ids = [mapping.item_id for mapping in rows if mapping.item_id]
    faces = {face.key: face for face in _faces(Event.objects.filter(TRAVELS_ALONE, pk__in=ids))}
    return [face for mapping in rows if (face := _face_here(mapping, faces))]


def _face_here(mapping: Mapping, faces: dict[uuid.UUID, Face]) -> _Here | None:
    uid = str(mapping.facts.get("uid") or "")
    item = mapping.item
    if item is None:
        look, age = look_of(remote_tree(mapping) or {}), (mapping.seen_at, mapping.pk)
        return _Here(mapping.pk, age, uid, look, frozenset([mapping.collection_id]), None, True)
    face = faces.get(item.pk)
    if face is None:
        return None
    settled = mapping.remote_hash == mapping.base_hash and not mapping.unanswered
    settled = settled and mapping.synced_revision >= item.revision and bool(mapping.remote_hash)
    places = face.places | {mapping.collection_id}
    uid = face.uid or uid
    return _Here(mapping.pk, face.age, uid, face.look, places, item.pk, settled)


def bind(run: Run, bonds: Sequence[Bond]) -> None:
    """Let copies belong to other items, their exceptions with them; nothing is lost by it.

    Both sides agree on what they have in common, and that they are there: a copy that goes after
    this is a deletion. The merge decides what becomes of differences. An
    item without any copy left is buried: it lives on as the other. Must run inside `run.commit()`.
    """
    if not bonds:
        return
    mappings = Mapping.objects.filter(pk__in=[bond.mapping_id for bond in bonds]).in_bulk()
    bonds = [*bonds, *_of_exceptions(run, bonds, mappings)]
    mappings = Mapping.objects.filter(pk__in=[bond.mapping_id for bond in bonds]).in_bulk()
    gave_way = [m.item_id for m in mappings.values() if m.item_id]
    locked = _lock([*gave_way, *(bond.item_id for bond in bonds)])
    bonds = [bond for bond in bonds if _is_alive(locked, bond.item_id)]
    _write_down(run, bonds, mappings)
    _tie(run, bonds, mappings, locked)
    heirs = {mappings[b.mapping_id].item_id: b.item_id for b in bonds}
    _let_go(run, {old: new for old, new in heirs.items() if old})
    run.on_local_change([*(bond.item_id for bond in bonds), *gave_way])


def _of_exceptions(
    run: Run, bonds: Sequence[Bond], mappings: dict[uuid.UUID, Mapping]
) -> Iterator[Bond]:
    """Tie the exceptions of a series to those of the item that the series becomes.

    An exception that the other series does not have joins it.
    """
    series = {mappings[bond.mapping_id].remote_id: bond.item_id for bond in bonds}
    copies = Mapping.objects.filter(collection=run.collection, parent__in=series, parent__gt="")
    twins = Event.objects.filter(series__in=series.values(), item__deleted_at=None)
    known = {(row.series_id, row.slot): row.pk for row in twins.only("series", "slot")}
    joining: dict[uuid.UUID, uuid.UUID] = {}
    for copy in copies.exclude(remote_hash="").only("parent", "slot", "item"):
        item_id = series[copy.parent]
        twin = known.get((item_id, copy.slot))
        if twin and twin != copy.item_id:
            yield Bond(copy.pk, twin, "the same occurrence")
        elif copy.item_id:
            joining[copy.item_id] = item_id
    run.kind.join((head, item) for item, head in joining.items())
    Item.objects.filter(pk__in=joining).filter(lacking()).update(pending=True)


def _lock(item_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Item]:
    """Keep other runs from changing these items until this transaction ends."""
    locked: dict[uuid.UUID, Item] = {}
    for chunk in _chunks(sorted(set(item_ids))):
        rows = Item.objects.filter(pk__in=chunk).select_for_update(of=("self",), no_key=True)
        locked |= {item.pk: item for item in rows.order_by("pk")}
    return locked


def _is_alive(items: dict[uuid.UUID, Item], item_id: uuid.UUID) -> bool:
    return item_id in items and items[item_id].deleted_at is None


_TIE = ("item", "away", "unclaimed", "base", "base_hash", "remote", "remote_hash")


def _tie(
    run: Run,
    bonds: Sequence[Bond],
    mappings: dict[uuid.UUID, Mapping],
    items: dict[uuid.UUID, Item],
) -> None:
    rows = []
    locals_ = run.kind.load([bond.item_id for bond in bonds])
    for bond in bonds:
        away = items[bond.item_id].home_id != run.collection.pk
        tree = remote_tree(mappings[bond.mapping_id])
        tree = only(tree, run.kind.shared) if tree is not None and away else tree
        base = _in_common(run, locals_[bond.item_id].fields, tree)
        trees = _columns_of(base, tree)
        rows.append((bond.item_id, away, False, *trees, 0, bond.mapping_id))
    bulk.update(Mapping, (*_TIE, "synced_revision"), rows)
    Item.objects.filter(pk__in=[bond.item_id for bond in bonds]).update(pending=True)


def _in_common(run: Run, local: Fields | None, remote: Fields | None) -> Fields | None:
    """Return what two versions that never met agree on; None where one of them is not there."""
    if local is None or remote is None:
        return None
    here = run.provider.normalise(local)
    return {name: value for name, value in remote.items() if here.get(name) == value}


def _columns_of(base: Fields | None, remote: Fields | None) -> tuple[str | None, ...]:
    """Return the columns of both trees; the remote one is stored only where they differ."""
    agreed, there = fingerprint(base), fingerprint(remote)
    return bulk.dumps(base), agreed, None if agreed == there else bulk.dumps(remote), there


def _let_go(run: Run, heirs: dict[uuid.UUID, uuid.UUID]) -> None:
    """Bury items that have no copy left; what hung on them hangs on their heirs from now on."""
    copies = Mapping.objects.filter(item__in=heirs).values("item")
    left = Item.objects.alive().filter(pk__in=heirs).exclude(pk__in=copies)
    buried = list(left.values_list("pk", flat=True))
    now = run.clock()
    gone = {"deleted_at": now, "updated_at": now, "revision": F("revision") + 1, "pending": False}
    Item.objects.filter(pk__in=buried).update(**gone)
    heads = {old: heirs[old] for old in buried}
    parts = Event.objects.filter(series__in=heads, item__deleted_at=None)
    run.kind.join((heads[old], pk) for pk, old in parts.values_list("pk", "series") if old)
    run.kind.inherit(heads)


def _write_down(run: Run, bonds: Sequence[Bond], mappings: dict[uuid.UUID, Mapping]) -> None:
    """Write one line for each copy: which item it belonged to, and to which it does now."""
    now = run.clock()
    involved = {bond.item_id for bond in bonds} | {m.item_id for m in mappings.values()}
    locals_ = run.kind.load([item_id for item_id in involved if item_id])
    lines = []
    for bond in bonds:
        mapping = mappings[bond.mapping_id]
        before = locals_.get(mapping.item_id) if mapping.item_id else None
        lines.append(
            SyncItem(
                id=time_ordered_uuid(),
                operation=run.operation,
                mapping=mapping,
                item_id=mapping.item_id or bond.item_id,
                remote_id=mapping.remote_id,
                side=Side.LOCAL,
                action=Action.LINK,
                reason=f"the same event as {bond.item_id}",
                state=SyncItem.State.DONE,
                before=before.fields if before else remote_tree(mapping),
                after=locals_[bond.item_id].fields,
                expected_version=mapping.version,
                evidence=bond.evidence,
                attempts=1,
                created_at=now,
                closed_at=now,
            )
        )
    SyncItem.objects.bulk_create(lines, batch_size=CHUNK)
    if lines:
        run.count(f"{Side.LOCAL}.{Action.LINK}", len(lines))


def lines_of(run: Run) -> list[Change]:
    """Return the lines that a plan would have had for the copies that this run has linked."""
    linked = run.operation.items.filter(side=Side.LOCAL, action=Action.LINK)
    columns = ("remote_id", "mapping_id", "item_id", "reason", "after")
    return [
        Change(Side.LOCAL, Action.LINK, remote_id, mapping, item, reason, after=fingerprint(after))
        for remote_id, mapping, item, reason, after in linked.order_by("id").values_list(*columns)
    ]
