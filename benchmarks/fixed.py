"""A server that costs nothing: one account with one calendar, its pages made once and zipped.

It speaks as much of Google's protocol as connecting an account and pulling one calendar take. The
events are believable (of twenty, one lasts all day; of fifty, one is a series; of ten, one has
guests; every third has a description) and the same for the same number.

As a program it prints its address as JSON and ends with its standard input.
"""

import gzip
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

ACCOUNT = "work@example.com"
PAGE = 2500
_SUBJECTS = ("Budget", "Roadmap", "Hiring", "Release", "Design", "Support", "Lunch", "Review")
_BEGIN = datetime(2025, 1, 6, tzinfo=UTC)


class Calendar:
    """The pages of a complete listing, and of every delta since: `bump` makes the next one."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.changes: list[list[int]] = []
        starts = range(0, count, PAGE)
        self.pages = [
            self._page(range(s, min(s + PAGE, count)), n, len(starts)) for n, s in enumerate(starts)
        ]

    def _page(self, numbers: range, n: int, of: int) -> bytes:
        follows = {"nextPageToken": str(n + 1)} if n + 1 < of else {"nextSyncToken": "0"}
        return _zipped([event(number) for number in numbers], follows)

    def bump(self, number: int) -> None:
        """Give `number` events, spread over the calendar, another title."""
        step = max(1, self.count // number) if number else 1
        self.changes.append([n * step for n in range(number)])

    def delta(self, since: int) -> bytes:
        """Return what changed after a sync token."""
        touched = {
            n: str(at) for at, some in enumerate(self.changes, 1) for n in some if at > since
        }
        items = [event(n, version) for n, version in touched.items()]
        return _zipped(items, {"nextSyncToken": str(len(self.changes))})


def event(number: int, version: str = "") -> dict[str, Any]:
    """Return an event as Google shows it; another version has another title."""
    chance = random.Random(number)
    day = _BEGIN + timedelta(days=number % 1400)
    shown: dict[str, Any] = {
        "id": f"seed{number:08d}",
        "etag": f'"{number}{version}"',
        "status": "confirmed",
        "updated": f"2026-01-0{1 + bool(version)}T00:00:00.{len(version):03d}{version}Z",
        "htmlLink": f"https://www.google.com/calendar/event?eid=seed{number:08d}",
        "summary": f"{chance.choice(_SUBJECTS)} {version} {number}",
        "organizer": {"email": ACCOUNT, "self": True},
        "iCalUID": f"seed{number:08d}@google.com",
        "sequence": 0,
        "reminders": {"useDefault": True},
        "eventType": "default",
        **_times(number, day, chance),
    }
    if number % 3 == 0:
        shown["description"] = "Notes and agenda for the meeting.\n" * 3
    if number % 10 == 0:
        shown["attendees"] = [_guest(chance.randrange(400)) for _ in range(2)]
    return shown


def _times(number: int, day: datetime, chance: random.Random) -> dict[str, Any]:
    if number % 20 == 0:
        end = day + timedelta(days=1)
        return {"start": {"date": f"{day:%Y-%m-%d}"}, "end": {"date": f"{end:%Y-%m-%d}"}}
    start = day.replace(hour=chance.randint(7, 18), minute=chance.choice((0, 15, 30, 45)))
    moments = (("start", start), ("end", start + timedelta(minutes=45)))
    zone = "Europe/Berlin"
    times: dict[str, Any] = {k: {"dateTime": t.isoformat(), "timeZone": zone} for k, t in moments}
    if number % 50 == 7:
        times["recurrence"] = [f"RRULE:FREQ=WEEKLY;COUNT={chance.randint(4, 30)}"]
    return times


def _guest(number: int) -> dict[str, Any]:
    return {"email": f"guest{number}@example.org", "responseStatus": "accepted"}


def _zipped(items: list[dict[str, Any]], follows: dict[str, str]) -> bytes:
    page = {"accessRole": "owner", **follows, "items": items}
    return gzip.compress(json.dumps(page, separators=(",", ":")).encode(), compresslevel=1)


class Handler(BaseHTTPRequestHandler):
    """Answers from memory."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    calendar: Calendar

    def do_GET(self) -> None:
        """Answer what a run asks."""
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path.endswith("/events") and "syncToken" in query:
            self._send(self.calendar.delta(int(query["syncToken"])))
        elif address.path.endswith("/events"):
            self._send(self.calendar.pages[int(query.get("pageToken", 0))])
        elif address.path.endswith("/calendarList"):
            entry = {"id": ACCOUNT, "summary": ACCOUNT, "primary": True, "accessRole": "owner"}
            items = [] if "syncToken" in query else [{**entry, "timeZone": "Europe/Berlin"}]
            self._send(_zipped(items, {"nextSyncToken": "0"}))
        else:
            self._send(gzip.compress(json.dumps({"id": "1", "email": ACCOUNT}).encode()))

    def do_POST(self) -> None:
        """Hand out a token, or (`/bump?number=n`) change events."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        if address.path == "/bump":
            self.calendar.bump(int(parse_qs(address.query)["number"][0]))
        scopes = "https://www.googleapis.com/auth/calendar openid email"
        token = {"access_token": "fixed", "expires_in": 3600, "token_type": "Bearer"}
        self._send(gzip.compress(json.dumps({**token, "scope": scopes}).encode()))

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def bump(url: str, number: int) -> None:
    """Let `number` events of the server at this address change."""
    urlopen(Request(f"{url}/bump?number={number}", method="POST")).close()


@contextmanager
def serving(count: int) -> Iterator[str]:
    """Run a server with so many events in a process of its own; yields its address."""
    command = [sys.executable, "-m", "benchmarks.fixed", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield json.loads(process.stdout.readline() if process.stdout else b"")["url"]
        finally:
            process.terminate()


def main() -> None:
    """Serve until standard input ends."""
    handler = type("Bound", (Handler,), {"calendar": Calendar(int(sys.argv[1]))})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        os.read(0, 1)


if __name__ == "__main__":
    main()
