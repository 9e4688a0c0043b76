"""File locks that the kernel gives back, whatever ends their holder.

An flock belongs to the open file, so it lasts as long as the last process that opened or inherited
it: nothing is left behind by kill -9, and no process id has to be believed.
"""

import fcntl
import os
from pathlib import Path


def share(path: Path, *, wait: bool = True) -> int:
    """Take a shared lock and return the open file; an exclusive one must end first.

    Raises BlockingIOError where there is one and `wait` is false.
    """
    return _take(path, fcntl.LOCK_SH if wait else fcntl.LOCK_SH | fcntl.LOCK_NB)


def claim(path: Path) -> int | None:
    """Take the exclusive lock and return the open file, or None where somebody else holds one."""
    try:
        return _take(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def is_held(path: Path) -> bool:
    """Whether anybody holds a lock on the file now."""
    handle = claim(path)
    if handle is not None:
        os.close(handle)
    return handle is None


def _take(path: Path, mode: int) -> int:
    """Open the file, readable by its owner only, and lock it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, mode)
    except OSError:
        os.close(handle)
        raise
    return handle
