"""A sandboxed Google for the services and commands that connect accounts."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox import Sandbox

WORK, HOME = "work@example.com", "home@example.com"


@pytest.fixture(scope="session")
def google_process() -> Iterator[Sandbox]:
    with Sandbox("empty") as sandbox:
        yield sandbox


@pytest.fixture
def google_settings(google_process: Sandbox, settings: Any) -> Sandbox:
    """Settings that lead to a sandbox with two people who have nothing planned."""
    url = google_process.url
    settings.GOOGLE_API_ROOT = url  # without the slash, as people write it
    settings.GOOGLE_AUTH_URI = f"{url}/o/oauth2/v2/auth"
    settings.GOOGLE_TOKEN_URI = f"{url}/token"
    settings.GOOGLE_REVOKE_URI = f"{url}/revoke"
    settings.GOOGLE_CLIENT_ID = google_process.client_id
    settings.GOOGLE_CLIENT_SECRET = google_process.client_secret
    google_process.post("reset", seed_data="empty")
    for email in (WORK, HOME):
        google_process.post("accounts", email=email, timeZone="Europe/Berlin")
    return google_process
