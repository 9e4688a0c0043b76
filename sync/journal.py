"""The journal: what a run did and why, written in the same transaction as the deed."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from calendars import bulk
from calendars.models import time_ordered_uuid
from conflicts.models import Conflict
from sync.core.plan import Change
from sync.core.reconcile import Action
from sync.core.records import Side, fingerprint
from sync.models import Mapping, SyncItem
from sync.planning import Case
from sync.run import Run

_COLUMNS = (
    "id",
    "operation",
    "mapping",
    "item",
    "remote_id",
    "side",
    "action",
    "reason",
    "state",
    "fields",
    "before",
    "after",
    "expected_version",
    "evidence",
    "attempts",
    "error",
    "created_at",
    "closed_at",
)
_ATTRIBUTES = {"operation": "operation_id", "mapping": "mapping_id", "item": "item_id"}
_JSON = frozenset({"fields", "before", "after"})


def write_done(run: Run, done: Iterable[tuple[Change, Case, uuid.UUID | None]]) -> None:
    """Write one closed line for each local change: the change, its case and the item it made."""
    now = run.clock()
    rows = []
    for change, case, item_id in done:
        run.count(f"{change.side}.{change.action}")
        rows.append(_row(run, change, case, item_id, now))
    bulk.insert(SyncItem, _COLUMNS, rows)


def _row(
    run: Run, change: Change, case: Case, item_id: uuid.UUID | None, now: datetime
) -> tuple[Any, ...]:
    return (
        time_ordered_uuid(),
        run.operation.pk,
        change.mapping_id,
        item_id,
        case.mapping.remote_id,
        change.side,
        change.action,
        change.reason,
        SyncItem.State.DONE,
        bulk.dumps(list(change.fields)),
        bulk.dumps(case.state.local),
        bulk.dumps(case.decision.fields),
        case.mapping.version,
        case.mapping.evidence or (case.decision.reason if change.dangerous else ""),
        1,
        "",
        now,
        now,
    )


def write_intents(run: Run, intended: Iterable[tuple[Change, Case]]) -> list[SyncItem]:
    """Write one open line for each remote change about to be sent; returns them in order."""
    now = run.clock()
    intents = [
        SyncItem(
            operation=run.operation,
            mapping=case.mapping,
            item_id=case.mapping.item_id,
            remote_id=case.mapping.remote_id,
            side=change.side,
            action=change.action,
            reason=change.reason,
            state=SyncItem.State.INTENDED,
            fields=list(change.fields),
            before=case.state.remote,
            after=case.decision.fields,
            expected_version=case.mapping.version,
            evidence=_evidence(case),
            attempts=case.mapping.attempts + 1,
            created_at=now,
        )
        for change, case in intended
    ]
    bulk.insert(SyncItem, _COLUMNS, map(_line, intents))
    return intents


def _line(intent: SyncItem) -> tuple[Any, ...]:
    """Return a line that is not stored yet in the order of the columns."""
    values = ((name, getattr(intent, _ATTRIBUTES.get(name, name))) for name in _COLUMNS)
    return tuple(bulk.dumps(value) if name in _JSON else value for name, value in values)


def _evidence(case: Case) -> str:
    """Say how we know that the local record is what it is; a deletion never leaves without it."""
    if case.local is None:
        return "a person ruled" if case.state.ruling else "there is no local item"
    state = "deleted" if case.local.fields is None else "as it is"
    since = case.local.updated_at.strftime("%Y-%m-%d %H:%M")
    return f"local revision {case.local.revision}, {state} since {since}"


def write_held(run: Run, side: Side, held: Sequence[Change], reasons: Sequence[str]) -> None:
    """Let the lines that the guard holds be exactly what it holds of the latest plan.

    So the same plan is written once, however often it is planned again.
    """
    standing = {(change.mapping_id, change.action) for change in held}
    before = _waiting(mapping__collection=run.collection, side=side).exclude(action=Action.CONFLICT)
    lines = {line.pk: (line.mapping_id, line.action) for line in before.only("mapping", "action")}
    gone = [pk for pk, line in lines.items() if line not in standing]
    if gone:
        _close(run, _waiting(pk__in=gone), SyncItem.State.SKIPPED)
    known = set(lines.values())
    new = [change for change in held if (change.mapping_id, change.action) not in known]
    _write_waiting(run, new, "; ".join(reasons))


def _waiting(**which: Any) -> QuerySet[SyncItem]:
    return SyncItem.objects.filter(state=SyncItem.State.HELD, **which)


def _close(run: Run, lines: QuerySet[SyncItem], state: SyncItem.State) -> None:
    lines.update(state=state, closed_at=run.clock())


def _write_waiting(run: Run, changes: Sequence[Change], error: str) -> None:
    now = run.clock()
    rows = [
        SyncItem(
            operation=run.operation,
            mapping_id=change.mapping_id,
            item_id=change.item_id,
            remote_id=change.key[:1024],
            side=change.side,
            action=change.action,
            reason=change.reason,
            state=SyncItem.State.HELD,
            fields=list(change.fields),
            error=error[:300],
            created_at=now,
        )
        for change in changes
    ]
    SyncItem.objects.bulk_create(rows, batch_size=1_000)


def keep_losses(run: Run, case: Case) -> None:
    """Store both versions of what is about to be overwritten; a conflict nobody has to settle."""
    decided = [clash for clash in case.decision.clashes if clash.winner]
    if not decided:
        return
    row = _conflict_row(
        run,
        case,
        outcome=Conflict.Outcome.AUTOMATIC,
        winners={clash.field: str(clash.winner) for clash in decided},
        closed_at=run.clock(),
    )
    if _is_kept(row):
        return
    row.save(force_insert=True)
    run.count("conflicts.automatic")


def keep_unproven(run: Run, mapping: Mapping, attempt: SyncItem) -> None:
    """Keep what we sent: no mark proves that whoever deleted the copy had seen just that.

    They had not if a backup was restored since, and the copy was made by a write that is forgotten.
    """
    Conflict.objects.create(
        mapping=mapping,
        operation=run.operation,
        fields=["*"],
        local=attempt.after,
        local_hash=fingerprint(attempt.after),
        strategy=run.collection.strategy,
        winners={"*": str(Side.REMOTE)},
        outcome=Conflict.Outcome.AUTOMATIC,
        created_at=run.clock(),
        closed_at=run.clock(),
    )
    run.count("conflicts.automatic")


def _is_kept(row: Conflict) -> bool:
    """Say whether this very loss was kept before, when a write of the same outcome failed."""
    return Conflict.objects.filter(
        mapping=row.mapping,
        outcome=row.outcome,
        local_hash=row.local_hash,
        remote_hash=row.remote_hash,
    ).exists()


def open_conflict(run: Run, change: Change, case: Case) -> None:
    """Put a clash before a person; one about an earlier state of the same record becomes moot."""
    _close(run, _waiting(mapping=case.mapping, action=Action.CONFLICT), SyncItem.State.SKIPPED)
    _write_waiting(run, [change], "waits for a person's ruling")
    Conflict.objects.filter(
        mapping=case.mapping, outcome__in=[Conflict.Outcome.OPEN, Conflict.Outcome.RULED]
    ).update(outcome=Conflict.Outcome.MOOT, closed_at=run.clock())
    _conflict_row(run, case, outcome=Conflict.Outcome.OPEN).save(force_insert=True)
    run.count("local.conflict")


def close_conflict(run: Run, case: Case) -> None:
    """Close a mapping's unsettled conflict: settled if it was ruled on, moot if things moved."""
    if case.conflict is None:
        return
    ruled = case.decision.reason == "a person ruled"
    closed = SyncItem.State.DONE if ruled else SyncItem.State.SKIPPED
    _close(run, _waiting(mapping=case.mapping, action=Action.CONFLICT), closed)
    case.conflict.outcome = Conflict.Outcome.SETTLED if ruled else Conflict.Outcome.MOOT
    case.conflict.closed_at = run.clock()
    case.conflict.save(update_fields=["outcome", "closed_at"])


def close_proven(run: Run, attempt: SyncItem) -> None:
    """Close the conflict that an unanswered write ended, as its answer would have done."""
    ruled = attempt.reason == "a person ruled"
    unsettled = (Conflict.Outcome.OPEN, Conflict.Outcome.RULED)
    ended = Conflict.objects.filter(mapping=attempt.mapping_id, outcome__in=unsettled)
    outcome = Conflict.Outcome.SETTLED if ruled else Conflict.Outcome.MOOT
    if ended.update(outcome=outcome, closed_at=run.clock()):
        waiting = _waiting(mapping=attempt.mapping_id, action=Action.CONFLICT)
        _close(run, waiting, SyncItem.State.DONE if ruled else SyncItem.State.SKIPPED)


def _conflict_row(run: Run, case: Case, **settled: Any) -> Conflict:
    return Conflict(
        mapping=case.mapping,
        operation=run.operation,
        fields=[clash.field for clash in case.decision.clashes],
        base=case.state.base,
        local=case.state.local,
        remote=case.state.remote,
        local_hash=fingerprint(case.state.local),
        remote_hash=fingerprint(case.state.remote),
        strategy=run.collection.strategy,
        created_at=run.clock(),
        **settled,
    )
