"""The integrations app."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """Accounts, collections and adapters."""

    name = "integrations"
