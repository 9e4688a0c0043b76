"""Leave the installation at hand alone: go on in a process that has never heard of it."""

import os
import sys
from typing import NoReturn

from config.environment import BASE_DIR

# What a process needs to run and print; no setting of Lockstep is among it, and no proxy, since
# everything is on this machine.
_KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "COLORTERM",
    "COLUMNS",
    "NO_COLOR",
    "SYSTEMROOT",
)


def run_demo(*, keep: bool) -> NoReturn:
    """Become the demo; whoever started this process gets its exit code."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    command = [sys.executable, "-m", "config.demo", *(["--keep"] if keep else [])]
    sys.stdout.flush()
    os.chdir(BASE_DIR)
    os.execve(sys.executable, command, environment)  # noqa: S606 (no shell is wanted)
