"""What proves that a write of ours arrived, and what becomes of one that nothing proves."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from sync.core.absorb import Known
from sync.core.provider import Copy, Refusal, Remedy
from sync.core.records import Direction

# How a calendar says that it no longer keeps an exception of a series that is there.
DROPPED: Final = "no longer among its series' exceptions"

# How often a refused write is tried before a person has to look at it.
MOST_ATTEMPTS: Final = 8


class Proof(StrEnum):
    """How a copy shows that a write of ours arrived."""

    NONE = "none"
    MARK = "mark"  # it bears the mark of that very write
    NAME = "name"  # it bears a name of ours, and died before we ever saw it


def proof_in(known: Known, copy: Copy) -> Proof:
    """Say what an observation proves about our writes.

    A tombstone may no longer bear a mark: if it is the first that we hear of a copy that we named,
    a creation of ours arrived.
    """
    if copy.mark and not copy.mark.inherited:
        return Proof.MARK
    dead_on_sight = not known.ever_seen and copy.fields is None
    return Proof.NAME if dead_on_sight else Proof.NONE


class Welcome(StrEnum):
    """What becomes of a copy that we never saw."""

    TAKE_IN = "take in"
    LEAVE = "leave"
    UNCLAIMED = "unclaimed"  # ours, but nothing here claims it; cleanup removes those


def welcome(copy: Copy, *, direction: Direction, ours: bool, covered: bool) -> Welcome:
    """Say whether a copy that we never saw is taken in.

    Not if it is `ours` and nothing claims it: a busy block whose rule this database does not know,
    or a second copy that a worker wrote after it had been given up for lost. A cancelled
    occurrence shows no times to go by: it is wanted wherever its series is.
    """
    if copy.mark and (copy.mark.rule or ours):
        return Welcome.UNCLAIMED
    if direction is Direction.PUSH or not (copy.partial or covered):
        return Welcome.LEAVE
    return Welcome.TAKE_IN


def leaves_doubt(action: str, *, client_ids: bool) -> bool:
    """Say if an unanswered write could have been undone by a person without a trace of it.

    Not a creation under a name of ours: the name, alive or dead, tells whether it arrived.
    """
    return action != "create" or not client_ids


def proven_by_absence(action: str, *, there: bool) -> bool:
    """Say if a read by id that found no mark closes an unanswered write all the same.

    A deletion is proven by a tombstone. Anything else is lost: it may still arrive, from a worker
    that was asleep, so its mark is recognised for ever.
    """
    return action == "delete" and not there


class Aftermath(StrEnum):
    """What a refused write leads to."""

    DOUBT = "doubt"  # it may have arrived: the next look at the copy tells
    LOOK_AGAIN = "look again"  # the copy is not what we thought: read it, plan anew
    WAIT = "wait"


def aftermath(refusal: Refusal) -> Aftermath:
    """Say what a refused write leads to."""
    if not refusal.certain:
        return Aftermath.DOUBT
    moved = refusal.remedy in (Remedy.REREAD, Remedy.ADOPT, Remedy.GONE)
    return Aftermath.LOOK_AGAIN if moved else Aftermath.WAIT


def pause_after(refusal: Refusal, attempts: int) -> timedelta:
    """Return how long the next attempt is put off, longer each time."""
    if attempts >= MOST_ATTEMPTS:
        return timedelta(days=365)
    if refusal.remedy is Remedy.PARK:
        return timedelta(days=1)
    return timedelta(seconds=max(refusal.retry_after or 0, 30 * 2**attempts))
