"""The kinds of items: how the engine reads and writes the detail rows of each."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from calendars import bulk, touched
from calendars.adoption import is_adopted
from calendars.event_fields import COLUMNS, fields_of, values_of
from calendars.models import BusyRule, Event
from calendars.recurrence import at_slot
from calendars.rulebook import has_ended
from sync.core.events import EMPTY, SHARED
from sync.core.records import Fields, Kind
from sync.core.touched import RESTORE, Respect


@dataclass(frozen=True, slots=True)
class Local:
    """One item as it is locally: its content and what the engine asks about it.

    `fields` are None if it is deleted; its `content` is still known then.
    `derived` says that the item is a busy block: its rule changes it, and what people do to the
    remote copy counts only as far as the rule respects that. `dismissed` says that a person took
    that rule away, or that its last day is over; a block that was to be kept is an ordinary item
    from then on. `adopted` says that its copy was there before it. `series` and `slot` are those of
    an exception.
    """

    item_id: uuid.UUID
    fields: Fields | None
    revision: int
    updated_at: datetime
    derived: bool = False
    rule: str = ""
    respect: Respect = RESTORE
    dismissed: bool = False
    adopted: bool = False
    series: uuid.UUID | None = None
    slot: str = ""
    content: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incoming:
    """Content for a detail row: the fields, a service's facts, and the place within a series.

    Without facts (None) those that are there stay.
    """

    item_id: uuid.UUID
    fields: Fields
    facts: Fields | None
    series: uuid.UUID | None = None
    slot: str = ""


class Slot(NamedTuple):
    """An item, and where in which series it belongs if it is an exception."""

    item_id: uuid.UUID
    series: uuid.UUID | None
    slot: str


class DetailKind(Protocol):
    """What the engine needs of one kind.

    `empty` is a record in which nothing is said, `shared` what a copy away from home may hold.
    """

    empty: Fields
    shared: frozenset[str]

    def load(self, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Local]:
        """Read the local trees of the items, with one query."""

    def slots(self, item_ids: Sequence[uuid.UUID]) -> list[Slot]:
        """Say of the items which series they belong to, which costs far less than their trees."""

    def create(self, rows: Iterable[Incoming]) -> None:
        """Insert detail rows for new items."""

    def update(self, rows: Iterable[Incoming]) -> None:
        """Write new content into the detail rows of known items."""

    def join(self, pairs: Iterable[Sequence[uuid.UUID | None]]) -> None:
        """Make known items exceptions of their series, given as (series, item)."""

    def inherit(self, heirs: Mapping[uuid.UUID, uuid.UUID]) -> None:
        """Let what is derived from items be derived from their heirs, given by item."""

    def leave_alone(self, item_ids: Sequence[uuid.UUID]) -> None:
        """Remember that a person changed these derived items, which is respected."""

    def part(self, series: uuid.UUID, slot: str, now: datetime) -> uuid.UUID | None:
        """Make an occurrence of a derived series an item of its own; None if it cannot be."""

    def at_slot(self, series: Fields, slot: str) -> Fields:
        """Return an occurrence as its series says."""

    def labels(self, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return what a person knows the items by; for eyes that may see it, never for logs."""


