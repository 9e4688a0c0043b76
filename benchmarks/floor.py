"""The floor: the same pages with the bare client, and the same rows with COPY, nothing else."""

import io
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build

from integrations.google.provider import LIST_MASK, PAGE_SIZE
from integrations.sandbox.client import Sandbox

TABLES = ("calendars_item", "calendars_event", "sync_mapping", "sync_syncitem")


class BareClient:
    """Google's own client, as its documentation shows it, on the sandbox."""

    def __init__(self, box: Sandbox, account: str) -> None:
        credentials = Credentials(
            None,
            refresh_token=box.refresh_token(account),
            token_uri=f"{box.url}/token",
            client_id=box.client_id,
            client_secret=box.client_secret,
        )
        self.service = build(
            "calendar",
            "v3",
            credentials=credentials,
            client_options={"api_endpoint": f"{box.url}/calendar/v3/"},
            cache_discovery=False,
        )
        self.calendar = account
        self.cursor = ""

    def pages(self) -> Iterator[list[dict[str, Any]]]:
        """Yield what changed since the last call (at first: everything), parsed."""
        events = self.service.events()
        since = {"syncToken": self.cursor} if self.cursor else {}
        request = events.list(
            calendarId=self.calendar, maxResults=PAGE_SIZE, fields=LIST_MASK, **since
        )
        while request is not None:
            answer = request.execute()
            yield answer.get("items", [])
            self.cursor = answer.get("nextSyncToken", self.cursor)
            request = events.list_next(request, answer)

    def fetch(self) -> tuple[float, list[str]]:
        """Fetch and parse everything there is to fetch; seconds, and the ids seen."""
        started, ids = time.perf_counter(), []
        for page in self.pages():
            ids += [event["id"] for event in page]
        return time.perf_counter() - started, ids

    def retitle(self, ids: Sequence[str], title: str) -> None:
        """Change the titles of events, one call each."""
        events = self.service.events()
        for remote_id in ids:
            events.patch(
                calendarId=self.calendar, eventId=remote_id, body={"summary": title}
            ).execute()


def copy_again(database: str, share: float = 1.0) -> tuple[float, int]:
    """COPY a share of the rows that Lockstep wrote into empty tables alike; seconds and rows."""
    seconds, rows = 0.0, 0
    with psycopg.connect(database) as connection:
        for table in TABLES:
            columns = _columns(connection, table)
            data, number = _dump(connection, table, columns, share)
            connection.execute(f"CREATE TEMPORARY TABLE floor (LIKE {table} INCLUDING ALL)")
            started = time.perf_counter()
            with connection.cursor().copy(f"COPY floor ({columns}) FROM STDIN") as target:
                target.write(data)
            seconds += time.perf_counter() - started
            rows += number
            connection.execute("DROP TABLE floor")
    return seconds, rows


def _columns(connection: psycopg.Connection[Any], table: str) -> str:
    """List a table's columns, without those that the database computes itself."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
        [table],
    )
    return ", ".join(f'"{name}"' for (name,) in rows)


def _dump(
    connection: psycopg.Connection[Any], table: str, columns: str, share: float
) -> tuple[bytes, int]:
    buffer = io.BytesIO()
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    number = int((row[0] if row else 0) * share)
    some = f"SELECT {columns} FROM {table} LIMIT {number}"  # noqa: S608
    with connection.cursor().copy(f"COPY ({some}) TO STDOUT") as rows:
        for chunk in rows:
            buffer.write(chunk)
    return buffer.getvalue(), number
