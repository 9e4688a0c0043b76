"""Run a script in this process and say at its end what it took of memory and of the database.

A process's own record is read (VmHWM), because what a parent learns about a child includes the
memory of the parent itself at the time of the fork.
"""

import atexit
import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_asked = 0


def peak_megabytes() -> float:
    """Return the largest resident memory that this process has had (Linux)."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    """Run the script named by the second argument; the first names the file for the answer."""
    answer, *sys.argv = sys.argv[1:]
    atexit.register(_say, Path(answer))
    sys.path.insert(0, "")
    if sys.argv[0] in ("manage.py", "benchmarks/idle.py"):
        _count_queries()
    runpy.run_path(sys.argv[0], run_name="__main__")


def _say(answer: Path) -> None:
    answer.write_text(json.dumps({"memory": peak_megabytes(), "queries": _asked}))


def _count_queries() -> None:
    from django.db.backends.signals import connection_created

    connection_created.connect(_watch, weak=False)


def _watch(connection: Any, **_: Any) -> None:
    connection.execute_wrappers.append(_count)


def _count(execute: Callable[..., Any], *call: Any) -> Any:
    global _asked
    _asked += 1
    return execute(*call)


if __name__ == "__main__":
    main()
