"""The lines of a plan: what a decision means for each side, in order, and what the guard holds."""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from sync.core.guard import Dangers, Limits, delta, holds, too_alike
from sync.core.reconcile import Action, Decision, State
from sync.core.records import Side, changed_fields, fingerprint

CHANGES = (Action.CREATE, Action.UPDATE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: what is to become of one side of one mapping.

    `key` names the record: its remote id, or its item's id where there is no copy yet. `fields`
    names what differs. `after` is the hash of the record as it is to be, "" if it is to go; `delta`
    is alike for alike updates. `dismissed` marks a busy block whose rule a person took away,
    or whose last day is over.
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

    def guard(self, dangers: Dangers, limits: Limits, *, released: bool) -> None:
        """Move the dangerous part aside if it is over the limits and nobody released it."""
        reasons = holds(dangers, limits)
        if reasons and not released:
            self.holds = reasons
            self._set_aside(most_alike(self.changes)[0] if too_alike(dangers, limits) else "")

    def _set_aside(self, alike: str) -> None:
        """Hold every dangerous deletion, and the changes that are too much alike."""
        risky = [c.dangerous or (alike != "" and c.delta == alike) for c in self.changes]
        pairs = list(zip(self.changes, risky, strict=True))
        self.held = [change for change, hold in pairs if hold]
        self.changes = [change for change, hold in pairs if not hold]


@dataclass(slots=True)
class Draft:
    """The plans for both sides, and the copies for which nothing is left to do.

    `in_step` lists (mapping, item, revision) of copies that have not seen the item's latest
    revision, and need not, since its content is what they have.
    """

    local: Plan = field(default_factory=lambda: Plan(Side.LOCAL))
    remote: Plan = field(default_factory=lambda: Plan(Side.REMOTE))
    in_step: list[tuple[Any, Any, int]] = field(default_factory=list)


class Tie(Protocol):
    """What a line needs of a mapping."""

    pk: Any
    item_id: Any
    remote_id: str
    parent: str
    synced_revision: int


class Here(Protocol):
    """What a line needs of a local item."""

    @property
    def item_id(self) -> Any: ...
    @property
    def revision(self) -> int: ...
    @property
    def derived(self) -> bool: ...
    @property
    def dismissed(self) -> bool: ...
    @property
    def series(self) -> uuid.UUID | None: ...


class Clashing(Protocol):
    """What a line needs of an unsettled conflict: the two sides as a person was shown them."""

    local_hash: str
    remote_hash: str


class Decided(Protocol):
    """One mapping with what its decision rests on, and the decision."""

    @property
    def mapping(self) -> Tie: ...
    @property
    def local(self) -> Here | None: ...
    @property
    def state(self) -> State: ...
    @property
    def decision(self) -> Decision: ...
    @property
    def conflict(self) -> Clashing | None: ...


def draft_of(cases: Iterable[Decided]) -> Draft:
    """Put what was decided into plans for both sides, deletions last."""
    draft = Draft()
    for case in cases:
        draft.local.changes += changes_of(case, Side.LOCAL)
        draft.remote.changes += changes_of(case, Side.REMOTE)
        draft.in_step += _in_step(case)
    for half in (draft.local, draft.remote):
        half.changes.sort(key=order)
    return draft


def _in_step(case: Decided) -> Iterator[tuple[Any, Any, int]]:
    decision, local = case.decision, case.local
    nothing = decision.on_local is Action.NOTHING and decision.on_remote is Action.NOTHING
    if nothing and local and case.mapping.synced_revision < local.revision:
        yield case.mapping.pk, local.item_id, local.revision


def changes_of(case: Decided, side: Side) -> Iterator[Change]:
    """Yield the line that a case adds to the plan of one side, if any."""
    decision = case.decision
    action = decision.on_local if side is Side.LOCAL else decision.on_remote
    written_down = side is Side.LOCAL and action in (Action.SETTLE, Action.FORGET)
    asked = side is Side.LOCAL and decision.waits and not _already_waits(case)
    if action in CHANGES or written_down or asked:
        yield _change(case, side, action)


def _already_waits(case: Decided) -> bool:
    conflict = case.conflict
    return conflict is not None and (conflict.local_hash, conflict.remote_hash) == (
        fingerprint(case.state.local),
        fingerprint(case.state.remote),
    )


def _change(case: Decided, side: Side, action: Action) -> Change:
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


_ORDER = (
    Action.SETTLE,
    Action.FORGET,
    Action.CREATE,
    Action.UPDATE,
    Action.CONFLICT,
    Action.DELETE,
)


def order(change: Change) -> tuple[bool, bool, int, str]:
    """Sort key of a plan: deletions last, and whatever becomes of series before their exceptions.

    A series that moves to another hour makes the occurrences that a new exception stands for.
    """
    last = change.action is Action.DELETE
    return last, change.occurrence, _ORDER.index(change.action), change.key


def most_alike(changes: Sequence[Change]) -> tuple[str, int]:
    """Return the change that most records have in common, and how many have it.

    A series and its exceptions count as one: whoever moves "this and all following" moves them all.
    """
    records = dict.fromkeys((c.delta, c.series or c.key) for c in changes if c.delta)
    tally = Counter(delta for delta, _ in records)
    return tally.most_common(1)[0] if tally else ("", 0)


def seen_revision(revision: int, action: Action, decision: Decision) -> int:
    """Return the revision that a copy has seen once the local half of a decision is carried out.

    The new one, unless the copy is still to follow.
    """
    after = revision + (action in CHANGES)
    return after if decision.on_remote is Action.NOTHING else after - 1


def batches(changes: Sequence[Change], size: int) -> Iterator[Sequence[Change]]:
    """Cut a plan into batches; exceptions never travel with the series they may depend on."""
    for own_kind in _runs(changes):
        for start in range(0, len(own_kind), size):
            yield own_kind[start : start + size]


def _runs(changes: Sequence[Change]) -> Iterator[list[Change]]:
    batch: list[Change] = []
    for change in changes:
        if batch and (batch[-1].action, batch[-1].occurrence) != (change.action, change.occurrence):
            yield batch
            batch = []
        batch.append(change)
    if batch:
        yield batch
