"""Names in the pure simulator, where chance seldom leads: after a backup was restored."""

from types import SimpleNamespace

import pytest

from tests.sync.pure.doing import _place
from tests.sync.pure.run import Run
from tests.sync.pure.service import name
from tests.sync.pure.store import Tie
from tests.sync.pure.worker import Worker
from tests.sync.pure.world import World


class Heir:
    """A tie whose copy died, and another tie that bears the name which its heir would get."""

    def __init__(self, *, taken_by: str | None) -> None:
        world = World(0, weak=0.0)
        self.store, self.now = world.store, world.now
        self.place = next(iter(world.store.places))
        self.name = name((self.place, "item", "dead"))
        self.dead = self.tie("item", remote_id="dead", version="1")
        self.other = self.tie(taken_by, remote_id=self.name, remote_hash="there")
        self.run: Run = Worker(world, self.place, 1).open(self.store, self.store.places[self.place])

    def tie(self, item_id: str | None, **columns: str) -> Tie:
        tie = Tie(self.store.new_number(), self.place, item_id, self.now)
        for column, value in columns.items():
            setattr(tie, column, value)
        self.store.add_tie(tie)
        return tie

    def names(self) -> list[str]:
        """The names that are known, once the dead copy is about to be made again."""
        _place(self.run, SimpleNamespace(tie=self.dead))  # type: ignore[arg-type]
        return sorted(tie.remote_id for tie in self.store.at(self.place))


@pytest.fixture
def untaken() -> Heir:
    return Heir(taken_by=None)


@pytest.fixture
def taken() -> Heir:
    return Heir(taken_by="another")


def test_an_heir_takes_the_name_of_a_copy_that_nobody_has(untaken: Heir) -> None:
    assert untaken.names() == sorted(["dead", untaken.name])
    assert untaken.dead.remote_id == untaken.name


def test_an_heir_whose_name_another_items_copy_bears_is_named_after_that(taken: Heir) -> None:
    next_name = name((taken.place, "item", taken.name))

    assert taken.names() == sorted(["dead", taken.name, next_name])
    assert taken.other.remote_id == taken.name
