"""Which way a busy block travels: from its rule, or from a person who changed the copy."""

from dataclasses import dataclass
from typing import Final

from sync.core.reconcile import State
from sync.core.records import Direction, Fields

# What says when something takes place; a rule that changes it has the last word.
_WHEN = ("start", "end", "recurrence", "status")


@dataclass(frozen=True, slots=True)
class Respect:
    """What a rule respects of what people do to its blocks: edits, deletions."""

    edits: bool = False
    deletions: bool = False


RESTORE: Final = Respect()


def way_of_block(state: State, respect: Respect) -> Direction:
    """Return PULL if a person's change of a block stands, PUSH if its rule has its way.

    A change that is respected stands unless the block has moved meanwhile, or is to go: then its
    event was moved or is gone. A cancelled occurrence counts as deleted.
    """
    if state.base is None or state.local is None or not _differ(state.base, state.remote):
        return Direction.PUSH
    if any(state.local.get(name) != state.base.get(name) for name in _WHEN):
        return Direction.PUSH
    respected = respect.deletions if _is_gone(state.remote) else respect.edits
    return Direction.PULL if respected else Direction.PUSH


def _differ(base: Fields, remote: Fields | None) -> bool:
    """Say whether a copy is not as both sides agreed, as far as its reader sees it."""
    return remote is None or any(base.get(name) != value for name, value in remote.items())


def _is_gone(remote: Fields | None) -> bool:
    return remote is None or remote.get("status") == "cancelled"
