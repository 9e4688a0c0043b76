"""Write busy blocks: bring the local blocks of one rule in line with their sources.

The unit of work is a head, an event that is no exception, with all its exceptions: whether a series
is mirrored decides what becomes of each of them. All writing to the blocks of a calendar happens
under a lock on the rows of all rules that have it as their target, so two workers take turns, and
the second one sees what the first one did. Which of two rules blocks the time of a meeting that
both calendars know is decided under that lock, too.
"""

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from calendars import bulk, parts, touched
from calendars.event_fields import COLUMNS, fields_of, values_of
from calendars.families import Blocks, Row, Table, heads_of, lay, rows
from calendars.knobs import content_of, homes_of, knobs_of
from calendars.locking import lock_rules
from calendars.meetings import Meeting
from calendars.mirror import (
    Block,
    Drawn,
    Occurrences,
    Rule,
    Skip,
    Source,
    as_meeting,
    mirror,
    window,
)
from calendars.models import BlockPart, BusyRule, Event, Item
from calendars.new_items import insert_items
from calendars.recurrence import at_slot, has_slot
from sync.core.records import Fields

log = logging.getLogger(__name__)

# How many heads are handled in one transaction.
BATCH = 1_000

# What a block stands for: its source, and which occurrence of that, "" for the whole.
Key = tuple[uuid.UUID, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A block as it should be, and the item of the series' block that it is an exception of."""

    block: Block
    series: uuid.UUID | None = None


@dataclass(slots=True)
class Changes:
    """What has to be written to the blocks of one rule.

    Blocks to make go by source and occurrence, others by their items.
    """

    create: dict[Key, Wanted] = field(default_factory=dict)
    update: dict[uuid.UUID, Wanted] = field(default_factory=dict)
    remove: list[uuid.UUID] = field(default_factory=list)


def due_heads(rule: BusyRule, now: datetime) -> Iterator[Sequence[uuid.UUID]] | None:
    """Yield, batch by batch, the heads to look at since a rule was last applied; None if none are.

    A rule whose content changed looks at all its sources. One whose window merely moved on looks
    at what the window newly reaches: that grows with the days that passed, not with the calendar.
    """
    applied, _, day = rule.applied.partition("@")
    if applied != content_of(rule, now):
        if not rule.merge:
            parts.forget(rule)
        return chain(_walk(_sources(rule).filter(series=None)), _walk(_strays(rule)))
    if day != now.date().isoformat():
        return _walk(_newly_reached(rule, date.fromisoformat(day), now))
    return None


def stamp(rule: BusyRule, now: datetime) -> str:
    """Return what `BusyRule.applied` is to say once the blocks are in line."""
    return f"{content_of(rule, now)}@{now.date().isoformat()}"


def refresh(rule: BusyRule, heads: Sequence[uuid.UUID], now: datetime) -> list[Changes] | None:
    """Bring the blocks of these heads in line, and what other rules have of the same meetings.

    All in one transaction. Returns what was changed, by rule, or None if the rule was changed,
    paused, switched off or removed meanwhile.
    """
    with transaction.atomic():
        group = _group(rule)
        current = next((one for one in group if one.pk == rule.pk), None)
        if current is None or current.rests(now):
            return None
        if content_of(current, now) != content_of(rule, now):
            return None
        touched.hand_over(current, heads)
        table = lay(current, group, heads)
        concerned = [one for one in group if one.pk in table.families]
        return [_refresh_one(one, table, table.invited, now) for one in concerned]


def _refresh_one(
    rule: BusyRule, table: Table, meetings: dict[str, list[Meeting]], now: datetime
) -> Changes:
    """Bring the blocks of one rule in line; adds what these show to the meetings."""
    wanted = _draw(rule, table, meetings, now)
    if rule.rests(now):
        return Changes()
    if rule.merge:
        return _refresh_merged(rule, table, wanted, now)
    changes = _differences(wanted, table.blocks[rule.pk])
    _carry_out(rule, table, changes, now)
    return changes


def _refresh_merged(
    rule: BusyRule, table: Table, wanted: Mapping[Key, Wanted], now: datetime
) -> Changes:
    """Bring the blocks of a rule that merges in line, with all that theirs merge with."""
    single = {key: one for key, one in wanted.items() if one.series is None and not _repeats(one)}
    sources = [row["item_id"] for family in table.families[rule.pk] for row in family]
    pool = parts.gather(rule, sources, {key: one.block.fields for key, one in single.items()})
    blocks = {source: dict(known) for source, known in table.blocks[rule.pk].items()}
    for (source, occurrence), row in pool.blocks.items():
        blocks.setdefault(source, {})[occurrence] = row
    final = {key: one for key, one in wanted.items() if key not in single}
    for host, block, keys in parts.merged(pool):
        final[host] = Wanted(block)
        pool.placed |= dict.fromkeys(keys, _block_id(rule, host, blocks))
    changes = _differences(final, blocks)
    _carry_out(rule, table, changes, now)
    parts.remember(rule, pool)
    return changes


def _repeats(wanted: Wanted) -> bool:
    return bool(wanted.block.fields["recurrence"])


def _carry_out(rule: BusyRule, table: Table, changes: Changes, now: datetime) -> None:
    """Write the changes, as far as nobody's own doing stands against them."""
    _follow_series(rule, [family[0]["item_id"] for family in table.families[rule.pk]], changes)
    _heed(rule, changes)
    _write(rule, changes, now)


def _group(rule: BusyRule) -> list[BusyRule]:
    """Lock all rules with the same target; returns those that nobody took away, oldest first."""
    rules = [one for one in lock_rules([rule.target_id]) if one.removed_at is None]
    return sorted(rules, key=lambda one: (one.created_at, one.pk))


def wake_rivals(rule: BusyRule) -> None:
    """Let the other rules with this target look at everything: a meeting may be theirs now."""
    rivals = BusyRule.objects.filter(target=rule.target_id, removed_at=None, once_per_meeting=True)
    rivals.exclude(pk=rule.pk).update(applied="")


def _walk(events: QuerySet[Event]) -> Iterator[Sequence[uuid.UUID]]:
    """Yield the heads of events in batches along the primary key: little is held, nothing open."""
    last = uuid.UUID(int=0)
    while ids := list(
        events.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        yield heads_of(ids)
        last = ids[-1]


def _sources(rule: BusyRule) -> QuerySet[Event]:
    homes = homes_of([rule])[rule.pk]
    return Event.objects.filter(item__home__in=homes, item__deleted_at=None, busy_rule=None)


def _has_block(rule: BusyRule) -> Q:
    blocks = Event.objects.filter(busy_rule=rule, item__deleted_at=None, source=OuterRef("pk"))
    if not rule.merge:
        return Q(Exists(blocks))
    return Q(Exists(blocks)) | Q(Exists(BlockPart.objects.filter(rule=rule, source=OuterRef("pk"))))


def _strays(rule: BusyRule) -> QuerySet[Event]:
    """Find the events with a block that were deleted or have left the source calendar."""
    gone = ~Q(item__deleted_at=None) | ~Q(item__home__in=homes_of([rule])[rule.pk])
    gone |= Q(item__home=None)
    return Event.objects.filter(gone, _has_block(rule))


def _newly_reached(rule: BusyRule, day: date, now: datetime) -> QuerySet[Event]:
    """Find the events without a block that a window may reach now and did not reach on `day`.

    A series that may be drawn occurrence by occurrence gets new ones every day.
    """
    knobs = knobs_of(rule)
    _, until = window(knobs, now)
    since = until - timedelta(days=(now.date() - day).days + 1)
    series, entering = ~Q(recurrence=[]), Q(begins_at__range=(since, until))
    if knobs.looks_at_occurrences:
        return _sources(rule).filter((entering & ~_has_block(rule)) | series)
    return _sources(rule).filter(entering | series, ~_has_block(rule))


def _draw(
    rule: BusyRule, table: Table, meetings: dict[str, list[Meeting]], now: datetime
) -> dict[Key, Wanted]:
    """Ask the mirror for the blocks of a rule, by what they stand for."""
    knobs, wanted, slow = knobs_of(rule), dict[Key, Wanted](), False
    for family in table.families[rule.pk]:
        sources, uid = [table.source(rule, row) for row in family], family[0]["uid"]
        found = _found(rule, knobs, sources, meetings.get(uid, []), now)
        slow |= Skip.SLOW_FILTER in found
        head = (family[0]["item_id"], "")
        for row, drawn in zip(family, found, strict=True):
            for block in _blocks_of(drawn):
                key = (row["item_id"], block.occurrence)
                series = _block_id(rule, head, table.blocks[rule.pk]) if block.slot else None
                wanted[key] = Wanted(block, series)
        if uid:
            meetings.setdefault(uid, []).append(as_meeting(knobs, sources, found))
    if slow:
        log.warning("busy rule %s: a filter took too long for some events", rule.pk)
    return wanted


def _found(
    rule: BusyRule, knobs: Rule, sources: list[Source], meetings: list[Meeting], now: datetime
) -> list[Drawn]:
    """Return what the rule makes of a family; one that rests keeps what it has."""
    if rule.rests(now):
        return [Block(one.fields) if one.has_block else Skip.RESTS for one in sources]
    elsewhere = [
        meeting
        for meeting in meetings
        if (rule.once_per_meeting if meeting.blocks else rule.skip_invited)
    ]
    return mirror(knobs, sources[0], sources[1:], now, elsewhere)


def _blocks_of(drawn: Drawn) -> tuple[Block, ...]:
    match drawn:
        case Block():
            return (drawn,)
        case Occurrences():
            return drawn.blocks
    return ()


def _follow_series(rule: BusyRule, heads: Sequence[uuid.UUID], changes: Changes) -> None:
    """Let occurrences that people took out of a block be what its series says, or go with it."""
    for row in touched.parts(rule, heads):
        series = _series_to_be(row["series_id"], changes)
        if series is None or not has_slot(series, row["slot"]):
            changes.remove += [row["item_id"]] if row["item__deleted_at"] is None else []
            continue
        block = Block(at_slot(series, row["slot"]), row["slot"])
        wanted = Wanted(block, row["series_id"])
        if not _as_wanted(row, wanted):
            changes.update[row["item_id"]] = wanted


def _series_to_be(item_id: uuid.UUID, changes: Changes) -> Fields | None:
    """Return the series of a block as it will be; None if there will be none."""
    if item_id in changes.remove:
        return None
    if item_id in changes.update:
        return changes.update[item_id].block.fields
    row = next(rows(item=item_id, item__deleted_at=None), None)
    return row and fields_of(row)


def _heed(rule: BusyRule, changes: Changes) -> None:
    """Take out of the changes what a person made of blocks, as far as the rule respects that.

    A series that is left alone as it was moved or deleted has no place for exceptions of ours.
    """
    stand = touched.standing(rule, list(changes.update))
    left = {item_id: changes.update.pop(item_id).block.fields for item_id in stand}
    touched.forget(changes.remove)
    closed = touched.out_of_place(left)
    changes.create = {k: w for k, w in changes.create.items() if w.series not in closed}
    changes.update = {k: w for k, w in changes.update.items() if w.series not in closed}


def _block_id(rule: BusyRule, key: Key, blocks: Blocks) -> uuid.UUID:
    """Name a block after its rule and what it stands for, so that nobody ever makes two."""
    source, occurrence = key
    known = blocks.get(source, {}).get(occurrence)
    name = f"{source}/{occurrence}" if occurrence else str(source)
    return known["item_id"] if known else uuid.uuid5(rule.pk, name)


def _differences(wanted: Mapping[Key, Wanted], blocks: Blocks) -> Changes:
    changes = Changes()
    for (source, occurrence), block in wanted.items():
        known = blocks.get(source, {}).get(occurrence)
        if known is None:
            changes.create[(source, occurrence)] = block
        elif not _as_wanted(known, block):
            changes.update[known["item_id"]] = block
    changes.remove = [
        row["item_id"]
        for source, rows_of_it in blocks.items()
        for occurrence, row in rows_of_it.items()
        if row["item__deleted_at"] is None and (source, occurrence) not in wanted
    ]
    return changes


def _as_wanted(row: Row, wanted: Wanted) -> bool:
    place = (row["item__deleted_at"], row["series_id"], row["slot"])
    return place == (None, wanted.series, wanted.block.slot) and (
        fields_of(row) == wanted.block.fields
    )


def _write(rule: BusyRule, changes: Changes, now: datetime) -> None:
    """Write the changes with a handful of statements."""
    if changes.create:
        _insert(rule, changes.create, now)
    revised = Item.objects.filter(pk__in=list(changes.update))
    revised.update(**_revised(now), deleted_at=None, home=rule.target_id)
    bulk.update(
        Event, _EVENT, ((*_values(wanted), item_id) for item_id, wanted in changes.update.items())
    )
    _bury(Item.objects.filter(pk__in=changes.remove), now)


def _insert(rule: BusyRule, create: Mapping[Key, Wanted], now: datetime) -> None:
    new = {_block_id(rule, key, {}): key for key in create}
    insert_items(((item_id, True) for item_id in new), home=rule.target, now=now)
    bulk.insert(
        Event,
        (*_EVENT, "item", "busy_rule", "source", "occurrence", *_FACTS),
        (
            (*_values(create[key]), item_id, rule.pk, *key, *_FACTS.values())
            for item_id, key in new.items()
        ),
    )


_EVENT = (*COLUMNS, "series", "slot")
# A block has none of what only a service can state.
_FACTS = {"uid": "", "sequence": 0, "organizer": "{}", "link": ""}


def _values(wanted: Wanted) -> tuple[Any, ...]:
    """Return the values of a block in the order of `_EVENT`."""
    return (*values_of(wanted.block.fields), wanted.series, wanted.block.slot)


def _revised(now: datetime) -> dict[str, Any]:
    return {"revision": F("revision") + 1, "pending": True, "updated_at": now}


def _bury(items: Any, now: datetime) -> int:
    number: int = items.update(**_revised(now), deleted_at=now)
    return number
