"""Take a rule away: what becomes of its blocks is what a person chose.

- all: every block goes.
- future: blocks that have begun stay; those to come go, and a series ends with the occurrence that
  began last. An occurrence goes if it is to come, or if its place in the series is.
- keep: every block stays.

What stays is an ordinary event from then on that no rule manages. It keeps its rule's row, so that
it is known where it came from and that it is nobody's source.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q

from calendars import bulk, touched
from calendars.cutting import cut, goes_on, is_to_come
from calendars.event_fields import COLUMNS, fields_of
from calendars.models import BusyRule, Event, Item

Removal = BusyRule.Removal


@dataclass(frozen=True, slots=True)
class Leaving:
    """How many blocks go, how many series are cut, and how many blocks stay, those included."""

    gone: int = 0
    cut: int = 0
    kept: int = 0


def take_away(rule: BusyRule, removal: str, now: datetime) -> Leaving:
    """Let the local blocks of a removed rule go or stay; the next sync lets their copies follow.

    Must run in the transaction that marks the rule as removed. Blocks that were never sent are not
    there to be kept: they go.
    """
    alive = Item.objects.alive().filter(event__busy_rule=rule)
    going, cuts = set[uuid.UUID](), dict[uuid.UUID, list[str]]()
    if removal == Removal.ALL:
        going = set(alive.values_list("pk", flat=True))
    else:
        going = _never_sent(alive)
    if removal == Removal.FUTURE:
        _sort_out(rule, now, going, cuts)
    touched.forget(list(going | cuts.keys()))
    number = _revise(going, now, deleted_at=now)
    _revise(cuts.keys(), now)
    bulk.update(Event, ("recurrence",), ((bulk.dumps(lines), pk) for pk, lines in cuts.items()))
    return Leaving(number, len(cuts), alive.count())


def _never_sent(alive: Any) -> set[uuid.UUID]:
    there = Q(mappings__remote_hash__gt="") | Q(mappings__base_hash__gt="")
    sent = alive.filter(there).values("pk")
    return set(alive.exclude(pk__in=sent).values_list("pk", flat=True))


def _sort_out(
    rule: BusyRule, now: datetime, going: set[uuid.UUID], cuts: dict[uuid.UUID, list[str]]
) -> None:
    """Add the blocks that are to come to `going`, and series that go on to `cuts`."""
    for row in _rows(rule, series=None):
        fields = fields_of(row)
        if is_to_come(fields, now):
            going.add(row["item_id"])
        elif goes_on(fields, now):
            cuts[row["item_id"]] = cut(fields, now)["recurrence"]
    for row in _rows(rule, series__isnull=False):
        place = {"start": {"at": row["slot"]} if "T" in row["slot"] else {"date": row["slot"]}}
        to_come = is_to_come(fields_of(row), now) or is_to_come(place, now)
        if to_come or row["series_id"] in going:
            going.add(row["item_id"])


def _rows(rule: BusyRule, **which: Any) -> Iterator[dict[str, Any]]:
    names = (*COLUMNS, "item_id", "series_id", "slot")
    blocks = Event.objects.filter(busy_rule=rule, item__deleted_at=None, **which)
    yield from blocks.values(*names).iterator(chunk_size=1_000)


def _revise(item_ids: Any, now: datetime, **more: Any) -> int:
    items = Item.objects.filter(pk__in=list(item_ids))
    number: int = items.update(revision=F("revision") + 1, pending=True, updated_at=now, **more)
    return number
