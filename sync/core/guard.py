"""The guard: which deletions of a plan may leave, and which wait for a person."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sync.core.records import Fields, changed_fields, fingerprint


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a run may delete: an absolute number, a share of a run, a share of a sliding day."""

    most: int = 50
    share: float = 0.10
    share_per_day: float = 0.20
    always: int = 5


@dataclass(frozen=True, slots=True)
class Dangers:
    """What a plan would do to one side: deletions now and in the last 24 h, out of how many."""

    deletions: int
    deletions_today: int
    mapped: int
    alike_changes: int = 0
    distrust: str = ""


def holds(dangers: Dangers, limits: Limits) -> list[str]:
    """List the reasons why the dangerous part of a plan must wait; empty if it may go.

    `deletions_today` does not include those of this plan. `alike_changes` counts the items that one
    and the same change would alter (a shifted time zone, a renamed word).
    """
    if not dangers.deletions and not dangers.alike_changes:
        return []
    return [
        *_too_many_deletions(dangers, limits),
        *_emptied(dangers),
        *([dangers.distrust] if dangers.distrust and dangers.deletions else []),
        *too_alike(dangers, limits),
    ]


def _too_many_deletions(dangers: Dangers, limits: Limits) -> list[str]:
    per_run = max(limits.always, math.floor(limits.share * dangers.mapped))
    per_day = max(limits.always, math.floor(limits.share_per_day * dangers.mapped))
    today = dangers.deletions_today + dangers.deletions
    reasons = []
    if dangers.deletions > limits.most:
        reasons.append(f"{dangers.deletions} deletions; at most {limits.most} in a run")
    if dangers.deletions > per_run:
        reasons.append(
            f"{dangers.deletions} of {dangers.mapped} deleted; at most {per_run} in a run"
        )
    if today > per_day and dangers.deletions:
        reasons.append(f"{today} of {dangers.mapped} deleted in a day; at most {per_day}")
    return reasons


def _emptied(dangers: Dangers) -> list[str]:
    if dangers.deletions > 1 and dangers.deletions >= dangers.mapped:
        return ["one side would be empty afterwards"]
    return []


# The share of all items that one and the same change may alter.
_ALIKE: Final = 0.3


def too_alike(dangers: Dangers, limits: Limits) -> list[str]:
    """Say if one and the same change would alter too many items, so that those must wait."""
    if dangers.alike_changes > max(limits.always, _ALIKE * dangers.mapped):
        return [f"the same change to {dangers.alike_changes} of {dangers.mapped} items"]
    return []


# Of a smaller share than this there is no use in working out when it is reached.
_COUNTABLE: Final = 1e-6


def how_many_matter(dangers: Dangers, limits: Limits) -> int | None:
    """Return how many mapped items are so many that more make no difference; None if none are.

    Beyond that no share is exceeded and no side is emptied, so nobody needs to count further.
    """
    shares = (
        (dangers.deletions, limits.share),
        (dangers.deletions_today + dangers.deletions, limits.share_per_day),
        (dangers.alike_changes, _ALIKE),
    )
    judged = [(number, share) for number, share in shares if number > limits.always]
    if any(share < _COUNTABLE for _, share in judged):
        return None
    return max([dangers.deletions, *(math.ceil(n / share) for n, share in judged)]) + 1


def too_many_missing(missing: int, known: int, limits: Limits) -> bool:
    """Say if a complete listing lacks so many known copies that it is not to be believed."""
    return missing > max(limits.always, min(limits.most, int(limits.share_per_day * known)))


def delta(before: Fields | None, after: Fields | None) -> str:
    """Name the change between two records, so that the same change to many records is seen.

    A moment counts by how far it moved, anything else by its old and new value.
    """
    names = changed_fields(before, after)
    old, new = before or {}, after or {}
    return fingerprint({name: _move(old.get(name), new.get(name)) for name in names})


def _move(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict) and "at" in old and "at" in new:
        then, now = datetime.fromisoformat(old["at"]), datetime.fromisoformat(new["at"])
        return [(now - then).total_seconds(), old.get("zone"), new.get("zone")]
    return [old, new]
