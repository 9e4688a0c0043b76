"""The world a request acts in: state, clock and options, and the call that carries it about."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integrations.sandbox.clock import Clock, stamp
from integrations.sandbox.errors import ApiError, invalid
from integrations.sandbox.store import Store

# Where Google's own pages contradict each other or say nothing, the sandbox can play either side.
OPTIONS: dict[str, Any] = {
    "access_token_seconds": 3600,
    "attendee_edits": "local",  # or "refuse": a guest's edit of shared fields
    "clock_offset_seconds": 0,
    "expansion_days": 730,  # how far endless series are expanded, past and future
    "id_reuse": "revive",  # or "refuse": writing status=confirmed to a deleted event
    "import_again": "update",  # or "refuse": a second import of the same iCalUID
    "property_filter": "all",  # or "any": several privateExtendedProperty parameters
    "quota_per_minute_project": 0,  # 0: no limit
    "quota_per_minute_user": 0,
    "quota_reason": "rateLimitExceeded",
    "quota_status": 403,
    "rotate_refresh_tokens": False,
    "strict_tokens": True,  # refuse a sync token used with other parameters
    "updated_min_days": 28,
}


class World:
    """Everything one sandbox is: store, clock, and the lock that every operation holds."""

    def __init__(self, path: Path | None = None) -> None:
        self.store = Store(path)
        self.lock = threading.RLock()
        self.clock = Clock(self.option("clock_offset_seconds"))
        self.changed: Callable[[str, str], None] = lambda resource, key: None
        self.writes: deque[tuple[float, int, str]] = deque(maxlen=5000)  # when, seq, calendar
        self.url = ""

    def option(self, name: str) -> Any:
        """Return an option's value."""
        return self.store["meta"].get("options", {}).get(name, OPTIONS[name])

    def options(self) -> dict[str, Any]:
        """Return every option's value."""
        return {name: self.option(name) for name in OPTIONS}

    def set_options(self, values: dict[str, Any]) -> None:
        """Change options; raise a 400 that names the valid ones for an unknown name."""
        for name, value in values.items():
            if name not in OPTIONS:
                raise invalid(f"Unknown option {name!r}; options are {', '.join(OPTIONS)}.")
            if type(value) is not type(OPTIONS[name]):
                raise invalid(f"Option {name} takes a value like {OPTIONS[name]!r}.")
        known = self.store["meta"].get("options", {})
        self.store.put("meta", "options", known | values)
        self.clock.offset = self.option("clock_offset_seconds")

    def stamp(self) -> str:
        """Return the sandbox's time as the API writes it."""
        return stamp(self.clock.now())

    def etag(self, seq: int) -> str:
        """Return the etag, quotes included, of what was last written with change number `seq`."""
        return f'"{seq * 2}"'


def random_id(length: int = 26) -> str:
    """Return a random name in base32hex, like the ids that Google chooses."""
    return "".join(secrets.choice("0123456789abcdefghijklmnopqrstuv") for _ in range(length))


class Query(dict[str, list[str]]):
    """Query parameters, read with the API's own checks."""

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter as it came."""
        return self[name][-1] if self.get(name) else default

    def many(self, name: str) -> list[str]:
        """Return every value of a repeatable parameter."""
        return self.get(name, [])

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean parameter; raise the 400 for anything but true and false."""
        value = self.text(name, str(default)).lower()
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean value: '{value}'.", name)
        return value == "true"

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """Return a positive number, cut down to `most`; raise the 400 for anything else."""
        value = self.text(name, str(default))
        if not value.isdigit() or (int(value) < 1 and default):
            raise invalid(f"Invalid integer value: '{value}'.", name)
        return min(int(value), most) if most else int(value)

    def choice(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """Return one of the words a parameter may take."""
        value = self.text(name, default)
        if value and value not in choices:
            raise invalid(f"Invalid value '{value}'. Values are: {', '.join(choices)}.", name)
        return value


@dataclass(slots=True)
class Call:
    """One operation as it is asked for: who (`account` is an email), on what, with which body.

    `play` holds the listing faults to act out; `note` collects what the journal should show.
    """

    world: World
    account: str
    args: dict[str, str] = field(default_factory=dict)
    query: Query = field(default_factory=Query)
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    play: dict[str, Any] = field(default_factory=dict)
    note: dict[str, Any] = field(default_factory=dict)

    def check_precondition(self, etag: str) -> None:
        """Raise the 412 where `If-Match` names another version."""
        wanted = self.headers.get("if-match", "*")
        if wanted not in ("*", etag):
            raise ApiError(
                412,
                "conditionNotMet",
                "Precondition Failed",
                location="If-Match",
                location_type="header",
            )

    def unchanged(self, etag: str) -> bool:
        """Return whether `If-None-Match` names this very version, so that the answer is 304."""
        return self.headers.get("if-none-match") == etag


@dataclass(slots=True)
class Reply:
    """An operation's answer: a resource to be masked and serialised, or ready bytes."""

    body: dict[str, Any] | bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
