"""The tables of the story: plans, runs, blocks and clashes as people read them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.markup import escape
from rich.table import Table

from config.demo import here
from config.demo.otherside import Event, starts_at
from sync.core.text import clean
from sync.rendering import Line

Report = dict[str, Any]

MOST_ROWS = 12
MOST_LETTERS = 60


def lines_of(report: Report) -> list[Line]:
    """Return the changes of one calendar's report."""
    return [Line(**{**change, "fields": tuple(change["fields"])}) for change in report["changes"]]


def changes_of(reports: Iterable[Report]) -> set[tuple[Any, ...]]:
    """Return all changes, so that a plan and a run can be compared."""
    return {
        (report["collection"], line.side, line.action, line.record, line.fields)
        for report in reports
        for line in lines_of(report)
    }


def summary(reports: Iterable[Report]) -> Table:
    """Count the changes by calendar, kind and reason, with examples of each."""
    table = _table("calendar", "what", "how many", "why", "for instance")
    for report in reports:
        lines = lines_of(report)
        totals = Counter((line.verb, line.reason) for line in lines)
        for (verb, reason), number in totals.items():
            alike = [line for line in lines if (line.verb, line.reason) == (verb, reason)]
            examples = ", ".join(dict.fromkeys(line.title for line in alike if line.title))
            table.add_row(report["name"], verb, str(number), reason, _short(examples))
    return table


def journal(reports: Iterable[Report]) -> Table:
    """Show every change of a run with its reason and, for a busy block, its rule."""
    table = _table("calendar", "what", "event", "fields", "why")
    for report in reports:
        for line in lines_of(report):
            known = here.known_as(report["collection"], line.record)
            name = f"Busy (for: {known.source})" if known.source else known.title
            reason = f"{line.reason}; rule: {known.rule}" if known.rule else line.reason
            fields = ", ".join(line.fields)
            table.add_row(*map(_shown, (report["name"], line.verb, name, fields, reason)))
    return table


def agenda(there: dict[str, dict[str, Event]], pairs: Iterable[here.Pair]) -> Table:
    """Show the coming days as both calendars do: an event here is a block there."""
    calendars = list(there)
    table = _table("when", *calendars)
    rows = []
    for pair in pairs:
        shown = {name: there[name][of] for name, of in (pair.source, pair.block)}
        faces = [_shown(_face(shown[name])) for name in calendars]
        rows.append((starts_at(shown[pair.source[0]]), faces))
    for start, faces in sorted(rows, key=lambda row: row[0])[:MOST_ROWS]:
        table.add_row(f"{start:%a %d %b %H:%M}", *faces)
    return table


def _face(event: Event) -> str:
    """Return what an event shows at first sight."""
    if event["status"] == "cancelled":
        return "(cancelled)"
    return str(event.get("summary", "")) + (" (series)" if "recurrence" in event else "")


def clash(clash: here.Clash) -> Table:
    """Show both versions of what clashes, and what they came from."""
    table = _table("field", "both agreed on", "now here", "now in Google")
    for field in clash.base:
        values = (clash.base[field], clash.here[field], clash.there[field])
        table.add_row(field, *(_shown(str(value)) for value in values))
    return table


def deeds(rows: Iterable[tuple[str, str]]) -> Table:
    """Show who did what."""
    table = _table("who", "does what")
    for who, what in rows:
        table.add_row(_shown(who), _shown(what))
    return table


def _table(*headings: str) -> Table:
    table = Table(header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _shown(text: str) -> str:
    return escape(clean(text))


def _short(text: str) -> str:
    text = clean(text)
    return escape(text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…")
