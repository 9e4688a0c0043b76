"""Conflicts: fields that both sides changed, and what became of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from calendars.models import time_ordered_uuid
from sync.models import Mapping, SyncOperation


class Conflict(models.Model):
    """One clash on one mapping, with both sides as they stood before anything was overwritten.

    An open one waits for a person's ruling; an automatic one was settled by the collection's
    strategy and is kept so that the losing version is never lost. A ruling counts only while both
    sides still look as the person saw them (`local_hash`, `remote_hash`).
    """

    class Outcome(models.TextChoices):
        OPEN = "open"
        RULED = "ruled", "ruled, not carried out yet"
        SETTLED = "settled", "carried out"
        AUTOMATIC = "automatic", "settled by the strategy"
        MOOT = "moot", "a side moved on"

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)
    mapping = models.ForeignKey(Mapping, on_delete=models.CASCADE, related_name="conflicts")
    operation = models.ForeignKey(
        SyncOperation, on_delete=models.SET_NULL, null=True, related_name="conflicts"
    )
    fields = models.JSONField(default=list)
    base = models.JSONField(null=True, blank=True)
    local = models.JSONField(null=True, blank=True)
    remote = models.JSONField(null=True, blank=True)
    local_hash = models.CharField(max_length=32, blank=True)
    remote_hash = models.CharField(max_length=32, blank=True)
    strategy = models.CharField(max_length=20)
    # Which side won, field by field, when the strategy decided: {"title": "remote"}.
    winners = models.JSONField(default=dict, blank=True)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, default=Outcome.OPEN)
    # What a person decided: {"exists": true, "fields": {...the whole record...}}.
    ruling = models.JSONField(null=True, blank=True)
    ruled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    ruled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["mapping"],
                condition=Q(outcome__in=["open", "ruled"]),
                name="one_unsettled_conflict_per_mapping",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["ruled", "settled"], ruling__isnull=False)
                | Q(outcome__in=["open", "automatic", "moot"]),
                name="a_ruled_conflict_has_its_ruling",
            ),
        ]

    def __str__(self) -> str:
        return f"conflict {self.pk}"
