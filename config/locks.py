"""File locks that the kernel gives back, whatever ends their holder.

An flock belongs to the open file, so it lasts as long as the last process that opened or inherited
it: nothing is left behind by kill -9, and no process id has to be believed.
"""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

LOOK_SECONDS = 0.02


def share(path: Path, *, wait: bool = True) -> int:
    """Take a shared lock and return the open file; an exclusive one must end first.

    Raises BlockingIOError where there is one and `wait` is false.
    """
    return _take(path, fcntl.LOCK_SH if wait else fcntl.LOCK_SH | fcntl.LOCK_NB)


def claim(path: Path, *, seconds: float = 0.0) -> int | None:
    """Take the exclusive lock, trying for some time; None where others kept theirs, else the file.

    The file is open for reading and writing.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return _take(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return None
        time.sleep(LOOK_SECONDS)


def end_holders(path: Path, pid_file: Path, number: signal.Signals, *, seconds: float) -> bool:
    """End the process group that holds the lock: ask with `number`, kill what ignores that.

    `pid_file` names the group in its first line; while the lock is held, that id is not reused.
    Returns whether the lock is free.
    """
    for attempt in (number, signal.SIGKILL):
        if is_held(path) and (group := _first_number(pid_file)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, attempt)
        handle = claim(path, seconds=seconds)
        if handle is not None:
            os.close(handle)
            return True
    return False


def is_held(path: Path) -> bool:
    """Whether anybody holds a lock on the file now."""
    handle = claim(path)
    if handle is not None:
        os.close(handle)
    return handle is None


def _first_number(path: Path) -> int | None:
    """The number in the first line of a file, if there is one."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _take(path: Path, mode: int) -> int:
    """Open the file, readable by its owner only, and lock it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, mode)
    except OSError:
        os.close(handle)
        raise
    return handle
