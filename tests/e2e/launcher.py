"""Runs many commands at little cost: a process that has imported their libraries forks for each.

A forked command is a process of its own, like any other: it gets its settings from its environment
and runs `manage.py` from the first line. It is only spared the imports, most of a short command.
"""

import gc
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from tempfile import TemporaryFile

from config.environment import BASE_DIR

PATIENCE = 120  # seconds for one command; generous, since two cores run several at once
# What may be imported before there are settings.
LIBRARIES = (
    *("django.core.management", "django.contrib.auth.hashers", "django.db.models"),
    *("django.db.backends.postgresql.base", "django.forms", "django.http", "django.urls"),
    *("django.db.migrations.executor", "django.template.backends.django"),
    *("cryptography.fernet", "psycopg", "psycopg_pool", "redis", "regex"),
    *("rich.console", "rich.progress", "rich.table", "tenacity"),
    *("integrations.caldav", "integrations.google", "integrations.ics"),
    *("integrations.caldav.calendars", "integrations.google.provider", "integrations.ics.feed"),
    *("calendars.mirror", "sync.core.plan"),
)


class Launcher:
    """The process that forks, and the line to it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        self._line.settimeout(PATIENCE)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.launcher", str(theirs.fileno())],
            cwd=BASE_DIR,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], stdin: str
    ) -> tuple[int, str, str]:
        """Run a command to its end; returns its exit code, and what it wrote to both outputs."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            request = json.dumps([arguments, environment]) + "\n"
            files = [file.fileno() for file in (given, out, err)]
            socket.send_fds(self._line, [request.encode()], files)
            code = self._answer()
            for file in (out, err):
                file.seek(0)
            return code, out.read().decode(), err.read().decode()

    def _answer(self) -> int:
        try:
            return int(self._line.recv(16))
        except TimeoutError:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise

    def close(self) -> None:
        """End the process that forks."""
        self._line.close()
        self._process.wait(timeout=10)


def serve(line: socket.socket) -> list[int] | None:
    """Fork for each request; returns None at the end, and in a fork the files that it shall use."""
    while (request := _next_request(line)) is not None:
        (arguments, environment), files = request
        pid = os.fork()
        if pid == 0:
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = ["manage.py", *arguments]
            return files
        for file in files:
            os.close(file)
        _, status = os.waitpid(pid, 0)
        line.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return None


def _next_request(line: socket.socket) -> tuple[tuple[list[str], dict[str, str]], list[int]] | None:
    text, files, _, _ = socket.recv_fds(line, 65_536, 3)
    while text and not text.endswith(b"\n"):
        text += line.recv(65_536)
    return (json.loads(text), files) if text else None


def main() -> None:
    """Import the libraries and serve; a fork goes on as the command it was asked for."""
    for name in LIBRARIES:
        import_module(name)
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as line:
        files = serve(line)
    if files is not None:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        random.seed()
        runpy.run_path("manage.py", run_name="__main__")


if __name__ == "__main__":
    main()
