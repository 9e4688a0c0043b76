"""Write busy blocks: bring the local blocks of one rule in line with their sources.

The unit of work is a head, an event that is no exception, with all its exceptions: whether a series
is mirrored decides what becomes of each of them. All writing to a rule's blocks happens under a
lock on its row, so two workers take turns, and the second one sees what the first one did.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from calendars import bulk
from calendars.event_fields import COLUMNS, columns_of, fields_of
from calendars.mirror import Block, Rule, Source, mirror, window
from calendars.models import BusyRule, Event, Item
from calendars.new_items import insert_items

# How many heads are handled in one transaction.
BATCH = 1_000

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A block as it should be, and the item of the series' block that it is an exception of."""

    block: Block
    series: uuid.UUID | None = None


@dataclass(slots=True)
class Changes:
    """What has to be written: by source, the blocks to make, to change and to take away."""

    create: dict[uuid.UUID, Wanted] = field(default_factory=dict)
    update: dict[uuid.UUID, Wanted] = field(default_factory=dict)
    remove: list[uuid.UUID] = field(default_factory=list)


def knobs_of(rule: BusyRule) -> Rule:
    """Return what the pure mirror needs of a stored rule."""
    return Rule(
        title=rule.title_template,
        show=frozenset(rule.fields),
        skip_declined=rule.skip_declined,
        skip_tentative=rule.skip_tentative,
        skip_free=rule.skip_free,
        skip_all_day=rule.skip_all_day,
        skip_event_types=frozenset(rule.skip_event_types),
        past_days=rule.past_days,
        future_days=rule.future_days,
    )


def heads_of(item_ids: Iterable[uuid.UUID]) -> list[uuid.UUID]:
    """Return the heads that these events are or belong to, each once, in order."""
    rows = Event.objects.filter(pk__in=list(item_ids))
    return sorted({series or own for own, series in rows.values_list("item_id", "series_id")})


def due_heads(rule: BusyRule, now: datetime) -> Iterator[Sequence[uuid.UUID]] | None:
    """Yield, batch by batch, the heads to look at since a rule was last applied; None if none are.

    A rule whose content changed looks at all its sources. One whose window merely moved on looks
    at what the window newly reaches: that grows with the days that passed, not with the calendar.
    """
    applied, _, day = rule.applied.partition("@")
    if applied != _content(rule):
        return chain(_walk(_sources(rule).filter(series=None)), _walk(_strays(rule)))
    if day != now.date().isoformat():
        return _walk(_newly_reached(rule, date.fromisoformat(day), now))
    return None


def stamp(rule: BusyRule, now: datetime) -> str:
    """Return what `BusyRule.applied` is to say once the blocks are in line."""
    return f"{_content(rule)}@{now.date().isoformat()}"


def refresh(rule: BusyRule, heads: Sequence[uuid.UUID], now: datetime) -> Changes | None:
    """Bring the blocks of these heads in line, in one transaction.

    Returns what was changed, or None if the rule was changed, switched off or removed meanwhile.
    """
    with transaction.atomic():
        locked = BusyRule.objects.select_for_update(no_key=True, of=("self",))
        fresh = locked.select_related("source", "target__account").filter(
            pk=rule.pk, enabled=True, removed_at=None
        )
        current = fresh.first()
        if current is None or _content(current) != _content(rule):
            return None
        changes = _compare(current, heads, now)
        _write(current, changes, now)
    return changes


def remove_all(rule: BusyRule, now: datetime) -> int:
    """Take all blocks of a rule away; returns how many."""
    return _bury(Item.objects.alive().filter(event__busy_rule=rule), now)


def _content(rule: BusyRule) -> str:
    return knobs_of(rule).content(rule.source.name)


def _walk(events: QuerySet[Event]) -> Iterator[Sequence[uuid.UUID]]:
    """Yield the heads of events in batches along the primary key: little is held, nothing open."""
    last = uuid.UUID(int=0)
    while ids := list(
        events.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]
    ):
        yield heads_of(ids)
        last = ids[-1]


def _sources(rule: BusyRule) -> QuerySet[Event]:
    return Event.objects.filter(item__home=rule.source_id, item__deleted_at=None, busy_rule=None)


def _has_block(rule: BusyRule) -> Exists:
    blocks = Event.objects.filter(busy_rule=rule, item__deleted_at=None)
    return Exists(blocks.filter(source=OuterRef("pk")))


def _strays(rule: BusyRule) -> QuerySet[Event]:
    """Find the events with a block that were deleted or have left the source calendar."""
    gone = ~Q(item__deleted_at=None) | ~Q(item__home=rule.source_id)
    return Event.objects.filter(gone, _has_block(rule))


def _newly_reached(rule: BusyRule, day: date, now: datetime) -> QuerySet[Event]:
    """Find the events without a block that a window may reach now and did not reach on `day`."""
    _, until = window(knobs_of(rule), now)
    since = until - timedelta(days=(now.date() - day).days + 1)
    entering = Q(begins_at__range=(since, until)) | ~Q(recurrence=[])
    return _sources(rule).filter(entering, ~_has_block(rule))


