"""One run over one calendar: what its parts share, and the boundaries at which it stops.

The parts are generators. They touch neither the services nor the rows by themselves: they yield
what they want done, and whoever drives them does it, or lets it fail, or lets the run die there.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync.core.guard import Limits
from sync.core.provider import Traits
from sync.core.records import Fields
from tests.sync.pure.store import Place, Store


@dataclass(frozen=True, slots=True)
class Call:
    """A call to the service: "page", "read" or "write", with its arguments."""

    verb: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """Work on the rows that counts only while the run holds its lease."""

    work: Callable[[], Any]


Steps = Generator[Call | Commit, Any, Any]


@dataclass(slots=True)
class Run:
    """Everything that the parts of one run share; compare `sync.run.Run`."""

    number: int
    store: Store
    place: Place
    fence: int
    clock: Callable[[], datetime]
    traits: Traits
    shape: str
    normalise: Callable[[Fields], Fields]
    covers: Callable[[Fields], bool]
    name: Callable[..., str]
    started_at: datetime
    complete: bool = False
    released: bool = False
    failures: int = 0
    limits: Limits = field(default_factory=Limits)
    look_again: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
