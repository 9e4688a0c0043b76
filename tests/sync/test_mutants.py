"""The simulator bites: spoil one safeguard of the engine, and it finds out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.sync.simulator.faults import SAVAGE
from tests.sync.simulator.mutants import (
    MUTANTS,
    base_is_what_is_there,
    marks_are_not_read,
    unconditional_writes,
)
from tests.sync.simulator.world import simulate

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1_800),
    pytest.mark.slow,
]

SEEDS = 120
UNSPOILED = 8
# Services that work, and people who write between a look and a write: that shows stale writes.
BUSY = {"interruption": 0.6}
# Most writes are never answered: that shows whether what they did is recognised.
LOSING = {**SAVAGE, "answer lost": 0.8}
RATES = {
    unconditional_writes: BUSY,
    marks_are_not_read: LOSING,
    base_is_what_is_there: LOSING,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulator_notices(mutant: Callable[[], AbstractContextManager[Any]]) -> None:
    with mutant(), pytest.raises(AssertionError, match="I-"):
        _live_through_many(RATES.get(mutant, SAVAGE))


@pytest.mark.parametrize("rates", [SAVAGE, BUSY, LOSING], ids=["savage", "busy", "losing"])
def test_the_same_worlds_hold_where_nothing_is_spoiled(rates: dict[str, float]) -> None:
    for seed in range(UNSPOILED):
        simulate(seed, rates=rates)


def _live_through_many(rates: dict[str, float]) -> None:
    for seed in range(SEEDS):
        simulate(seed, rates=rates)
