"""Run a command of Lockstep in this process and say at its end how much memory it ever used.

A process's own record is read (VmHWM), because what a parent learns about a child includes the
memory of the parent itself at the time of the fork.
"""

import atexit
import re
import runpy
import sys
from pathlib import Path


def peak_megabytes() -> float:
    """Return the largest resident memory that this process has had (Linux)."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Run the script named by the second argument; the first names the file for the answer."""
    answer, *sys.argv = sys.argv[1:]
    atexit.register(lambda: Path(answer).write_text(str(peak_megabytes())))
    sys.path.insert(0, "")
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
