"""Rulings: a person's decision about a conflict, written down for the next run to carry out."""

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from conflicts.edits import TIMES, problems_with
from conflicts.models import Conflict
from sync.core.events import SHARED
from sync.core.merge import MergePolicy, Times, merge
from sync.core.records import Fields, Side

__all__ = ["ConflictClosed", "ImpossibleRuling", "Side", "UnknownConflict", "rule"]

# The name that a clash of whole records bears: deleted on one side, edited on the other.
WHOLE = "*"


class UnknownConflict(LookupError):
    """There is no such conflict (any more)."""


class ConflictClosed(Exception):
    """Nobody waits for a ruling here: somebody was quicker, or a side has moved on."""


class ImpossibleRuling(ValueError):
    """A ruling that does not fit its conflict; `problems` says why, in words for whoever ruled."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


def rule(
    *,
    conflict_id: uuid.UUID,
    by: User | None,
    now: datetime,
    keep: Side | Mapping[str, Side] | None = None,
    edits: Fields | None = None,
    delete: bool = False,
) -> Conflict:
    """Write a person's decision about an open conflict down, and touch nothing else.

    `keep` is the side that is right, for the whole clash or field by field (a deletion that met an
    edit is the field "*"); `edits` are values of the person's own, for any field; with `delete` the
    record is to go on both sides. Every clashing field needs an answer; what does not clash is
    merged as ever.

    The next run carries the ruling out, as long as both sides still look as they do in the
    conflict. Raises `UnknownConflict`, `ConflictClosed`, `ImpossibleRuling`.
    """
    conflict = Conflict.objects.filter(pk=conflict_id).first()
    if conflict is None:
        raise UnknownConflict(f"there is no conflict {conflict_id}")
    if delete and (keep or edits):
        raise ImpossibleRuling(["either delete on both sides, or say what to keep"])
    record = None if delete else _record(conflict, _sides(conflict, keep), edits or {})
    ruling = {"exists": record is not None, "fields": record}
    _write_down(conflict, ruling, by, now)
    return conflict


def _write_down(conflict: Conflict, ruling: dict[str, Any], by: User | None, now: datetime) -> None:
    """Store the ruling if the conflict is still open, so that of two people one only decides."""
    decided = {
        "outcome": Conflict.Outcome.RULED,
        "ruling": ruling,
        "ruled_by": by,
        "ruled_at": now,
    }
    still_open = Conflict.objects.filter(pk=conflict.pk, outcome=Conflict.Outcome.OPEN)
    if not still_open.update(**decided):
        conflict.refresh_from_db(fields=["outcome"])
        raise ConflictClosed(f"nothing to decide: {conflict.get_outcome_display()}")
    for name, value in decided.items():
        setattr(conflict, name, value)


def _sides(conflict: Conflict, keep: Side | Mapping[str, Side] | None) -> dict[str, Side]:
    if isinstance(keep, Side):
        return dict.fromkeys(conflict.fields, keep)
    return dict(keep or {})


def _record(conflict: Conflict, sides: Mapping[str, Side], edits: Fields) -> Fields | None:
    """Return the record as it is to be (None: gone), or raise `ImpossibleRuling`."""
    problems = [*_misfits(conflict, sides, edits)]
    if problems:
        raise ImpossibleRuling(problems)
    record = _kept(conflict, sides)
    if record is None:
        if edits:
            raise ImpossibleRuling(["the side to keep has deleted the record: nothing to edit"])
        return None
    record = {**record, **edits}
    problems = [*problems_with(edits, record)]
    if problems:
        raise ImpossibleRuling(problems)
    return record


def _misfits(conflict: Conflict, sides: Mapping[str, Side], edits: Fields) -> Iterator[str]:
    """Say what a ruling names that does not clash, what it forgets, and what it tears apart."""
    clashing = set(conflict.fields)
    if unknown := sides.keys() - clashing:
        yield f"{_list(unknown)}: no clash there; the clash is in {_list(clashing)}"
    if forgotten := clashing - sides.keys() - edits.keys():
        yield f"{_list(forgotten)}: say which side to keep"
    if own := edits.keys() - SHARED if conflict.mapping.away else ():
        yield f"{_list(own)}: kept where the event is at home, not in a copy elsewhere"
    if len({sides[name] for name in TIMES if name in sides}) > 1:
        yield f"{_list(TIMES)} make sense only together: keep both of one side"


def _list(names: Any) -> str:
    return ", ".join(sorted(names))


def _kept(conflict: Conflict, sides: Mapping[str, Side]) -> Fields | None:
    """Return what keeping these sides makes of the record, before any edits."""
    local, remote = conflict.local, conflict.remote
    if WHOLE in sides or local is None or remote is None:
        kept: Fields | None = local if sides[WHOLE] is Side.LOCAL else remote
        return kept
    return merge(conflict.base, local, remote, MergePolicy(owners=sides), Times()).fields
