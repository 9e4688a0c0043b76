"""The blocks of a rule that merges: what each is made of, and which change together."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.db.models import Q

from calendars import touched
from calendars.families import Row, rows
from calendars.merging import merge
from calendars.mirror import Block
from calendars.models import BlockPart, BusyRule, Event
from calendars.recurrence import instant
from sync.core.records import Fields

# A block by itself: its source, and which occurrence of that, "" for the whole.
Key = tuple[uuid.UUID, str]

# How many spells of time are asked for at once.
_SPELLS = 100


@dataclass(slots=True)
class Pool:
    """What has to be merged anew: parts, and the blocks that take up their time so far."""

    fields: dict[Key, Fields]
    blocks: dict[Key, Row]
    known: dict[Key, BlockPart]
    placed: dict[Key, uuid.UUID] = field(default_factory=dict)


def gather(rule: BusyRule, sources: Iterable[uuid.UUID], wanted: Mapping[Key, Fields]) -> Pool:
    """Gather what the blocks of some sources are merged with, were merged with, or will be.

    A block that a new part overlaps or touches comes with all its parts, and nothing else can
    overlap these: so nothing beyond is looked at.
    """
    asked = set(sources)
    mine = BlockPart.objects.filter(rule=rule)
    hosts = set(mine.filter(source__in=asked).values_list("block", flat=True))
    hosts |= _touching(rule, wanted.values())
    known = {
        (part.source_id, part.occurrence): part
        for part in mine.filter(Q(block__in=hosts) | Q(source__in=asked))
    }
    others = {key: part.fields for key, part in known.items() if key[0] not in asked}
    # The blocks so far, and those that any of the parts had by itself once.
    theirs = Q(item__id__any=list(hosts)) | Q(source__id__any=list({key[0] for key in others}))
    blocks = {
        (row["source_id"], row["occurrence"]): row
        for row in rows(theirs, ~touched.PARTS, busy_rule=rule)
        if row["item_id"] in hosts or (row["source_id"], row["occurrence"]) in others
    }
    return Pool({**others, **wanted}, blocks, known)


def _touching(rule: BusyRule, fields: Iterable[Fields]) -> set[uuid.UUID]:
    """Find the living blocks of a rule that overlap or touch any of these times."""
    alive = Event.objects.filter(busy_rule=rule, item__deleted_at=None, series=None)
    spells = list(fields)
    found: set[uuid.UUID] = set()
    for start in range(0, len(spells), _SPELLS):
        which = Q(pk=None)
        for one in spells[start : start + _SPELLS]:
            which |= _meets(one)
        found |= set(alive.filter(which, recurrence=[]).values_list("pk", flat=True))
    return found


def _meets(fields: Fields) -> Q:
    start, end = fields["start"], fields["end"]
    if "date" in start:
        return Q(starts_on__lte=end["date"], ends_on__gte=start["date"])
    return Q(starts_at__lte=instant(end), ends_at__gte=instant(start))


def merged(pool: Pool) -> Iterator[tuple[Key, Block, frozenset[Key]]]:
    """Yield the blocks that a pool makes, each with its host and its parts."""
    alive = {key for key, row in pool.blocks.items() if row["item__deleted_at"] is None}
    for one in merge(pool.fields, alive):
        yield one.host, Block(one.fields, occurrence=one.host[1]), one.parts


def remember(rule: BusyRule, pool: Pool) -> None:
    """Write down what the blocks are made of now; what did not change is left alone."""
    stale = [
        part.pk
        for key, part in pool.known.items()
        if pool.placed.get(key) != part.block_id or pool.fields.get(key) != part.fields
    ]
    kept = {key for key, part in pool.known.items() if part.pk not in {*stale}}
    BlockPart.objects.filter(pk__in=stale).delete()
    BlockPart.objects.bulk_create(
        BlockPart(rule=rule, source_id=key[0], occurrence=key[1], block_id=block, fields=fields)
        for key, fields in pool.fields.items()
        if key not in kept and (block := pool.placed[key])
    )


def forget(rule: BusyRule) -> None:
    """Forget what the blocks of a rule are made of, which does not merge any more."""
    BlockPart.objects.filter(rule=rule).delete()
