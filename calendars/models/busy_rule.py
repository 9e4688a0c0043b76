"""Busy rules: one calendar's events block another calendar."""

import uuid

from django.db import models
from django.db.models import F, Q

from integrations.models import Collection


class BusyRule(models.Model):
    """Events of `source` appear in `target` as busy blocks that show nothing but what is allowed.

    `fields` is the allow-list: of a source event only these fields reach the target, beside its
    times. The words `{title}`, `{location}` and `{calendar}` of `title_template` are filled in only
    if they are allowed. A rule that is not `enabled` writes nothing new and keeps its blocks.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="blocks_others")
    target = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="blocked_by")
    title_template = models.CharField(max_length=200, default="Busy")
    fields = models.JSONField(
        default=list, blank=True, help_text='Fields that may be shown, such as ["location"].'
    )
    skip_declined = models.BooleanField(default=True)
    skip_tentative = models.BooleanField(default=False)
    skip_free = models.BooleanField(default=True)
    skip_all_day = models.BooleanField(default=False)
    skip_event_types = models.JSONField(default=list, blank=True)
    past_days = models.PositiveIntegerField(default=7)
    future_days = models.PositiveIntegerField(default=365)
    enabled = models.BooleanField(default=True)
    # A person took the rule away; the row goes once its last block is gone.
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What the blocks were last written by; another value means: write all of them anew.
    applied = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "target"],
                condition=Q(removed_at=None),
                name="one_busy_rule_per_source_and_target",
            ),
            models.CheckConstraint(
                condition=~Q(source=F("target")), name="a_calendar_does_not_block_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} blocks {self.target}"
