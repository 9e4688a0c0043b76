"""What a busy block is merged of."""

from django.db import models

from calendars.models.busy_rule import BusyRule
from calendars.models.item import Item


class BlockPart(models.Model):
    """One source event, or one occurrence of it, and the merged block that takes up its time.

    `fields` is the block that it would have by itself: what the rule allows, and nothing else.
    """

    rule = models.ForeignKey(BusyRule, on_delete=models.CASCADE, related_name="parts")
    source = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="block_parts")
    occurrence = models.CharField(max_length=40, blank=True)
    block = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="parts")
    fields = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "source", "occurrence"], name="one_part_per_rule_and_occurrence"
            )
        ]

    def __str__(self) -> str:
        return f"part {self.pk}"
