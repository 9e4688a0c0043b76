"""A preview of a busy rule as people read it: a table in the target's zone, or JSON."""

from datetime import date, datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from calendars.preview import Line, Preview
from sync.core.text import clean


def as_json(preview: Preview, *, titles: bool) -> dict[str, Any]:
    """Return a preview as JSON values; the titles of source events only for who asked for them."""
    return {
        "zone": preview.zone,
        "from": preview.since.isoformat(),
        "days": preview.days,
        "unread": list(preview.unread),
        "lines": [_line(line, titles=titles) for line in preview.lines],
    }


def _line(line: Line, *, titles: bool) -> dict[str, str]:
    said = {
        "start": line.start.isoformat(),
        "end": line.end.isoformat(),
        "what": line.what,
        "marked": line.marked,
        "title": line.title,
        "note": line.note,
    }
    return said | {"event": line.event} if titles else said


def as_table(preview: Preview, *, titles: bool) -> Table:
    """Return a preview as a table, one row for each block and each event without one."""
    table = Table(
        title=f"{preview.days} days from {preview.since:%a %d %B %Y}, in {preview.zone}",
        caption=_caption(preview),
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for heading in ("when", "block", "what", "note", *(["event"] if titles else [])):
        table.add_column(heading, overflow="fold")
    for line in preview.lines:
        what = ", ".join(filter(None, (line.what, line.marked)))
        cells = (_when(line), line.title, what, line.note, *([line.event] if titles else []))
        table.add_row(*(escape(clean(cell)) for cell in cells))
    return table


def _caption(preview: Preview) -> str:
    if preview.unread:
        names = escape(clean(" and ".join(preview.unread)))
        return f"Nothing is known yet of {names}: it was never synced (sync_calendars)."
    return "" if preview.lines else "Nothing takes place."


def _when(line: Line) -> str:
    """Write times as short as they are clear: the day once, where it is the same."""
    if isinstance(line.start, datetime) and isinstance(line.end, datetime):
        same = line.start.date() == line.end.date()
        return f"{line.start:%a %d %b %H:%M} – {line.end:{'%H:%M' if same else '%a %d %b %H:%M'}}"
    last = date.fromordinal(line.end.toordinal() - 1)  # the end of whole days is exclusive
    days = f"{line.start:%a %d %b}"
    return days if last <= line.start else f"{days} – {last:%a %d %b}"
