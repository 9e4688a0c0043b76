"""CalDAV keeps the contract of every provider."""

from tests.integrations.provider_contract import ProviderContract


class TestRadicale(ProviderContract):
    """Run against a real Radicale; `elsewhere` comes from conftest."""

    counts_occurrences = False
