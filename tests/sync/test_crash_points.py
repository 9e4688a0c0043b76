"""A run may die at any boundary: what it leaves behind ends as if it had not died.

Each scenario is lived through once. Whoever dies at a boundary leaves behind what is committed by
then and what the services hold: that is kept aside at each of them, and picked up from there. For
each request or answer that may be lost, the scenario is lived through again.
"""

from itertools import islice, product

import pytest

from tests.sync.crashes.boundaries import Boundaries
from tests.sync.crashes.scenarios import SCENARIOS, Scenario
from tests.sync.crashes.scene import Kept, Scene, Sort
from tests.sync.simulator import tables

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1_800),
    pytest.mark.slow,
]

# Every sort of write that there is: what it does, to what, and whose it is.
SORTS = set(product(("create", "update", "delete"), ("head", "exception"), ("ordinary", "block")))
# How many ways to break off a scenario has at least, and how many all have together.
LEAST, LEAST_OF_ALL = 10, 700


SLICES = [
    pytest.param(scenario, first, id=f"{scenario.name}-{first}")
    for scenario in SCENARIOS
    for first in range(scenario.slices)
]


@pytest.mark.parametrize(("scenario", "first"), SLICES)
def test_a_run_that_breaks_off_anywhere_ends_as_if_it_had_not(
    scenario: Scenario, first: int
) -> None:
    start = _prepared(scenario).keep()
    boundaries, scene = _lived_through(scenario, start)
    clean = scene.recover(scenario.do)

    assert clean["broken"] == []
    for number, how in islice(boundaries.cases(), first, None, scenario.slices):
        if how == "die" and boundaries.is_as_before(number):
            continue
        left = boundaries.left[number].again() if how == "die" else _lost(scenario, start, number)
        place = f"{how} at {boundaries.met[number]}, boundary {number}"
        assert left.recover(scenario.do) == clean, place


def _lived_through(scenario: Scenario, start: Kept) -> tuple[Boundaries, Scene]:
    """Do it once, and keep aside what others would see if it died at one of its boundaries."""
    scene = start.again()
    with tables.onlooker() as onlooker:
        boundaries = Boundaries(keep=lambda: scene.keep(onlooker))
        scene.break_off(scenario.do, boundaries)
    return boundaries, scene


def _lost(scenario: Scenario, start: Kept, number: int) -> Scene:
    """Do it once, and let a request or an answer be lost at one of its boundaries."""
    scene = start.again()
    scene.break_off(scenario.do, Boundaries(lose_at=number))
    return scene


def test_the_scenarios_come_to_every_sort_of_write_and_many_boundaries() -> None:
    sorts: set[Sort] = set()
    cases = {}
    for scenario in SCENARIOS:
        scene, boundaries = _prepared(scenario), Boundaries()
        scene.sorts.clear()
        scenario.do(scene, boundaries)
        sorts |= scene.sorts
        cases[scenario.name] = len(list(boundaries.cases()))

    assert sorts == SORTS
    assert min(cases.values()) >= LEAST, cases
    assert sum(cases.values()) >= LEAST_OF_ALL, cases


def _prepared(scenario: Scenario) -> Scene:
    tables.forget_everything()
    scene = Scene()
    scenario.happens(scene)
    return scene
