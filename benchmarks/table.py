"""The one table that `make bench` prints."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.product import Measured

HEADINGS = ("wall s", "own CPU s", "memory MB", "queries", "floor s", "× floor")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what Lockstep took, beside its floor of the same run (seconds, and in words)."""

    what: str
    took: Measured
    floor: float
    floor_is: str


def show(rows: list[Row]) -> None:
    """Print the table, and what the floors are."""
    table = Table(title="Lockstep beside its floors, taken in the same run")
    table.add_column("run")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(row.what, *_cells(row))
    console = Console(width=120)
    console.print(table)
    for meaning in dict.fromkeys(row.floor_is for row in rows if row.floor_is):
        said = [row.what for row in rows if row.floor_is == meaning]
        console.print(f"floor of {said[0]}{' …' if said[1:] else ''}: {meaning}", highlight=False)


def _cells(row: Row) -> list[str]:
    took = row.took
    ratio = f"{took.wall / row.floor:.2f}" if row.floor else "–"
    return [
        f"{took.wall:.2f}",
        f"{took.cpu:.2f}",
        f"{took.memory:.0f}",
        f"{took.queries or '–'}",
        f"{row.floor:.2f}" if row.floor else "–",
        ratio,
    ]
