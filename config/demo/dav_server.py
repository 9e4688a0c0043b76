"""A real CalDAV server (Radicale) beside the demo, in a process of its own.

Also `python -m config.demo.dav_server CONFIG`: Radicale that ends when its standard input does, so
that nothing is left of it however the demo ends.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests

USER: Final = "home"
CALENDAR: Final = "family"
_SECONDS_TO_START: Final = 30
_MAKE_CALENDAR: Final = f"""<?xml version="1.0"?>
<C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop>
<displayname>{CALENDAR}</displayname></prop></set></C:mkcalendar>"""


class DavServer:
    """One server with one person and one calendar; keeps everything in `folder`."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self.url = ""
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, wait until it answers, make the calendar; RuntimeError if it fails."""
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.folder.mkdir()
        (self.folder / "users").write_text(f"{USER}:{self.password}\n")
        config = self.folder / "config"
        config.write_text(_config(self.folder, port))
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-m", "config.demo.dav_server", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._await()
        self._ask("MKCALENDAR", "", _MAKE_CALENDAR)

    def stop(self) -> None:
        """End it; nothing happens if it has ended."""
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()
            process.wait(timeout=15)

    def put(self, name: str, text: str) -> None:
        """Let the calendar's person store a resource."""
        self._ask("PUT", name, text)

    def texts(self) -> dict[str, str]:
        """Return all resources of the calendar by name, as the server keeps them."""
        kept = self.folder / "collections" / "collection-root" / USER / CALENDAR
        return {path.name: path.read_text() for path in sorted(kept.glob("*.ics"))}

    def _ask(self, method: str, name: str, body: str) -> None:
        headers: Mapping[str, str] = {"Content-Type": "text/calendar; charset=utf-8"}
        if method != "PUT":
            headers = {"Content-Type": "application/xml; charset=utf-8"}
        self._call(method, f"/{USER}/{CALENDAR}/{name}", body.encode(), headers).raise_for_status()

    def _call(self, method: str, path: str, *how: Any) -> requests.Response:
        body, headers = how or (None, None)
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                self.url + path,
                data=body,
                headers=headers,
                auth=(USER, self.password),
                timeout=10,
            )

    def _await(self) -> None:
        end = time.monotonic() + _SECONDS_TO_START
        while time.monotonic() < end and self._process and self._process.poll() is None:
            try:
                self._call("OPTIONS", "/")
                return
            except requests.ConnectionError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError("The CalDAV server did not start: is Radicale installed (make demo)?")


def _config(folder: Path, port: int) -> str:
    return (
        f"[server]\nhosts = 127.0.0.1:{port}\n"
        f"[auth]\ntype = htpasswd\nhtpasswd_filename = {folder / 'users'}\n"
        "htpasswd_encryption = plain\ndelay = 0\n[rights]\ntype = owner_only\n"
        f"[storage]\nfilesystem_folder = {folder / 'collections'}\n[web]\ntype = none\n"
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _serve(config: str) -> None:
    from radicale.__main__ import run

    threading.Thread(target=_end_with_stdin, daemon=True).start()
    sys.argv = ["radicale", "--config", config]
    run()


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _serve(sys.argv[1])
