"""Lockstep as its users start it: commands as processes, whose every word is kept."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from config.environment import BASE_DIR
from tests.e2e.launcher import PATIENCE, Launcher

# A change as a plan and a run must agree on it: calendar, side, action, record, fields.
Change = tuple[str, str, str, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Said:
    """What one process was asked, and what it answered."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def shows_titles(self) -> bool:
        """Whether somebody asked to see titles."""
        return "--verbose" in self.arguments


class Reports:
    """What `sync_calendars --json` said, calendar by calendar."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.code = said.code
        self.all: list[dict[str, Any]] = json.loads(said.out)["collections"]

    def of(self, calendar: str) -> dict[str, Any]:
        """The report on one calendar, by its name."""
        return next(report for report in self.all if report["name"] == calendar)

    @property
    def changes(self) -> set[Change]:
        """All changes, as a plan and its run must agree on them."""
        listed = [
            (report["name"], c["side"], c["action"], c["record"], tuple(c["fields"]))
            for report in self.all
            for c in report["changes"]
        ]
        assert len(set(listed)) == len(listed), "a change is listed twice"
        return set(listed)

    def counts(self) -> dict[str, int]:
        """How many changes there are by side and action, over all calendars."""
        return dict(Counter(f"{side}.{action}" for _, side, action, _, _ in self.changes))


class Lockstep:
    """The commands of one installation; a `launcher` forks those that run to their end."""

    def __init__(self, environment: Mapping[str, str], launcher: Launcher | None = None) -> None:
        self._launcher = launcher
        self._environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment}
        self.everything_said: list[Said] = []

    def start(self, *arguments: str) -> "Running":
        """Start a command and go on."""
        process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Running(self, arguments, process)

    def run(self, *arguments: str, stdin: str = "", code: int = 0) -> Said:
        """Run a command to its end; the exit code has to be as expected."""
        said = self._run(arguments, stdin)
        assert said.code == code, (said.code, said.out, said.err)
        return said

    def _run(self, arguments: tuple[str, ...], stdin: str) -> Said:
        if self._launcher is None:
            return self.start(*arguments).end(stdin)
        said = Said(arguments, *self._launcher.run(arguments, self._environment, stdin))
        self.everything_said.append(said)
        return said

    def sync(self, *options: str, code: int = 0) -> Reports:
        """Run `sync_calendars --json`."""
        return Reports(self.run("sync_calendars", "--json", *options, code=code))

    def preview(self, *options: str, code: int = 0) -> Reports:
        """Run a dry run."""
        return self.sync("--dry-run", *options, code=code)


class Running:
    """A command that was started and has not been waited for."""

    def __init__(
        self, lockstep: Lockstep, arguments: tuple[str, ...], process: subprocess.Popen[str]
    ) -> None:
        self._lockstep = lockstep
        self._arguments = arguments
        self.process = process

    def end(self, stdin: str = "") -> Said:
        """Wait for the end and return what was said."""
        try:
            out, err = self.process.communicate(stdin, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        said = Said(self._arguments, self.process.returncode, out, err)
        self._lockstep.everything_said.append(said)
        return said

    def kill(self) -> Said:
        """End it as a power cut would; nothing happens if it has ended."""
        self.process.kill()
        return self.end()


@contextmanager
def killed_at_the_end(running: Running) -> Iterator[Running]:
    """Leave no process behind, whatever a test comes to."""
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()
