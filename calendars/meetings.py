"""Whether a calendar shows a meeting already, so that nobody blocks the same time twice; pure.

Guests of a meeting have copies of their own with the same UID. Two copies are taken for one only
where they also take place at the same times: rather one block too many than a meeting missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from calendars.hours import Hours
from calendars.recurrence import at_slot, has_slot, is_series, rule_lines
from sync.core.records import Fields

# From the looks that take up no time to those that do.
_STRENGTH: Final = ("free", "tentative", "busy")


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a meeting that a calendar shows, and how it looks: busy, tentative or free."""

    fields: Fields
    look: str = "busy"


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a calendar shows of one meeting: its head, and by original start its exceptions.

    None stands for what is known and not shown. `blocks` says that busy blocks show it, and not the
    meeting itself. If these are drawn occurrence by occurrence, `hours` and `days` (back and ahead)
    say which of them are there; None means all.
    """

    head: Copy | None
    exceptions: Mapping[str, Copy | None] = field(default_factory=dict)
    blocks: bool = False
    hours: Hours | None = None
    days: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a rule would show of a meeting: a copy, its place in a series, and within what bounds.

    `slot` is the original start of an exception, "" for a head.
    """

    copy: Copy
    slot: str
    hours: Hours
    days: tuple[int, int]


def shown_by(meetings: Sequence[Meeting], wish: Wish) -> Meeting | None:
    """Return the first of the meetings that shows what is wished for, at least as busily."""
    return next((meeting for meeting in meetings if _shows(meeting, wish)), None)


def _shows(meeting: Meeting, wish: Wish) -> bool:
    copy = _copy_at(meeting, wish)
    return (
        copy is not None
        and _when(copy.fields) == _when(wish.copy.fields)
        and _STRENGTH.index(copy.look) >= _STRENGTH.index(wish.copy.look)
    )


def _copy_at(meeting: Meeting, wish: Wish) -> Copy | None:
    """Return what is shown in the place that is wished for, if anything is."""
    if wish.slot in meeting.exceptions:
        return meeting.exceptions[wish.slot]
    head = meeting.head
    if head is None or not _covers(meeting, wish):
        return None
    if not wish.slot:
        return head
    if not is_series(head.fields) or not has_slot(head.fields, wish.slot):
        return None
    return Copy(at_slot(head.fields, wish.slot), head.look)


def _covers(meeting: Meeting, wish: Wish) -> bool:
    """Say whether all the occurrences that are wished for are among those that are shown."""
    if meeting.hours is None or meeting.days is None:
        return True
    reach = all(mine <= theirs for mine, theirs in zip(wish.days, meeting.days, strict=True))
    return meeting.hours == wish.hours and reach


def _when(fields: Fields) -> tuple[object, ...]:
    """Return when an event takes place; the zone matters only where something repeats."""
    start, end, lines = fields["start"], fields["end"], sorted(rule_lines(fields))
    zone = start.get("zone", "") if lines else ""
    times = (moment.get("at") or moment["date"] for moment in (start, end))
    return (*times, zone, *lines)
