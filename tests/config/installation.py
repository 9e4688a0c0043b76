"""A Lockstep of its own in a folder of its own: real processes, as a user would start them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil

from config.environment import BASE_DIR
from tests.waiting import PATIENCE, wait_until


class Installation:
    """The commands of one data folder, and the processes that belong to it."""

    def __init__(
        self,
        folder: Path,
        *,
        user: int | None = None,
        python: str = sys.executable,
        **variables: str,
    ) -> None:
        self.folder = folder
        self.user = user
        self.python = python
        clean = {"PATH": os.environ["PATH"], "DATABASE_URL": "", "REDIS_URL": ""}
        self.environment = {
            **clean,
            "LOCKSTEP_DATA_DIR": str(folder),
            "LOCKSTEP_ENV_FILE": os.devnull,
            **variables,
        }

    def popen(
        self,
        *arguments: str,
        output: int | IO[str] = subprocess.PIPE,
        errors: int = subprocess.STDOUT,
    ) -> subprocess.Popen:
        """Start Python with these arguments."""
        switch = {} if self.user is None else {"user": self.user, "group": self.user}
        return subprocess.Popen(
            [self.python, *arguments],
            cwd=BASE_DIR,
            env=self.environment,
            stdout=output,
            stderr=errors,
            text=True,
            **switch,
        )

    def manage(self, *arguments: str) -> str:
        """The output of a command that succeeds."""
        process = self.popen("manage.py", *arguments, errors=subprocess.PIPE)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        return output

    def shell(self, code: str) -> str:
        """What a line of Python prints in `manage.py shell`."""
        return self.manage("shell", "--verbosity", "0", "-c", code).strip()

    def processes(self, *words: str) -> list[psutil.Process]:
        """The living processes of this folder whose command lines hold all of the words."""
        return [
            process
            for process in psutil.process_iter()
            if process.pid != os.getpid()
            and self._owns(process)
            and all(word in " ".join(_command(process)) for word in words)
        ]

    def process(self, *words: str) -> psutil.Process:
        """The one process with these words: the oldest, where it has forked."""
        return min(self.processes(*words), key=lambda process: process.create_time())

    def is_idle(self) -> bool:
        """Whether nothing of this folder runs."""
        return not self.processes()

    def _owns(self, process: psutil.Process) -> bool:
        """Whether a process names the folder in its arguments or in its environment."""
        with contextlib.suppress(psutil.Error):
            named = any(str(self.folder) in part for part in process.cmdline())
            folder = process.environ().get("LOCKSTEP_DATA_DIR")
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and (named or folder == str(self.folder))
        return False


class Up:
    """A running `manage.py up`."""

    def __init__(self, installation: Installation, log: Path, *arguments: str) -> None:
        self.installation = installation
        self.log = log
        with log.open("w") as file:
            self.process = installation.popen(
                "manage.py", "up", "--port", "0", *arguments, output=file
            )
        wait_until(self._address)
        self.address = self._address() or ""

    def _address(self) -> str | None:
        """Where it says that it serves."""
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r"serving (http://\S+?)/admin/", self.log.read_text())
        return found and found[1]

    def answers(self) -> bool:
        """Whether the login page comes."""
        with contextlib.suppress(OSError):
            page = urllib.request.urlopen(f"{self.address}/admin/login/", timeout=5)
            return page.status == 200
        return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def running(installation: Installation, *arguments: str) -> Iterator[Up]:
    """A running `up`, of which nothing is left afterwards."""
    up = Up(installation, installation.folder.parent / "up.log", *arguments)
    try:
        yield up
    finally:
        up.stop(signal.SIGKILL)
        wait_until(installation.is_idle)


def _command(process: psutil.Process) -> list[str]:
    """The arguments of a process, none where it has just ended."""
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []
