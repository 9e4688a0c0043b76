"""A sandboxed Google, with a person at work and Lockstep's adapter on their calendar."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.google.bodies import new_body
from integrations.google.client import Calendar
from integrations.google.oauth import Grant, OAuthClient
from integrations.google.provider import GoogleCalendar
from integrations.google.session import AuthorizedHttp
from integrations.http import Http
from integrations.sandbox import Sandbox
from sync.core.marks import Marker
from sync.core.provider import Copy
from sync.core.records import Fields

WORK, HOME = "work@example.com", "home@example.com"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = b"k" * 32


class Purse:
    """Keeps one grant in memory."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self.saved = 0

    def load(self) -> Grant:
        return self.grant

    def save(self, grant: Grant) -> None:
        self.grant = grant
        self.saved += 1


class Google:
    """One calendar in the sandbox: the provider on it, and the person whose it is."""

    def __init__(self, sandbox: Sandbox, account: str = WORK) -> None:
        self.sandbox = sandbox
        self.account = account
        self.calendar = account
        self.naps: list[float] = []
        self.http = Http()
        self.purse = Purse(Grant(refresh_token=sandbox.refresh_token(account)))

    def client(self) -> OAuthClient:
        """Lockstep as the sandbox knows it."""
        url = self.sandbox.url
        return OAuthClient(
            client_id=self.sandbox.client_id,
            client_secret=self.sandbox.client_secret,
            auth_uri=f"{url}/o/oauth2/v2/auth",
            token_uri=f"{url}/token",
            revoke_uri=f"{url}/revoke",
        )

    def api(self) -> Calendar:
        """The Calendar API in the person's name; naps are noted, not taken."""
        http = AuthorizedHttp(self.http, self.client(), self.purse)
        return Calendar(http, root=f"{self.sandbox.url}/", sleep=self.naps.append)

    def open(self, **more: Any) -> GoogleCalendar:
        """A provider on the calendar."""
        marker = Marker([KEY], more.pop("calendar", self.calendar))
        wanted = {"now": NOW, "past_days": 90} | more
        return GoogleCalendar(self.api(), marker.collection, marker, **wanted)

    def _act(self, action: str, **body: Any) -> dict[str, Any]:
        where = {"account": self.account, "calendar": self.calendar}
        return self.sandbox.post(action, **where | body)

    def add(self, fields: Fields) -> str:
        return self.add_raw(new_body(fields))

    def add_raw(self, event: dict[str, Any]) -> str:
        """Add an event in Google's own words; return its id."""
        return str(self._act("events", event=event)["id"])

    def change(self, remote_id: str, fields: Fields) -> None:
        self.change_raw(remote_id, new_body(fields))

    def change_raw(self, remote_id: str, changes: dict[str, Any], **more: Any) -> str:
        """Change an event in Google's own words; return its id."""
        return str(self._act("events/edit", id=remote_id, changes=changes, **more)["id"])

    def change_occurrence(self, series: str, slot: str, fields: Fields) -> str:
        return self.change_raw(series, new_body(fields), original_start=slot)

    def remove(self, remote_id: str, **more: Any) -> None:
        self._act("events/delete", id=remote_id, **more)

    def paste(self, copy: Copy) -> str:
        """Copy and paste an event with its private properties, as duplicating in Google does."""
        kept = ("summary", "start", "end", "recurrence", "extendedProperties")
        return self.add_raw({k: v for k, v in (copy.raw or {}).items() if k in kept})

    def lose_next_answer(self) -> None:
        self.sandbox.fault("lost_answer", operation="events.insert")

    def kill_cursors(self) -> None:
        self.sandbox.post("tokens/kill_sync")

    def stored(self, remote_id: str) -> dict[str, Any]:
        """The event as the sandbox keeps it."""
        events: list[dict[str, Any]] = self.sandbox.get("events", calendar=self.calendar)["events"]
        return next(event for event in events if event["id"] == remote_id)

    def requests(self) -> list[dict[str, Any]]:
        """The journal of requests to the sandbox."""
        return self.sandbox.journal()


@pytest.fixture(scope="session")
def process() -> Iterator[Sandbox]:
    with Sandbox("empty") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(process: Sandbox) -> Sandbox:
    """Two people who have nothing planned."""
    process.post("reset", seed_data="empty")
    process.post("faults/clear")
    process.post("journal/clear")
    for email in (WORK, HOME):
        process.post("accounts", email=email, timeZone="Europe/Berlin")
    return process


@pytest.fixture
def google(sandbox: Sandbox) -> Google:
    return Google(sandbox)


@pytest.fixture
def elsewhere(google: Google) -> Google:
    return google
