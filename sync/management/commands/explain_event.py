"""Say what an event is, where it lives, what happened to it, and why."""

import json
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sync.explaining import Block, Clash, Explanation, Moment, NothingFound, explain
from sync.rendering import clean

# How many lines of the journal are printed; JSON always holds all of them.
MOST_LINES = 200


class Command(BaseCommand):
    """Explain an event. Exit code 0 found, 2 nothing is known by this id."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("id", metavar="ID", help="id of the item, or the service's id")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look it up and print it; of several that are meant, only a list."""
        try:
            found = explain(options["id"], timezone.now())
        except NothingFound as error:
            raise CommandError(str(error), returncode=2) from error
        if options["json"]:
            document = {"matches": [asdict(explanation) for explanation in found]}
            self.stdout.write(json.dumps(document, indent=1))
            return
        # Nobody looks at the width of a pipe, and an id must stay in one piece.
        width = None if self.stdout.isatty() else 240
        console = Console(file=cast(IO[str], self.stdout), width=width)
        if len(found) > 1:
            console.print(f"{len(found)} events are known by this id; ask for one of them:")
            for explanation in found:
                console.print(f"  {escape(_name(explanation))}")
            return
        for part in _parts(found[0]):
            console.print(part)


def _name(found: Explanation) -> str:
    places = ", ".join(place.calendar for place in found.places)
    return clean(f"{found.item or '-'}  {found.title}  {found.what}, {found.home or places}")


def _parts(found: Explanation) -> Iterator[str | Table]:
    """Yield what is printed, from what it is to what happened to it."""
    yield escape(clean(f"{found.title or '(no title)'}: {found.what}, {found.state}"))
    for label in ("item", "when", "home", "rule", "source"):
        if said := getattr(found, label):
            yield escape(clean(f"  {label}: {said}"))
    rows = [(p.calendar, p.remote_id, p.version, p.seen, p.standing) for p in found.places]
    yield from _table("Copies", ("calendar", "id", "version", "seen (UTC)", "how it stands"), rows)
    yield from _table("Busy blocks", ("rule", "in", "block"), map(_block, found.blocks))
    lines = found.history[-MOST_LINES:]
    yield from _table(
        f"History (UTC){', the latest lines' if len(lines) < len(found.history) else ''}",
        ("when", "calendar", "what", "fields", "why", "evidence", "became", "run"),
        map(_moment, lines),
    )
    yield from _table(
        "Conflicts",
        ("when", "calendar", "fields", "strategy", "outcome", "winners", "ruled by"),
        map(_clash, found.conflicts),
    )


def _block(block: Block) -> tuple[str, ...]:
    made = f"{block.block} {block.why_not}" if block.block else f"none: {block.why_not}"
    return (block.rule, block.target, made)


def _moment(line: Moment) -> tuple[str, ...]:
    tries = f" after {line.attempts} attempts" if line.attempts > 1 else ""
    trouble = f": {line.error}" if line.error else ""
    return (
        line.at,
        line.calendar,
        f"{line.side} {line.action}",
        ", ".join(line.fields),
        line.reason,
        line.evidence,
        f"{line.state}{tries}{trouble}",
        line.trigger,
    )


def _clash(clash: Clash) -> tuple[str, ...]:
    winners = ", ".join(f"{name}: {side}" for name, side in sorted(clash.winners.items()))
    fields = ", ".join(clash.fields)
    about = (clash.strategy, clash.outcome, winners, clash.ruled_by)
    return (clash.at, clash.calendar, fields, *about)


def _table(
    title: str, headings: Iterable[str], rows: Iterable[tuple[str, ...]]
) -> Iterator[str | Table]:
    """Yield a title and its table; nothing if there are no rows."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(escape(clean(cell)) for cell in row))
    if table.row_count:
        yield f"\n[bold]{title}[/bold]"
        yield table
