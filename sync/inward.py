"""Execute, the local half: let local items become what was decided."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import F

from calendars import bulk
from calendars.models import Item, time_ordered_uuid
from calendars.new_items import insert_items
from sync import journal
from sync.core.reconcile import Action
from sync.core.records import Side
from sync.kinds import Incoming
from sync.models import Mapping
from sync.planning import CHUNK, Case, Change, Plan, cases, changes_of
from sync.run import Run, Step, Steps


def apply(run: Run, plan: Plan) -> Steps:
    """Carry out the local half of a plan, chunk by chunk, each in one transaction.

    A change whose case has moved on since it was planned is left to the next run.
    """
    for start in range(0, len(plan.changes), CHUNK):
        chunk = plan.changes[start : start + CHUNK]
        with run.commit():
            _apply_chunk(run, chunk)
        yield Step("local", start + len(chunk))


@dataclass(frozen=True, slots=True)
class _Deed:
    """One change with its case and the item it concerns; `born` if the item is made by it."""

    change: Change
    case: Case
    item_id: uuid.UUID | None
    born: bool = False

    @property
    def seen_revision(self) -> int:
        """The revision that this copy will have seen: the new one, unless it is to follow."""
        revision = self.case.local.revision if self.case.local else 0
        if self.change.action in (Action.CREATE, Action.UPDATE, Action.DELETE):
            revision += 1
        return revision if self.case.decision.on_remote is Action.NOTHING else revision - 1


def _apply_chunk(run: Run, chunk: Sequence[Change]) -> None:
    pairs = list(_still_due(run, chunk))
    for change, case in pairs:
        if change.action is Action.CONFLICT:
            journal.open_conflict(run, change, case)
    deeds = _with_items(run, [p for p in pairs if p[0].action is not Action.CONFLICT])
    for deed in deeds:
        journal.keep_losses(run, deed.case)
        journal.close_conflict(run, deed.case)
    _write(run, deeds)
    _agree(deeds)
    journal.write_done(run, [(deed.change, deed.case, deed.item_id) for deed in deeds])
    touched = [deed.item_id for deed in deeds if deed.item_id and deed.change.action in _CONTENT]
    if touched:
        run.on_local_change(touched)


_CONTENT = (Action.CREATE, Action.UPDATE, Action.DELETE)


def _still_due(run: Run, chunk: Sequence[Change]) -> Iterator[tuple[Change, Case]]:
    """Decide anew on what is there now, and yield only what comes out as it was planned."""
    planned = {change.mapping_id: change for change in chunk}
    for case in cases(run, [change.mapping_id for change in chunk]):
        for change in changes_of(case, Side.LOCAL):
            if change == planned[change.mapping_id]:
                yield change, case


def _with_items(run: Run, pairs: Sequence[tuple[Change, Case]]) -> list[_Deed]:
    """Give each change its item: the known one, that of a copy that moved here, or a new one."""
    known = _graves_of_moved(run, pairs)
    names = [
        item_name(run, case.mapping.remote_id) for _, case in pairs if not case.mapping.item_id
    ]
    taken = set(Item.objects.filter(pk__in=names).values_list("pk", flat=True)) if names else set()
    deeds = []
    for change, case in pairs:
        item_id = case.mapping.item_id or known.get(case.mapping.remote_id)
        born = item_id is None and change.action is Action.CREATE
        if born:
            item_id = item_name(run, case.mapping.remote_id)
            item_id = time_ordered_uuid() if item_id in taken else item_id
        deeds.append(_Deed(change, case, item_id, born))
    return deeds


def item_name(run: Run, remote_id: str) -> uuid.UUID:
    """Name a new item after the copy it comes from.

    So a plan and its run speak of the same item, two workers cannot make two, and a database
    restored from a backup gives new items the ids that they had before.
    """
    return uuid.uuid5(run.collection.pk, remote_id)


def _graves_of_moved(run: Run, pairs: Sequence[tuple[Change, Case]]) -> dict[str, uuid.UUID]:
    """Find the deleted items of copies that live on here under the same remote id.

    Google keeps the id when an event moves to another calendar of the same account; the old
    calendar shows a deletion, and the item goes on living in the new one.
    """
    new = [
        case.mapping.remote_id
        for change, case in pairs
        if change.action is Action.CREATE and case.mapping.item_id is None
    ]
    graves = Mapping.objects.filter(
        collection__account=run.collection.account_id,
        remote_id__in=new,
        remote_hash="",
        item__deleted_at__isnull=False,
        item__event__busy_rule=None,
    ).exclude(collection=run.collection)
    found = list(graves) if new else []
    # The item lives here now: the old calendar has nothing more to say about it.
    Mapping.objects.filter(pk__in=[grave.pk for grave in found]).update(item=None)
    return {grave.remote_id: grave.item_id for grave in found if grave.item_id}


def _write(run: Run, deeds: Sequence[_Deed]) -> None:
    """Write items and their detail rows."""
    series = _series_items(run, deeds)
    content = {
        deed.item_id: _incoming(deed, deed.item_id, series)
        for deed in deeds
        if deed.item_id and deed.change.action in (Action.CREATE, Action.UPDATE)
    }
    born = [deed for deed in deeds if deed.born]
    new = ((deed.item_id, deed.seen_revision < 1) for deed in born if deed.item_id)
    insert_items(new, home=run.collection, now=run.clock())
    run.kind.create(content.pop(d.item_id) for d in born if d.item_id)
    run.kind.update(content.values())
    _touch(run, [deed for deed in deeds if deed.item_id and not deed.born])


def _series_items(run: Run, deeds: Sequence[_Deed]) -> dict[str, uuid.UUID]:
    """Map the remote ids of the series that these exceptions belong to, to their items."""
    parents = {deed.case.mapping.parent for deed in deeds} - {""}
    rows = Mapping.objects.filter(
        collection=run.collection, remote_id__in=parents, item__isnull=False
    )
    known = {m.remote_id: m.item_id for m in rows if m.item_id} if parents else {}
    here = {d.case.mapping.remote_id: d.item_id for d in deeds if d.born and d.item_id}
    return known | {remote_id: here[remote_id] for remote_id in parents & here.keys()}


def _incoming(deed: _Deed, item_id: uuid.UUID, series: dict[str, uuid.UUID]) -> Incoming:
    mapping = deed.case.mapping
    of = series.get(mapping.parent) if mapping.parent else None
    # What this reader cannot see of the item stays as it is.
    known = deed.case.local.fields if deed.case.local else None
    fields = {**(known or {}), **(deed.case.decision.fields or {})}
    return Incoming(item_id, fields, mapping.facts, of, mapping.slot)


def _touch(run: Run, deeds: Sequence[_Deed]) -> None:
    """Raise the revision of known items; bring the revived to life here, and bury the deleted."""
    now = run.clock()
    by_action: dict[Action, list[uuid.UUID]] = {}
    for deed in deeds:
        if deed.item_id:
            by_action.setdefault(deed.change.action, []).append(deed.item_id)
    revised = {"revision": F("revision") + 1, "pending": True, "updated_at": now}
    items = Item.objects
    if ids := by_action.get(Action.CREATE):
        items.filter(pk__in=ids).update(**revised, deleted_at=None, home=run.collection)
    if ids := by_action.get(Action.UPDATE):
        items.filter(pk__in=ids).update(**revised)
    if ids := by_action.get(Action.DELETE):
        items.filter(pk__in=ids).update(**revised, deleted_at=now)


def _agree(deeds: Sequence[_Deed]) -> None:
    """Let the base be the remote tree: all that it holds has now been taken in locally.

    Where the remote side is still to follow (a merge), the local side counts from here as changed.
    """
    if not deeds:
        return
    rows = [(deed.case.mapping.pk, deed.item_id, deed.seen_revision) for deed in deeds]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE sync_mapping AS m
               SET base = CASE WHEN m.remote_hash = m.base_hash THEN m.base ELSE m.remote END,
                   base_hash = m.remote_hash, remote = NULL,
                   item_id = t.item, synced_revision = t.revision
              FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[]) AS t (id, item, revision)
             WHERE m.id = t.id
            """,
            [list(column) for column in zip(*rows, strict=True)],
        )
    rest([deed.item_id for deed in deeds if deed.item_id and not deed.born])


