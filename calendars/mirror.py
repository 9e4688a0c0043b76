"""Which busy block an event of one calendar makes in another; pure.

A block is built from nothing, field by field, from what its rule allows: what is not named here
cannot get through. A private event shows no text of its own, whatever the rule allows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from calendars.drawing import fields_of_block, padding
from calendars.fitness import Skip, Source, look_of, off_hours, takes_up_time, unfit
from calendars.meetings import Copy, Meeting, Wish, shown_by
from calendars.occurrences import Occurrence, earlier, earlier_slot, expand, same_starts
from calendars.recurrence import at_slot, excluding, has_slot, instant, is_series, reaches
from calendars.rulebook import EVENT_TYPES, PLAIN, SHOWABLE, Rule
from sync.core.records import Fields

__all__ = [
    "EVENT_TYPES",
    "PLAIN",
    "SHOWABLE",
    "Block",
    "Drawn",
    "Occurrences",
    "Rule",
    "Skip",
    "Source",
    "alone",
    "mirror",
    "window",
]

# Whether a series can be drawn as one is decided by its occurrences of a year and a month, however
# short the window: that is every season and every weekday.
HORIZON: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Block:
    """A busy block as it should be; with a `slot` it is an exception in the block of its series.

    One that stands for a single occurrence of a series has the name of that in `occurrence`.
    """

    fields: Fields
    slot: str = ""
    occurrence: str = ""


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The blocks of a series that is drawn occurrence by occurrence."""

    blocks: tuple[Block, ...]


Drawn = Block | Occurrences | Skip


def mirror(
    rule: Rule,
    head: Source,
    exceptions: Sequence[Source],
    now: datetime,
    elsewhere: Sequence[Meeting] = (),
) -> list[Drawn]:
    """Return what blocks a head and its exceptions make, in this order, or why they make none.

    A mirrored series has its exceptions in its block. Of a series that is not mirrored (declined,
    say), or is drawn occurrence by occurrence, an exception that fits the rule makes a block of its
    own; it keeps that when the series is mirrored later, and the series' block leaves its place
    empty. `elsewhere` is what the target shows of the same meeting without this rule.
    """
    everyone = [head, *exceptions]
    if not rule.is_active(now):
        return [Skip.RESTS for _ in everyone]
    if head.gone:
        return [Skip.GONE for _ in everyone]
    if not is_series(head.fields):
        return [_alone(rule, head, now, elsewhere), *[Skip.NO_SERIES for _ in exceptions]]
    series = _series(rule, head, exceptions, now, elsewhere)
    if isinstance(series, Block):
        lead = instant(head.fields["start"]) - instant(series.fields["start"])
        within = [_within(rule, part, series.fields, lead, elsewhere) for part in exceptions]
        return [_leaving_out(series, exceptions, lead), *within]
    return [series, *[_alone(rule, part, now, elsewhere) for part in exceptions]]


def alone(rule: Rule, source: Source, now: datetime) -> Block | Skip:
    """Return the block of an event that is looked at by itself, or why it makes none.

    A block that exists is not given up because its time has passed.
    """
    return _alone(rule, source, now, ())


def _alone(rule: Rule, source: Source, now: datetime, elsewhere: Sequence[Meeting]) -> Block | Skip:
    skip = _kept_out(rule, source, now, elsewhere) or off_hours(rule, source.fields)
    return skip or Block(fields_of_block(rule, source))


def _kept_out(
    rule: Rule, source: Source, now: datetime, elsewhere: Sequence[Meeting]
) -> Skip | None:
    """Say why an event makes no block, whatever its hours."""
    skip = Skip.GONE if source.gone else unfit(rule, source) or _outside(rule, source.fields, now)
    if skip is Skip.OVER and source.has_block:
        skip = None
    return skip or _met(rule, source, elsewhere)


def _met(rule: Rule, source: Source, elsewhere: Sequence[Meeting]) -> Skip | None:
    """Say why a meeting that the target shows already makes no block."""
    if not elsewhere:
        return None
    copy = Copy(source.fields, look_of(rule, source.fields))
    days = (rule.past_days, rule.future_days)
    meeting = shown_by(elsewhere, Wish(copy, source.slot, rule.hours, days))
    if meeting is None:
        return None
    return Skip.MET if meeting.blocks else Skip.SHOWN


def _series(
    rule: Rule,
    head: Source,
    exceptions: Sequence[Source],
    now: datetime,
    elsewhere: Sequence[Meeting],
) -> Drawn:
    """Draw a series as a series, or by its occurrences where no series has exactly those."""
    skip = _kept_out(rule, head, now, elsewhere)
    if skip:
        return skip
    before, _ = padding(rule, head.fields)
    if not (rule.merge or rule.hours or before):
        return Block(fields_of_block(rule, head))
    since, until = window(rule, now)
    found = expand(head.fields, min([since, *map(_day_of, head.drawn)]), max(until, now + HORIZON))
    if found is None:
        return Block(fields_of_block(rule, head, early=False))
    replaced = {part.slot for part in exceptions if not part.gone}
    own = [one for one in found if one.slot not in replaced]
    fitting = [one for one in own if _fits(rule, head.fields, one)]
    if own and not fitting:
        return Skip.OFF_HOURS
    if len(fitting) == len(own) and not rule.merge and _moves_as_one(head.fields, found, before):
        return Block(fields_of_block(rule, head))
    return Occurrences(tuple(_each(rule, head, fitting, since, until)))


