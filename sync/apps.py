"""The sync app."""

from django.apps import AppConfig


class SyncConfig(AppConfig):
    """See the package's docstring."""

    name = "sync"
