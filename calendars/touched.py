"""Busy blocks that a person edited or deleted, and that their rules therefore leave alone.

An occurrence that a person took out of the series of a block is an event of its own from then on:
it has the source of the series, and `occurrence` as well as `slot` say which one it is.

What a person did stands until the times of the block's source change, or the rule does not respect
it any more. Then the rule has its way again, as if nobody had touched the block.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q

from calendars import bulk
from calendars.event_fields import COLUMNS, columns_of, fields_of
from calendars.locking import lock_rules
from calendars.models import BusyRule, Event
from calendars.new_items import insert_items
from calendars.occurrences import earlier_slot
from calendars.recurrence import at_slot, instant, rule_lines
from sync.core.records import Fields, fingerprint


def leave_alone(block_ids: Iterable[uuid.UUID]) -> None:
    """Remember that a person changed these blocks, and when their sources took place then.

    Must run in the transaction that wrote down what the person did.
    """
    rows = Event.objects.filter(item__id__any=list(block_ids), source__isnull=False)
    sources = dict(rows.values_list("item_id", "source_id"))
    times = times_of(sources.values())
    marked = ((True, times.get(source, ""), block) for block, source in sources.items())
    bulk.update(Event, ("left_alone", "source_times"), marked)


def times_of(source_ids: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, str]:
    """Return hashes of when these events take place, and whether they do at all."""
    rows = Event.objects.filter(pk__in={pk for pk in source_ids if pk})
    names = (*COLUMNS, "item_id", "item__deleted_at")
    return {row["item_id"]: _times(row) for row in rows.values(*names)}


def _times(row: Mapping[str, Any]) -> str:
    fields: Fields = fields_of(row)
    return fingerprint(
        {
            "start": fields["start"],
            "end": fields["end"],
            "recurrence": sorted(rule_lines(fields)),
            "gone": row["item__deleted_at"] is not None or fields["status"] == "cancelled",
        }
    )


def standing(rule: BusyRule, block_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return which of these blocks of a rule are as a person wants them, and to be left alone.

    Of all others it is forgotten that anybody touched them.
    """
    touched = Event.objects.filter(pk__in=list(block_ids), busy_rule=rule, left_alone=True)
    columns = ("item_id", "source_id", "source_times", "status", "item__deleted_at")
    rows = list(touched.values(*columns)) if block_ids else []
    times = times_of(row["source_id"] for row in rows)
    stand = {
        row["item_id"]
        for row in rows
        if _respected(rule, row) and times.get(row["source_id"]) == row["source_times"]
    }
    forget([row["item_id"] for row in rows if row["item_id"] not in stand])
    return stand


def _respected(rule: BusyRule, row: Mapping[str, Any]) -> bool:
    gone = row["item__deleted_at"] is not None or row["status"] == "cancelled"
    return (rule.on_delete if gone else rule.on_edit) == BusyRule.Touched.RESPECT


def forget(block_ids: Sequence[uuid.UUID]) -> None:
    """Forget that anybody touched these blocks."""
    if block_ids:
        touched = Event.objects.filter(pk__in=list(block_ids), left_alone=True)
        touched.update(left_alone=False, source_times="")


def out_of_place(left: Mapping[uuid.UUID, Fields]) -> set[uuid.UUID]:
    """Return which blocks that are left alone are not when their rule would have them.

    `left` holds what the rule would have made of each.
    """
    rows = Event.objects.filter(pk__in=list(left)).values(*COLUMNS, "item_id", "item__deleted_at")
    found = set()
    for row in rows if left else ():
        fields, wanted = fields_of(row), left[row["item_id"]]
        moved = any(fields[name] != wanted[name] for name in ("start", "recurrence"))
        if moved or row["item__deleted_at"]:
            found.add(row["item_id"])
    return found


def part(series: uuid.UUID, slot: str, now: datetime) -> uuid.UUID | None:
    """Make an occurrence of a block's series an event of its own, as the series says it is.

    Returns its item, or None if there is one already, perhaps drawn a moment ago. Must run inside a
    transaction: it locks the rules, as all writing to blocks does.
    """
    head = Event.objects.select_related("item__home__account", "busy_rule").get(pk=series)
    if head.busy_rule is None:
        return None
    rule = head.busy_rule
    lock_rules([rule.target_id])
    taken_out = Q(source=head.source_id, occurrence=slot)
    drawn = Q(series=series, slot=slot, item__deleted_at=None)
    if Event.objects.filter(taken_out | drawn, busy_rule=rule).exists():
        return None
    row = Event.objects.values(*COLUMNS).get(pk=series)
    item_id = uuid.uuid5(rule.pk, f"{head.source_id} {slot}")
    if head.item.home is None:
        return None
    insert_items([(item_id, False)], home=head.item.home, now=now)
    Event.objects.create(
        item_id=item_id,
        busy_rule=rule,
        source_id=head.source_id,
        occurrence=slot,
        series_id=series,
        slot=slot,
        **columns_of(at_slot(fields_of(row), slot)),
    )
    return item_id


# The blocks of occurrences that a person took out of a series of ours.
PARTS = Q(occurrence__gt="", series__isnull=False)


def parts(rule: BusyRule, sources: Iterable[uuid.UUID]) -> list[dict[str, Any]]:
    """Return the rows of the occurrences that people took out of the blocks of these sources."""
    names = (*COLUMNS, "item_id", "series_id", "source_id", "slot", "item__deleted_at")
    return list(
        Event.objects.filter(PARTS, busy_rule=rule, source__id__any=list(sources)).values(*names)
    )


def hand_over(rule: BusyRule, heads: Sequence[uuid.UUID]) -> None:
    """Give the occurrences that people took out of blocks to the exceptions that now exist here.

    What a person did to one stands if its source only says something else, at the same time.
    """
    taken_out = parts(rule, heads)
    if not taken_out:
        return
    names = (*COLUMNS, "item_id", "series_id", "slot", "item__deleted_at")
    free = Event.objects.filter(series__in=list(heads), busy_rule=None).exclude(
        Exists(Event.objects.filter(busy_rule=rule, source=OuterRef("pk")))
    )
    of_blocks = {row["series_id"] for row in taken_out}
    rows = Event.objects.filter(pk__in=[*heads, *of_blocks]).values(*names)
    series = {row["item_id"]: fields_of(row) for row in rows}
    found = {(row["source_id"], _original_slot(row, series)): row for row in taken_out}
    for row in free.filter(item__deleted_at=None).values(*names):
        taken = found.get((row["series_id"], row["slot"]))
        if taken:
            _give(taken["item_id"], row, series[row["series_id"]])


def _original_slot(row: Mapping[str, Any], series: Mapping[uuid.UUID, Fields]) -> str:
    """Return the slot of the source's series; blocks may begin earlier than their events."""
    head, block = series[row["source_id"]], series[row["series_id"]]
    return earlier_slot(row["slot"], instant(block["start"]) - instant(head["start"]))


def _give(block: uuid.UUID, exception: Mapping[str, Any], series: Fields) -> None:
    fields, was = fields_of(exception), at_slot(series, exception["slot"])
    moved = any(fields[name] != was[name] for name in ("start", "end", "status"))
    mine = Event.objects.filter(pk=block)
    mine.update(source=exception["item_id"], occurrence="")
    if moved:
        mine.update(left_alone=False, source_times="")
    else:
        mine.filter(left_alone=True).update(source_times=_times(exception))
