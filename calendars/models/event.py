"""Events: the calendar kind of item."""

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce

from calendars.models.busy_rule import BusyRule
from calendars.models.item import Item


class Midnight(Func):
    """The first instant of a date, in UTC; unlike a cast it does not depend on the session."""

    template = "((%(expressions)s)::timestamp AT TIME ZONE 'UTC')"
    output_field = models.DateTimeField()


class Event(models.Model):
    """One event as it is locally: a single one, a series, or one occurrence that differs.

    A moment is three columns: the instant (`starts_at`), or the date when it is an all-day event
    (`starts_on`, never converted), and the name of the zone it was said in. Ends are exclusive.
    `begins_at` puts both sorts of events into one order: midnight UTC stands for a date. An
    exception has its `series` and the original start of the occurrence it replaces (`slot`); a
    cancelled occurrence is an exception with status "cancelled". A busy block has both its rule and
    its source; any other event has neither. A block that stands for a single occurrence of a series
    has the start of that in `occurrence`. One that is `left_alone` was edited or deleted by a
    person, and its rule respects that until the times of its source are no longer those of
    `source_times`.
    """

    item = models.OneToOneField(
        Item, on_delete=models.CASCADE, primary_key=True, related_name="event"
    )
    title = models.TextField(blank=True)
    description = models.TextField(blank=True)
    location = models.TextField(blank=True)
    starts_at = models.DateTimeField(null=True, blank=True)
    starts_on = models.DateField(null=True, blank=True)
    start_zone = models.CharField(max_length=100, blank=True)
    begins_at = models.GeneratedField(
        expression=Coalesce("starts_at", Midnight("starts_on")),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )
    ends_at = models.DateTimeField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    end_zone = models.CharField(max_length=100, blank=True)
    recurrence = models.JSONField(default=list, blank=True)
    series = models.ForeignKey(
        Item, on_delete=models.RESTRICT, null=True, blank=True, related_name="exceptions"
    )
    slot = models.CharField(max_length=40, blank=True)
    status = models.CharField(max_length=40, default="confirmed")
    visibility = models.CharField(max_length=40, default="default")
    transparency = models.CharField(max_length=40, default="opaque")
    event_type = models.CharField(max_length=40, default="default")
    attendees = models.JSONField(default=list, blank=True)
    reminders = models.JSONField(default=dict, blank=True)
    colour = models.CharField(max_length=40, blank=True)
    conference = models.JSONField(null=True, blank=True)
    attachments = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    uid = models.CharField(max_length=1024, blank=True)
    sequence = models.IntegerField(default=0)
    organizer = models.JSONField(default=dict, blank=True)
    link = models.TextField(blank=True)

    busy_rule = models.ForeignKey(
        BusyRule, on_delete=models.RESTRICT, null=True, blank=True, related_name="blocks"
    )
    source = models.ForeignKey(
        Item, on_delete=models.RESTRICT, null=True, blank=True, related_name="blocks"
    )
    occurrence = models.CharField(max_length=40, blank=True, default="", db_default="")
    left_alone = models.BooleanField(default=False, db_default=False)
    source_times = models.CharField(max_length=32, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(starts_on=None),
                name="an_event_starts_at_a_moment_or_on_a_date",
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_on=None),
                name="an_event_ends_at_a_moment_or_on_a_date",
            ),
            models.CheckConstraint(
                condition=Q(busy_rule=None, source=None)
                | Q(busy_rule__isnull=False, source__isnull=False),
                name="a_busy_block_has_both_its_rule_and_its_source",
            ),
            models.CheckConstraint(
                condition=Q(busy_rule__isnull=False) | Q(occurrence="", left_alone=False),
                name="only_a_busy_block_stands_for_an_occurrence",
            ),
            models.UniqueConstraint(
                fields=["busy_rule", "source", "occurrence"],
                condition=Q(busy_rule__isnull=False) & (Q(series=None) | Q(occurrence="")),
                name="one_block_per_rule_and_occurrence",
            ),
            models.UniqueConstraint(
                fields=["busy_rule", "source", "occurrence"],
                condition=Q(busy_rule__isnull=False, series__isnull=False) & ~Q(occurrence=""),
                name="one_part_of_a_block_per_occurrence",
            ),
        ]
        indexes = [
            models.Index(F("begins_at").desc(nulls_last=True), name="events_by_start"),
            models.Index(
                fields=["uid"],
                condition=Q(busy_rule=None) & ~Q(uid=""),
                name="events_of_people_by_uid",
            ),
        ]

    def __str__(self) -> str:
        return f"event {self.pk}"
