"""The kinds of items: how the engine reads and writes the detail rows of each."""

import uuid
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from calendars import bulk
from calendars.event_fields import COLUMNS, columns_of, fields_of
from calendars.models import Event
from sync.core.events import EMPTY
from sync.core.records import Fields, Kind


@dataclass(frozen=True, slots=True)
class Local:
    """One item as it is locally: its content (None if deleted) and what the engine asks about it.

    `derived` says that the item is a busy block: only its rule changes it, nobody's edit of the
    remote copy counts. `dismissed` says that a person took that rule away. `series` and `slot` are
    those of an exception.
    """

    item_id: uuid.UUID
    fields: Fields | None
    revision: int
    updated_at: datetime
    derived: bool = False
    rule: str = ""
    dismissed: bool = False
    series: uuid.UUID | None = None
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Incoming:
    """Content for a detail row: the fields, a service's facts, and the place within a series."""

    item_id: uuid.UUID
    fields: Fields
    facts: Fields
    series: uuid.UUID | None = None
    slot: str = ""


class DetailKind(Protocol):
    """What the engine needs of one kind."""

    empty: Fields

    def load(self, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Local]:
        """Read the local trees of the items, with one query."""

    def create(self, rows: Iterable[Incoming]) -> None:
        """Insert detail rows for new items."""

    def update(self, rows: Iterable[Incoming]) -> None:
        """Write new content into the detail rows of known items."""

    def join(self, pairs: Iterable[Sequence[uuid.UUID | None]]) -> None:
        """Make known items exceptions of their series, given as (series, item)."""

    def labels(self, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return what a person knows the items by; for eyes that may see it, never for logs."""


class EventKind:
    """Calendar events; a person knows one by its title."""

    empty: Fields = EMPTY

    def load(self, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Local]:
        """Read the local trees of the events, with one query."""
        rows = Event.objects.filter(pk__in=list(item_ids)).values(
            *COLUMNS,
            "item_id",
            "series_id",
            "slot",
            "busy_rule_id",
            "busy_rule__removed_at",
            "item__revision",
            "item__deleted_at",
            "item__updated_at",
        )
        return {row["item_id"]: _local(row) for row in rows}

    def create(self, rows: Iterable[Incoming]) -> None:
        """Insert the detail rows of new events."""
        bulk.insert(Event, ("item", *_ALL), ((row.item_id, *_values(row)) for row in rows))

    def update(self, rows: Iterable[Incoming]) -> None:
        """Write new content into the detail rows of known events."""
        bulk.update(Event, _ALL, ((*_values(row), row.item_id) for row in rows))

    def join(self, pairs: Iterable[Sequence[uuid.UUID | None]]) -> None:
        """Make known events exceptions of their series, given as (series, event)."""
        bulk.update(Event, ("series",), pairs)

    def labels(self, item_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return the titles of events."""
        return dict(Event.objects.filter(pk__in=list(item_ids)).values_list("item_id", "title"))


_FACTS = ("uid", "sequence", "organizer", "link")
_ALL = (*COLUMNS, *_FACTS, "series", "slot")
_JSON = frozenset(
    {"recurrence", "attendees", "reminders", "conference", "attachments", "metadata", "organizer"}
)


def _local(row: Mapping[str, Any]) -> Local:
    return Local(
        item_id=row["item_id"],
        fields=None if row["item__deleted_at"] else fields_of(row),
        revision=row["item__revision"],
        updated_at=row["item__updated_at"],
        derived=row["busy_rule_id"] is not None,
        rule=row["busy_rule_id"].hex if row["busy_rule_id"] else "",
        dismissed=row["busy_rule__removed_at"] is not None,
        series=row["series_id"],
        slot=row["slot"],
    )


def _values(row: Incoming) -> tuple[Any, ...]:
    facts = row.facts
    columns = {
        **columns_of(row.fields),
        "uid": facts.get("uid", ""),
        "sequence": facts.get("sequence", 0),
        "organizer": facts.get("organizer", {}),
        "link": facts.get("link", ""),
        "series": row.series,
        "slot": row.slot,
    }
    return tuple(bulk.dumps(columns[n]) if n in _JSON else columns[n] for n in _ALL)


KINDS: dict[str, DetailKind] = {Kind.EVENT: EventKind()}


def as_seen(
    local: Fields, base: Fields | None, remote: Fields | None, empty: Fields
) -> tuple[Fields, Fields | None]:
    """Return the local tree as this remote copy's reader could know it, and the base beside it.

    A reader with few rights sees few fields, and a field that neither tree knows is left out. One
    that only the remote tree knows, and that is empty locally, was never seen before: both sides
    agreed on its being empty, or a reader who gains a right would look like a person who edits.
    """
    if base is None:
        return (local if remote is None else _only(local, remote)), None
    new = _only(local, (remote or {}).keys() - base.keys())
    unseen = {name: value for name, value in new.items() if value == empty.get(name)}
    return {**_only(local, base), **new}, {**base, **unseen}


def _only(fields: Fields, names: Container[str]) -> Fields:
    return {name: value for name, value in fields.items() if name in names}
