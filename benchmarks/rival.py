"""vdirsyncer and Lockstep on the same two Radicale servers, each with calendars of its own.

The first sync writes each event to the second server, so most of it is the server's time. Lockstep
runs as a command that is started each time, as vdirsyncer does, and in a process that stays, as its
workers do. Beside both stand the bare requests, whose time is the servers'.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import product
from benchmarks.bare_dav import BareDav
from benchmarks.installation import installation
from benchmarks.product import Measured
from benchmarks.table import Row
from integrations.caldav.xml import sync_collection
from tests.radicale import Radicale, start

EVENTS, CHANGES = 2_000, 20
THEM, US, BARE = "vdirsyncer", "lockstep", "bare"
_EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//bench//EN
BEGIN:VEVENT
UID:{name}
DTSTAMP:20260101T000000Z
DTSTART:{start:%Y%m%dT%H%M%SZ}
DTEND:{end:%Y%m%dT%H%M%SZ}
SUMMARY:{title}
LOCATION:Room {number}
DESCRIPTION:Notes and agenda for the meeting
END:VEVENT
END:VCALENDAR
"""
_CONFIG = """[general]
status_path = "{folder}/status"
[pair both]
a = "left"
b = "right"
collections = null
conflict_resolution = "a wins"
[pair pull]
a = "left"
b = "files"
collections = null
conflict_resolution = "a wins"
[storage files]
type = "filesystem"
path = "{folder}/files"
fileext = ".ics"
"""
_STORAGE = """[storage {name}]
type = "caldav"
url = "{url}/{user}/{name}/"
username = "{user}"
password = "password"
"""


def rows(sizes: list[int]) -> Iterator[Row]:
    """Measure both in turn, step by step; of the `sizes`, the largest bounds the events."""
    events = min(EVENTS, max(sizes))
    with _servers() as (left, right), installation({}) as lockstep:
        for user in (THEM, US):
            _plant(user, events, left, right)
        _plant(BARE, events, left, right)
        for file in _folder(left, BARE).glob("*.ics"):
            (_folder(right, BARE) / file.name).write_text(file.read_text(), newline="")
        with tempfile.TemporaryDirectory() as folder:
            pull, sync = _vdirsyncer(Path(folder), left, right)
            _connect(left)
            yield from _beside(f"first pull of {events:,}", pull(), _ours())
            _connect(right)
            both = lockstep.ask("SELECT id::text FROM integrations_collection WHERE selected")
            ids = [row[0] for row in both]
            product.manage("circle", "add", "both servers", "--collections", *ids)
            yield from _steps(events, sync, left, right)


def _plant(user: str, events: int, left: Radicale, right: Radicale) -> None:
    """Give a user a full calendar on one server and an empty one on the other."""
    for server in (left, right):
        server.make_calendar(user, server.folder.name)
    for number in range(events):
        file = _folder(left, user) / f"event{number}.ics"
        file.write_text(_event(number), newline="")
    # A calendar that people filled has been read by its server; whoever comes first to this one
    # would pay for that, and more for asking what changed than for asking what is there.
    left.ask(user, "REPORT", f"/{user}/{left.folder.name}/", sync_collection(""), seconds=600)


def _steps(
    events: int, theirs: Callable[[], Measured], left: Radicale, right: Radicale
) -> Iterator[Row]:
    yield from _beside(f"{events:,} to the other server", theirs(), _ours())
    for user in (THEM, US):
        _same(left, right, user, events)
    bare = BareDav(BARE, [f"{s.url}/{BARE}/{s.folder.name}/" for s in (left, right)])
    worker = product.Resident("sync_calendars")
    worker.run()
    nothing, changes = [], []
    for number in range(product.REPEAT):
        nothing.append((theirs(), _ours(), worker.run(), _measured(bare.nothing())))
        _change(events, f"moved {number}", left)
        commands = theirs(), _ours()
        _change(events, f"moved {number} again", left)
        changes.append((*commands, worker.run(), _measured(bare.carry_over())))
        theirs()
    worker.stop()
    yield from _beside("nothing changed", *map(product.median_of, zip(*nothing, strict=True)))
    yield from _beside(f"{CHANGES} changes", *map(product.median_of, zip(*changes, strict=True)))
    for user in (THEM, US):
        _same(left, right, user, events)


def _change(events: int, title: str, server: Radicale) -> None:
    """Let everybody change as many events on one server."""
    for user in (THEM, US, BARE):
        for number in range(0, events, events // CHANGES):
            path = f"/{user}/{server.folder.name}/event{number}.ics"
            server.put(user, path, _event(number, title).encode())


def _measured(seconds: float) -> Measured:
    return Measured(seconds, 0.0, 0.0)


def _beside(what: str, theirs: Measured, *ours: Measured) -> Iterator[Row]:
    """Yield their line, and ours with theirs as the floor."""
    yield Row(f"vdirsyncer: {what}", theirs, 0.0, "")
    names = ("Lockstep", "Lockstep, a process that stays", "bare requests")
    for name, took in zip(names, ours, strict=False):
        yield Row(f"{name}: {what}", took, theirs.wall, "vdirsyncer on the same servers")


def _ours() -> Measured:
    return product.manage("sync_calendars")


def _vdirsyncer(
    folder: Path, left: Radicale, right: Radicale
) -> tuple[Callable[[], Measured], Callable[[], Measured]]:
    """Return what pulls the first server into files, and what keeps both servers together."""
    (folder / "files").mkdir()
    sides = (("left", left), ("right", right))
    storages = [_STORAGE.format(name=n, url=s.url, user=THEM) for n, s in sides]
    config = folder / "config"
    config.write_text(_CONFIG.format(folder=folder) + "".join(storages))
    program = str(Path(sys.executable).with_name("vdirsyncer"))
    command = (program, "-v", "ERROR", "-c", str(config))
    product.measure(*command, "discover")
    return (
        lambda: product.measure(*command, "sync", "pull"),
        lambda: product.measure(*command, "sync", "both"),
    )


def _connect(server: Radicale) -> None:
    """Connect the account on a server, with its calendar."""
    address = ("--url", f"{server.url}/", "--user", US, "--password-file", "-")
    chosen = ("--calendar", f"/{US}/{server.folder.name}/")
    product.manage("connect_account", "caldav", *address, *chosen, standard_input="password\n")


def _same(left: Radicale, right: Radicale, user: str, events: int) -> None:
    """See that both servers hold the same titles."""
    titles = [sorted(map(_title, _folder(s, user).glob("*.ics"))) for s in (left, right)]
    if titles[0] != titles[1] or len(titles[0]) != events:
        raise product.Failed(f"{user} left the servers apart")


def _folder(server: Radicale, user: str) -> Path:
    """Return where a server keeps a user's calendar, which is called like the server."""
    return server.collection(user, server.folder.name)


def _title(file: Path) -> str:
    return next(line for line in file.read_text().splitlines() if line.startswith("SUMMARY"))


def _event(number: int, title: str = "Meeting") -> str:
    begin = datetime(2026, 1, 1, 8, tzinfo=UTC) + timedelta(hours=number)
    end, name = begin + timedelta(minutes=30), f"event{number}"
    text = _EVENT.format(name=name, number=number, title=f"{title} {number}", start=begin, end=end)
    return text.replace("\n", "\r\n")


@contextmanager
def _servers() -> Iterator[tuple[Radicale, Radicale]]:
    with tempfile.TemporaryDirectory() as folder:
        servers = [start(Path(folder) / side, passwords=False) for side in ("left", "right")]
        try:
            yield servers[0], servers[1]
        finally:
            for server in servers:
                server.stop()
