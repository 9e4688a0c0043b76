"""Forget what is long over: expired journal lines, graves, deleted items and rules without blocks.

Nothing goes that a run or a person may still need: open and lost intents, held changes, unsettled
conflicts, and graves young enough for a late listing to bring the dead copy up again.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from calendars.models import BusyRule, Event, Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.models import Mapping, SyncItem, SyncLog, SyncOperation

# How many rows go in one transaction.
BATCH = 1_000

_UNSETTLED = (Conflict.Outcome.OPEN, Conflict.Outcome.RULED)
_UNANSWERED = (SyncItem.State.INTENDED, SyncItem.State.LOST)
_NEVER = (SyncItem.State.INTENDED, SyncItem.State.HELD)


def purge(collection: Collection, now: datetime) -> dict[str, int]:
    """Delete what has expired of one calendar, in short transactions; returns how much of what.

    Safe beside a run: a row that a run is working on is left for the next time.
    """
    journal = now - timedelta(days=settings.LOCKSTEP_JOURNAL_DAYS)
    graves = now - timedelta(days=settings.LOCKSTEP_GRAVE_DAYS)
    return {
        "journal lines": _delete(_lines(collection, journal)),
        "logs": _delete(SyncLog.objects.filter(operation__collection=collection, at__lt=journal)),
        "conflicts": _delete(_conflicts(collection, journal)),
        "operations": _delete(_operations(collection, journal)),
        "mappings": _delete(_graves(collection, graves)),
        "items": _delete_leaves(_items(collection, graves)),
        "rules": _delete(_rules(collection)),
    }


def _delete(rows: QuerySet[Any]) -> int:
    number = 0
    for batch in _batches(rows):
        with transaction.atomic():
            sure = rows.filter(pk__in=batch).select_for_update(of=("self",), skip_locked=True)
            names = list(sure.values_list("pk", flat=True))
            _, deleted = rows.model._default_manager.filter(pk__in=names).delete()
            number += deleted.get(rows.model._meta.label, 0)
    return number


def _batches(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    names = rows.values_list("pk", flat=True).iterator(chunk_size=BATCH)
    while batch := list(islice(names, BATCH)):
        yield batch


def _delete_leaves(items: QuerySet[Item]) -> int:
    """Delete items that no other refers to, then those that become so: blocks before sources."""
    number = 0
    while deleted := _delete(items):
        number += deleted
    return number


def _lines(collection: Collection, limit: datetime) -> QuerySet[SyncItem]:
    lines = SyncItem.objects.filter(operation__collection=collection, created_at__lt=limit)
    return lines.exclude(state__in=_NEVER)


def _conflicts(collection: Collection, limit: datetime) -> QuerySet[Conflict]:
    conflicts = Conflict.objects.filter(mapping__collection=collection, created_at__lt=limit)
    return conflicts.exclude(outcome__in=_UNSETTLED)


def _operations(collection: Collection, limit: datetime) -> QuerySet[SyncOperation]:
    """Find old runs of which nothing is left that must stay."""
    of_it = {"operation": OuterRef("pk")}
    return SyncOperation.objects.filter(
        ~Exists(SyncItem.objects.filter(**of_it)),
        ~Exists(Conflict.objects.filter(**of_it)),
        collection=collection,
        started_at__lt=limit,
    )


def _graves(collection: Collection, limit: datetime) -> QuerySet[Mapping]:
    """Find the mappings of copies that are gone for good, together with their items."""
    of_it = {"mapping": OuterRef("pk")}
    return Mapping.objects.filter(
        Q(item=None) | Q(item__deleted_at__lt=limit),
        ~Exists(Conflict.objects.filter(**of_it)),
        ~Exists(SyncItem.objects.filter(**of_it, state__in=_UNANSWERED)),
        collection=collection,
        base_hash="",
        remote_hash="",
        seen_at__lt=limit,
    )


def _items(collection: Collection, limit: datetime) -> QuerySet[Item]:
    """Find deleted items without a copy anywhere, to which no exception and no block refers.

    A block that a person deleted, and that is not to come back, is remembered while its source is.
    Items that lost their home, because its account was removed, go with any calendar of their team.
    """
    homeless = Q(home=None, workspace=collection.account.workspace_id)
    return Item.objects.filter(
        Q(home=collection) | homeless,
        ~Exists(Mapping.objects.filter(item=OuterRef("pk"))),
        ~Exists(Event.objects.filter(Q(series=OuterRef("pk")) | Q(source=OuterRef("pk")))),
        ~Exists(Event.objects.filter(_remembered(), pk=OuterRef("pk"))),
        deleted_at__lt=limit,
    )


def _remembered() -> Q:
    return Q(left_alone=True, source__deleted_at=None, busy_rule__removed_at=None)


def _rules(collection: Collection) -> QuerySet[BusyRule]:
    blocks = Event.objects.filter(busy_rule=OuterRef("pk"))
    return BusyRule.objects.filter(~Exists(blocks), target=collection, removed_at__isnull=False)
