"""Worlds to start from: `empty`, `demo` and `large:N`."""

from __future__ import annotations

import re

from integrations.sandbox import oauth
from integrations.sandbox.demo import plant_demo
from integrations.sandbox.large import plant_large
from integrations.sandbox.world import World

NAMES = "empty, demo, large:N (N events on one calendar, for instance large:100000)"


class UnknownSeed(ValueError):
    """The name is none of NAMES."""


def check(name: str) -> None:
    """Raise UnknownSeed, which lists the names that exist, for any other."""
    if name not in ("empty", "demo") and not re.fullmatch(r"large:[0-9]{1,7}", name):
        raise UnknownSeed(f"Unknown seed {name!r}; seeds are {NAMES}.")


def plant(world: World, name: str) -> None:
    """Fill an empty world; raise UnknownSeed for a name that does not exist."""
    check(name)
    oauth.add_client(world, oauth.CLIENT_ID, oauth.CLIENT_SECRET, [])
    if name == "demo":
        plant_demo(world)
    elif name != "empty":
        plant_large(world, int(name.removeprefix("large:")))
