"""Reports for people at a terminal: in colour, with tables and progress bars.

What prints them takes longer to load than a run with nothing to do should last, so this is imported
only where it is needed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from integrations.models import Collection
from sync.core.text import clean
from sync.rendering import MOST_LINES, Line, headline, how_many_more, name_of, remarks
from sync.reports import Report, Watch
from sync.run import Step


def print_report(
    file: IO[str], report: Report, lines: Sequence[Line], *, details: bool = False
) -> None:
    """Print one collection's report; with `details` its lines are a table with every change."""
    console = Console(file=file, soft_wrap=not file.isatty())
    console.print(f"[bold]{escape(name_of(report))}[/bold]: {escape(headline(report))}")
    for text, colour in remarks(report, [] if details else lines):
        console.print(escape(text), style=colour)
    if details and lines:
        console.print(_table(lines[:MOST_LINES]))
        for text in how_many_more(lines):
            console.print(escape(text))


def _table(lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("what", "record", "fields", "why", "state"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        record = escape(clean(line.title)) or line.record
        fields = ", ".join(line.fields)
        state = line.state if not line.error else f"{line.state}: {line.error}"
        table.add_row(line.verb, record, fields, escape(line.reason), escape(state))
    return table


@contextmanager
def progress(file: IO[str]) -> Iterator[Watch]:
    """Show one bar per collection and phase, as long as it lasts."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed}"))
    bars: dict[tuple[object, str], TaskID] = {}
    with Progress(*columns, console=Console(file=file), transient=True) as shown:

        def watch(collection: Collection, step: Step) -> None:
            key = (collection.pk, step.phase)
            if key not in bars:
                bars[key] = shown.add_task(f"{escape(collection.name)}: {step.phase}", total=None)
            shown.update(bars[key], completed=step.done)

        yield watch
