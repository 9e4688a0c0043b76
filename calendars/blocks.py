"""Write busy blocks: bring the local blocks of one rule in line with their sources.

The unit of work is a head, an event that is no exception, with all its exceptions: whether a series
is mirrored decides what becomes of each of them. All writing to a rule's blocks happens under a
lock on its row, so two workers take turns, and the second one sees what the first one did.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from calendars.event_fields import COLUMNS, columns_of, fields_of
from calendars.mirror import Rule, Skip, Source, block_of, occurrence_of, window
from calendars.models import BusyRule, Event, Item
from calendars.recurrence import at_slot, has_slot, is_series
from sync.core.records import Fields, Kind

# How many heads are handled in one transaction.
BATCH = 1_000

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A block as it should be; `series` is the block that it is an exception of, with `slot`."""

    fields: Fields
    series: uuid.UUID | None = None
    slot: str = ""


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
    rows = Event.objects.filter(pk__in=list(item_ids), busy_rule=None)
    return sorted({series or own for own, series in rows.values_list("item_id", "series_id")})


def due_heads(rule: BusyRule, now: datetime) -> Iterator[Sequence[uuid.UUID]] | None:
    """Yield, batch by batch, the heads to look at since a rule was last applied; None if none are.

    A rule whose content changed looks at all its sources. One whose window merely moved on looks
    at what the window newly reaches: that grows with the days that passed, not with the calendar.
    """
    applied, _, day = rule.applied.partition("@")
    if applied != _content(rule):
        return _batches(_all_heads(rule), _strays(rule))
    if day != now.date().isoformat():
        return _batches(_newly_reached(rule, date.fromisoformat(day), now))
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


def _all_heads(rule: BusyRule) -> Iterator[uuid.UUID]:
    sources = Event.objects.filter(item__home=rule.source_id, item__deleted_at=None)
    heads = sources.filter(series=None, busy_rule=None).order_by("pk")
    return _keyset(heads)


