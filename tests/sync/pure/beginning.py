"""What a simulated world is like at first: its calendars, their services, the first events."""

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from sync.core.merge import MergePolicy
from sync.core.provider import Traits
from sync.core.reconcile import Policy
from sync.core.records import Direction, Strategy
from tests.sync.pure.service import Manners, Service
from tests.sync.pure.store import Place

if TYPE_CHECKING:
    from tests.sync.pure.world import World

Shape = tuple[tuple[int, int], ...]

STRONG = Traits(conditional=True, client_ids=True, batch=3)
WEAK = (
    Traits(conditional=False, client_ids=False),
    Traits(conditional=False, client_ids=True),
    Traits(conditional=True, client_ids=False),
)
# Which calendars show each other's events: a pair, a chain, a ring, each with each.
SHAPES: tuple[Shape, ...] = (
    ((0, 1),),
    ((0, 1), (1, 2)),
    ((0, 1), (1, 2), (2, 0)),
    ((0, 1), (1, 2), (2, 3)),
    ((0, 1), (1, 2), (2, 3), (3, 0)),
    ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)),
)


def populate(world: "World", weak: float) -> None:
    """Draw the calendars and what is in them; `weak` says how likely a service lacks something."""
    shape = world.rng.choice(SHAPES)
    names = "abcd"[: max(i for pair in shape for i in pair) + 1]
    for number, name in enumerate(names):
        world.store.links[name] = [names[other] for other in _neighbours(shape, number)]
    for name in names:
        _connect(world, name, weak)
    world.tell(shape, *(f"{p.name} {p.direction}" for p in world.store.places.values()))
    poison = world.faults.strikes("poison")
    for name in names:
        things = [_first_event(world, name) for _ in range(world.rng.randrange(4))]
        if poison and things:
            world.services[name].poisoned = world.rng.choice(things)


def _neighbours(shape: Shape, me: int) -> list[int]:
    return [j if i == me else i for i, j in shape if me in (i, j)]


def _first_event(world: "World", name: str) -> str:
    direction = world.store.places[name].direction
    return world.people.create_there(name, direction, world.services[name])


def _connect(world: "World", name: str, weak: float) -> None:
    policy, manners = _policy(world.rng), _manners(world.rng, weak)
    skewed = world.faults.strikes("clock skew")
    skew = timedelta(hours=world.rng.randint(-36, 36) if skewed else 0)
    service = Service(name, manners, lambda: world.now + skew)
    service.judge = lambda write, there: world.judge_write(service, write, there)
    world.store.places[name] = Place(name, policy)
    world.services[name] = service


def _policy(rng: Random) -> Policy:
    strategies = dict.fromkeys(rng.choice(tuple(Strategy)) for _ in range(2))
    direction = rng.choices(tuple(Direction), (1, 1, 5))[0]
    return Policy(direction, MergePolicy(strategies=tuple(strategies)))


def _manners(rng: Random, weak: float) -> Manners:
    return Manners(
        rng.choice(WEAK) if rng.random() < weak else STRONG,
        ordered=rng.random() < 0.7,
        burning=rng.random() < 0.6,
        telling=rng.random() < 0.7,
        tidy=rng.random() < 0.2,
        narrow=rng.random() < 0.15,
    )
