"""Whole processes, as a user runs them: their time, their memory, and what they asked the database.

Python may keep its bytecode, in a folder of the benchmark's own: so it is for every user.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPEAT = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One process: wall-clock and own processor seconds, its largest resident memory in MB.

    `queries` counts what it asked its database; COPY and pipelined updates are not among them.
    """

    wall: float
    cpu: float
    memory: float
    queries: int = 0


class Failed(Exception):
    """A command did not end as it should; a benchmark of that would measure nothing."""


def measure(script: str, *arguments: str, standard_input: str = "") -> Measured:
    """Run a Python script with these arguments to its end, in a process of its own."""
    with tempfile.NamedTemporaryFile("r") as answer:
        command = ["benchmarks.probe", answer.name, script, *arguments]
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        if process.stdin:
            process.stdin.write(standard_input)
            process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise Failed(f"{script} {' '.join(arguments)}: exit code {process.returncode}")
        said = json.load(answer)
        return Measured(wall, usage.ru_utime + usage.ru_stime, said["memory"], said["queries"])


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    folder = Path(tempfile.gettempdir()) / f"lockstep-bench-bytecode-{os.getuid()}"
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder)}


def manage(*arguments: str, standard_input: str = "") -> Measured:
    """Run one of Lockstep's commands to its end."""
    return measure("manage.py", *arguments, standard_input=standard_input)


class Resident:
    """A process that stays and runs one of Lockstep's commands when told to, as workers do."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.resident", *command],
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> Measured:
        """Let it run the command once more."""
        pipe, answers = self._process.stdin, self._process.stderr
        if not (pipe and answers):
            raise Failed("no way to talk to the process")
        print(file=pipe, flush=True)
        return Measured(*json.loads(answers.readline()))

    def stop(self) -> None:
        """Let it end."""
        self._process.communicate()


def idle() -> Measured:
    """Start Django, connect to the database and end: what any command costs at least."""
    measure("benchmarks/idle.py")  # once for the bytecode and the disk's cache
    return median_of([measure("benchmarks/idle.py") for _ in range(REPEAT)])


def median_of(runs: Sequence[Measured]) -> Measured:
    """Return the run in the middle by wall-clock time."""
    return sorted(runs, key=lambda run: run.wall)[len(runs) // 2]
