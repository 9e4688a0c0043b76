"""Plan: from the three trees of whatever moved to a list of changes; nothing is done here."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice

from django.db.models import F, Q

from conflicts.models import Conflict
from sync.core.guard import Dangers, delta, holds, too_alike
from sync.core.merge import Times
from sync.core.reconcile import Action, Decision, Fate, Policy, Ruling, State, reconcile
from sync.core.records import Direction, Fields, Side, changed_fields, fingerprint
from sync.kinds import Local, as_seen
from sync.models import Mapping, SyncItem
from sync.observing import remote_tree
from sync.run import Run, limits_of, policy_of

# How many mappings are loaded, with their trees, at a time.
CHUNK = 1_000

CHANGES = (Action.CREATE, Action.UPDATE, Action.DELETE)

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


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: what is to become of one side of one mapping.

    `key` names the record: its remote id, or its item's id where there is no copy yet. `fields`
    names what differs. `after` is the hash of the record as it is to be, "" if it is to go; `delta`
    is alike for alike updates. `dismissed` marks a busy block whose rule a person took away.
    `occurrence` marks an exception, `series` is the remote id of its series if that has one.
    """

    side: Side
    action: Action
    key: str
    mapping_id: uuid.UUID
    item_id: uuid.UUID | None
    reason: str
    fields: tuple[str, ...] = ()
    after: str = ""
    delta: str = ""
    dismissed: bool = False
    occurrence: bool = False
    series: str = ""

    @property
    def dangerous(self) -> bool:
        """True for a deletion that no person asked Lockstep for in so many words."""
        return self.action is Action.DELETE and not self.dismissed


@dataclass(slots=True)
class Plan:
    """What a run is about to do to one side of one collection, and what the guard holds of it."""

    side: Side
    changes: list[Change] = field(default_factory=list)
    held: list[Change] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)

    @property
    def hash(self) -> str:
        """Identify exactly this plan: the same changes in any order, the same hash."""
        lines = sorted(
            f"{c.side}|{c.action}|{c.key}|{c.after}" for c in (*self.changes, *self.held)
        )
        return sha256("\n".join(lines).encode()).hexdigest()


@dataclass(slots=True)
class Draft:
    """The plans for both sides, and the cases in which nothing is left to do."""

    local: Plan = field(default_factory=lambda: Plan(Side.LOCAL))
    remote: Plan = field(default_factory=lambda: Plan(Side.REMOTE))
    in_step: list[tuple[uuid.UUID, uuid.UUID, int]] = field(default_factory=list)


def draft(run: Run) -> Draft:
    """Plan what a run should do, deletions last, with the guard's word on it.

    `in_step` lists (mapping, item, revision) of copies that have not seen the item's latest
    revision, and need not, since its content is what they have.
    """
    drafted = Draft()
    for case in cases(run, moved(run)):
        drafted.local.changes += changes_of(case, Side.LOCAL)
        drafted.remote.changes += changes_of(case, Side.REMOTE)
        drafted.in_step += _in_step(case)
    for half in (drafted.local, drafted.remote):
        half.changes.sort(key=_order)
        _guard(run, half)
    return drafted


def _in_step(case: Case) -> Iterator[tuple[uuid.UUID, uuid.UUID, int]]:
    decision, local = case.decision, case.local
    nothing = decision.on_local is Action.NOTHING and decision.on_remote is Action.NOTHING
    if nothing and local and case.mapping.synced_revision < local.revision:
        yield case.mapping.pk, local.item_id, local.revision


_ORDER = (
    Action.SETTLE,
    Action.FORGET,
    Action.CREATE,
    Action.UPDATE,
    Action.CONFLICT,
    Action.DELETE,
)


def _order(change: Change) -> tuple[int, bool, str]:
    return _ORDER.index(change.action), change.occurrence, change.key


def moved(run: Run) -> list[uuid.UUID]:
    """Name the mappings that a run must look at, series before their exceptions.

    Two small indexes answer this, whatever the size of the collection: copies whose remote tree
    left the base, and items whose latest revision this copy has not seen. What was refused waits
    until it is due again, or changed.
    """
    due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=run.clock())
    mine = Mapping.objects.filter(collection=run.collection).order_by()
    remotely = mine.filter(due).exclude(remote_hash=F("base_hash")).values_list("parent", "id")
    locally = mine.filter(item__pending=True, item__revision__gt=F("synced_revision"))
    locally = locally.filter(due | Q(item__revision__gt=F("tried_revision")))
    rows = {*remotely, *locally.values_list("parent", "id")}
    return [pk for parent, pk in sorted(rows, key=lambda row: (row[0] != "", row[1]))]


def cases(run: Run, ids: Iterable[uuid.UUID]) -> Iterator[Case]:
    """Load the mappings with their trees, chunk by chunk, and decide each."""
    policy = policy_of(run.collection)
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        rows = Mapping.objects.filter(pk__in=chunk).defer("raw").in_bulk()
        mappings = [rows[pk] for pk in chunk if pk in rows]
        locals_ = run.kind.load([m.item_id for m in mappings if m.item_id])
        open_conflicts = _conflicts(mappings)
        fate = _fates(run, mappings, locals_)
        for mapping in mappings:
            local = locals_.get(mapping.item_id) if mapping.item_id else None
            conflict = open_conflicts.get(mapping.pk)
            yield _decide(run, mapping, local, conflict, fate(mapping, local), policy)


