"""Lockstep as a user runs it: whole processes, with their time and their memory."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Measured:
    """One process: wall-clock and own processor seconds, and its largest resident memory in MB."""

    wall: float
    cpu: float
    memory: float


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
        return Measured(wall, usage.ru_utime + usage.ru_stime, float(answer.read()))


def manage(*arguments: str, standard_input: str = "") -> Measured:
    """Run one of Lockstep's commands to its end."""
    return measure("manage.py", *arguments, standard_input=standard_input)


def idle() -> Measured:
    """Start Django, connect to the database and end: what any command costs at least."""
    return measure("benchmarks/idle.py")


def median_of(runs: list[Measured]) -> Measured:
    """Return the run in the middle by wall-clock time."""
    return sorted(runs, key=lambda run: run.wall)[len(runs) // 2]
