"""What can go wrong at the boundaries of a run, and a service that lets it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from sync.core.provider import Refusal, Remedy
from tests.sync.remote import RemoteProvider, Stored


class Killed(BaseException):
    """The process died here: nothing that follows in it is run."""


# How often each fault strikes, per boundary at which it can.
RATES = {
    "request lost": 0.04,
    "answer lost": 0.15,
    "kill": 0.02,
    "interruption": 0.2,
    "zombie": 0.02,
    "refusal": 0.03,
    "dead cursor": 0.15,
    "torn listing": 0.03,
    "lag": 0.4,
    "short listing": 0.4,
    "repetition": 0.6,
}

# All at once and more of each, to see soon whether a spoiled engine is found out.
SAVAGE = {
    **RATES,
    "answer lost": 0.35,
    "interruption": 0.35,
    "lag": 0.7,
    "short listing": 0.7,
    "repetition": 0.9,
    "refusal": 0.0,
    "torn listing": 0.0,
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
    rates: dict[str, float] = field(default_factory=dict)
    struck: dict[str, int] = field(default_factory=dict)

    def choose(self) -> None:
        """Switch each fault on or off."""
        self.rates = {name: rate for name, rate in RATES.items() if self.rng.random() < 0.6}

    def strikes(self, name: str) -> bool:
        """Roll the dice for one fault at one boundary."""
        struck = self.rng.random() < self.rates.get(name, 0)
        if struck:
            self.struck[name] = self.struck.get(name, 0) + 1
        return struck

    def strike_call(self, call: str, moment: str) -> None:
        """Fail a call, before or after the service did what was asked."""
        if self.strikes("kill"):
            raise Killed(f"{moment} {call}")
        if moment == "after":
            if self.strikes("answer lost"):
                raise Refusal(Remedy.RETRY, call=call, reason="answer lost", certain=False)
            return
        if self.strikes("request lost"):
            raise Refusal(Remedy.RETRY, call=call, reason="request lost", certain=False)
        if self.strikes("refusal"):
            remedy, status, certain = self.rng.choice(_REFUSALS[: None if call == "write" else 3])
            raise Refusal(remedy, call=call, status=status, certain=certain)
        if call == "page" and self.strikes("torn listing"):
            remedy = self.rng.choice((Remedy.RESYNC, Remedy.RETRY))
            raise Refusal(remedy, call=call, status=410)


class FaultyProvider(RemoteProvider):
    """A provider whose listings lag, hide, repeat, and lose their cursors."""

    faults: Faults
    forgive: Callable[[str], None]

    def _shown(self, cursor: str, upto: int) -> list[Stored]:
        shown = super()._shown(cursor, upto)
        if not cursor and self.faults.strikes("short listing"):
            hidden = {s.remote_id for s in shown if self.faults.rng.random() < 0.3}
            for remote_id in sorted(hidden):
                self.forgive(remote_id)
            shown = [s for s in shown if s.remote_id not in hidden]
        if shown and self.faults.strikes("repetition"):
            again = self.faults.rng.choice(shown)
            versions = [s for s in self.calendar.history[:upto] if s.remote_id == again.remote_id]
            older = self.faults.rng.choice(versions)
            if cursor or older.fields is not None:
                shown.insert(self.faults.rng.randrange(len(shown) + 1), older)
        return shown

    def prepare_listing(self) -> None:
        """Decide what the next listings will be like."""
        self.lag = self.faults.rng.randrange(4) if self.faults.strikes("lag") else 0
        if self.faults.strikes("dead cursor"):
            self.calendar.dead_before = self.calendar.tick + 1
