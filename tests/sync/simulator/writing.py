"""What people write: content in which every value can be told from every other."""

from collections.abc import Mapping as Map
from collections.abc import Set
from copy import deepcopy
from random import Random
from typing import Any

from sync.core.events import EMPTY
from tests.sync.simulator.oracle import Oracle, thing_of

SLOTS = tuple(f"2026-05-{day:02}T07:00:00Z" for day in (5, 6, 7))
DAILY = "RRULE:FREQ=DAILY;COUNT=5"
# How many occurrences stay in a series that is split, and how the other one goes on.
FIRST = 2
SHORT = f"RRULE:FREQ=DAILY;COUNT={FIRST}"
REST = "RRULE:FREQ=DAILY;COUNT=3"

_FIELDS = ("title", "location", "description", "attendees", "start")
# Before and within a window; see `service.WINDOW`.
_DAYS = ("2026-04-20", "2026-05-05", "2026-05-05", "2026-05-06")


class Writing:
    """Makes up content, and tells the oracle."""

    def __init__(self, rng: Random, oracle: Oracle) -> None:
        self.rng, self.oracle = rng, oracle

    def content(self, thing: str, recurrence: list[str] | None = None) -> dict[str, Any]:
        """Return a new record."""
        return {
            **deepcopy(dict(EMPTY)),
            "title": f"{thing} {self.oracle.new_token(thing)}",
            "location": self.oracle.new_token(thing),
            "description": "one\ntwo\nthree\nfour\nfive\n",
            "recurrence": recurrence or [],
            **self._times(thing),
        }

    def edited(self, fields: Map[str, Any], among: Set[str], *, counts: bool) -> dict[str, Any]:
        """Change one field of a record, as somebody does who sees all of it."""
        thing = thing_of(fields)
        name = self.rng.choice([name for name in _FIELDS if name in among])
        new = self._times(thing) if name == "start" else {name: self._value(name, thing, fields)}
        old = {name: fields[name] for name in new}
        self.oracle.person_wrote(old, new, counts=counts)
        return new

    def renamed(self, fields: Map[str, Any], *, counts: bool) -> dict[str, Any]:
        """Change the title, along with something that no word of ours can stand in."""
        thing = thing_of(fields)
        new = {"title": self._value("title", thing, fields)}
        self.oracle.person_wrote(fields["title"], new, counts=counts)
        return new

    def _value(self, name: str, thing: str, fields: Map[str, Any]) -> Any:
        token = self.oracle.new_token(thing)
        match name:
            case "title":
                return f"{thing} {token}"
            case "description":
                lines = (fields["description"] or "one\n").splitlines()
                lines[self.rng.randrange(len(lines))] = token
                return "\n".join(lines) + "\n"
            case "attendees":
                return self._guests(token, fields["attendees"])
            case _:
                return token

    def _guests(self, token: str, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Invite somebody; perhaps somebody else is asked to stay away."""
        staying = list(known)
        if staying and self.rng.random() < 0.4:
            staying.remove(self.rng.choice(staying))
        guest = {
            "email": f"{token}@example.com",
            "name": "",
            "response": "needsAction",
            "optional": False,
            "resource": False,
        }
        return sorted([*staying, guest], key=lambda one: one["email"])

    def _times(self, thing: str) -> dict[str, dict[str, str]]:
        time, day = self.oracle.new_time(thing), self.rng.choice(_DAYS)
        return {
            "start": {"at": f"{day}T07:{time}Z", "zone": "Europe/Berlin"},
            "end": {"at": f"{day}T08:{time}Z", "zone": "Europe/Berlin"},
        }