def _keyset(heads: Any) -> Iterator[uuid.UUID]:
    """Walk along the primary key, a batch at a time: nothing is held, and no cursor stays open."""
    last = uuid.UUID(int=0)
    while ids := list(heads.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        yield from ids
        last = ids[-1]


def _strays(rule: BusyRule) -> Iterator[uuid.UUID]:
    """Yield the heads of blocks whose source was deleted or has left the source calendar."""
    blocks = Event.objects.filter(busy_rule=rule, item__deleted_at=None)
    gone = blocks.exclude(source__deleted_at=None, source__home=rule.source_id)
    for ids in _chunks(gone.values_list("source_id", flat=True).iterator(BATCH)):
        yield from heads_of(ids)


def _newly_reached(rule: BusyRule, day: date, now: datetime) -> Iterator[uuid.UUID]:
    """Yield the heads that a window may reach now and did not reach on `day`."""
    _, until = window(knobs_of(rule), now)
    since = until - timedelta(days=(now.date() - day).days + 1)
    blocks = Event.objects.filter(busy_rule=rule, source=OuterRef("pk"), item__deleted_at=None)
    sources = Event.objects.filter(
        Q(starts_at__range=(since, until))
        | Q(starts_on__range=(since.date(), until.date()))
        | ~Q(recurrence=[]),
        ~Exists(blocks),
        item__home=rule.source_id,
        item__deleted_at=None,
    )
    for ids in _chunks(sources.filter(busy_rule=None).values_list("pk", flat=True).iterator(BATCH)):
        yield from heads_of(ids)


def _chunks(ids: Iterable[uuid.UUID]) -> Iterator[list[uuid.UUID]]:
    chunk: list[uuid.UUID] = []
    for one in ids:
        chunk.append(one)
        if len(chunk) == BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _batches(*heads: Iterator[uuid.UUID]) -> Iterator[list[uuid.UUID]]:
    for part in heads:
        yield from _chunks(part)


def _compare(rule: BusyRule, heads: Sequence[uuid.UUID], now: datetime) -> Changes:
    """Find out what differs between the blocks as they are and as they should be."""
    rows = list(_rows(Q(pk__in=heads) | Q(series__in=heads), busy_rule=None))
    blocks = _blocks(rule, [row["item_id"] for row in rows])
    exceptions: dict[uuid.UUID, list[Row]] = {}
    for row in rows:
        if row["series_id"]:
            exceptions.setdefault(row["series_id"], []).append(row)
    mirror = _Mirror(rule, knobs_of(rule), blocks, now)
    wanted: dict[uuid.UUID, Wanted] = {}
    for row in rows:
        if not row["series_id"]:
            wanted |= mirror.head(row, exceptions.get(row["item_id"], ()))
    return _differences(wanted, blocks)


def _rows(*which: Q, **more: Any) -> Iterator[Row]:
    names = (*COLUMNS, "item_id", "series_id", "slot", "source_id")
    about = ("item__deleted_at", "item__home_id")
    return iter(Event.objects.filter(*which, **more).values(*names, *about))


def _blocks(rule: BusyRule, sources: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row]:
    return {row["source_id"]: row for row in _rows(busy_rule=rule, source__in=sources)}


@dataclass(frozen=True, slots=True)
class _Mirror:
    """One rule at work: from rows of sources to the blocks that they should have."""

    rule: BusyRule
    knobs: Rule
    blocks: Mapping[uuid.UUID, Row]
    now: datetime

    def head(self, row: Row, exceptions: Iterable[Row]) -> dict[uuid.UUID, Wanted]:
        """Return the wanted blocks of a head and its exceptions, by source."""
        if self._gone(row):
            return {}
        block = self._alone(row)
        wanted = {row["item_id"]: Wanted(block)} if block else {}
        if not is_series(row):
            return wanted
        for part in exceptions:
            found = self._of_series(part, row, block) if block else self._own(part)
            wanted |= {part["item_id"]: found} if found else {}
        return wanted

    def _gone(self, row: Row) -> bool:
        return bool(row["item__deleted_at"]) or row["item__home_id"] != self.rule.source_id

    def _exists(self, row: Row) -> bool:
        block = self.blocks.get(row["item_id"])
        return block is not None and block["item__deleted_at"] is None

    def _source(self, row: Row) -> Source:
        return Source(fields_of(row), self.rule.source.name)

    def _alone(self, row: Row) -> Fields | None:
        exists = self._exists(row)
        found = block_of(self.knobs, self._source(row), self.now, exists=exists)
        return None if isinstance(found, Skip) else found

    def _own(self, part: Row) -> Wanted | None:
        """Return the single block of an exception whose series has none."""
        block = None if self._gone(part) else self._alone(part)
        return Wanted(block) if block else None

    def _of_series(self, part: Row, row: Row, block: Fields) -> Wanted | None:
        """Return the exception in the series' block; a deleted one leaves what the rule says."""
        slot, series = part["slot"], block_id(self.rule, row["item_id"], self.blocks)
        if not self._gone(part):
            fields = occurrence_of(self.knobs, self._source(part), slot, block)
            return Wanted(fields, series, slot)
        if self._exists(part) and has_slot(block, slot):
            return Wanted(at_slot(block, slot), series, slot)
        return None


def block_id(rule: BusyRule, source: uuid.UUID, blocks: Mapping[uuid.UUID, Row]) -> uuid.UUID:
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


def _as_wanted(row: Row, block: Wanted) -> bool:
    place = (row["item__deleted_at"], row["series_id"], row["slot"])
    return place == (None, block.series, block.slot) and fields_of(row) == block.fields


def _write(rule: BusyRule, changes: Changes, now: datetime) -> None:
    """Write the changes with a handful of statements."""
    new = {block_id(rule, source, {}): source for source in changes.create}
    workspace = rule.target.account.workspace_id
    Item.objects.bulk_create(
        Item(
            id=item_id,
            workspace_id=workspace,
            kind=Kind.EVENT,
            home_id=rule.target_id,
            created_at=now,
            updated_at=now,
        )
        for item_id in new
    )
    revised = Item.objects.filter(pk__in=list(changes.update))
    revised.update(**_revised(now), deleted_at=None, home=rule.target_id)
    created = [
        _event(item_id, changes.create[source], rule, source) for item_id, source in new.items()
    ]
    updated = [_event(item_id, block) for item_id, block in changes.update.items()]
    Event.objects.bulk_create(
        created + updated,
        update_conflicts=True,
        unique_fields=["item"],
        update_fields=[*COLUMNS, "series", "slot"],
    )
    _bury(Item.objects.filter(pk__in=changes.remove), now)


def _event(
    item_id: uuid.UUID,
    block: Wanted,
    rule: BusyRule | None = None,
    source: uuid.UUID | None = None,
) -> Event:
    return Event(
        item_id=item_id,
        series_id=block.series,
        slot=block.slot,
        busy_rule=rule,
        source_id=source,
        **columns_of(block.fields),
    )


def _revised(now: datetime) -> dict[str, Any]:
    return {"revision": F("revision") + 1, "pending": True, "updated_at": now}


def _bury(items: Any, now: datetime) -> int:
    number: int = items.update(**_revised(now), deleted_at=now)
    return number
