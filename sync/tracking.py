"""Track: tie local items that have no remote copy yet to the copies that are there or to come."""

import uuid
from collections.abc import Collection, Iterable, Sequence

from django.db.models import Exists, OuterRef, Q

from calendars import bulk
from calendars.models import Item
from sync.core.records import Direction, Fields, fingerprint
from sync.core.trees import remote_tree, set_base
from sync.kinds import Slot
from sync.linking import Bond, bind, link
from sync.models import Mapping
from sync.rehoming import give_a_home
from sync.restoring import release_unclaimed
from sync.run import Run
from sync.wanted import wanted_in


def track(run: Run) -> None:
    """Give each local item that is wanted here and has no copy a mapping, with its name.

    Must run inside `run.commit()`. An item that came from another calendar is tied to the copy that
    is here already, if there is one. An exception is tied to the copy of the same occurrence, if
    somebody changed that remotely meanwhile; else it is tied to its series, or waits for that.
    """
    _part_occurrences(run)
    give_a_home(run)
    release_unclaimed(run)
    homes = _without_copy(run)
    slots = run.kind.slots(list(homes))
    done = _claimed(run, slots)
    done |= link(run, [pk for pk in _elsewhere(run, homes) if pk not in done])
    rest = [slot for slot in slots if slot.item_id not in done]
    rest = _not_tied(run, rest, homes)
    if run.collection.direction != Direction.PULL:
        _map(run, [slot for slot in rest if not slot.series], homes)
        _map(run, [slot for slot in rest if slot.series], homes)


def _without_copy(run: Run) -> dict[uuid.UUID, uuid.UUID | None]:
    """Return the items that are wanted here and have no copy, with their homes."""
    items = wanted_in(run.collection).filter(pending=True).order_by("pk")
    here = Mapping.objects.filter(collection=run.collection, item=OuterRef("pk"))
    return dict(items.filter(~Exists(here)).values_list("pk", "home_id"))


