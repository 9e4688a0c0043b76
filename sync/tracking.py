"""Track: tie local items that have no remote copy yet to the copies that are there or to come."""

import uuid
from collections.abc import Collection, Sequence

from django.db.models import Exists, OuterRef, Q

from calendars import bulk
from calendars.models import Item
from sync.core.records import Direction, Fields, fingerprint
from sync.core.trees import remote_tree, set_base
from sync.kinds import Local
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
    locals_ = list(run.kind.load(list(homes)).values())
    done = _claimed(run, locals_)
    done |= link(run, [pk for pk in _elsewhere(run, homes) if pk not in done])
    rest = [local for local in locals_ if local.item_id not in done]
    rest = _not_tied(run, rest, homes)
    if run.collection.direction != Direction.PULL:
        _map(run, [local for local in rest if not local.series], homes)
        _map(run, [local for local in rest if local.series], homes)


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


def _claimed(run: Run, locals_: Sequence[Local]) -> set[uuid.UUID]:
    """Tie items to untaken copies that bear their names, and return which those are.

    So it is after the database was restored from a backup: we made those copies, and forgot.
    """
    names = {name_copy(run, local.item_id): local.item_id for local in locals_ if not local.series}
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
    run: Run, locals_: Sequence[Local], homes: dict[uuid.UUID, uuid.UUID | None]
) -> list[Local]:
    """Tie exceptions to the untaken copies of their occurrences; returns what is left."""
    parents, left, bonds = parents_of(run, locals_), [], []
    for local in locals_:
        if local.series is None or local.series not in parents:
            left.append(local)
            continue
        copies = Mapping.objects.filter(
            collection=run.collection, item=None, parent=parents[local.series], slot=local.slot
        )
        found = copies.values_list("pk", flat=True).first()
        if not found:
            left.append(local)
        elif homes[local.item_id] == run.collection.pk:
            copies.update(item=local.item_id)
        else:
            bonds.append(Bond(found, local.item_id, "the same occurrence"))
    bind(run, bonds)
    return left


def _map(run: Run, locals_: Sequence[Local], homes: dict[uuid.UUID, uuid.UUID | None]) -> None:
    now, parents = run.clock(), parents_of(run, locals_)
    mappings = [
        Mapping(
            collection=run.collection,
            item_id=local.item_id,
            away=homes[local.item_id] != run.collection.pk,
            remote_id="" if local.series else name_copy(run, local.item_id),
            parent=parents[local.series] if local.series else "",
            slot=local.slot,
            seen_at=now,
        )
        for local in locals_
        if not local.series or local.series in parents
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


def parents_of(run: Run, locals_: Sequence[Local]) -> dict[uuid.UUID, str]:
    """Return the remote ids of the series that these exceptions belong to, as far as known."""
    series = {local.series for local in locals_ if local.series}
    if not series:
        return {}
    rows = Mapping.objects.filter(collection=run.collection, item__in=series)
    return {item: name for item, name in rows.values_list("item", "remote_id") if item and name}
