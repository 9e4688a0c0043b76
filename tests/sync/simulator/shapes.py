"""What a world is like before anything happens in it: how many calendars, how tied, how served."""

from dataclasses import dataclass, replace
from random import Random

from sync.core.provider import Traits

FIGURES = ("nothing", "pairs", "chain", "ring", "circle")

# Services that cannot do all that keeps a copy safe, and how often one is met.
WEAK = (
    Traits(conditional=True, client_ids=False, batch=1),
    Traits(conditional=False, client_ids=True, batch=2),
    Traits(conditional=False, client_ids=False, batch=1),
)
SHARE_OF_WEAK = 0.15


@dataclass(frozen=True, slots=True)
class Shape:
    """The layout of one world.

    `figure` says how busy rules join the calendars, or that a circle does. `ordered` services date
    their versions, `telling` ones leave the mark on a tombstone, `trimming` ones hand back what
    they were given without blanks at the end. `workers` is how many work at once.
    """

    calendars: int
    accounts: int
    figure: str
    workers: int
    traits: Traits
    ordered: bool
    telling: bool
    trimming: bool

    @property
    def members(self) -> int:
        """How many of the calendars, from the first on, hold the same events."""
        if self.figure != "circle" or self.calendars < 2:
            return 0
        return min(self.calendars, 3)

    @property
    def gentle(self) -> bool:
        """True where the service is too weak for people and workers to get into each other's way.

        What may happen there all the same is asked of it: nothing else can be promised.
        """
        return not (self.traits.conditional and self.traits.client_ids)


def draw(rng: Random, traits: Traits | None) -> Shape:
    """Draw a world; `traits` takes the place of the service that would have been drawn."""
    calendars = rng.choices((1, 2, 3, 4), (5, 5, 2, 1))[0]
    strong = Traits(conditional=True, client_ids=True, batch=rng.choice((1, 3)))
    weak = rng.choice(WEAK) if rng.random() < SHARE_OF_WEAK else None
    shape = Shape(
        calendars=calendars,
        accounts=rng.choice((1, 1, 2)),
        figure=rng.choice(FIGURES),
        workers=rng.choice((1, 2, 3)),
        traits=weak or strong,
        ordered=rng.random() < 0.7,
        telling=rng.random() < 0.7,
        trimming=rng.random() < 0.3,
    )
    return replace(shape, traits=traits) if traits else shape


def edges(shape: Shape) -> list[tuple[int, int]]:
    """List which calendar blocks which, by their numbers."""
    number = shape.calendars
    match shape.figure:
        case "pairs":
            return [(i, i + 1) for i in range(0, number - 1, 2)]
        case "chain":
            return [(i, i + 1) for i in range(number - 1)]
        case "ring" if number > 1:
            return [(i, (i + 1) % number) for i in range(number)]
        case "circle" if 0 < shape.members < number:
            return [(0, number - 1)]
        case _:
            return []
