"""Track: tie local items that have no remote copy yet to the copies that are there or to come."""

import uuid
from collections.abc import Iterable, Sequence

from calendars.models import Item
from sync.core.records import Direction
from sync.kinds import Local
from sync.models import Mapping
from sync.run import Run


def track(run: Run) -> None:
    """Give each local item of this collection that has no copy here a mapping, with its name.

    Must run inside `run.commit()`. An exception is tied to the copy of the same occurrence, if
    somebody changed that remotely meanwhile; else it is tied to its series, or waits for that.
    """
    items = Item.objects.alive().filter(home=run.collection, pending=True)
    new = items.exclude(mappings__collection=run.collection).values_list("pk", flat=True)
    locals_ = list(run.kind.load(list(new)).values())
    parents = parents_of(run, locals_)
    alone = [local for local in locals_ if not _tied(run, local, parents)]
    if run.collection.direction != Direction.PULL:
        _map(run, [local for local in alone if not local.series], {})
        exceptions = [local for local in alone if local.series]
        _map(run, exceptions, parents_of(run, exceptions))


def _tied(run: Run, local: Local, parents: dict[uuid.UUID, str]) -> bool:
    """Tie an exception to the untaken copy of its occurrence; False if there is none."""
    if local.series not in parents:
        return False
    copy = Mapping.objects.filter(
        collection=run.collection, item=None, parent=parents[local.series], slot=local.slot
    )
    return bool(copy.update(item=local.item_id))


def _map(run: Run, locals_: Iterable[Local], parents: dict[uuid.UUID, str]) -> None:
    now = run.clock()
    mappings = [
        Mapping(
            collection=run.collection,
            item_id=local.item_id,
            remote_id="" if local.series else name_copy(run, local.item_id),
            parent=parents[local.series] if local.series else "",
            slot=local.slot,
            seen_at=now,
        )
        for local in locals_
        if not local.series or local.series in parents
    ]
    Mapping.objects.bulk_create(mappings, ignore_conflicts=True, batch_size=1_000)


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
