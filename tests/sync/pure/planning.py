"""From three trees to a plan; compare `sync.tracking` and `sync.planning`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.core.guard import Dangers
from sync.core.merge import Times
from sync.core.plan import Draft, Plan, draft_of, most_alike
from sync.core.reconcile import Decision, Ruling, State, reconcile
from sync.core.records import Direction, Fields, Side
from sync.core.trees import as_seen, nothing_said, remote_tree
from tests.sync.pure.run import Run
from tests.sync.pure.store import EMPTY, Conflict, Item, Tie


@dataclass(frozen=True, slots=True)
class Local:
    """One item as it was when it was looked at."""

    item_id: str
    fields: Fields | None
    revision: int
    updated_at: datetime
    derived: bool = False
    dismissed: bool = False
    series: None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One tie with all that its decision rests on, and the decision; `sync.core.plan.Decided`."""

    tie: Tie
    local: Local | None
    state: State
    decision: Decision
    conflict: Conflict | None

    @property
    def mapping(self) -> Tie:
        return self.tie


def track(run: Run) -> None:
    """Give each local item that has no copy here a tie, with its name."""
    _release_unclaimed(run)
    for item in run.store.untied(run.place.name):
        tie = Tie(run.store.new_number(), run.place.name, item.pk, run.clock())
        tie.remote_id = _name(run, tie)
        if _claimed(run, item, tie.remote_id) or run.place.direction is Direction.PULL:
            continue
        give_name(run, tie)
        run.store.add_tie(tie)


def _claimed(run: Run, item: Item, name: str) -> bool:
    """Tie an item to the untaken copy that bears its name; False if there is none."""
    tie = run.store.tie(run.place.name, name) if name else None
    if tie is None or tie.item_id or not tie.remote_hash:
        return False
    tie.item_id, tie.unclaimed = item.pk, False
    return True


def _release_unclaimed(run: Run) -> None:
    """Let copies that we made and forgot be taken in, once all others were looked at since."""
    store, place = run.store, run.place
    mates = [store.places[name] for name in store.mates(place.name) if name != place.name]
    since = [mate.caught_up_at for mate in mates if not mate.frozen] or [run.started_at]
    for tie in store.at(place.name):
        if tie.unclaimed and all(at is not None and tie.seen_at < at for at in since):
            tie.unclaimed = False


def give_name(run: Run, tie: Tie) -> None:
    """Name a copy that is to be made; where another one bears its name, that counts as dead."""
    tie.remote_id = _name(run, tie)
    taken = {other.remote_id for other in run.store.at(run.place.name) if other is not tie}
    while tie.remote_id and tie.remote_id in taken:
        tie.predecessor = tie.remote_id
        tie.remote_id = _name(run, tie)


def forget_untaken(run: Run, tie: Tie) -> None:
    """Make room for a name that a copy bears already; the service says so, and it is adopted."""
    bearing = run.store.tie(run.place.name, _name(run, tie) or "-")
    if bearing and not bearing.item_id and bearing.remote_hash:
        run.store.remove_tie(bearing)


def _name(run: Run, tie: Tie) -> str:
    """Name a copy after its item, its place and the dead copy that it replaces."""
    named = run.traits.client_ids and tie.item_id
    return run.name(run.place.name, tie.item_id, tie.predecessor) if named else ""


def draft(run: Run) -> Draft:
    """Plan what a run should do, deletions last, with the guard's word on it."""
    drafted = draft_of(cases(run, moved(run)))
    for half in (drafted.local, drafted.remote):
        _guard(run, half)
    return drafted


def moved(run: Run) -> list[int]:
    """Name the ties that a run must look at."""
    return [tie.pk for tie in run.store.at(run.place.name) if _has_moved(run, tie)]


def _has_moved(run: Run, tie: Tie) -> bool:
    due = tie.next_attempt_at is None or tie.next_attempt_at <= run.clock()
    if due and tie.remote_hash != tie.base_hash and not tie.unclaimed:
        return True
    item = run.store.item_of(tie)
    if item is None or item.revision <= tie.synced_revision:
        return False
    return due or item.revision > tie.tried_revision


def cases(run: Run, ties: Iterable[int]) -> Iterator[Case]:
    """Decide each of these ties on what is there now."""
    for pk in ties:
        if tie := run.store.ties.get(pk):
            yield decide(run, tie)


def decide(run: Run, tie: Tie) -> Case:
    """Decide one tie."""
    item, conflict = run.store.item_of(tie), run.store.conflict(tie)
    here, base = _local_and_base(run, tie, item)
    state = State(
        base=base,
        local=here,
        remote=remote_tree(tie),
        times=Times(item.updated_at if item else None, _time(tie.ordinal)),
        obstacle=tie.obstacle if tie.remote_hash else "",
        unanswered=tie.unanswered,
        ruling=_ruling(conflict),
    )
    local = Local(item.pk, item.fields, item.revision, item.updated_at) if item else None
    return Case(tie, local, state, reconcile(state, run.place.policy), conflict)


def _local_and_base(run: Run, tie: Tie, item: Item | None) -> tuple[Fields | None, Fields | None]:
    if item is None or item.fields is None:
        return None, tie.base
    remote = remote_tree(tie)
    here, base = as_seen(run.normalise(item.fields), tie.base, remote, EMPTY)
    if base is None and remote is not None:
        base = nothing_said(run.normalise(EMPTY))
    return here, base


def _time(ordinal: str) -> datetime | None:
    return datetime.fromisoformat(ordinal) if ordinal else None


def _ruling(conflict: Conflict | None) -> Ruling | None:
    if conflict is None or conflict.ruling is None:
        return None
    return Ruling(conflict.ruling["fields"], conflict.local_hash, conflict.remote_hash)


def _guard(run: Run, half: Plan) -> None:
    deletions = sum(change.dangerous for change in half.changes)
    _, number = most_alike(half.changes)
    if deletions or number > 1:
        dangers = _dangers(run, half.side, deletions, number)
        half.guard(dangers, run.limits, released=run.released)


def _dangers(run: Run, side: Side, deletions: int, alike: int) -> Dangers:
    day = run.clock() - timedelta(days=1)
    mine = (d for d in run.store.deletions if d.place == run.place.name and d.side == side)
    today = [deletion for deletion in mine if deletion.at > day]
    so_far = sum(deletion.run == run.number for deletion in today)
    return Dangers(
        deletions=deletions + so_far if deletions else 0,
        deletions_today=len(today) - so_far if deletions else 0,
        mapped=sum(bool(tie.base_hash) for tie in run.store.at(run.place.name)),
        alike_changes=alike,
        distrust=run.place.distrust,
    )
