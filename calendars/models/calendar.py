"""Calendars: what a collection of events has beyond any collection."""

from django.db import models

from integrations.models import Collection


class Calendar(models.Model):
    """The calendar side of one collection of events, as the service's calendar list shows it."""

    collection = models.OneToOneField(
        Collection, on_delete=models.CASCADE, primary_key=True, related_name="calendar"
    )
    time_zone = models.CharField(max_length=100, default="UTC")
    primary = models.BooleanField(default=False)
    colour = models.CharField(max_length=40, blank=True)
    hidden = models.BooleanField(default=False)
    default_reminders = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return str(self.collection)
