"""A real Radicale as a process of its own: a CalDAV server with everything in one folder.

`start(folder)` serves the people of `PEOPLE`, each of whom may read and write everything below
`/<name>/` and nothing else; without passwords where `passwords=False`, where any name is let in.
"""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from xml.sax.saxutils import escape

PEOPLE: Final[Mapping[str, str]] = {"work": "work password", "home": "home pässword"}
_CALENDAR: Final = """<?xml version="1.0" encoding="utf-8"?>
<C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop>
<displayname>{name}</displayname>{timezone}
<C:supported-calendar-component-set>{components}</C:supported-calendar-component-set>
</prop></set></C:mkcalendar>"""


@dataclass
class Radicale:
    """A running server: its address without a slash at the end, its folder, its process."""

    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        """End the server and wait for it."""
        self.process.terminate()
        self.process.wait(timeout=10)

    def collection(self, user: str, name: str) -> Path:
        """Return the folder in which the server keeps a calendar."""
        return self.folder / "collections" / "collection-root" / user / name

    def forget_sync_tokens(self, user: str, name: str) -> None:
        """Make the server forget every sync token of a calendar that it gave out."""
        for token in (self.collection(user, name) / ".Radicale.cache" / "sync-token").glob("*"):
            token.unlink()

    def make_calendar(
        self,
        user: str,
        name: str,
        *,
        title: str = "",
        components: tuple[str, ...] = ("VEVENT",),
        timezone: str = "",
    ) -> str:
        """Make a calendar as its owner would; return its address."""
        said = "".join(f'<C:comp name="{component}"/>' for component in components)
        zone = f"<C:calendar-timezone>{escape(timezone)}</C:calendar-timezone>" if timezone else ""
        body = _CALENDAR.format(name=escape(title or name), components=said, timezone=zone)
        return self.ask(user, "MKCALENDAR", f"/{user}/{name}/", body.encode())[1]

    def put(self, user: str, path: str, text: bytes) -> str:
        """Store a resource as a person would; return its ETag."""
        return self.ask(user, "PUT", path, text)[0].get("ETag", "")

    def delete(self, user: str, path: str) -> None:
        """Delete a resource or a calendar as a person would."""
        self.ask(user, "DELETE", path)

    def get(self, user: str, path: str) -> bytes:
        """Return a resource as the server hands it out."""
        with self._open(user, "GET", path, None) as answer:
            text: bytes = answer.read()
        return text

    def ask(
        self,
        user: str,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        seconds: float = 10,
    ) -> tuple[Mapping[str, str], str]:
        """Make one call in a person's name; return the answer's headers and the address."""
        with self._open(user, method, path, body, seconds) as answer:
            return dict(answer.headers), self.url + path

    def _open(  # type: ignore[no-untyped-def]
        self, user: str, method: str, path: str, body: bytes | None, seconds: float = 10
    ):
        manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
        password = PEOPLE.get(user, "")
        manager.add_password(None, self.url, user, password, is_authenticated=True)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(manager)
        )
        request = urllib.request.Request(self.url + path, body, method=method)
        if method == "PUT":
            request.add_header("Content-Type", "text/calendar; charset=utf-8")
        return opener.open(request, timeout=seconds)


def start(folder: Path, *, passwords: bool = True, port: int = 0) -> Radicale:
    """Start a server that keeps everything in `folder`, and wait until it answers.

    Raises `RuntimeError` with what it said if it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    (folder / "users").write_text("".join(f"{name}:{word}\n" for name, word in PEOPLE.items()))
    (folder / "config").write_text(_config(folder, port, passwords))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "radicale", "--config", str(folder / "config")],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    radicale = Radicale(f"http://127.0.0.1:{port}", folder, process)
    _wait_for(radicale)
    return radicale


def _config(folder: Path, port: int, passwords: bool) -> str:
    auth = (
        f"type = htpasswd\nhtpasswd_filename = {folder / 'users'}\nhtpasswd_encryption = plain\n"
        "delay = 0\n"
        if passwords
        else "type = none\n"
    )
    return (
        f"[server]\nhosts = 127.0.0.1:{port}\nmax_connections = 40\n"
        f"[auth]\n{auth}[rights]\ntype = owner_only\n"
        f"[storage]\nfilesystem_folder = {folder / 'collections'}\n"
        "[web]\ntype = none\n[logging]\nlevel = warning\n"
    )


def _wait_for(radicale: Radicale, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < until and radicale.process.poll() is None:
        try:
            opener.open(radicale.url + "/.well-known/caldav", timeout=2).close()
        except HTTPError as answered:
            answered.close()
            return
        except (URLError, OSError):
            time.sleep(0.05)
        else:
            return
    radicale.process.kill()
    radicale.process.wait()
    raise RuntimeError(f"Radicale did not start: {(radicale.folder / 'log').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