def _elsewhere(run: Run, without_copy: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Return those of these items that do not start from here: they live elsewhere, too."""
    if run.collection.circle_id is None or not without_copy:
        return []
    items = Item.objects.filter(pk__any=list(without_copy)).order_by("pk")
    there = Exists(Mapping.objects.filter(item=OuterRef("pk"), remote_hash__gt=""))
    items = items.filter(there | ~Q(home=run.collection))
    return list(items.values_list("pk", flat=True))


def _claimed(run: Run, slots: Sequence[Slot]) -> set[uuid.UUID]:
    """Tie items to untaken copies that bear their names, and return which those are.

    So it is after the database was restored from a backup: we made those copies, and forgot.
    """
    names = {name_copy(run, slot.item_id): slot.item_id for slot in slots if not slot.series}
    names.pop("", None)
    if not names:
        return set()
    here = Mapping.objects.filter(collection=run.collection, item=None).named(names)
    found = here.exclude(remote_hash="").values_list("pk", "remote_id")
    bonds = [Bond(pk, names[remote_id], "it bears its name") for pk, remote_id in found]
    bind(run, bonds)
    return {bond.item_id for bond in bonds}


def _part_occurrences(run: Run) -> None:
    """Give occurrences of our busy blocks that a person changed, there alone, items of their own.

    Until then both sides agreed that such an occurrence is as its series says.
    """
    mine = Mapping.objects.filter(collection=run.collection)
    changed = mine.filter(item=None, base_hash="", parent__gt="").exclude(remote_hash="")
    if not changed.exists():  # as in most runs
        return
    series = mine.filter(remote_id=OuterRef("parent"), **BLOCK)
    for copy in changed.filter(Exists(series)):
        head = mine.get(remote_id=copy.parent)
        item_id = head.item_id and run.kind.part(head.item_id, copy.slot, run.clock())
        if item_id:
            as_it_was = run.kind.at_slot(head.base or {}, copy.slot)
            _agree_on(copy, run.provider.normalise(as_it_was))
            copy.item_id, copy.synced_revision = item_id, 1
            copy.save(update_fields=["item", "synced_revision", *_TREES])


_TREES = ("base", "base_hash", "remote", "remote_hash")


def _agree_on(copy: Mapping, fields: Fields) -> None:
    """Let both sides have agreed on this; what a copy does not show of itself is as it was.

    Of a cancelled occurrence Google shows no more than that it is cancelled.
    """
    shown = remote_tree(copy) or {}
    set_base(copy, fields)
    copy.remote = {**fields, **shown} if copy.partial else dict(shown)
    copy.remote_hash = fingerprint(copy.remote)
    copy.remote = None if copy.remote_hash == copy.base_hash else copy.remote


# What a mapping of a busy block says that is there on both sides.
BLOCK = {"item__event__busy_rule__isnull": False, "item__deleted_at": None, "base__isnull": False}


def _not_tied(
    run: Run, slots: Sequence[Slot], homes: dict[uuid.UUID, uuid.UUID | None]
) -> list[Slot]:
    """Tie exceptions to the untaken copies of their occurrences; returns what is left."""
    parents, left, bonds = parents_of(run, (slot.series for slot in slots)), [], []
    for slot in slots:
        if slot.series is None or slot.series not in parents:
            left.append(slot)
            continue
        copies = Mapping.objects.filter(
            collection=run.collection, item=None, parent=parents[slot.series], slot=slot.slot
        )
        found = copies.values_list("pk", flat=True).first()
        if not found:
            left.append(slot)
        elif homes[slot.item_id] == run.collection.pk:
            copies.update(item=slot.item_id)
        else:
            bonds.append(Bond(found, slot.item_id, "the same occurrence"))
    bind(run, bonds)
    return left


def _map(run: Run, slots: Sequence[Slot], homes: dict[uuid.UUID, uuid.UUID | None]) -> None:
    now, parents = run.clock(), parents_of(run, (slot.series for slot in slots))
    mappings = [
        Mapping(
            collection=run.collection,
            item_id=slot.item_id,
            away=homes[slot.item_id] != run.collection.pk,
            remote_id="" if slot.series else name_copy(run, slot.item_id),
            parent=parents[slot.series] if slot.series else "",
            slot=slot.slot,
            seen_at=now,
        )
        for slot in slots
        if not slot.series or slot.series in parents
    ]
    _avoid_taken_names(run, mappings)
    for start in range(0, len(mappings), 1_000):
        bulk.insert_missing(Mapping, mappings[start : start + 1_000])


def _avoid_taken_names(run: Run, mappings: Sequence[Mapping]) -> None:
    """Name a copy anew whose name another one bears, as after a restored backup."""
    names = [mapping.remote_id for mapping in mappings if mapping.remote_id]
    if not names:
        return
    here = Mapping.objects.filter(collection=run.collection).named(names)
    taken = set(here.values_list("remote_id", flat=True))
    for mapping in mappings:
        if mapping.remote_id in taken and mapping.item_id:
            give_name(run, mapping, mapping.item_id)


def give_name(run: Run, mapping: Mapping, item_id: uuid.UUID) -> None:
    """Name a copy that is to be made; where another one bears its name, that counts as dead.

    After a restored backup that may be a copy which we made and forgot, and took for a new event.
    """
    others = Mapping.objects.filter(collection=run.collection).exclude(pk=mapping.pk)
    mapping.remote_id = name_copy(run, item_id, mapping.predecessor)
    while others.named([mapping.remote_id]).exists():
        mapping.predecessor = mapping.remote_id
        mapping.remote_id = name_copy(run, item_id, mapping.predecessor)


def name_copy(run: Run, item_id: uuid.UUID, predecessor: str = "") -> str:
    """Name a copy after its item, its place and the dead copy that it replaces."""
    if not run.provider.traits.client_ids:
        return ""
    return run.provider.name(str(run.collection.pk), str(item_id), predecessor)


def parents_of(run: Run, series: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, str]:
    """Return the remote ids of the series that exceptions belong to, as far as known."""
    items = set(series) - {None}
    if not items:
        return {}
    rows = Mapping.objects.filter(collection=run.collection, item__in=items)
    return {item: name for item, name in rows.values_list("item", "remote_id") if item and name}
