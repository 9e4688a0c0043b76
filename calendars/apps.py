"""The calendars app."""

from django.apps import AppConfig


class CalendarsConfig(AppConfig):
    """See the package's docstring."""

    name = "calendars"
