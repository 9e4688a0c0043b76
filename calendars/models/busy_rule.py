"""Busy rules: one calendar's events block another calendar."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Q

from integrations.models import Collection

# A buffer or a way there takes at most a day.
MOST_MINUTES = 1440


class BusyRule(models.Model):
    """Events of `source` appear in `target` as busy blocks that show nothing but what is allowed.

    `fields` is the allow-list: of a source event only these fields reach the target, beside its
    times. The words `{title}`, `{location}` and `{calendar}` of `title_template` are filled in only
    if they are allowed. A rule that is not `enabled`, or is paused, writes nothing new and keeps
    its blocks as they are.

    Hours, weekdays and the two dates are meant in the zone of `target`. `include` and `exclude`
    hold filters such as "title:*standup*" (see `calendars.filters`).
    """

    class Touched(models.TextChoices):
        """What becomes of a block that somebody edited or deleted in the target."""

        RESTORE = "restore"
        RESPECT = "respect"

    class Removal(models.TextChoices):
        """What a person who takes a rule away wants to become of its blocks."""

        KEEP = "keep"
        FUTURE = "future"
        ALL = "all"

    # Removals after which the blocks that are left are ordinary events that no rule manages.
    KEPT = (Removal.KEEP, Removal.FUTURE)

    class As(models.TextChoices):
        """How an event of some sort is shown in the target."""

        BUSY = "busy"
        TENTATIVE = "tentative"
        FREE = "free"
        SKIP = "skip", "not at all"

    class AllDayAs(models.TextChoices):
        """How an all-day event is shown in the target."""

        BUSY = "busy"
        FREE = "free"
        SKIP = "skip", "not at all"

    class PrivateAs(models.TextChoices):
        """How an event that its owner marked as private is shown in the target."""

        BUSY = "busy"
        SKIP = "skip", "not at all"

    class Visibility(models.TextChoices):
        """Who sees the details of a block in a shared target, in the service's words."""

        PRIVATE = "private"
        PUBLIC = "public"
        DEFAULT = "default", "as the calendar's own"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="blocks_others")
    target = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="blocked_by")

    title_template = models.CharField(max_length=200, default="Busy")
    fields = models.JSONField(
        default=list, blank=True, help_text='Fields that may be shown, such as ["location"].'
    )
    visibility = models.CharField(
        max_length=10, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    colour = models.CharField(max_length=2, blank=True)
    link_back = models.BooleanField(default=False)

    skip_declined = models.BooleanField(default=True)
    skip_free = models.BooleanField(default=True)
    skip_event_types = models.JSONField(default=list, blank=True)
    tentative = models.CharField(max_length=10, choices=As.choices, default=As.BUSY)
    unanswered = models.CharField(max_length=10, choices=As.choices, default=As.BUSY)
    all_day = models.CharField(max_length=10, choices=AllDayAs.choices, default=AllDayAs.BUSY)
    private_events = models.CharField(
        max_length=10, choices=PrivateAs.choices, default=PrivateAs.BUSY
    )
    include = models.JSONField(default=list, blank=True)
    exclude = models.JSONField(default=list, blank=True)
    hours_from = models.TimeField(null=True, blank=True)
    hours_to = models.TimeField(null=True, blank=True)
    weekdays = models.JSONField(default=list, blank=True)
    minimum_minutes = models.PositiveIntegerField(default=0)
    skip_invited = models.BooleanField(default=True)
    once_per_meeting = models.BooleanField(default=True)

    buffer_before = models.PositiveIntegerField(default=0)
    buffer_after = models.PositiveIntegerField(default=0)
    travel_minutes = models.PositiveIntegerField(default=0)
    merge = models.BooleanField(default=False)

    past_days = models.PositiveIntegerField(default=7)
    future_days = models.PositiveIntegerField(default=365)
    active_from = models.DateField(null=True, blank=True)
    active_until = models.DateField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    enabled = models.BooleanField(default=True)

    on_edit = models.CharField(max_length=10, choices=Touched.choices, default=Touched.RESTORE)
    on_delete = models.CharField(max_length=10, choices=Touched.choices, default=Touched.RESTORE)
    # Copies that were there before the rule are taken for its blocks instead of being doubled.
    adopts = models.BooleanField(default=True)
    # When all its sources had been looked at for the first time; nothing is adopted after that.
    adopted_at = models.DateTimeField(null=True, blank=True, editable=False)

    # A person took the rule away; the row goes once its last block is gone.
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    removal = models.CharField(max_length=10, choices=Removal.choices, blank=True, editable=False)
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
            models.CheckConstraint(
                condition=Q(hours_from=None) | Q(hours_to=None) | Q(hours_from__lt=F("hours_to")),
                name="working_hours_begin_before_they_end",
            ),
            models.CheckConstraint(
                condition=Q(active_from=None)
                | Q(active_until=None)
                | Q(active_from__lte=F("active_until")),
                name="a_rule_begins_before_it_ends",
            ),
            models.CheckConstraint(
                condition=Q(
                    minimum_minutes__gte=0,
                    buffer_before__range=(0, MOST_MINUTES),
                    buffer_after__range=(0, MOST_MINUTES),
                    travel_minutes__range=(0, MOST_MINUTES),
                ),
                name="what_is_added_to_a_block_fits_into_a_day",
            ),
            models.CheckConstraint(
                condition=Q(
                    tentative__in=["busy", "tentative", "free", "skip"],
                    unanswered__in=["busy", "tentative", "free", "skip"],
                    all_day__in=["busy", "free", "skip"],
                    private_events__in=["busy", "skip"],
                ),
                name="a_sort_of_event_is_shown_in_a_known_way",
            ),
            models.CheckConstraint(
                condition=Q(
                    on_edit__in=["restore", "respect"], on_delete__in=["restore", "respect"]
                ),
                name="a_touched_block_is_restored_or_respected",
            ),
            models.CheckConstraint(
                condition=Q(removal__in=["", "keep", "future", "all"])
                & (Q(removal="") | Q(removed_at__isnull=False)),
                name="only_a_removed_rule_says_what_becomes_of_its_blocks",
            ),
            models.CheckConstraint(
                condition=Q(visibility="private")
                | Q(visibility__in=["public", "default"], link_back=False),
                name="only_a_private_block_links_back",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} blocks {self.target}"

    def rests(self, now: datetime) -> bool:
        """Say whether the rule leaves its blocks as they are for now."""
        return not self.enabled or (self.paused_until is not None and now < self.paused_until)
