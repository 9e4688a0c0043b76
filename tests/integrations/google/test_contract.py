"""Google Calendar keeps the contract of every provider."""

from tests.integrations.provider_contract import ProviderContract


class TestGoogleCalendar(ProviderContract):
    """Run against the sandbox over HTTP; `elsewhere` comes from conftest."""
