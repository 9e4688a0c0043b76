"""What can go wrong at the boundaries of a run, and how often."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from sync.core.provider import Refusal, Remedy


class Killed(BaseException):
    """The process died here: nothing that follows in it is run."""


# How often each fault strikes, per boundary at which it can.
CALLS = {
    "request lost": 0.04,
    "answer lost": 0.15,
    "kill": 0.02,
    "interruption": 0.2,
    "zombie": 0.02,
    "refusal": 0.03,
    "patience": 0.02,
    "storm": 0.01,
}
LISTINGS = {
    "dead cursor": 0.15,
    "torn listing": 0.03,
    "missing cursor": 0.1,
    "lag": 0.4,
    "short listing": 0.4,
    "empty listing": 0.1,
    "empty page": 0.1,
    "repeated page": 0.15,
    "repetition": 0.6,
    "doubled id": 0.15,
}
# How much more often one of these comes over a world than another.
UPHEAVALS = {
    "grant revoked": 1.0,
    "calendar unshared": 1.0,
    "window moved": 1.0,
    "sight changed": 1.0,
    "rule changed": 2.0,
    "time passes": 1.0,
    "dry run": 1.0,
    "backup restored": 1.0,
}
RATES = {**CALLS, **LISTINGS, **UPHEAVALS}

# All at once and more of each, to see soon whether a spoiled engine is found out.
SAVAGE = {
    **CALLS,
    **LISTINGS,
    "answer lost": 0.35,
    "interruption": 0.35,
    "lag": 0.7,
    "short listing": 0.7,
    "repetition": 0.9,
    "refusal": 0.0,
    "patience": 0.0,
    "storm": 0.0,
    "torn listing": 0.0,
    "dry run": 1.0,
}

# What no service is too weak for, as long as nobody interferes with a run.
GENTLE = frozenset(RATES) - {
    *("answer lost", "kill", "interruption", "zombie", "lag"),
    # Copies without names of ours cannot be told from new ones by a database that forgot them.
    "backup restored",
}

_REFUSALS = (
    (Remedy.RETRY, 429, True),
    (Remedy.RETRY, 503, False),
    (Remedy.HOLD, 403, True),
    (Remedy.PARK, 400, True),
)


@dataclass(slots=True)
class Faults:
    """The faults of one seed: a random part of all of them, as in swarm testing."""

    rng: Random
    clock: Callable[[], datetime]
    rates: dict[str, float] = field(default_factory=dict)
    struck: dict[str, int] = field(default_factory=dict)
    storm_until: datetime | None = None

    def choose(self, rates: dict[str, float] | None, *, gentle: bool) -> None:
        """Switch each fault on or off, or those of `rates` on; a weak service is spared some."""
        drawn = {name: rate for name, rate in RATES.items() if self.rng.random() < 0.6}
        chosen = rates or drawn
        self.rates = {n: rate for n, rate in chosen.items() if not gentle or n in GENTLE}

    def end(self) -> None:
        """Nothing goes wrong any more."""
        self.rates, self.storm_until = {}, None

    def strikes(self, name: str) -> bool:
        """Roll the dice for one fault at one boundary."""
        rate = self.rates.get(name, 0)
        struck = rate > 0 and self.rng.random() < rate
        if struck:
            self.note(name)
        return struck

    def note(self, name: str) -> None:
        """Count something that happened."""
        self.struck[name] = self.struck.get(name, 0) + 1

    def strike_call(self, call: str, moment: str) -> None:
        """Fail a call, before or after the service did what was asked."""
        if self.strikes("kill"):
            raise Killed(f"{moment} {call}")
        if moment == "after":
            if self.strikes("answer lost"):
                raise Refusal(Remedy.RETRY, call=call, reason="answer lost", certain=False)
            return
        self._ask_for_patience(call)
        if self.strikes("request lost"):
            raise Refusal(Remedy.RETRY, call=call, reason="request lost", certain=False)
        if self.strikes("refusal"):
            remedy, status, certain = self.rng.choice(_REFUSALS[: None if call == "write" else 3])
            raise Refusal(remedy, call=call, status=status, certain=certain)
        if call == "page" and self.strikes("torn listing"):
            remedy = self.rng.choice((Remedy.RESYNC, Remedy.RETRY))
            raise Refusal(remedy, call=call, status=410)

    def _ask_for_patience(self, call: str) -> None:
        """429, once or in a storm that lasts, and how long to wait."""
        if self.strikes("storm"):
            self.storm_until = self.clock() + timedelta(seconds=self.rng.randrange(10, 600))
        stormy = self.storm_until is not None and self.clock() < self.storm_until
        if stormy or self.strikes("patience"):
            wait = float(self.rng.choice((1, 30, 300)))
            raise Refusal(Remedy.RETRY, call=call, status=429, retry_after=wait)