def _fates(
    run: Run, mappings: Sequence[Mapping], locals_: dict[uuid.UUID, Local]
) -> Callable[[Mapping, Local | None], Fate]:
    """Return what tells the fate of the series that a mapping is an exception of."""
    items = {local.series for local in locals_.values() if local.series}
    names = {mapping.parent for mapping in mappings if mapping.parent}
    fates: dict[uuid.UUID | str, Fate] = {}
    if items or names:
        of = Q(item__in=items) | Q(remote_id__in=names)
        for series in Mapping.objects.filter(of, collection=run.collection).select_related("item"):
            fates[series.remote_id] = fates[series.item_id or ""] = _fate(series)
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
        mapping__in=mappings, outcome__in=[Conflict.Outcome.OPEN, Conflict.Outcome.RULED]
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
        ruling=_ruling(conflict),
        series=series,
    )
    if local and local.derived:
        policy = Policy(Direction.PUSH, policy.merging)
    return Case(mapping, local, state, reconcile(state, policy), conflict)


def _local_and_base(
    run: Run, mapping: Mapping, local: Local | None
) -> tuple[Fields | None, Fields | None]:
    """Return the local tree as this service would hand it back to this reader, and the base."""
    if local is None or local.fields is None:
        return None, mapping.base
    fields = run.provider.normalise(local.fields)
    return as_seen(fields, mapping.base, remote_tree(mapping), run.kind.empty)


def _time(ordinal: str) -> datetime | None:
    try:
        return datetime.fromisoformat(ordinal)
    except ValueError:
        return None


def _ruling(conflict: Conflict | None) -> Ruling | None:
    if conflict is None or conflict.outcome != Conflict.Outcome.RULED or conflict.ruling is None:
        return None
    fields = conflict.ruling["fields"] if conflict.ruling["exists"] else None
    return Ruling(fields, conflict.local_hash, conflict.remote_hash)


def changes_of(case: Case, side: Side) -> Iterator[Change]:
    """Yield the line that a case adds to the plan of one side, if any."""
    decision = case.decision
    action = decision.on_local if side is Side.LOCAL else decision.on_remote
    written_down = side is Side.LOCAL and action in (Action.SETTLE, Action.FORGET)
    asked = side is Side.LOCAL and decision.waits and not _already_waits(case)
    if action in CHANGES or written_down or asked:
        yield _change(case, side, action)


def _already_waits(case: Case) -> bool:
    conflict = case.conflict
    return conflict is not None and (conflict.local_hash, conflict.remote_hash) == (
        fingerprint(case.state.local),
        fingerprint(case.state.remote),
    )


def _change(case: Case, side: Side, action: Action) -> Change:
    before = case.state.local if side is Side.LOCAL else case.state.remote
    after = case.decision.fields
    mapping = case.mapping
    derived = bool(case.local and case.local.derived)
    return Change(
        side=side,
        action=action,
        key=mapping.remote_id or str(mapping.item_id),
        mapping_id=mapping.pk,
        item_id=mapping.item_id,
        reason=case.decision.reason,
        fields=changed_fields(before, after) if action is Action.UPDATE else (),
        after=fingerprint(after),
        delta=delta(before, after) if action is Action.UPDATE and not derived else "",
        dismissed=bool(case.local and case.local.dismissed),
        occurrence=bool(mapping.parent or (case.local and case.local.series)),
        series=mapping.parent,
    )


def _guard(run: Run, drafted: Plan) -> None:
    """Move the dangerous part of a plan aside if it is over the limits and nobody released it."""
    deletions = [c for c in drafted.changes if c.dangerous and not c.occurrence]
    alike, number = _most_alike(drafted.changes)
    if not deletions and number < 2:
        return
    dangers, limits = _dangers(run, drafted.side, len(deletions), number), limits_of(run.collection)
    reasons = holds(dangers, limits)
    if reasons and not run.released:
        drafted.holds = reasons
        _set_aside(drafted, alike if too_alike(dangers, limits) else "")


def _set_aside(drafted: Plan, alike: str) -> None:
    """Hold every dangerous deletion, and the changes that are too much alike."""
    risky = [c.dangerous or (alike != "" and c.delta == alike) for c in drafted.changes]
    pairs = list(zip(drafted.changes, risky, strict=True))
    drafted.held = [change for change, hold in pairs if hold]
    drafted.changes = [change for change, hold in pairs if not hold]


def _most_alike(changes: Sequence[Change]) -> tuple[str, int]:
    tally = Counter(c.delta for c in changes if c.delta)
    return tally.most_common(1)[0] if tally else ("", 0)


def _dangers(run: Run, side: Side, deletions: int, alike: int) -> Dangers:
    mapped = Mapping.objects.filter(collection=run.collection).exclude(base_hash="")
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
    )
    # A run plans more than once: what it has deleted so far counts as part of the same plan.
    so_far = today.filter(operation=run.operation).count() if deletions else 0
    return Dangers(
        deletions=deletions + so_far,
        deletions_today=today.count() - so_far if deletions else 0,
        mapped=mapped.count(),
        alike_changes=alike,
        distrust=run.collection.deletions_held_because,
    )
