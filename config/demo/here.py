"""This side: what Lockstep's own database says, and the one local edit of the story."""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from calendars.models import Event, Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.core.records import Service
from sync.models import Mapping


@dataclass(frozen=True, slots=True)
class Pair:
    """A busy block and the event it stands for, each by calendar and remote id."""

    source: tuple[str, str]
    block: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Clash:
    """The clashing fields of one event: as both sides agreed on them, and as each has them now."""

    base: dict[str, Any]
    here: dict[str, Any]
    there: dict[str, Any]


def rename(title: str, new_title: str) -> None:
    """Give a local event another title, as an editing screen would: content, time and revision."""
    event = Event.objects.get(title=title, item__deleted_at=None, busy_rule=None)
    with transaction.atomic():
        Event.objects.filter(pk=event.pk).update(title=new_title)
        item = Item.objects.filter(pk=event.pk)
        item.update(updated_at=timezone.now())
        item.touch()


@dataclass(frozen=True, slots=True)
class Known:
    """What Lockstep knows a record by: its title, and for a busy block its source and its rule."""

    title: str = ""
    source: str = ""
    rule: str = ""


def known_as(collection: str, record: str) -> Known:
    """Look a record up that a report names by its item's id or by its remote id."""
    event = _find(collection, record)
    if event is None:
        return Known()
    rule, source = event.busy_rule, event.source
    if rule is None or source is None:
        return Known(_title(event))
    return Known(
        _title(event), _title(source.event), f"{rule.source.name} blocks {rule.target.name}"
    )


def _find(collection: str, record: str) -> Event | None:
    try:
        item = Q(item_id=uuid.UUID(record))
    except ValueError:
        item = Q(item__mappings__collection=collection, item__mappings__remote_id=record)
    related = ("series__event", "source__event", "busy_rule__source", "busy_rule__target")
    return Event.objects.filter(item).select_related(*related).first()


def _title(event: Event) -> str:
    """Return an event's title; an occurrence of a series is told apart by its day."""
    if event.series is None:
        return event.title
    return f"{event.title or event.series.event.title} of {event.slot[:10]}"


def pairs() -> Iterator[Pair]:
    """Yield every busy block that is there, with its event."""
    blocks = Event.objects.filter(busy_rule__isnull=False, item__deleted_at=None)
    for block in blocks.select_related("busy_rule"):
        rule = block.busy_rule
        if rule is not None and block.source_id is not None:
            yield Pair(
                _remote(rule.source_id, block.source_id), _remote(rule.target_id, block.item_id)
            )


def _remote(collection: uuid.UUID, item: uuid.UUID) -> tuple[str, str]:
    mapping = Mapping.objects.select_related("collection").get(collection=collection, item=item)
    return mapping.collection.remote_id, mapping.remote_id


def dav_calendar() -> str:
    """Return the remote id of the calendar on the CalDAV server."""
    return Collection.objects.get(account__service=Service.CALDAV).remote_id


def tomorrow() -> date:
    """Return the day after today."""
    return timezone.now().date() + timedelta(days=1)


def clashes() -> Iterator[Clash]:
    """Yield what waits for a person."""
    for conflict in Conflict.objects.filter(outcome=Conflict.Outcome.OPEN):
        trees = (conflict.base, conflict.local, conflict.remote)
        yield Clash(*({name: (tree or {}).get(name) for name in conflict.fields} for tree in trees))


def fingerprint() -> str:
    """Return a hash of every row of every table."""
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            name = connection.ops.quote_name(table)
            cursor.execute(f"SELECT t::text FROM {name} AS t ORDER BY 1")  # noqa: S608 (our names)
            digest.update(repr((table, cursor.fetchall())).encode())
    return digest.hexdigest()
