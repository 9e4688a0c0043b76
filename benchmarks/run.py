"""`make bench`: what Lockstep takes for its work, each line beside a floor of the same run."""

import argparse
from collections.abc import Callable, Iterable

from rich.console import Console

from benchmarks import imports, mesh, rival, writes
from benchmarks.table import Row, show

SIZES = [1_000, 10_000, 100_000, 500_000]
PARTS: dict[str, Callable[[list[int]], Iterable[Row]]] = {
    "import": imports.rows,
    "write": writes.rows,
    "mesh": mesh.rows,
    "rival": rival.rows,
}


def main() -> None:
    """Measure what was asked for, and print it as it comes and once more as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=[], help="which parts")
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES, help="events in a calendar")
    options = parser.parse_args()
    rows: list[Row] = []
    progress = Console(stderr=True)
    for name in options.only or PARTS:
        for row in PARTS[name](options.sizes):
            progress.print(f"{row.what}: {row.took.wall:.2f} s, floor {row.floor:.2f} s")
            rows.append(row)
    show(rows)


if __name__ == "__main__":
    main()
