"""The stage: a scratch folder, a sandbox, a CalDAV server, and the settings that lead to them."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from config import locks
from config.demo.dav_server import DavServer
from config.embedded_servers import SERVERS
from integrations.sandbox import Sandbox

LONGEST_STOP = 30  # seconds
ROOT = Path(__file__).resolve().parents[2]


class CommandFailed(Exception):
    """A command of Lockstep ended otherwise than it should have."""


class Stage:
    """Everything the demo runs on; nothing of it is left once the stage is left.

    `settings` is an env file: whoever sets LOCKSTEP_ENV_FILE to it plays along.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lockstep-demo-"))
        self.settings = self.folder / "demo.env"
        self.sandbox = Sandbox("demo")
        self.dav = DavServer(self.folder / "dav", secrets.token_urlsafe(12))

    def __enter__(self) -> Self:
        try:
            self.sandbox.start()
            self.dav.start()
        except BaseException:
            self.sandbox.stop()
            shutil.rmtree(self.folder)
            raise
        variables = self._variables()
        self.settings.write_text("".join(f"{k}={v}\n" for k, v in variables.items()))
        os.environ |= {**variables, "LOCKSTEP_ENV_FILE": str(self.settings)}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sandbox.stop()
        self.dav.stop()
        self._await_servers()
        shutil.rmtree(self.folder)

    def _await_servers(self) -> None:
        """Wait until no server writes into the folder any more: a killed command's goes last."""
        for kind in SERVERS.values():
            server = kind(self.folder / "data")
            if server.lock("keeper").exists():
                locks.claim(server.lock("keeper"), seconds=LONGEST_STOP)
            # Beside the folder where that has a long name.
            shutil.rmtree(server.sockets, ignore_errors=True)

    def _variables(self) -> dict[str, str]:
        url = self.sandbox.url
        return {
            "LOCKSTEP_DATA_DIR": str(self.folder / "data"),
            "GOOGLE_API_ROOT": f"{url}/",
            "GOOGLE_AUTH_URI": f"{url}/o/oauth2/v2/auth",
            "GOOGLE_TOKEN_URI": f"{url}/token",
            "GOOGLE_REVOKE_URI": f"{url}/revoke",
            "GOOGLE_CLIENT_ID": self.sandbox.client_id,
            "GOOGLE_CLIENT_SECRET": self.sandbox.client_secret,
        }

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Run a command of Lockstep and return what it prints; raise CommandFailed if it fails."""
        done = subprocess.run(  # noqa: S603 (our own commands)
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            shown = " ".join(("manage.py", *arguments))
            raise CommandFailed(
                f"`{shown}` ended with exit code {done.returncode}:\n{done.stderr or done.stdout}"
            )
        return done.stdout
