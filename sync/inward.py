"""Execute, the local half: let local items become what was decided."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from django.db import connection
from django.db.models import Exists, F, OuterRef

from calendars import bulk
from calendars.models import Item, time_ordered_uuid
from calendars.new_items import insert_items
from sync import journal
from sync.core.plan import CHANGES, Change, Plan, changes_of, seen_revision
from sync.core.reconcile import Action, Fate
from sync.core.records import Side
from sync.core.trees import remote_tree, set_base, taken_in
from sync.kinds import Incoming
from sync.models import Mapping
from sync.planning import CHUNK, Case, cases
from sync.run import Run, Step, Steps
from sync.wanted import behind, lacking, mates_of


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
        return seen_revision(revision, self.change.action, self.case.decision)


def lock(item_ids: Iterable[uuid.UUID]) -> None:
    """Keep the runs of other calendars from changing these items until the transaction ends.

    Always in the same order, so that no two wait for each other; and so that others may still name
    these items in lines of their journals, whose order nobody knows.
    """
    rows = Item.objects.filter(pk__any=list(item_ids)).select_for_update(of=("self",), no_key=True)
    list(rows.order_by("pk").values_list("pk", flat=True))


def _apply_chunk(run: Run, chunk: Sequence[Change]) -> None:
    lock(change.item_id for change in chunk if change.item_id)
    pairs = list(_still_due(run, chunk))
    for change, case in pairs:
        if change.action is Action.CONFLICT:
            journal.open_conflict(run, change, case)
    deeds = _with_items(run, [p for p in pairs if p[0].action is not Action.CONFLICT])
    for deed in deeds:
        journal.keep_losses(run, deed.case)
        journal.close_conflict(run, deed.case)
    _write(run, deeds)
    _leave_alone(run, deeds)
    _agree(deeds)
    journal.write_done(run, [(deed.change, deed.case, deed.item_id) for deed in deeds])
    made = [deed.case.mapping for deed in deeds if deed.change.action is Action.CREATE]
    if made:
        join_series(run, [mapping.remote_id for mapping in made if not mapping.parent])
    touched = [deed.item_id for deed in deeds if deed.item_id and deed.change.action in CHANGES]
    if touched:
        run.on_local_change(touched)


def _leave_alone(run: Run, deeds: Sequence[_Deed]) -> None:
    """Remember which busy blocks a person edited or deleted; not those that went with a series."""
    respected = [
        deed.item_id
        for deed in deeds
        if deed.item_id and deed.case.local and deed.case.local.derived
        if deed.change.action in CHANGES and deed.case.state.series is Fate.STANDS
    ]
    if respected:
        run.kind.leave_alone(respected)


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
        remote_hash="",
        item__deleted_at__isnull=False,
        item__event__busy_rule=None,
    ).exclude(collection=run.collection)
    graves = graves.named(new)
    # One that has copies elsewhere is of a circle: there its deletion takes its way.
    others = Mapping.objects.filter(item=OuterRef("item")).exclude(pk=OuterRef("pk"))
    graves = graves.exclude(Exists(others.exclude(remote_hash="", base_hash="")))
    found = list(graves) if new else []
    # The item lives here now: the old calendar has nothing more to say about it.
    Mapping.objects.filter(pk__in=[grave.pk for grave in found]).update(item=None)
    return {grave.remote_id: grave.item_id for grave in found if grave.item_id}


def _write(run: Run, deeds: Sequence[_Deed]) -> None:
    """Write items and their detail rows."""
    series = _series_items(run, deeds)
    content = {
        deed.item_id: _incoming(run, deed, deed.item_id, series)
        for deed in deeds
        if deed.item_id and deed.change.action in (Action.CREATE, Action.UPDATE)
    }
    born = [deed for deed in deeds if deed.born]
    shared = run.collection.circle_id is not None
    new = ((deed.item_id, shared or deed.seen_revision < 1) for deed in born if deed.item_id)
    insert_items(new, home=run.collection, now=run.clock())
    run.kind.create(content.pop(d.item_id) for d in born if d.item_id)
    run.kind.update(content.values())
    _touch(run, [deed for deed in deeds if deed.item_id and not deed.born])


def _series_items(run: Run, deeds: Sequence[_Deed]) -> dict[str, uuid.UUID]:
    """Map the remote ids of the series that these exceptions belong to, to their items."""
    parents = {deed.case.mapping.parent for deed in deeds} - {""}
    rows = Mapping.objects.filter(collection=run.collection, item__isnull=False).named(parents)
    known = {m.remote_id: m.item_id for m in rows if m.item_id} if parents else {}
    here = {d.case.mapping.remote_id: d.item_id for d in deeds if d.born and d.item_id}
    return known | {remote_id: here[remote_id] for remote_id in parents & here.keys()}


def _incoming(run: Run, deed: _Deed, item_id: uuid.UUID, series: dict[str, uuid.UUID]) -> Incoming:
    """Return an item's new content: what this service cannot hold or show stays as it is."""
    mapping = deed.case.mapping
    of = series.get(mapping.parent) if mapping.parent else None
    local, decided = deed.case.local, deed.case.decision.fields or {}
    if local is None:
        return Incoming(item_id, decided, mapping.facts, of, mapping.slot)
    seen = run.provider.normalise(local.content)
    fields = taken_in(local.content, seen, decided)
    if mapping.away:
        return Incoming(item_id, fields, None, local.series, local.slot)
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
        items.filter(pk__in=ids).update(**revised, deleted_at=None)
        away = [deed.item_id for deed in deeds if deed.item_id and deed.case.mapping.away]
        items.filter(pk__in=ids).exclude(pk__in=away).update(home=run.collection)
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
    _keep_what_is_hidden([deed.case.mapping for deed in deeds if deed.case.mapping.partial])
    rest([deed.item_id for deed in deeds if deed.item_id and not deed.born])


