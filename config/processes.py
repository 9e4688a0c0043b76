"""Runs web, workers and clock as one process tree in the foreground.

A child that dies is started again. Each child watches a pipe whose other end only this process
holds, so it ends when this process is killed; it also holds a lock, by which the next start finds
what was left all the same.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from config import locks
from config.embedded import Holder
from config.environment import BASE_DIR

LOOK_SECONDS = 0.2
STOP_SECONDS = 8.0
LONGEST_PAUSE = 30.0  # seconds between two starts of a child that keeps dying
STEADY_SECONDS = 30.0  # a child that lived as long has recovered
Say = Callable[[str], object]


class Child:
    """One part of Lockstep as a process of its own, leading its own process group."""

    def __init__(self, name: str, arguments: list[str], lock: Path, files: list[int]) -> None:
        self.name = name
        self.command = [sys.executable, "-m", "config.part", *arguments]
        self.lock = lock
        self.files = files
        self.failures = 0
        self.started = 0.0
        self.next_start = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it and all its own children hold the lock, which names their group."""
        handle = locks.claim(self.lock, seconds=STOP_SECONDS)
        if handle is None:
            raise RuntimeError(f"An older {self.name} does not end.")
        os.ftruncate(handle, 0)
        self.process = subprocess.Popen(  # noqa: S603
            self.command,
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            pass_fds=[*self.files, handle],
            start_new_session=True,
        )
        os.write(handle, f"{self.process.pid}\n".encode())
        os.close(handle)
        self.started = time.monotonic()

    def mend(self, say: Say) -> None:
        """Start the process again after a pause that doubles, when it has died."""
        if self.process is not None and self.process.poll() is not None:
            self._count_death()
            how = _how_it_ended(self.process.returncode)
            pause = self.next_start - time.monotonic()
            say(f"{self.name} {how}; starting it again in {max(pause, 0):.1f} s")
            self.kill()
            self.process = None
        if self.process is None and time.monotonic() >= self.next_start:
            self.start()

    def ask_to_stop(self) -> None:
        """Let the process finish what it is doing."""
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """End the whole group at once; the work it had begun is repeated from the database."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            self.process.wait()

    def _count_death(self) -> None:
        """Decide when to start again."""
        lived = time.monotonic() - self.started
        self.failures = 0 if lived > STEADY_SECONDS else self.failures + 1
        self.next_start = time.monotonic() + min(0.25 * 2**self.failures, LONGEST_PAUSE)


def end_leftovers(folder: Path) -> None:
    """End the children of a killed supervisor that did not notice its death."""
    for lock in folder.glob("*.part"):
        locks.end_holders(lock, lock, signal.SIGTERM, seconds=STOP_SECONDS)


class Supervisor:
    """Starts the children, mends them, and stops them together."""

    def __init__(self, holders: tuple[Holder, ...], folder: Path, listener: socket.socket) -> None:
        self.holders = holders
        self.stopping = False
        lifeline, self._our_end = os.pipe()  # ours closes with this process, however it ends
        self.children = [
            Child(
                name,
                ["--lifeline", str(lifeline), *arguments],
                folder / f"{name}.part",
                [lifeline, *files],
            )
            for name, arguments, files in (
                ("web", ["web", "--socket", str(listener.fileno())], [listener.fileno()]),
                ("worker", ["worker", "--queues", "priority,default", "--concurrency", "2"], []),
                ("bulk", ["worker", "--queues", "bulk", "--concurrency", "1"], []),
                ("beat", ["beat"], []),
            )
        ]

    def run(self, say: Say) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP, then stop everything within seconds."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop_soon)
        while not self.stopping:
            for holder in self.holders:
                holder.ensure_kept()
            for child in self.children:
                child.mend(say)
            time.sleep(LOOK_SECONDS)
        say("stopping")
        self.stop()

    def stop(self) -> None:
        """Ask all children at once, kill those that take too long, then let the servers go."""
        for child in self.children:
            child.ask_to_stop()
        end = time.monotonic() + STOP_SECONDS
        while time.monotonic() < end and any(
            child.process and child.process.poll() is None for child in self.children
        ):
            time.sleep(0.05)
        for child in self.children:
            child.kill()
        for holder in self.holders:
            holder.release()

    def _stop_soon(self, number: int, frame: FrameType | None) -> None:
        """What a signal does; the loop sees it within a blink."""
        self.stopping = True


def _how_it_ended(code: int) -> str:
    """An exit code in words."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
