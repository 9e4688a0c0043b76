"""Thousands of worlds without a database: whatever happens, what must hold holds."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.sync.pure.faults import NATURAL, RATES, RESTORING
from tests.sync.pure.world import World, simulate

# A seed that ever failed runs first, for ever.
ONCE_FAILED = (
    *(495, 1461, 2873, 3344, 3465, 3633, 10104, 10564, 10679, 13467, 15076, 15125),
    *(19770, 102051),
)
SEEDS, PER_TEST = 20_000, 500


@pytest.fixture(scope="session")
def tally(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that all processes of one test run share."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "pure-mishaps"


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_what_once_went_wrong_holds(seed: int) -> None:
    simulate(seed)


@pytest.mark.parametrize("seed", [1324, 2816, 5850, 7540, 8751, 10711])
def test_what_once_went_wrong_after_a_restored_backup_holds(seed: int) -> None:
    simulate(seed, rates=RESTORING, weak=0.0)


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_all_that_must_hold_holds_after_every_mishap(first: int, tally: Path) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + PER_TEST):
        met.update(mishaps(simulate(seed)))

    _each_kind_was_met(tally, met)


def mishaps(world: World) -> Counter[str]:
    """Count what went wrong in a world, by kind."""
    return sum((service.met for service in world.services.values()), world.faults.struck)


def _each_kind_was_met(tally: Path, met: Counter[str]) -> None:
    """Add what went wrong to the tally; whoever comes last looks whether all kinds are in it."""
    with tally.open("a") as file:
        file.write(json.dumps(met) + "\n")
    parts = [Counter(json.loads(line)) for line in tally.read_text().splitlines()]
    if len(parts) == SEEDS // PER_TEST:
        never = {*RATES, *NATURAL} - sum(parts, Counter()).keys()
        assert not never, f"never met: {never}"


@pytest.mark.parametrize("first", range(0, SEEDS, 2_000))
def test_the_same_seed_lives_through_the_same_world(first: int) -> None:
    """One in a hundred is lived through twice."""
    for seed in range(first, first + 2_000, 100):
        assert simulate(seed).trace_hash == simulate(seed).trace_hash
