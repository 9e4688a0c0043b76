"""What can go wrong in a simulated world, how often, and how often it did."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Final

# How often each fault strikes where it can: at a call, at a commit, at a listing, at a turn.
RATES: Final = {
    # at a call
    "request lost": 0.04,
    "answer lost": 0.08,
    "late arrival": 0.04,
    "5xx": 0.03,
    "429": 0.02,
    "429 with Retry-After": 0.02,
    "403 for the quota": 0.01,
    "403 for one record": 0.01,
    # at any boundary
    "kill before": 0.01,
    "kill in": 0.01,
    "kill after": 0.01,
    "pause over the lease": 0.02,
    # at a listing
    "dead cursor": 0.06,
    "410 mid-paging": 0.03,
    "partial pages": 0.03,
    "repeated page": 0.1,
    "missing cursor": 0.03,
    "empty 200": 0.03,
    "doubled id": 0.2,
    "stale after newer": 0.2,
    "short full list": 0.2,
    "feed lag": 0.3,
    # at a turn
    "token revoked": 0.008,
    "calendar unshared": 0.008,
    "calendar deleted": 0.004,
    "calendar made anew": 0.006,
    "filter changed": 0.015,
    "backup restored": 0.01,
    # once for a world
    "clock skew": 0.3,
    "poison": 0.2,
}

# More of what makes dangerous coincidences, and less of what only stops a run early.
SAVAGE: Final = {
    **RATES,
    "answer lost": 0.2,
    "late arrival": 0.12,
    "kill after": 0.03,
    "pause over the lease": 0.06,
    "stale after newer": 0.7,
    "short full list": 0.6,
    "feed lag": 0.7,
    "dead cursor": 0.2,
    **dict.fromkeys(("429", "429 with Retry-After", "403 for the quota", "5xx"), 0.0),
    **dict.fromkeys(("token revoked", "calendar unshared", "calendar deleted"), 0.0),
    **dict.fromkeys(("calendar made anew", "backup restored", "filter changed", "poison"), 0.0),
    **dict.fromkeys(("partial pages", "missing cursor", "empty 200"), 0.0),
}

# Mixes that make one dangerous coincidence likely, for spoiled designs that are rarely caught.
LATE: Final = {**SAVAGE, "late arrival": 0.4, "request lost": 0.2}
LOST: Final = {**SAVAGE, "answer lost": 0.5, "late arrival": 0.0, "feed lag": 0.2}
BROKEN_OFF: Final = {**SAVAGE, "partial pages": 0.4, "dead cursor": 0.4, "feed lag": 0.9}
RESTORING: Final = {**SAVAGE, "backup restored": 0.15}

# What services answer of themselves when others were quicker.
NATURAL: Final = ("412", "409 live", "409 burned", "gone", "two workers at once")


@dataclass(slots=True)
class Faults:
    """The faults of one seed: a random part of all of them, as in swarm testing."""

    rng: Random
    rates: dict[str, float] = field(default_factory=dict)
    struck: Counter[str] = field(default_factory=Counter)

    def choose(self, among: dict[str, float]) -> None:
        """Switch each fault on or off."""
        self.rates = {name: rate for name, rate in among.items() if self.rng.random() < 0.6}

    def strikes(self, name: str) -> bool:
        """Roll the dice for one fault at one place where it can strike."""
        rate = self.rates.get(name, 0.0)
        if not rate or self.rng.random() >= rate:
            return False
        self.struck[name] += 1
        return True
