"""Plans and reports as people read them: lines for a terminal or a mail from cron, and JSON."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sync.core.plan import Change
from sync.core.reconcile import Action
from sync.core.records import Side
from sync.core.text import clean as clean
from sync.models import SyncItem
from sync.reports import Report, State, titles_of

# How many changes of one collection are printed in full; JSON always holds all of them.
MOST_LINES = 200

_VERBS = {
    "local.create": "take in",
    "local.update": "update here",
    "local.delete": "delete here",
    "local.settle": "agree",
    "local.forget": "forget",
    "local.conflict": "ask a person",
    "local.link": "link with what is there",
    "conflicts.automatic": "settle by strategy",
    "remote.create": "create there",
    "remote.update": "update there",
    "remote.delete": "delete there",
    "unreadable": "could not read",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One change as it is shown: where, what, to which record, why, and how it stands.

    A plan and the run that carries it out name a record alike: what is taken in by its remote id,
    anything else by its item's id.
    """

    side: str
    action: str
    record: str
    reason: str
    fields: tuple[str, ...] = ()
    state: str = "planned"
    error: str = ""
    mapping: uuid.UUID | None = None
    title: str = ""

    @property
    def verb(self) -> str:
        """What is done, in two words."""
        name = f"{self.side}.{self.action}"
        return _VERBS.get(name, name)

    def public(self) -> dict[str, Any]:
        """Return the line as plain data; a title only if somebody asked for it."""
        hidden = {"mapping"} if self.title else {"mapping", "title"}
        return {name: value for name, value in asdict(self).items() if name not in hidden}


def planned_lines(report: Report) -> list[Line]:
    """Return the lines of a preview, what would be held at the end."""
    lines = [_planned(change, "planned") for plan in report.plans for change in plan.changes]
    return lines + [_planned(change, "held") for plan in report.plans for change in plan.held]


def _planned(change: Change, state: str) -> Line:
    record = _record(change.side, change.action, change.item_id, change.key)
    return Line(
        change.side,
        change.action,
        record,
        change.reason,
        change.fields,
        "held" if change.action is Action.CONFLICT else state,
        mapping=change.mapping_id,
    )


def _record(side: str, action: str, item_id: uuid.UUID | None, remote_id: str) -> str:
    taken_in = side == Side.LOCAL and action == Action.CREATE
    return remote_id if taken_in or item_id is None else str(item_id)


def done_lines(report: Report) -> list[Line]:
    """Return the lines of what a run did, from its journal."""
    if report.operation is None:
        return []
    rows = report.operation.items.order_by("created_at", "id").only(*_SHOWN)
    return [_done(row) for row in rows.iterator(chunk_size=2_000)]


_SHOWN = ("side", "action", "item", "remote_id", "reason", "fields", "state", "error", "mapping")


def failed_lines(report: Report) -> list[Line]:
    """Return the lines of what a run tried in vain; a run that failed nowhere is not asked."""
    if report.state != State.FAILED:
        return []
    return [line for line in done_lines(report) if line.state in _FAILED]


_FAILED = (SyncItem.State.FAILED, SyncItem.State.DEAD)


def _done(row: SyncItem) -> Line:
    record = _record(row.side, row.action, row.item_id, row.remote_id)
    return Line(
        row.side,
        row.action,
        record,
        row.reason,
        tuple(row.fields),
        row.state,
        row.error,
        mapping=row.mapping_id,
    )


def with_titles(report: Report, lines: Sequence[Line]) -> list[Line]:
    """Add the titles of the records, for a person who asked to see them."""
    titles = report.titles or titles_of(report.collection, [line.mapping for line in lines])
    return [replace(line, title=titles.get(line.mapping, "")) for line in lines]


def as_json(report: Report, lines: Iterable[Line]) -> dict[str, Any]:
    """Return one collection's report as plain data."""
    collection = report.collection
    return {
        "collection": str(collection.pk),
        "name": collection.name,
        "account": str(collection.account),
        "state": report.state,
        "operation": str(report.operation.pk) if report.operation else None,
        "counts": report.counts,
        "holds": report.holds,
        "error": report.error,
        "changes": [line.public() for line in lines],
    }


def plain(report: Report, lines: Sequence[Line]) -> str:
    """Return one collection's report for a file or a mail: a headline and what is to be said."""
    said = [f"{name_of(report)}: {headline(report)}", *(text for text, _ in remarks(report, lines))]
    return "\n".join(said)


def name_of(report: Report) -> str:
    """Return what people know the collection of a report by."""
    return clean(f"{report.collection.name} ({report.collection.account.email})")


def remarks(report: Report, lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """Yield what stands below the headline, each with its colour: what is held, what failed."""
    for hold in report.holds:
        yield f"  held: {hold}", "yellow"
    if report.error and report.error not in report.holds:
        yield f"  {report.error}", "red"
    for record, problem in _unreadable(report):
        yield f"  could not read {record}: {problem}", "yellow"
    for line in lines[:MOST_LINES]:
        yield f"  {line.state}: {line.verb} {line.record}: {line.error or line.reason}", "red"
    for text in how_many_more(lines):
        yield text, ""


def _unreadable(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the records that a run could not read, and why; a run that read all is not asked."""
    if report.operation and report.counts.get("unreadable"):
        for line in report.operation.logs.filter(code="unreadable_records").order_by("id"):
            yield from line.facts.get("records", {}).items()


def how_many_more(lines: Sequence[Line]) -> Iterator[str]:
    """Say how many lines there are beyond those that are printed, if any."""
    if len(lines) > MOST_LINES:
        yield f"  … and {len(lines) - MOST_LINES} more; --json lists them all"


def headline(report: Report) -> str:
    """Say in one line how a run or a preview ended."""
    named = {_VERBS.get(name): number for name, number in report.counts.items()}
    what = ", ".join(f"{verb} {number}" for verb, number in named.items() if verb)
    return f"{report.state.replace('_', ' ')}; {what or 'nothing to do'}"
