"""Plan: from the three trees of whatever moved to a list of changes; nothing is done here."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import F, Q

from calendars.knobs import ended_rules
from conflicts.models import Conflict
from sync.core.guard import Dangers, how_many_matter
from sync.core.merge import Times
from sync.core.plan import Draft, Plan, draft_of, most_alike
from sync.core.proof import DROPPED
from sync.core.reconcile import (
    Action,
    Decision,
    Fate,
    Policy,
    Ruling,
    State,
    contribute,
    leave_hidden,
    reconcile,
)
from sync.core.records import Direction, Fields, Side
from sync.core.touched import way_of_block
from sync.core.trees import as_seen, nothing_said, only, remote_tree
from sync.kinds import Local
from sync.models import Mapping, SyncItem
from sync.run import Run, limits_of, policy_of

# How many mappings are loaded, with their trees, at a time.
CHUNK = 1_000

# Triggers of operations that remove only busy blocks of ours: no measure of what may be lost.
RESET, CLEANUP = "reset", "cleanup"


@dataclass(frozen=True, slots=True)
class Case:
    """One mapping with all that its decision rests on, and the decision."""

    mapping: Mapping
    local: Local | None
    state: State
    decision: Decision
    conflict: Conflict | None = None


def draft(run: Run) -> Draft:
    """Plan what a run should do, deletions last, with the guard's word on it."""
    drafted = draft_of(cases(run, moved(run)))
    for half in (drafted.local, drafted.remote):
        _guard(run, half)
    return drafted


def moved(run: Run) -> list[uuid.UUID]:
    """Name the mappings that a run must look at, series before their exceptions.

    Two small indexes answer this, whatever the size of the collection: copies whose remote tree
    left the base, and items whose latest revision this copy has not seen. What was refused waits
    until it is due again, or changed.
    """
    due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=run.clock())
    mine = Mapping.objects.filter(collection=run.collection).order_by()
    if run.collection.direction == Direction.PUSH:
        mine = mine.filter(item__isnull=False)
    there = mine.filter(due, unclaimed=False).exclude(remote_hash=F("base_hash"))
    remotely = there.values_list("parent", "id")
    locally = mine.filter(item__pending=True, item__revision__gt=F("synced_revision"))
    locally = locally.filter(due | Q(item__revision__gt=F("tried_revision")))
    rows = {*remotely, *locally.values_list("parent", "id")}
    return [pk for parent, pk in sorted(rows, key=lambda row: (row[0] != "", row[1]))]


def cases(run: Run, ids: Iterable[uuid.UUID]) -> Iterator[Case]:
    """Load the mappings with their trees, chunk by chunk, and decide each."""
    policy = policy_of(run.collection)
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        rows = {m.pk: m for m in Mapping.objects.filter(pk__any=chunk).defer("raw")}
        mappings = [rows[pk] for pk in chunk if pk in rows]
        locals_ = run.kind.load([m.item_id for m in mappings if m.item_id])
        restored = _as_series_say(run, mappings, locals_)
        open_conflicts = _conflicts(mappings)
        fate = _fates(run, mappings, locals_)
        for mapping in mappings:
            local = locals_.get(mapping.item_id) if mapping.item_id else None
            conflict = open_conflicts.get(mapping.pk)
            look = restored.get(mapping.pk)
            case = _decide(run, mapping, look or local, conflict, fate(mapping, local), policy)
            yield _revived(case) if look else case


def _as_series_say(
    run: Run, mappings: Sequence[Mapping], locals_: dict[uuid.UUID, Local]
) -> dict[uuid.UUID, Local]:
    """Return what copies of dropped exceptions are to be where a deletion would cancel them.

    Some calendar of the circle said that the occurrence is as the series says again. Where there is
    no way to say so, the exception is made to look like it.
    """
    gone = [local for local in locals_.values() if local.fields is None and local.series]
    if not gone or run.provider.traits.drops_exceptions:
        return {}
    dropped = Mapping.objects.filter(item__in=[local.item_id for local in gone], evidence=DROPPED)
    ids = set(dropped.values_list("item", flat=True))
    series = run.kind.load([local.series for local in gone if local.series])
    return {
        mapping.pk: replace(local, fields=run.kind.at_slot(head.fields, local.slot))
        for mapping in mappings
        if mapping.item_id in ids and (mapping.base_hash or mapping.remote_hash)
        if (local := locals_[mapping.item_id]).series
        if (head := series.get(local.series)) and head.fields
    }


def _revived(case: Case) -> Case:
    """An item that is deleted here comes back by what happened to its copy."""
    comes_back = case.decision.on_local is Action.UPDATE
    decision = replace(case.decision, on_local=Action.CREATE) if comes_back else case.decision
    return replace(case, decision=decision)


def _fates(
    run: Run, mappings: Sequence[Mapping], locals_: dict[uuid.UUID, Local]
) -> Callable[[Mapping, Local | None], Fate]:
    """Return what tells the fate of the series that a mapping is an exception of."""
    items = {local.series for local in locals_.values() if local.series}
    names = {mapping.parent for mapping in mappings if mapping.parent}
    fates: dict[uuid.UUID | str, Fate] = {}
    if items or names:
        of = Q(item__in=items) | Q(remote_id__in=names, remote_id__gt="")
        for series in Mapping.objects.filter(of, collection=run.collection).select_related("item"):
            fates[series.remote_id] = fates[series.item_id or ""] = _fate(series)
    # Copies that bear no name yet say nothing about records that are exceptions of none.
    fates[""] = Fate.STANDS
    return lambda mapping, local: fates.get(_series_of(mapping, local), Fate.STANDS)


