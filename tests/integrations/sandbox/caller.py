"""A bare HTTP caller of one account, and the official client, both pointed at a sandbox."""

import json
from pathlib import Path
from typing import Any

import googleapiclient
import requests
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import Resource, build_from_document

from integrations.sandbox import Sandbox

WORK, HOME = "work@example.com", "home@example.com"
DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"


def discovery(name: str = "calendar.v3") -> dict[str, Any]:
    """Return a discovery document that ships with the official client."""
    return json.loads((DOCUMENTS / f"{name}.json").read_text())


class Caller:
    """Sends requests with an access token of its account."""

    def __init__(self, sandbox: Sandbox, account: str, scopes: list[str] | None = None) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        form = {
            "grant_type": "refresh_token",
            "refresh_token": sandbox.refresh_token(account, scopes),
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
        }
        answer = self.session.post(f"{sandbox.url}/token", data=form).json()
        self.session.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def __call__(
        self, method: str, path: str, body: Any = None, *, headers: Any = None, **query: Any
    ) -> requests.Response:
        url = f"{self.sandbox.url}/calendar/v3/{path}"
        return self.session.request(method, url, params=query, json=body, headers=headers)

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        """Return the JSON of an answer that must be a success."""
        answer = self(method, path, body, **query)
        assert answer.ok, answer.text
        return answer.json() if answer.content else {}

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        """Return status and reason of an answer that must be a refusal."""
        return refusal(self(method, path, body, **query))

    def events(self, calendar: str = "primary", **query: Any) -> dict[str, dict[str, Any]]:
        """Return the items of a complete listing by id."""
        return {
            item["id"]: item for page in self.pages(calendar, **query) for item in page["items"]
        }

    def pages(self, calendar: str = "primary", **query: Any) -> list[dict[str, Any]]:
        """Return every page of a listing."""
        pages = [self.ok("GET", f"calendars/{calendar}/events", **query)]
        while token := pages[-1].get("nextPageToken"):
            pages.append(self.ok("GET", f"calendars/{calendar}/events", **query, pageToken=token))
        return pages

    def sync_token(self, calendar: str = "primary", **query: Any) -> str:
        """Return the sync token at the end of a complete listing."""
        return self.pages(calendar, **query)[-1]["nextSyncToken"]

    def delta(self, token: str, calendar: str = "primary", **query: Any) -> dict[str, Any]:
        """Return what changed since a sync token, by id."""
        return self.events(calendar, syncToken=token, **query)


def refusal(answer: requests.Response) -> tuple[int, str]:
    """Return status and reason of a refusal, having checked the error body's form."""
    assert answer.status_code >= 400, answer.text
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert set(error["errors"][0]) >= {"domain", "reason", "message"}
    return answer.status_code, error["errors"][0]["reason"]


def official(sandbox: Sandbox, account: str) -> Resource:
    """Return the official Calendar client for an account of the sandbox."""
    document = discovery()
    document["rootUrl"] = f"{sandbox.url}/"
    document["baseUrl"] = f"{sandbox.url}/calendar/v3/"
    credentials = Credentials(
        None,
        refresh_token=sandbox.refresh_token(account),
        token_uri=f"{sandbox.url}/token",
        client_id=sandbox.client_id,
        client_secret=sandbox.client_secret,
    )
    return build_from_document(document, credentials=credentials)


def timed(start: str, end: str, zone: str = "Europe/Berlin", **fields: Any) -> dict[str, Any]:
    """Return a timed event; times like `2026-12-01T09:00`."""
    times = {"start": start, "end": end}
    return {k: {"dateTime": f"{v}:00", "timeZone": zone} for k, v in times.items()} | fields


def whole(start: str, end: str, **fields: Any) -> dict[str, Any]:
    """Return an event of whole days; the end is exclusive."""
    return {"start": {"date": start}, "end": {"date": end}, **fields}