def _keep_what_is_hidden(mappings: Sequence[Mapping]) -> None:
    """Of what a copy does not show, let the base stay what both sides agreed on before."""
    for mapping in mappings:
        set_base(mapping, remote_tree(mapping))
    rows = ((bulk.dumps(m.base), m.base_hash, bulk.dumps(m.remote), m.pk) for m in mappings)
    bulk.update(Mapping, ("base", "base_hash", "remote"), rows)


def rest(item_ids: Sequence[uuid.UUID]) -> None:
    """Let items rest whose latest revision every one of their copies has seen."""
    if not item_ids:
        return
    if len(item_ids) > 1:
        lock(item_ids)
    _settle()(item_ids)


@cache
def _settle() -> Callable[[Sequence[uuid.UUID]], None]:
    """Return what lets those of some items rest that no calendar waits for."""
    waiting = Item.objects.filter(~behind(), ~lacking(), pending=True)
    return bulk.compiled_update(waiting, pending=False)


def let_rest(run: Run) -> None:
    """Let items of a circle rest that no calendar lacks any more, whatever became of the others."""
    if run.collection.circle_id is None:
        return
    waiting = Item.objects.filter(home__in=mates_of(run.collection), pending=True)
    if not waiting.exists():  # as in most runs
        return
    settled = waiting.filter(~behind(), ~lacking())
    copied = Exists(Mapping.objects.filter(item=OuterRef("pk")))
    ids = list(settled.filter(copied).values_list("pk", flat=True))
    if ids:
        with run.commit():
            rest(ids)


def join_series(run: Run, remote_ids: Iterable[str]) -> None:
    """Give exceptions that were known before their series to it, now that it is taken in.

    Somebody may be invited to one occurrence first and to the whole series later. Must run inside
    the `run.commit()` that takes the series in: later nobody asks again.
    """
    here = Mapping.objects.filter(collection=run.collection, item__isnull=False)
    alone = here.filter(parent__gt="", parent__any=list(remote_ids), item__event__series=None)
    parents = dict(alone.values_list("item", "parent"))
    heads = dict(here.named(set(parents.values())).values_list("remote_id", "item"))
    pairs = [(heads[parent], item) for item, parent in parents.items() if parent in heads]
    if pairs:
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
