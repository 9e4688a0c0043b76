"""Every small state has one decision, and the golden tables say which."""

from dataclasses import replace
from itertools import product

import pytest

from sync.core.reconcile import Action, Fate, Ruling, reconcile
from sync.core.records import Direction, Strategy, fingerprint
from tests.sync.core import golden
from tests.sync.core.small_world import RECORDS, TIMES, TREES, pairs, policy, record, state

REWRITE = "differs; if the change is meant: python -m tests.sync.core.golden, and review it"


def test_every_small_state_is_decided_as_the_golden_table_says():
    assert golden.decisions() == golden.DECISIONS.read_text(), REWRITE


def test_every_strategy_decides_as_the_golden_table_says():
    assert golden.strategies() == golden.STRATEGIES.read_text(), REWRITE


def expected_winners():
    """Read the golden table of strategies: the winner by kind, strategy, fallback and times."""
    kind, table = "", {}
    for line in golden.STRATEGIES.read_text().splitlines():
        if line.startswith("["):
            kind = line[1:].partition(":")[0]
        elif kind and line:
            first, second, *wins = (cell.strip() for cell in line.split("|"))
            for times, wins_then in zip(TIMES, wins, strict=True):
                table[kind, first, second, times] = wins_then
    return table


def test_every_small_state_follows_the_strategies_of_its_kind():
    expected = expected_winners()
    for trees, (first, second), times in product(TREES, pairs(), TIMES):
        here = state(*trees, times=TIMES[times])
        decision = reconcile(here, policy(Direction.TWO_WAY, first, second))
        kind = golden.kind_of(here)
        if kind is None:
            assert not decision.clashes, trees
            continue
        won = golden.winner(decision.clashes)
        assert won == expected[kind, first, second, times], (trees, first, second, times)
        assert_the_winner_stands(here, decision, won)


def assert_the_winner_stands(here, decision, won):
    """What both sides become is the winner's word where they clash, and every edit elsewhere."""
    if won == "ask":
        assert decision.on_local is decision.on_remote is Action.CONFLICT
        return
    winner = here.local if won == "local" else here.remote
    if None in (here.local, here.remote):
        assert decision.fields == winner
        return
    clashing = {clash.field for clash in decision.clashes}
    for name, value in decision.fields.items():
        edits = {side[name] for side in (here.local, here.remote)}
        edits -= {here.base[name]} if here.base else set()
        wanted = {winner[name]} if name in clashing else edits or {here.base[name]}
        assert {value} == wanted


@pytest.mark.parametrize("direction", Direction)
def test_strategies_and_times_matter_only_where_changes_travel_both_ways(direction):
    if direction is Direction.TWO_WAY:
        return
    for trees, (first, second), times in product(TREES, pairs(), TIMES.values()):
        here = state(*trees, times=times)
        assert reconcile(here, policy(direction, first, second)) == reconcile(
            state(*trees), policy(direction)
        )


FLAGS = tuple(product(("", "locked"), (False, True)))


def every_situation():
    """Yield every small state with every flag, direction and ruling."""
    for trees, direction, flags in product(TREES, Direction, FLAGS):
        obstacle, unanswered = flags
        yield state(*trees, obstacle=obstacle, unanswered=unanswered), direction


def test_a_two_way_collection_treats_an_unwritable_copy_as_pull_only():
    for here, direction in every_situation():
        if here.obstacle and direction is Direction.TWO_WAY:
            free = replace(here, obstacle="")
            assert reconcile(here, policy(direction)) == reconcile(free, policy(Direction.PULL))


def test_an_unanswered_write_matters_only_where_an_edit_here_meets_a_deletion_there():
    for here, direction in every_situation():
        answered = replace(here, unanswered=False)
        same = reconcile(here, policy(direction)) == reconcile(answered, policy(direction))
        kind = golden.kind_of(here)
        travels_both_ways = direction is Direction.TWO_WAY and not here.obstacle
        matters = here.unanswered and travels_both_ways
        assert same is not (matters and kind == "edited here, deleted there")


def test_an_unanswered_write_beats_every_strategy():
    for strategies in pairs():
        here = state("00", "10", "--", unanswered=True)
        assert reconcile(here, policy(Direction.TWO_WAY, *strategies)).waits


def test_an_exception_waits_for_its_series_and_goes_with_it():
    for here, direction in every_situation():
        chosen = policy(direction)
        waiting = reconcile(replace(here, series=Fate.OPEN), chosen)
        assert waiting.on_local is waiting.on_remote is Action.SKIP
        gone = reconcile(replace(here, series=Fate.GONE), chosen)
        if here.remote is None and here.local is not None:
            kept = [clash.local for clash in gone.clashes]
            assert (gone.fields, gone.on_local) == (None, Action.DELETE)
            assert kept == ([] if here.local == here.base else [here.local])
        else:
            assert gone == reconcile(here, chosen)


def rulings(here):
    """Yield every ruling on a small state: genuine ones, and about an older local or remote."""
    local, remote = fingerprint(here.local), fingerprint(here.remote)
    for fields in map(record, RECORDS):
        yield Ruling(fields, local, remote), True
        yield Ruling(fields, fingerprint({"x": 9}), remote), False
        yield Ruling(fields, local, fingerprint({"x": 9})), False


def test_a_ruling_counts_only_while_both_sides_look_as_seen_and_only_in_two_way():
    for here, direction in every_situation():
        for ruling, as_seen in rulings(here):
            ruled = reconcile(replace(here, ruling=ruling), policy(direction))
            open_to_rulings = direction is Direction.TWO_WAY and not here.obstacle
            if as_seen and open_to_rulings and here.local != here.remote:
                assert ruled.fields == ruling.fields
                assert not ruled.waits
            else:
                assert ruled == reconcile(here, policy(direction))


def test_nothing_is_ever_written_against_the_direction():
    harmless = (Action.NOTHING, Action.SKIP, Action.SETTLE, Action.FORGET)
    for here, direction in every_situation():
        for ruling in (None, *(ruling for ruling, _ in rulings(here))):
            decision = reconcile(replace(here, ruling=ruling), policy(direction))
            if direction is Direction.PULL or here.obstacle:
                assert decision.on_remote in harmless
            if direction is Direction.PUSH:
                assert decision.on_local in harmless


def test_both_sides_end_alike_or_nothing_is_done():
    """The step named for each side is the one that leads from its record to the common one."""
    for here, direction in every_situation():
        for strategies in ((), (Strategy.PRESERVE_LOCAL,), (Strategy.PRESERVE_REMOTE,)):
            decision = reconcile(here, policy(direction, *strategies))
            for now, act in ((here.local, decision.on_local), (here.remote, decision.on_remote)):
                assert act is expected_step(now, decision.fields, act)


def expected_step(now, then, act):
    if act in (Action.SKIP, Action.CONFLICT):
        return act
    if now == then:
        return act if act in (Action.SETTLE, Action.FORGET) else Action.NOTHING
    if then is None:
        return Action.DELETE
    return Action.CREATE if now is None else Action.UPDATE


def test_the_small_world_really_has_every_kind_of_disagreement():
    kinds = {golden.kind_of(state(*trees)) for trees in TREES}
    assert kinds == {None, *golden.EXAMPLES}
