"""`Sandbox`: a sandbox in a process of its own, for tests, demos and benchmarks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode


class ControlRefused(Exception):
    """The sandbox refused a control call; the text says why."""


class Sandbox:
    """Starts a sandbox on a free port and speaks to its control API.

    Use it as a context manager. `url` is the root of every address, without a slash at the end;
    `stop` ends it in good order, `kill` does not, `start` brings it back on the same port. It also
    ends when the process that started it does, however that ended.
    """

    def __init__(self, seed_data: str = "demo", state: Path | None = None, port: int = 0) -> None:
        self.seed_data = seed_data
        self.state = state
        self.port = port
        self.url = ""
        self.client_id = ""
        self.client_secret = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it answers; raise RuntimeError if it does not."""
        command = [sys.executable, "-m", "integrations.sandbox", "--port", str(self.port)]
        command += ["--seed-data", self.seed_data, "--end-with-stdin"]
        command += ["--state", str(self.state)] if self.state else []
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(  # noqa: S603 (our own module, our own arguments)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self.stop()
            raise RuntimeError("The sandbox did not start; its message is on standard error.")
        said = json.loads(line)
        self.url, self.client_id = said["url"], said["client_id"]
        self.client_secret = said["client_secret"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self) -> None:
        """End the process in good order; nothing happens if it has ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.wait(timeout=15)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def get(self, name: str, **query: Any) -> dict[str, Any]:
        """Return what a control call under `/sandbox/` answers."""
        return self._call(urllib.request.Request(f"{self.url}/sandbox/{name}?{urlencode(query)}"))  # noqa: S310

    def post(self, name: str, **body: Any) -> dict[str, Any]:
        """Do something through a control call and return its answer."""
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self._call(
            urllib.request.Request(f"{self.url}/sandbox/{name}", data=data, headers=headers)  # noqa: S310
        )

    def _call(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                value: dict[str, Any] = json.load(answer)
                return value
        except urllib.error.HTTPError as error:
            with error:
                raise ControlRefused(json.load(error)["error"]["message"]) from None

    def refresh_token(self, account: str, scopes: list[str] | None = None) -> str:
        """Return a refresh token as if the account had consented."""
        body = {"account": account} | ({"scopes": scopes} if scopes else {})
        return str(self.post("refresh_token", **body)["refresh_token"])

    def fault(self, kind: str, **rule: Any) -> dict[str, Any]:
        """Put a fault rule in force."""
        return self.post("faults", kind=kind, **rule)

    def journal(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the journal of requests after an entry."""
        entries: list[dict[str, Any]] = self.get("journal", after=after)["entries"]
        return entries