def _day_of(slot: str) -> datetime:
    return instant({"at": slot} if "T" in slot else {"date": slot})


def _fits(rule: Rule, series: Fields, one: Occurrence) -> bool:
    if "date" in series["start"]:
        return not rule.hours or rule.hours.meet(one.start.date(), one.end.date())
    return not rule.hours or rule.hours.meet(one.start, one.end)


def _moves_as_one(series: Fields, found: Sequence[Occurrence], by: timedelta) -> bool:
    """Say whether the series, begun earlier, has all its occurrences earlier by that much."""
    if not by:
        return True
    candidate = earlier(series, by)
    if candidate is None or not found:
        return candidate is not None
    last = found[-1].start + timedelta(seconds=1)
    return same_starts(expand(candidate, found[0].end - by, last - by), found, by)


def _each(
    rule: Rule, head: Source, fitting: Sequence[Occurrence], since: datetime, until: datetime
) -> Iterator[Block]:
    """Yield a block for each occurrence in the window, and for those that have one already."""
    for one in fitting:
        inside = one.start < until and (one.end > since or one.start >= since)
        if inside or (one.slot in head.drawn and one.start < until):
            source = replace(head, fields=at_slot(head.fields, one.slot))
            yield Block(fields_of_block(rule, source), occurrence=one.slot)


def _leaving_out(series: Block, exceptions: Sequence[Source], lead: timedelta) -> Block:
    """Exclude the occurrences that have a block of their own; blocks begin that much earlier."""
    slots = [part.slot for part in exceptions if part.apart and not part.gone]
    excluded = [excluding(earlier_slot(slot, lead)) for slot in slots]
    return Block({**series.fields, "recurrence": [*series.fields["recurrence"], *excluded]})


def _within(
    rule: Rule, source: Source, series: Fields, lead: timedelta, elsewhere: Sequence[Meeting]
) -> Block | Skip:
    """Return the exception that an exception makes in the block `series`.

    An occurrence that is cancelled or that the rule skips is cancelled in the block too; one that
    is no exception any more becomes what the series says. The window is the series' affair.
    """
    slot = earlier_slot(source.slot, lead)
    if source.gone:
        back = source.has_block and not source.apart and has_slot(series, slot)
        return Block(at_slot(series, slot), slot) if back else Skip.GONE
    skip = unfit(rule, source) or off_hours(rule, source.fields)
    skip = skip or _met(rule, source, elsewhere)
    if source.apart:
        return skip or Block({**fields_of_block(rule, source), "recurrence": []})
    if skip:
        return Block({**at_slot(series, slot), "status": "cancelled"}, slot)
    return Block({**fields_of_block(rule, source), "recurrence": []}, slot)


def window(rule: Rule, now: datetime) -> tuple[datetime, datetime]:
    """Return when the window of a rule begins and ends."""
    return now - timedelta(days=rule.past_days), now + timedelta(days=rule.future_days)


def _outside(rule: Rule, fields: Fields, now: datetime) -> Skip | None:
    since, until = window(rule, now)
    if reaches(fields, since, until):
        return None
    return (
        Skip.NOT_YET if instant(fields["start"]) >= until or _goes_on(fields, until) else Skip.OVER
    )


def _goes_on(fields: Fields, until: datetime) -> bool:
    """Say whether a series that pauses during the window is resumed after it."""
    return reaches(fields, until, datetime.max.replace(tzinfo=until.tzinfo))


def as_meeting(rule: Rule, family: Sequence[Source], found: Sequence[Drawn]) -> Meeting:
    """Return what the blocks of a rule show of a head and its exceptions."""
    copies = [_as_copy(rule, source, drawn) for source, drawn in zip(family, found, strict=True)]
    slots = (source.slot for source in family[1:])
    exceptions = dict(zip(slots, copies[1:], strict=True))
    if isinstance(found[0], Occurrences):
        days = (rule.past_days, rule.future_days)
        return Meeting(copies[0], exceptions, blocks=True, hours=rule.hours, days=days)
    return Meeting(copies[0], exceptions, blocks=True)


def _as_copy(rule: Rule, source: Source, drawn: Drawn) -> Copy | None:
    hidden = isinstance(drawn, Skip)
    hidden |= isinstance(drawn, Block) and drawn.fields["status"] == "cancelled"
    return None if hidden else Copy(source.fields, look_of(rule, source.fields))


def as_invited(family: Sequence[Source]) -> Meeting:
    """Return what a calendar shows of a meeting that it has itself, as far as it takes up time."""
    copies = [Copy(source.fields) if takes_up_time(source) else None for source in family]
    slots = (source.slot for source in family[1:])
    return Meeting(copies[0], dict(zip(slots, copies[1:], strict=True)))