def rest(item_ids: Sequence[uuid.UUID]) -> None:
    """Let items rest whose latest revision every one of their copies has seen."""
    behind = Mapping.objects.filter(item__isnull=False, synced_revision__lt=F("item__revision"))
    items = Item.objects.filter(pk__in=item_ids, pending=True)
    items.exclude(pk__in=behind.filter(item__in=item_ids).values("item")).update(pending=False)


def join_series(run: Run) -> None:
    """Give exceptions that were known before their series to it, if this run has met it.

    Somebody may be invited to one occurrence first and to the whole series later.
    """
    if not run.operation.counts.get(f"{Side.LOCAL}.{Action.CREATE}"):
        return
    here = Mapping.objects.filter(collection=run.collection, item__isnull=False)
    alone = dict(here.filter(parent__gt="", item__event__series=None).values_list("item", "parent"))
    known = here.filter(remote_id__in=set(alone.values())).values_list("remote_id", "item")
    heads = dict(known) if alone else {}
    pairs = [(heads[parent], item) for item, parent in alone.items() if parent in heads]
    if pairs:
        with run.commit():
            run.kind.join(pairs)
            run.on_local_change([item for _, item in pairs if item])


def catch_up(run: Run, in_step: Sequence[tuple[uuid.UUID, uuid.UUID, int]]) -> None:
    """Note for copies that need nothing that they have seen their items' latest revision."""
    if not in_step:
        return
    with run.commit():
        rows = ((revision, mapping) for mapping, _, revision in in_step)
        bulk.update(Mapping, ("synced_revision",), rows)
        rest([item for _, item, _ in in_step])
