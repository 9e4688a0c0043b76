"""Items: whatever is kept in step, of any kind."""

import os
import time
import uuid
from collections.abc import Iterable

from django.db import models
from django.db.models import F, Q

from integrations.models import Collection, Workspace
from sync.core.records import Kind


def time_ordered_uuid() -> uuid.UUID:
    """Return a UUID that sorts by time of making (RFC 9562 version 7), kind to B-tree indexes.

    The twelve bits after the millisecond tell its part (section 6.2, method 3): what one process
    makes sorts in the order of making, so rows of one moment never come in an order of chance.
    """
    stamp, rest = divmod(time.time_ns(), 1_000_000)
    part = (rest << 12) // 1_000_000
    chance = int.from_bytes(os.urandom(8), "big") >> 2
    return uuid.UUID(int=stamp << 80 | 0x7 << 76 | part << 64 | 0b10 << 62 | chance)


class ItemQuerySet(models.QuerySet["Item"]):
    """Questions and changes that concern many items."""

    def alive(self) -> "ItemQuerySet":
        """The items that are not deleted."""
        return self.filter(deleted_at=None)

    def touch(self) -> int:
        """Say that the items changed, so that every remote copy is looked at; returns how many."""
        return self.update(revision=F("revision") + 1, pending=True)


class Item(models.Model):
    """One thing that is kept in step: an event, a task, a contact...; its content is a detail row.

    `revision` counts changes of the content; whoever writes a detail row raises it (`touch`).
    `pending` says that some remote copy may not have the latest revision yet: it keeps "what must a
    run look at" one small index, however many items there are.
    """

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="items")
    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in Kind])
    home = models.ForeignKey(
        Collection, on_delete=models.SET_NULL, null=True, blank=True, related_name="items"
    )
    revision = models.BigIntegerField(default=1)
    pending = models.BooleanField(default=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = ItemQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["home"], condition=Q(pending=True), name="pending_items_by_home"),
            models.Index(fields=["id"], condition=Q(pending=True), name="pending_items"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


def touch(ids: Iterable[uuid.UUID]) -> int:
    """Say that the items with these ids changed; returns how many."""
    return Item.objects.filter(pk__in=list(ids)).touch()