def _compare(rule: BusyRule, heads: Sequence[uuid.UUID], now: datetime) -> Changes:
    """Find out what differs between the blocks as they are and as they should be."""
    rows = list(_rows(Q(item__id__any=heads) | Q(series__id__any=heads), busy_rule=None))
    existing = _rows(busy_rule=rule, source__id__any=[row["item_id"] for row in rows])
    blocks = {row["source_id"]: row for row in existing}
    knobs = knobs_of(rule)
    wanted: dict[uuid.UUID, Wanted] = {}
    for family in _families(rows):
        head, *exceptions = (_source(rule, row, blocks.get(row["item_id"])) for row in family)
        series = _block_id(rule, family[0]["item_id"], blocks)
        for row, found in zip(family, mirror(knobs, head, exceptions, now), strict=True):
            if isinstance(found, Block):
                wanted[row["item_id"]] = Wanted(found, series if found.slot else None)
    return _differences(wanted, blocks)


def _families(rows: Iterable[Row]) -> Iterable[list[Row]]:
    """Put the exceptions behind their heads."""
    families: dict[uuid.UUID, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["series_id"] is not None):
        families.setdefault(row["series_id"] or row["item_id"], []).append(row)
    return families.values()


def _rows(*which: Q, **more: Any) -> Iterator[Row]:
    names = (*COLUMNS, "item_id", "series_id", "slot", "source_id")
    about = ("item__deleted_at", "item__home_id")
    return iter(Event.objects.filter(*which, **more).values(*names, *about))


def _source(rule: BusyRule, row: Row, block: Row | None) -> Source:
    return Source(
        fields=fields_of(row),
        calendar=rule.source.name,
        slot=row["slot"],
        gone=row["item__deleted_at"] is not None or row["item__home_id"] != rule.source_id,
        has_block=block is not None and block["item__deleted_at"] is None,
        apart=block is not None and row["series_id"] is not None and block["series_id"] is None,
    )


def _block_id(rule: BusyRule, source: uuid.UUID, blocks: Mapping[uuid.UUID, Row]) -> uuid.UUID:
    """Name a block after its rule and its source, so that nobody ever makes two."""
    known = blocks.get(source)
    return known["item_id"] if known else uuid.uuid5(rule.pk, str(source))


def _differences(wanted: Mapping[uuid.UUID, Wanted], blocks: Mapping[uuid.UUID, Row]) -> Changes:
    changes = Changes()
    for source, block in wanted.items():
        if source not in blocks:
            changes.create[source] = block
        elif not _as_wanted(blocks[source], block):
            changes.update[blocks[source]["item_id"]] = block
    alive = {source for source, row in blocks.items() if row["item__deleted_at"] is None}
    changes.remove = [blocks[source]["item_id"] for source in alive - wanted.keys()]
    return changes


def _as_wanted(row: Row, wanted: Wanted) -> bool:
    place = (row["item__deleted_at"], row["series_id"], row["slot"])
    return place == (None, wanted.series, wanted.block.slot) and (
        fields_of(row) == wanted.block.fields
    )


def _write(rule: BusyRule, changes: Changes, now: datetime) -> None:
    """Write the changes with a handful of statements."""
    new = {_block_id(rule, source, {}): source for source in changes.create}
    insert_items(((item_id, True) for item_id in new), home=rule.target, now=now)
    bulk.insert(
        Event,
        (*_EVENT, "item", "busy_rule", "source", *_FACTS),
        (
            (*_values(changes.create[source]), item_id, rule.pk, source, *_FACTS.values())
            for item_id, source in new.items()
        ),
    )
    revised = Item.objects.filter(pk__in=list(changes.update))
    revised.update(**_revised(now), deleted_at=None, home=rule.target_id)
    bulk.update(
        Event, _EVENT, ((*_values(wanted), item_id) for item_id, wanted in changes.update.items())
    )
    _bury(Item.objects.filter(pk__in=changes.remove), now)


_EVENT = (*COLUMNS, "series", "slot")
# A block has none of what only a service can state.
_FACTS = {"uid": "", "sequence": 0, "organizer": "{}", "link": ""}


def _values(wanted: Wanted) -> tuple[Any, ...]:
    """Return the values of a block in the order of `_EVENT`."""
    columns = columns_of(wanted.block.fields)
    content = (columns[name] for name in COLUMNS)
    written = (bulk.dumps(v) if isinstance(v, list | dict) else v for v in content)
    return (*written, wanted.series, wanted.block.slot)


def _revised(now: datetime) -> dict[str, Any]:
    return {"revision": F("revision") + 1, "pending": True, "updated_at": now}


def _bury(items: Any, now: datetime) -> int:
    number: int = items.update(**_revised(now), deleted_at=now)
    return number
