"""Adopt: copies that were there before a rule become its blocks instead of being doubled.

Somebody, or another tool, may have copied events into the target by hand. Such a copy takes place
exactly when a block would, and is called what the block or its event is called. It becomes the
block: the rule owns it from then on. Only on the rule's first application, only copies without
guests, each once, and none where it is not plain which block it is.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from calendars.event_fields import COLUMNS, fields_of
from calendars.models import BlockPart, BusyRule, Event, Item
from calendars.recurrence import rule_lines
from sync.core.records import Fields

# How many blocks are looked at together.
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Adoption:
    """A block that was never sent, and the copy in the target that is to be it."""

    block: uuid.UUID
    copy: uuid.UUID


@dataclass(frozen=True, slots=True)
class _One:
    """A block or a copy as it is compared: when it takes place, and what it may be called."""

    item_id: uuid.UUID
    when: tuple[str, ...]
    titles: frozenset[str]


def adoptions(rule: BusyRule) -> list[Adoption]:
    """Return what a rule would adopt now, which is nothing once it has been applied."""
    if not rule.adopts or rule.adopted_at:
        return []
    found: list[Adoption] = []
    for batch in _unsent(rule):
        copies = _copies(rule, {row["begins_at"] for row in batch})
        found += _pair([_block(row) for row in batch], [_copy(row) for row in copies])
    return _once(found)


def take_over(adoption: Adoption, now: datetime) -> None:
    """Let a copy become a block. Must run in a transaction, under the lock of the block's rule."""
    row = Event.objects.values(*COLUMNS, "busy_rule_id", "source_id", "occurrence").get(
        pk=adoption.block
    )
    Event.objects.filter(series=adoption.block).update(series=adoption.copy)
    BlockPart.objects.filter(block=adoption.block).update(block=adoption.copy)
    Item.objects.filter(pk=adoption.block).delete()
    Event.objects.filter(pk=adoption.copy).update(**row)
    _revise(Item.objects.filter(pk=adoption.copy), now)
    # What was an event of a person had blocks elsewhere; a block makes none.
    _revise(Item.objects.alive().filter(event__source=adoption.copy), now, deleted_at=now)


def is_adopted(block: Mapping[str, Any]) -> bool:
    """Say whether a block was there before its rule: one of ours is named after its source.

    `block` is a row with "item_id", "busy_rule_id", "source_id", "occurrence" and "series_id".
    """
    if block["busy_rule_id"] is None or block["series_id"] is not None:
        return False
    source, occurrence = block["source_id"], block["occurrence"]
    name = f"{source}/{occurrence}" if occurrence else str(source)
    known: bool = block["item_id"] == uuid.uuid5(block["busy_rule_id"], name)
    return not known


_NAMES = (*COLUMNS, "item_id", "begins_at")


def _unsent(rule: BusyRule) -> Iterator[list[dict[str, Any]]]:
    """Yield, batch by batch, the blocks that no service has seen, each with its source's title.

    Only those that begin when something else in the target does, which are few as a rule. Not with
    one cursor: PostgreSQL plans that for its first rows, and all of them are wanted.
    """
    blocks = Event.objects.filter(busy_rule=rule, series=None, item__deleted_at=None)
    seen = Item.objects.filter(pk=OuterRef("pk"), mappings__version__gt="")
    tried = Item.objects.filter(pk=OuterRef("pk"), mappings__history__isnull=False)
    beside = _others(rule).filter(begins_at=OuterRef("begins_at"))
    rows = blocks.filter(Exists(beside), ~Exists(seen), ~Exists(tried)).order_by("pk")
    rows, last = rows.values(*_NAMES, "source__event__title"), uuid.UUID(int=0)
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1]["item_id"]


def _copies(rule: BusyRule, begins: Iterable[datetime]) -> Iterator[dict[str, Any]]:
    """Yield events in the target that may be copies: nobody else's business, and at rest."""
    events = _others(rule).filter(
        ~Exists(Event.objects.filter(series=OuterRef("pk"))),
        begins_at__in=list(begins),
        item__mappings__collection=rule.target,
        item__mappings__obstacle="",
        item__mappings__partial=False,
        item__mappings__remote_hash=F("item__mappings__base_hash"),
        item__mappings__away=False,
    )
    alone = events.annotate(places=Count("item__mappings")).filter(places=1)
    same = Event.objects.filter(
        item__home=rule.source, uid=OuterRef("uid"), item__deleted_at=None
    ).exclude(uid="")
    unsettled = Q(item__mappings__conflicts__outcome__in=["open", "ruled"])
    rows = alone.exclude(unsettled).filter(~Exists(same)).order_by("pk")
    for row in rows.values(*_NAMES):
        if all(guest.get("self") for guest in row["attendees"]):
            yield row


def _others(rule: BusyRule) -> QuerySet[Event]:
    """Return what the target holds that no rule draws."""
    kept = Q(busy_rule__removal__in=BusyRule.KEPT)
    alive = Event.objects.filter(series=None, item__home=rule.target, item__deleted_at=None)
    return alive.filter(Q(busy_rule=None) | kept)


def _block(row: dict[str, Any]) -> _One:
    titles = {_plain(row["title"]), _plain(row["source__event__title"] or "")}
    return _One(row["item_id"], _when(fields_of(row)), frozenset(titles - {""}))


def _copy(row: dict[str, Any]) -> _One:
    return _One(row["item_id"], _when(fields_of(row)), frozenset({_plain(row["title"])}))


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()


def _when(fields: Fields) -> tuple[str, ...]:
    """Return when an event takes place; the zone matters only where something repeats."""
    lines = sorted(rule_lines(fields))
    zone = fields["start"].get("zone", "") if lines else ""
    times = (moment.get("at") or moment["date"] for moment in (fields["start"], fields["end"]))
    return (*times, zone, *lines)


def _pair(blocks: Sequence[_One], copies: Sequence[_One]) -> list[Adoption]:
    at = defaultdict[tuple[str, ...], list[_One]](list)
    for copy in copies:
        at[copy.when].append(copy)
    return [
        Adoption(block.item_id, copy.item_id)
        for block in blocks
        for copy in at[block.when]
        if block.titles & copy.titles
    ]


def _once(found: Sequence[Adoption]) -> list[Adoption]:
    """Leave out what is ambiguous: a block with several copies, a copy of several blocks."""
    blocks, copies = defaultdict[uuid.UUID, int](int), defaultdict[uuid.UUID, int](int)
    for pair in found:
        blocks[pair.block] += 1
        copies[pair.copy] += 1
    return [pair for pair in found if blocks[pair.block] == copies[pair.copy] == 1]


def _revise(items: Any, now: datetime, **more: Any) -> None:
    items.update(revision=F("revision") + 1, pending=True, updated_at=now, **more)