class EventKind:
    """Calendar events; a person knows one by its title."""

    empty: Fields = EMPTY
    shared: frozenset[str] = SHARED

    def load(self, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Local]:
        """Read the local trees of the events, with one query; with none where there are none."""
        if not item_ids:
            return {}
        rows = Event.objects.filter(item__pk__any=list(item_ids)).values(
            *COLUMNS,
            "item_id",
            "series_id",
            "slot",
            "busy_rule_id",
            "source_id",
            "occurrence",
            "busy_rule__removed_at",
            "busy_rule__removal",
            "busy_rule__active_until",
            "busy_rule__target__calendar__time_zone",
            "busy_rule__on_edit",
            "busy_rule__on_delete",
            "item__revision",
            "item__deleted_at",
            "item__updated_at",
        )
        return {row["item_id"]: _local(row) for row in rows}

    def slots(self, item_ids: Sequence[uuid.UUID]) -> list[Slot]:
        """Say of the events which series they belong to, which costs far less than their trees."""
        rows = Event.objects.filter(item__pk__any=list(item_ids)).order_by("pk")
        return [Slot._make(row) for row in rows.values_list("item_id", "series_id", "slot")]

    def create(self, rows: Iterable[Incoming]) -> None:
        """Insert the detail rows of new events."""
        bulk.insert(Event, ("item", *_ALL), ((row.item_id, *_values(row)) for row in rows))

    def update(self, rows: Iterable[Incoming]) -> None:
        """Write new content into the detail rows of known events."""
        told = list(rows)
        whole = [row for row in told if row.facts is not None]
        bulk.update(Event, _ALL, ((*_values(row), row.item_id) for row in whole))
        rest = [row for row in told if row.facts is None]
        bulk.update(Event, (*COLUMNS, *_PLACE), ((*_content(row), row.item_id) for row in rest))

    def join(self, pairs: Iterable[Sequence[uuid.UUID | None]]) -> None:
        """Make known events exceptions of their series, given as (series, event)."""
        bulk.update(Event, ("series",), pairs)

    def inherit(self, heirs: Mapping[uuid.UUID, uuid.UUID]) -> None:
        """Let the busy blocks of events be those of their heirs, which have none of that rule."""
        blocks = Event.objects.filter(busy_rule__isnull=False)
        names = ("busy_rule", "occurrence", "source")
        taken = set(blocks.filter(source__in=heirs.values()).values_list(*names))
        drawn = blocks.filter(source__in=heirs).values_list(*names, "pk")
        rows = [
            (heirs[source], pk)
            for rule, occurrence, source, pk in drawn
            if source and (rule, occurrence, heirs[source]) not in taken
        ]
        bulk.update(Event, ("source",), rows)

    def leave_alone(self, item_ids: Sequence[uuid.UUID]) -> None:
        """Remember that a person changed these busy blocks, which their rules respect."""
        touched.leave_alone(item_ids)

    def part(self, series: uuid.UUID, slot: str, now: datetime) -> uuid.UUID | None:
        """Make an occurrence of a series of busy blocks an event of its own."""
        return touched.part(series, slot, now)

    def at_slot(self, series: Fields, slot: str) -> Fields:
        """Return an occurrence as its series says."""
        return at_slot(series, slot)

    def labels(self, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return the titles of events."""
        return dict(Event.objects.filter(pk__in=list(item_ids)).values_list("item_id", "title"))


_FACTS = ("uid", "sequence", "organizer", "link")
_PLACE = ("series", "slot")
_ALL = (*COLUMNS, *_FACTS, *_PLACE)


def _local(row: Mapping[str, Any]) -> Local:
    kept = row["busy_rule__removal"] in BusyRule.KEPT and not row["item__deleted_at"]
    derived = row["busy_rule_id"] is not None and not kept
    content = fields_of(row)
    return Local(
        item_id=row["item_id"],
        fields=None if row["item__deleted_at"] else content,
        revision=row["item__revision"],
        updated_at=row["item__updated_at"],
        derived=derived,
        rule=row["busy_rule_id"].hex if derived else "",
        respect=Respect(
            edits=row["busy_rule__on_edit"] == BusyRule.Touched.RESPECT,
            deletions=row["busy_rule__on_delete"] == BusyRule.Touched.RESPECT,
        ),
        dismissed=(row["busy_rule__removed_at"] is not None or _lapsed(row)) and not kept,
        adopted=derived and is_adopted(row),
        series=row["series_id"],
        slot=row["slot"],
        content=content,
    )


def _lapsed(row: Mapping[str, Any]) -> bool:
    """Say whether a block was taken away after the last day of its rule."""
    last_day, zone = row["busy_rule__active_until"], row["busy_rule__target__calendar__time_zone"]
    deleted_at = row["item__deleted_at"]
    return deleted_at is not None and has_ended(last_day, zone or "UTC", deleted_at)


def _values(row: Incoming) -> tuple[Any, ...]:
    facts = row.facts or {}
    return (
        *values_of(row.fields),
        facts.get("uid", ""),
        facts.get("sequence", 0),
        bulk.dumps(facts.get("organizer", {})),
        facts.get("link", ""),
        row.series,
        row.slot,
    )


def _content(row: Incoming) -> tuple[Any, ...]:
    return (*values_of(row.fields), row.series, row.slot)


KINDS: dict[str, DetailKind] = {Kind.EVENT: EventKind()}
