"""The pure simulator bites: spoil any safeguard of the design, and it finds out soon."""

import pytest

from sync.core import trees
from tests.sync.pure.hunt import hunt
from tests.sync.pure.mutants import (
    RARE,
    SWITCHES,
    Mutant,
    base_is_what_is_there,
    counted_incarnations,
)
from tests.sync.pure.mutants import the_lost_stay_lost as lost_for_ever
from tests.sync.pure.planning import give_name
from tests.sync.pure.store import Intent, Store, Tie
from tests.sync.pure.worker import Worker
from tests.sync.pure.world import World, simulate

SEEDS = 600
# The other traps are walked into in `test_recovery`: chance leads there too rarely.
OFTEN = [m for m in SWITCHES if m not in RARE]


@pytest.mark.parametrize(
    "mutant", [*OFTEN, base_is_what_is_there, lost_for_ever], ids=lambda mutant: mutant.__name__
)
def test_the_simulator_notices(mutant: Mutant) -> None:
    assert hunt(mutant, range(SEEDS), strict=True).seeds


@pytest.mark.parametrize("rates", list({id(mix): mix for mix in SWITCHES.values()}.values()))
def test_the_same_worlds_hold_where_nothing_is_spoiled(rates: dict[str, float]) -> None:
    for seed in range(30):
        simulate(seed, rates=rates, weak=0.0)


def test_whoever_makes_a_dead_copy_again_gives_it_the_same_name() -> None:
    """Chance seldom lets two workers do that; a counter would tell them apart."""
    assert len(names_of_heirs()) == 1
    with counted_incarnations():
        assert len(names_of_heirs()) == 2


def names_of_heirs() -> set[str]:
    """Let two databases, one restored and without a journal, make the same dead copy again."""
    names = set()
    for remembers in (True, False):
        world = World(0, weak=0.0)
        store, name = world.store, next(iter(world.store.places))
        tie = Tie(1, name, "item", world.now, remote_id="dead", version="1")
        store.add_tie(tie)
        if remembers:
            store.intents["first"] = creation(tie)
        names.add(name_of_heir(world, store, tie))
    return names


def creation(tie: Tie) -> Intent:
    return Intent("first", tie.place, tie.pk, "dead", "create", None, {}, "", "", 1, state="done")


def name_of_heir(world: World, store: Store, tie: Tie) -> str:
    run = Worker(world, tie.place, 1).open(store, store.places[tie.place])
    trees.depart(tie)
    give_name(run, tie)
    return tie.remote_id
