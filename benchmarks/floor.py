"""The floors: the same pages with the bare client, the same rows with COPY, nothing else."""

import tempfile
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build

from integrations.google.provider import LIST_MASK, PAGE_SIZE

TABLES = ("calendars_item", "calendars_event", "sync_mapping", "sync_syncitem")
_CHUNK = 2**20


class BareClient:
    """Google's own client, as its documentation shows it, on a calendar of a server of ours."""

    def __init__(
        self, url: str, calendar: str, refresh_token: str, client: tuple[str, str]
    ) -> None:
        credentials = Credentials(
            None,
            refresh_token=refresh_token,
            token_uri=f"{url}/token",
            client_id=client[0],
            client_secret=client[1],
        )
        self.service = build(
            "calendar",
            "v3",
            credentials=credentials,
            client_options={"api_endpoint": f"{url}/calendar/v3/"},
            cache_discovery=False,
        )
        self.calendar = calendar
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

    def fetch(self) -> float:
        """Fetch and parse everything there is to fetch; seconds."""
        started = time.perf_counter()
        for _ in self.pages():
            pass
        return time.perf_counter() - started


def copy_again(database: str) -> float:
    """COPY the rows that Lockstep wrote into new tables with the same indexes; seconds."""
    seconds = 0.0
    with psycopg.connect(database, autocommit=True) as connection:
        for table in TABLES:
            columns = ", ".join(columns_of(connection, table))
            with tempfile.TemporaryFile() as rows:
                with connection.cursor().copy(f"COPY {table} ({columns}) TO STDOUT") as source:
                    for chunk in source:
                        rows.write(chunk)
                rows.seek(0)
                connection.execute(f"CREATE TABLE floor (LIKE {table} INCLUDING ALL)")
                started = time.perf_counter()
                with connection.cursor().copy(f"COPY floor ({columns}) FROM STDIN") as target:
                    while chunk := rows.read(_CHUNK):
                        target.write(chunk)
                seconds += time.perf_counter() - started
                connection.execute("DROP TABLE floor")
    return seconds


def columns_of(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """Name a table's columns, quoted, without those that the database computes itself."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
        [table],
    )
    return [f'"{name}"' for (name,) in rows]