def _series_of(mapping: Mapping, local: Local | None) -> uuid.UUID | str:
    """Name the series that a record is an exception of; of a busy block its rule alone says so."""
    if local and (local.series or local.derived):
        return local.series or ""
    return mapping.parent


def _fate(series: Mapping) -> Fate:
    if series.item is None:
        return Fate.STANDS
    here, there = series.item.deleted_at is None, bool(series.remote_hash)
    if here == there:
        return Fate.STANDS if here else Fate.GONE
    return Fate.STANDS if here and not series.base_hash else Fate.OPEN


def _conflicts(mappings: Sequence[Mapping]) -> dict[uuid.UUID, Conflict]:
    unsettled = Conflict.objects.filter(
        mapping__pk__any=[mapping.pk for mapping in mappings],
        outcome__in=[Conflict.Outcome.OPEN, Conflict.Outcome.RULED],
    )
    return {conflict.mapping_id: conflict for conflict in unsettled}


def _decide(
    run: Run,
    mapping: Mapping,
    local: Local | None,
    conflict: Conflict | None,
    series: Fate,
    policy: Policy,
) -> Case:
    here, base = _local_and_base(run, mapping, local)
    state = State(
        base=base,
        local=here,
        remote=remote_tree(mapping),
        times=Times(local.updated_at if local else None, _time(mapping.ordinal)),
        obstacle=mapping.obstacle if mapping.remote_hash else "",
        unanswered=mapping.unanswered,
        ruling=_ruling(run, mapping, conflict),
        series=series,
    )
    if local and local.derived:
        policy = Policy(way_of_block(state, local.respect), policy.merging)
    if policy.direction is Direction.PUSH and _gone_as_far_as_can_be(run, state):
        state = replace(state, base=None, remote=None)
    unwritable = policy.direction is Direction.PULL or state.obstacle
    decide = contribute if mapping.away and unwritable else reconcile
    decision = leave_hidden(decide(state, policy), state.remote)
    if local and local.adopted and decision.on_remote is Action.UPDATE:
        decision = _adopted(mapping, decision)
    return Case(mapping, local, state, decision, conflict)


def _gone_as_far_as_can_be(run: Run, state: State) -> bool:
    """Say of a deleted occurrence that its copy is cancelled, where a deletion does no more."""
    cancelled = state.remote is not None and state.remote.get("status") == "cancelled"
    return state.local is None and cancelled and not run.provider.traits.drops_exceptions


def _adopted(mapping: Mapping, decision: Decision) -> Decision:
    """Say of a copy that we write for the first time that it becomes a busy block."""
    ours = SyncItem.objects.filter(mapping=mapping, side=Side.REMOTE, state=SyncItem.State.DONE)
    return decision if ours.exists() else replace(decision, reason="adopted as a busy block")


def _local_and_base(
    run: Run, mapping: Mapping, local: Local | None
) -> tuple[Fields | None, Fields | None]:
    """Return the local tree as this service would hand it back to this reader, and the base."""
    if local is None or local.fields is None:
        return None, mapping.base
    fields = run.provider.normalise(local.fields)
    fields = only(fields, run.kind.shared) if mapping.away else fields
    remote = remote_tree(mapping)
    here, base = as_seen(fields, mapping.base, remote, run.kind.empty)
    if base is None and remote is not None:
        base = nothing_said(run.provider.normalise(run.kind.empty))
    return here, base


def _time(ordinal: str) -> datetime | None:
    try:
        return datetime.fromisoformat(ordinal)
    except ValueError:
        return None


def _ruling(run: Run, mapping: Mapping, conflict: Conflict | None) -> Ruling | None:
    if conflict is None or conflict.outcome != Conflict.Outcome.RULED or conflict.ruling is None:
        return None
    fields = conflict.ruling["fields"] if conflict.ruling["exists"] else None
    fields = only(fields, run.kind.shared) if fields and mapping.away else fields
    return Ruling(fields, conflict.local_hash, conflict.remote_hash)


def _guard(run: Run, drafted: Plan) -> None:
    """Move the dangerous part of a plan aside if it is over the limits and nobody released it."""
    deletions = [c for c in drafted.changes if c.dangerous and not c.occurrence]
    _, number = most_alike(drafted.changes)
    if deletions or number > 1:
        limits = limits_of(run.collection)
        dangers = _dangers(run, drafted.side, len(deletions), number)
        most = how_many_matter(dangers, limits)
        mapped = Mapping.objects.filter(collection=run.collection).exclude(base_hash="")
        dangers = replace(dangers, mapped=mapped[:most].count())
        drafted.guard(dangers, limits, released=run.released)


def _dangers(run: Run, side: Side, deletions: int, alike: int) -> Dangers:
    """Return what a plan would do to one side; how many are mapped is still to be counted."""
    over = ended_rules(run.collection, run.clock()) if deletions else []
    today = SyncItem.objects.filter(
        operation__collection=run.collection,
        side=side,
        action=Action.DELETE,
        state=SyncItem.State.DONE,
        created_at__gt=run.clock() - timedelta(days=1),
    ).exclude(
        Q(operation__trigger__in=[RESET, CLEANUP])
        | Q(mapping__parent__gt="")
        | Q(item__event__busy_rule__removed_at__isnull=False)
        | Q(item__event__busy_rule__in=over)
    )
    # A run plans more than once: what it has deleted so far counts as part of the same plan.
    so_far = today.filter(operation=run.operation).count() if deletions else 0
    return Dangers(
        deletions=deletions + so_far,
        deletions_today=today.count() - so_far if deletions else 0,
        mapped=0,
        alike_changes=alike,
        distrust=run.collection.deletions_held_because,
    )
