"""The decision for one mapping: from its three trees to what should be done about them."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from sync.core.merge import Clash, MergePolicy, Times, merge, winning_side
from sync.core.records import Direction, Fields, Side, Strategy, fingerprint


class Action(StrEnum):
    """What to do about one mapping."""

    NOTHING = "nothing"
    SETTLE = "settle"  # both sides are equal already: write down that they agree
    FORGET = "forget"  # both sides are gone: write down that they agree on that
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    CONFLICT = "conflict"  # wait for a person
    LINK = "link"  # a copy that is there already belongs to another item from now on
    SKIP = "skip"  # leave both sides as they are, on purpose


@dataclass(frozen=True, slots=True)
class Ruling:
    """A person's decision: the whole record as it should be (None: gone), and what it was about."""

    fields: Fields | None
    local_hash: str
    remote_hash: str


class Fate(StrEnum):
    """What becomes of the series that an exception belongs to; any other record stands alone."""

    STANDS = "stands"
    OPEN = "open"  # there on one side only, after both agreed that it was there
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class State:
    """All that a decision about one mapping rests on; None in a tree means: not there.

    `obstacle` says why the remote copy cannot be written ("" if it can), `unanswered` that a write
    of ours to it was never answered, `series` what becomes of the series it is an exception of.
    """

    base: Fields | None
    local: Fields | None
    remote: Fields | None
    times: Times = field(default_factory=Times)
    obstacle: str = ""
    unanswered: bool = False
    ruling: Ruling | None = None
    series: Fate = Fate.STANDS


@dataclass(frozen=True, slots=True)
class Policy:
    """What a collection wants: which way changes travel, and how clashes are settled."""

    direction: Direction = Direction.TWO_WAY
    merging: MergePolicy = field(default_factory=MergePolicy)


@dataclass(frozen=True, slots=True)
class Decision:
    """What should be done: `local` and `remote` are to become `fields` (None: gone).

    `on_local` and `on_remote` say what that means for each side; `clashes` lists what the two sides
    disagreed on, with the winner of each; `reason` is for people and the journal.
    """

    reason: str
    fields: Fields | None = None
    on_local: Action = Action.NOTHING
    on_remote: Action = Action.NOTHING
    clashes: tuple[Clash, ...] = ()

    @property
    def waits(self) -> bool:
        """True if nothing is done until a person has decided."""
        return Action.CONFLICT in (self.on_local, self.on_remote)


def reconcile(state: State, policy: Policy) -> Decision:
    """Decide what to do about one mapping. Pure and total: every combination has an answer.

    Only a two-way collection has anything to rule on: elsewhere the source decides, and nothing is
    written against the direction, whatever a person decided before it was changed.
    """
    ruling = state.ruling if state.ruling and _still_as_seen(state, state.ruling) else None
    return _keep_what_nobody_saw(state, _decide(_with_the_unseen(state), ruling, policy))


def _decide(state: State, ruling: Ruling | None, policy: Policy) -> Decision:
    if state.series is Fate.OPEN:
        return _skip("its series comes first")
    if state.local == state.remote:
        return _agree(state)
    if state.series is Fate.GONE and state.remote is None:
        return go_with_series(state)
    match policy.direction:
        case Direction.PUSH if state.obstacle:
            return _skip("cannot be written; one-way")
        case Direction.PUSH:
            return _one_way(state, Side.LOCAL)
        case Direction.TWO_WAY if not state.obstacle:
            return _ruled(state, ruling) if ruling else _two_way(state, policy.merging)
        case _:
            return _one_way(state, Side.REMOTE)


def leave_hidden(decision: Decision, shown: Fields | None) -> Decision:
    """Take out of an update what the remote copy does not show: it may have changed unseen.

    Our side keeps what it has in these fields, and is compared once they are seen again.
    """
    if decision.on_remote is not Action.UPDATE or decision.fields is None or shown is None:
        return decision
    fields = {name: value for name, value in decision.fields.items() if name in shown}
    action = Action.NOTHING if fields == shown else Action.UPDATE
    return replace(decision, fields=fields, on_remote=action)


def contribute(state: State, policy: Policy) -> Decision:
    """Decide about a copy away from home that cannot be written: it only adds its own changes.

    It is merged like any other, and what it lacks waits until it can be written. Unlike at home it
    is not the source: what it does not show is not gone.
    """
    both_ways = Policy(Direction.TWO_WAY, policy.merging)
    decision = reconcile(replace(state, obstacle=""), both_ways)
    if decision.on_remote not in (Action.CREATE, Action.UPDATE, Action.DELETE):
        return decision
    if decision.on_local is not Action.NOTHING:
        return replace(decision, on_remote=Action.SKIP)
    if state.ruling and decision.reason == "a person ruled":
        return replace(decision, on_local=Action.SETTLE, on_remote=Action.SKIP)
    return _skip("cannot be written; it only contributes")


def go_with_series(state: State) -> Decision:
    """Let an exception go, since its series does; what a side had changed meanwhile is kept."""
    changed = any(side not in (None, state.base) for side in (state.local, state.remote))
    lost = _whole(state, Side.LOCAL if state.local is None else Side.REMOTE) if changed else ()
    return _become(state, None, "its series was deleted", lost)


def _ruled(state: State, ruling: Ruling) -> Decision:
    return _become(state, ruling.fields, "a person ruled")


def _with_the_unseen(state: State) -> State:
    """Give each tree the fields it does not show: what a reader cannot see is no difference."""
    present = [side for side in (state.local, state.remote) if side is not None]
    if not present:
        return state
    everything = {name: value for side in present for name, value in side.items()}
    shown = everything.keys() if len(present) == 1 else set(present[0]) & set(present[1])
    unseen = {name: everything[name] for name in everything.keys() - shown}
    base = state.base
    if base is not None:
        never_agreed = everything if len(present) == 1 else {}
        base = {**never_agreed, **{n: v for n, v in base.items() if n in everything}, **unseen}
    return replace(
        state,
        base=base,
        local=None if state.local is None else {**state.local, **unseen},
        remote=None if state.remote is None else {**state.remote, **unseen},
    )


