"""What a service's list of collections means for the collections we know. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sync.core.records import Direction

# Roles with which we may write (Google's words; other services are translated into them).
WRITING_ROLES: Final = frozenset({"owner", "writer", "writerWithoutPrivateAccess"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One collection as the service lists it; `gone` if it says that it left the list."""

    remote_id: str
    name: str = ""
    role: str = ""
    time_zone: str = "UTC"
    primary: bool = False
    colour: str = ""
    hidden: bool = False
    default_reminders: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    gone: bool = False

    @property
    def writable(self) -> bool:
        """Say whether we may write there."""
        return self.role in WRITING_ROLES


@dataclass(frozen=True, slots=True)
class Listing:
    """The list, or what changed in it, and where the next look begins."""

    entries: Sequence[Listed]
    cursor: str
    complete: bool


@dataclass(frozen=True, slots=True)
class ListChanges:
    """What to do about a listing: collections to add, to bring up to date, and gone ones."""

    new: Sequence[Listed]
    known: Sequence[Listed]
    gone: Sequence[str]


def compare(known: frozenset[str], listing: Listing) -> ListChanges:
    """Compare a listing with the remote ids we know; only a complete one proves an absence."""
    present = [entry for entry in listing.entries if not entry.gone]
    gone = {entry.remote_id for entry in listing.entries if entry.gone} & known
    if listing.complete:
        gone |= known - {entry.remote_id for entry in present}
    return ListChanges(
        new=[entry for entry in present if entry.remote_id not in known],
        known=[entry for entry in present if entry.remote_id in known],
        gone=sorted(gone),
    )


def first_direction(listed: Listed) -> Direction:
    """Return the direction a collection starts with: both ways where we may write."""
    return Direction.TWO_WAY if listed.writable else Direction.PULL
