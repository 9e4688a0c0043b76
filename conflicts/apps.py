"""The conflicts app."""

from django.apps import AppConfig


class ConflictsConfig(AppConfig):
    """See the package's docstring."""

    name = "conflicts"