def _keep_what_nobody_saw(state: State, decision: Decision) -> Decision:
    """Keep a remote copy that goes, if it shows what was hidden from whoever deleted it here."""
    if decision.on_remote is not Action.DELETE or decision.clashes or not state.remote:
        return decision
    seen = state.base or state.remote
    if any(value for name, value in state.remote.items() if name not in seen):
        return replace(decision, clashes=_whole(state, Side.LOCAL))
    return decision


def _skip(reason: str) -> Decision:
    return Decision(reason, on_local=Action.SKIP, on_remote=Action.SKIP)


def _agree(state: State) -> Decision:
    """Both sides are alike; at most the agreement has to be written down."""
    if state.local == state.base:
        return Decision("in step", state.local)
    if state.local is None:
        return Decision("gone on both sides", on_local=Action.FORGET, on_remote=Action.FORGET)
    same = Action.SETTLE
    return Decision("the same on both sides", state.local, same, same)


def _still_as_seen(state: State, ruling: Ruling) -> bool:
    return (
        fingerprint(state.local) == ruling.local_hash
        and fingerprint(state.remote) == ruling.remote_hash
    )


def _become(
    state: State, fields: Fields | None, reason: str, clashes: tuple[Clash, ...] = ()
) -> Decision:
    """Bring both sides to `fields`, touching only the side that is not there yet."""
    return Decision(
        reason,
        fields,
        _step(state.local, fields),
        _step(state.remote, fields),
        clashes,
    )


def _step(now: Fields | None, then: Fields | None) -> Action:
    if now == then:
        return Action.NOTHING
    if then is None:
        return Action.DELETE
    return Action.CREATE if now is None else Action.UPDATE


def _one_way(state: State, source: Side) -> Decision:
    """One side is the truth: the other becomes like it; what it loses is kept as a clash."""
    truth, replica = (
        (state.local, state.remote) if source is Side.LOCAL else (state.remote, state.local)
    )
    if state.base is None and truth is None:
        return _skip(f"only there {'remotely' if source is Side.LOCAL else 'locally'}; one-way")
    if replica == state.base:
        return _become(state, truth, _what_happened(state.base, truth, source))
    return _become(state, truth, f"{_where(source)} is the source", _losses(state, source))


def _what_happened(base: Fields | None, now: Fields | None, side: Side) -> str:
    if now is None:
        return f"deleted {_where(side)}"
    return f"{'new' if base is None else 'changed'} {_where(side)}"


def _where(side: Side) -> str:
    return "locally" if side is Side.LOCAL else "remotely"


def _losses(state: State, winner: Side) -> tuple[Clash, ...]:
    """What the losing side had changed, field by field; a whole record is the field "*"."""
    if state.local is None or state.remote is None:
        return (Clash("*", state.base, state.local, state.remote, winner),)
    loser = state.remote if winner is Side.LOCAL else state.local
    base = state.base or {}
    names = sorted({*state.local, *state.remote})
    return tuple(
        Clash(n, base.get(n), state.local.get(n), state.remote.get(n), winner)
        for n in names
        if state.local.get(n) != state.remote.get(n) and loser.get(n) != base.get(n)
    )


def _two_way(state: State, merging: MergePolicy) -> Decision:
    """Both sides count. A side that did not change gives way; if both did, merge."""
    for still, moved, side in (
        (state.local, state.remote, Side.REMOTE),
        (state.remote, state.local, Side.LOCAL),
    ):
        if still == state.base:
            return _become(state, moved, _what_happened(state.base, moved, side))
    if state.local is None or state.remote is None:
        return _deleted_here_edited_there(state, merging)
    merged = merge(state.base, state.local, state.remote, merging, state.times)
    if not merged.settled:
        return _conflict("changed on both sides", merged.clashes)
    return _become(state, merged.fields, "changed on both sides", merged.clashes)


def _deleted_here_edited_there(state: State, merging: MergePolicy) -> Decision:
    """A deletion meets an edit: the edit wins, unless a strategy names a side or doubt remains.

    Where our own unanswered write may be what was deleted, bringing the record back would undo a
    person's deletion, so a person is asked.
    """
    edited = Side.LOCAL if state.remote is None else Side.REMOTE
    if state.unanswered and edited is Side.LOCAL:
        return _conflict("deleted remotely while a write was unanswered", _whole(state))
    for strategy in merging.strategies:
        winner = winning_side(strategy, Times(), merging.equal_within)
        if winner:
            return _become(state, *_won(state, winner))
        if strategy is Strategy.MANUAL_REVIEW:
            return _conflict("deleted on one side, edited on the other", _whole(state))
        if strategy in (Strategy.MERGE_CHANGES, Strategy.LAST_WRITE_WINS):
            return _become(state, *_won(state, edited))
    return _conflict("deleted on one side, edited on the other", _whole(state))


def _whole(state: State, winner: Side | None = None) -> tuple[Clash, ...]:
    return (Clash("*", state.base, state.local, state.remote, winner),)


def _won(state: State, winner: Side) -> tuple[Fields | None, str, tuple[Clash, ...]]:
    fields = state.local if winner is Side.LOCAL else state.remote
    reason = "deleted on one side, edited on the other"
    return fields, reason, _whole(state, winner)


def _conflict(reason: str, clashes: tuple[Clash, ...]) -> Decision:
    return Decision(reason, None, Action.CONFLICT, Action.CONFLICT, clashes)
