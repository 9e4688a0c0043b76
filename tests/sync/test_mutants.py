"""The simulator bites: spoil one safeguard of the engine, and it finds out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.sync.simulator.faults import SAVAGE
from tests.sync.simulator.mutants import MUTANTS
from tests.sync.simulator.world import simulate

pytestmark = pytest.mark.django_db(transaction=True)

SEEDS = 60


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulator_notices(mutant: Callable[[], AbstractContextManager[Any]]) -> None:
    with mutant(), pytest.raises(AssertionError, match="I-"):
        _live_through_many()


def test_the_same_worlds_hold_where_nothing_is_spoiled() -> None:
    for seed in range(5):
        simulate(seed, rates=SAVAGE)


def _live_through_many() -> None:
    for seed in range(SEEDS):
        simulate(seed, rates=SAVAGE)
