"""What holds for every decision, whatever the records and the policy."""

from dataclasses import replace

from hypothesis import event, given

from sync.core.merge import Clash, MergePolicy, Times
from sync.core.reconcile import Action, Decision, Policy, State, reconcile
from sync.core.records import Direction, Fields, Side, Strategy
from tests.sync.core.worlds import partial_records, policies, states

UNTOUCHED = (Action.SKIP, Action.CONFLICT)


def carried_out(state: State, decision: Decision) -> State:
    """Return the state after a decision was carried out and written down as agreed."""
    if decision.on_local in UNTOUCHED:
        return state
    return State(decision.fields, decision.fields, decision.fields)


@given(states(), policies)
def test_one_decision_brings_both_sides_in_step_and_keeps_them_there(state, policy):
    decision = reconcile(state, policy)
    event(decision.reason)
    if decision.on_local in UNTOUCHED:
        return
    again = reconcile(carried_out(state, decision), policy)
    assert again == Decision("in step", decision.fields)


@given(states(), policies)
def test_what_is_left_alone_is_left_alone_again(state, policy):
    decision = reconcile(state, policy)
    assert reconcile(carried_out(state, decision), policy).waits == decision.waits


@given(states(partial_records), policies)
def test_a_copy_that_shows_only_part_comes_to_rest_too(state, policy):
    """The remote copy keeps showing the fields that it showed; the local one has them all."""
    decision = reconcile(state, policy)
    if decision.on_local in UNTOUCHED or state.remote is None or decision.fields is None:
        return
    shown = {n: v for n, v in decision.fields.items() if n in state.remote}
    local = {"title": "", "colour": "", **decision.fields}
    for base in (shown, local):
        assert reconcile(State(base, local, shown), policy).reason == "in step"


MIRRORED = {
    Direction.PULL: Direction.PUSH,
    Direction.PUSH: Direction.PULL,
    Direction.TWO_WAY: Direction.TWO_WAY,
    Strategy.PRESERVE_LOCAL: Strategy.PRESERVE_REMOTE,
    Strategy.PRESERVE_REMOTE: Strategy.PRESERVE_LOCAL,
    Side.LOCAL: Side.REMOTE,
    Side.REMOTE: Side.LOCAL,
    None: None,
}


def mirrored_policy(policy: Policy) -> Policy:
    merging = policy.merging
    strategies = tuple(MIRRORED.get(s, s) for s in merging.strategies)
    owners = {name: MIRRORED[side] for name, side in merging.owners.items()}
    return Policy(MIRRORED[policy.direction], MergePolicy(strategies, owners))


def mirrored_state(state: State) -> State:
    times = Times(state.times.remote, state.times.local)
    return State(state.base, state.remote, state.local, times)


def mirrored(clash: Clash) -> Clash:
    return Clash(clash.field, clash.base, clash.remote, clash.local, MIRRORED[clash.winner])


@given(states(), policies)
def test_swapping_the_sides_swaps_the_outcome(state, policy):
    """An obstacle and an unanswered write exist on the remote side only, so they are left out."""
    plain = replace(state, obstacle="", unanswered=False)
    here = reconcile(plain, policy)
    there = reconcile(mirrored_state(plain), mirrored_policy(policy))
    assert there.fields == here.fields
    assert (there.on_local, there.on_remote) == (here.on_remote, here.on_local)
    assert list(map(mirrored, there.clashes)) == list(here.clashes)


def kept(name: str, value: object, decision: Decision, winner: Side) -> bool:
    """True if a clash, won by the other side, keeps a value that one side had."""
    for clash in decision.clashes:
        loser = clash.local if winner is Side.REMOTE else clash.remote
        if clash.field == name and loser == value and clash.winner is winner:
            return True
        if clash.field == "*" and (loser or {}).get(name) == value and clash.winner is winner:
            return True
    return False


@given(states(), policies)
def test_no_value_is_lost_unless_it_was_agreed_before_or_stands_in_a_clash(state, policy):
    decision = reconcile(state, policy)
    if decision.on_local in UNTOUCHED:
        return
    for side, fields in ((Side.LOCAL, state.local), (Side.REMOTE, state.remote)):
        other = Side.REMOTE if side is Side.LOCAL else Side.LOCAL
        for name, value in (fields or {}).items():
            assert (
                survives(name, value, decision)
                or agreed(name, value, state)
                or kept(name, value, decision, other)
            ), (side, name)


def agreed(name: str, value: object, state: State) -> bool:
    """True if a value is the base's, or nothing where there was no base."""
    if state.base is None:
        return value in (None, "", [], {})
    return state.base[name] == value


def survives(name: str, value: object, decision: Decision) -> bool:
    """True if a value is in the result, or was merged into it (see the properties of merge)."""
    fields: Fields = decision.fields or {}
    if name not in fields:
        return False
    return value == fields[name] or name in ("description", "recurrence", "attendees", "metadata")


@given(states(), policies)
def test_a_waiting_decision_names_what_a_person_must_decide(state, policy):
    decision = reconcile(state, policy)
    if decision.waits:
        assert any(clash.winner is None for clash in decision.clashes)
        assert decision.fields is None
    else:
        assert all(clash.winner for clash in decision.clashes)


@given(states(), policies)
def test_every_decision_can_be_journalled(state, policy):
    """A reason is a few words without a record's content, short enough for its column."""
    assert 0 < len(reconcile(state, policy).reason) <= 60
