"""Worlds to start from: `empty`, `demo` and `large:N`."""

from __future__ import annotations

from integrations.sandbox import oauth
from integrations.sandbox.calendars import add_calendar
from integrations.sandbox.world import World

NAMES = "empty, demo, large:N (N events, for instance large:100000)"


class UnknownSeed(ValueError):
    """The name is none of NAMES."""


def plant(world: World, name: str) -> None:
    """Fill an empty world; raise UnknownSeed, naming the valid ones."""
    oauth.add_client(world, oauth.CLIENT_ID, oauth.CLIENT_SECRET, [])
    kind, _, count = name.partition(":")
    if kind == "empty" and not count:
        return
    if kind == "demo" and not count:
        oauth.add_account(world, "work@example.com")
        add_calendar(
            world,
            "work@example.com",
            {"summary": "work@example.com", "timeZone": "Europe/Berlin"},
            "work@example.com",
        )
        return
    raise UnknownSeed(f"Unknown seed {name!r}; seeds are {NAMES}.")
