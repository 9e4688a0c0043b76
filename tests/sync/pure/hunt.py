"""How soon a spoiled design is found out."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.sync.pure.mutants import SWITCHES, TRAPS, Mutant
from tests.sync.pure.world import simulate


@dataclass(frozen=True, slots=True)
class Catch:
    """After how many seeds a mutant was noticed, and by what; 0 seeds: it was not."""

    seeds: int = 0
    seed: int = -1
    said: str = ""


def hunt(mutant: Mutant, seeds: Iterable[int], *, strict: bool) -> Catch:
    """Live through seeds under a mutant until something does not hold.

    Calendars are all strong here: what is left is the mutant's doing.
    """
    rates = {**SWITCHES, **TRAPS}[mutant]
    with mutant():
        for number, seed in enumerate(seeds, start=1):
            try:
                simulate(seed, strict=strict, rates=rates, weak=0.0)
            except AssertionError as error:
                return Catch(number, seed, str(error).partition(":")[0])
            except (LookupError, RecursionError, TypeError, ValueError) as error:
                return Catch(number, seed, type(error).__name__)
    return Catch()
