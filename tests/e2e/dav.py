"""A family's calendar on a CalDAV server: what somebody does there, and what can go wrong.

The server is a real Radicale. Lockstep reaches it through a gate, which counts what it is asked and
which a test may let be slow, closed, or answer nonsense; the family itself walks round it.
"""

import base64
import http.client
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import icalendar
import recurring_ical_events

from tests.e2e.lockstep import Lockstep
from tests.e2e.people import at
from tests.integrations.caldav.odd import Answer, OddServer, Request, serving
from tests.machine.sides import DavSide, Seen, Shown, Side, shown
from tests.radicale import PEOPLE, Radicale

USER, CALENDAR = "home", "family"
FAMILY = f"/{USER}/{CALENDAR}/"  # its id: the path at the server
PASSWORD = PEOPLE[USER]
WRITES = frozenset({"PUT", "DELETE"})
HTML: Answer = (200, {"Content-Type": "text/html"}, b"<html><p>Please sign in</p></html>")


@dataclass
class Gate:
    """The way to the server. `seconds` delays what the server has answered already; `instead` may
    say something else, before the server is asked, and `answered` after it has done its work.
    """

    radicale: Radicale
    front: OddServer
    seconds: float = 0
    instead: Callable[[Request], Answer | None] = lambda request: None
    answered: Callable[[Request, Answer], Answer] = lambda request, answer: answer
    passed: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address to connect to, without a slash at its end."""
        return self.front.url

    def open(self) -> None:
        """Let everything go right again."""
        self.seconds = 0
        self.instead = lambda request: None
        self.answered = lambda request, answer: answer

    def writes(self) -> int:
        """How many writes came through."""
        return sum(method in WRITES for method in self.passed)

    def answer(self, request: Request) -> Answer:
        """Pass a request on, or do what the test wants."""
        refused = self.instead(request)
        if refused is not None:
            return refused
        try:
            answer = self._ask(request)
        except OSError:
            return 502, {}, b"nobody there"
        self.passed.append(request.method)
        time.sleep(self.seconds)
        return self.answered(request, answer)

    def _ask(self, request: Request) -> Answer:
        where = urlsplit(self.radicale.url)
        server = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
        kept = {"host", "connection", "accept-encoding", "content-length"}
        headers = {name: value for name, value in request.headers.items() if name not in kept}
        try:
            server.request(request.method, request.path, request.body.encode(), headers)
            answer = server.getresponse()
            content = answer.read()
        finally:
            server.close()
        dropped = {"content-length", "connection", "transfer-encoding", "date", "server"}
        said = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
        return answer.status, said, content


@contextmanager
def gate_before(radicale: Radicale) -> Iterator[Gate]:
    """Serve the way to a server until the block ends."""
    with serving(OddServer()) as front:
        gate = Gate(radicale, front)
        front.script = gate.answer
        yield gate


class Family(DavSide):
    """The family's calendar, used by a program of theirs; remembers titles so that leaks show."""

    def __init__(self, gate: Gate, secrets: set[str]) -> None:
        self.gate, self.radicale, self.secrets = gate, gate.radicale, secrets
        self.secrets |= {PASSWORD, PASSWORD.replace("ä", "\\u00e4"), _basic(PASSWORD)}
        if self.folder.exists():
            self.radicale.delete(USER, FAMILY)
        super().__init__(self.radicale.make_calendar(USER, CALENDAR), (USER, PASSWORD))

    @property
    def folder(self) -> Any:
        """Where the server keeps the calendar."""
        return self.radicale.collection(USER, CALENDAR)

    def close(self) -> None:
        """Put the program away."""
        self._http.close()

    def add(  # type: ignore[override]
        self,
        title: str,
        location: str = "",
        *,
        day: int = 1,
        hour: int = 10,
        repeats: bool = False,
    ) -> Seen:
        """Add an event, tomorrow at ten unless told otherwise; return it."""
        self.secrets.add(title)
        super().add(title, location, day=day, hour=hour, repeats=repeats)
        return self.find(title)

    def find(self, title: str) -> Seen:
        """Find an event by its title."""
        return next(seen for seen in self.seen() if seen.title == title)

    def put(self, uid: str, *lines: str) -> None:
        """Store a resource of one event that has these lines; it is called like its event."""
        self.secrets |= {line.partition(":")[2] for line in lines if line.startswith("SUMMARY")}
        self.radicale.put(USER, f"{FAMILY}{uid}.ics", resource(uid, *lines))

    def titles(self) -> list[str]:
        """The titles in the calendar, those of changed occurrences too, sorted."""
        found = self.calendar().walk("VEVENT")
        return sorted(str(e.get("SUMMARY", "")) for e in found if e.get("STATUS") != "CANCELLED")

    def blocks(self) -> list[icalendar.Event]:
        """The busy blocks, by start."""
        found = self.calendar().walk("VEVENT")
        return sorted((e for e in found if e.get("SUMMARY") == "Busy"), key=lambda e: e.start)

    def texts(self) -> dict[str, str]:
        """All resources by name, as the server keeps them, their lines unfolded."""
        files = sorted(self.folder.glob("*.ics"))
        return {file.name: file.read_bytes().decode().replace("\r\n ", "") for file in files}

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Replace words in a resource, as a program would that knows no better."""
        text = self.texts()[name]
        assert old in text
        self.radicale.put(USER, FAMILY + name, text.replace(old, new).encode())

    def connect(self, lockstep: Lockstep, *options: str, code: int = 0) -> str:
        """Connect the calendar as a script does, with the password on standard input."""
        said = lockstep.run(*connecting(self.gate.url), *options, stdin=PASSWORD, code=code)
        return said.out + said.err


def connecting(url: str, user: str = USER) -> tuple[str, ...]:
    """The command that connects a CalDAV account with the password on standard input."""
    return ("connect_account", "caldav", "--url", url, "--user", user, "--password-file", "-")


def resource(uid: str, *lines: str) -> bytes:
    """A resource of one event; tomorrow at eight in Greenwich if no line says when."""
    day = at(1, "08:00")["start"]["dateTime"][:10].replace("-", "")
    times = (f"DTSTART:{day}T080000Z", f"DTEND:{day}T090000Z")
    said = lines if any(line.startswith("DTSTART") for line in lines) else (*lines, *times)
    head = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.com//phone//EN", "BEGIN:VEVENT")
    event = (f"UID:{uid}", "DTSTAMP:20260101T000000Z", *said, "END:VEVENT", "END:VCALENDAR", "")
    return "\r\n".join((*head, *event)).encode()


def events_of(side: Side) -> Shown:
    """Everything that takes place in a calendar but its blocks, occurrence by occurrence."""
    return shown(side)[0]


def block_hours(calendar: icalendar.Calendar, since: datetime, until: datetime) -> Counter[str]:
    """When a calendar says "Busy" between two moments: starts and ends in UTC."""
    found = recurring_ical_events.of(calendar).between(since, until)
    return Counter(
        f"{event.start.astimezone(UTC):%Y-%m-%dT%H:%M}/{event.end.astimezone(UTC):%H:%M}"
        for event in found
        if event.get("SUMMARY") == "Busy" and event.get("STATUS") != "CANCELLED"
    )


def _basic(password: str) -> str:
    return base64.b64encode(f"{USER}:{password}".encode()).decode()
