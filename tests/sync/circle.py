"""Calendars that hold the same events, for engine tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from calendars.models import Event, Item
from integrations import registry
from integrations.models import Account, Circle, Collection
from sync import engine
from sync.circles import add_to_circle
from sync.invariants import check_all
from sync.models import Mapping
from sync.run import Run
from tests.sync.remote import RemoteProvider
from tests.sync.world import World, finish

SLOT = "2026-05-06T09:00:00Z"
ABC = ["a", "b", "c"]
GUESTS = [
    {
        "email": "guest@example.com",
        "name": "",
        "response": "needsAction",
        "optional": False,
        "resource": False,
    }
]


@dataclass(slots=True)
class Ring(World):
    """A circle of calendars, each with its own service; `tune` changes how a service behaves."""

    members: list[Collection] = field(default_factory=list)
    tune: dict[str, Callable[[RemoteProvider], None]] = field(default_factory=dict)

    def join(self, *names: str, **settings: object) -> list[Collection]:
        """Connect calendars and let them hold the same events."""
        workspace = self.account.workspace
        circle, _ = Circle.objects.get_or_create(workspace=workspace, name="ours")
        new = [self.collection(name, circle=circle, **settings) for name in names]
        self.members += new
        return new

    def provider(self, collection: Collection) -> RemoteProvider:
        provider = World.provider(self, collection)
        self.tune.get(collection.remote_id, lambda provider: None)(provider)
        return provider

    def sync_all(self, *names: str, **how: bool) -> dict[str, Run]:
        """See what is new everywhere, then send it everywhere, as one command does."""
        chosen = [m for m in self.members if not names or m.remote_id in names]
        runs = {m.remote_id: self.run(m, **how) for m in chosen}
        for half in (engine.pull, engine.push):
            for run in runs.values():
                finish(half(run))
        for run in runs.values():
            self.close(run)
        return runs

    def settle(self) -> None:
        """Sync until there is nothing to do, which has to come soon."""
        for _ in range(4):
            if not any(run.operation.counts for run in self.sync_all().values()):
                return
        raise AssertionError("the calendars do not come to rest")

    def titles(self) -> dict[str, list[str]]:
        """The titles in each calendar, by its name."""
        return {name: calendar.titles() for name, calendar in self.calendars.items()}

    def same_everywhere(self) -> Sequence[str]:
        """The titles that every calendar shows; none may show others."""
        first, *others = self.titles().values()
        assert all(titles == first for titles in others), self.titles()
        return first

    def copy_in(self, name: str, title: str) -> str:
        """The remote id of the event with this title in a calendar."""
        (found,) = (k for k, v in self.calendars[name].alive().items() if v["title"] == title)
        return found

    def writes(self) -> int:
        """How many writes all services have seen."""
        return sum(len(calendar.writes) for calendar in self.calendars.values())


def one_item(title: str) -> Item:
    """The only living item with this title."""
    return Event.objects.get(title=title, item__deleted_at=None).item


def places_of(title: str) -> list[str]:
    """The calendars in which the item with this title has a copy."""
    copies = Mapping.objects.filter(item=one_item(title), remote_hash__gt="")
    return sorted(copies.values_list("collection__remote_id", flat=True))


def strangers(monkeypatch: pytest.MonkeyPatch) -> Ring:
    """Three calendars that do not know each other; every provider is the world's."""
    world = Ring()
    world.members = [world.collection(name) for name in ABC]
    Account.objects.update(listed_at=world.clock())
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: world.provider(c))
    return world


def join(world: Ring, *names: str) -> Circle:
    """Let these calendars, or all, hold the same events from now on, as people ask for it."""
    chosen = [c for c in world.members if c.remote_id in (names or ABC)]
    joined = add_to_circle(name="ours", collections=chosen, clock=world.clock)
    for member in world.members:
        member.refresh_from_db()
    return joined.circle


def sound(world: Ring) -> None:
    """See that every invariant holds in the database."""
    broken = {f.name: f.rows for f in check_all(world.clock()) if f.rows}
    assert broken == {}
