"""Execute, the remote half: write intents, send, and write down what the service answered."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db.models import F

from calendars.models import Item
from sync import journal
from sync.core.provider import Copy, Outcome, Refusal, Remedy, Write, WriteKind
from sync.core.reconcile import Action, go_with_series
from sync.core.records import Side
from sync.inward import rest
from sync.models import Mapping, SyncItem
from sync.planning import Case, Change, Plan, cases, changes_of
from sync.run import Run, Step, Steps
from sync.staging import (
    absorb_answer,
    drop_occurrences,
    leaves_doubt,
    save_mappings,
    set_base,
)
from sync.tracking import name_copy, parents_of

# How often a refused write is tried before a person has to look at it.
MOST_ATTEMPTS = 8
STOP = (Remedy.FREEZE, Remedy.HOLD, Remedy.RETRY)


@dataclass(frozen=True, slots=True)
class Sending:
    """One write on its way, with the journal line that announced it."""

    change: Change
    case: Case
    intent: SyncItem
    write: Write


def apply(run: Run, plan: Plan) -> Steps:
    """Send the remote half of a plan, batch by batch: intents committed first, answers after.

    Raises `Refusal` when the service shuts us out or asks for patience; what it did not get to hear
    waits for the next run.
    """
    done = 0
    for chunk in _batches(plan.changes, run.provider.traits.batch):
        with run.commit():
            sendings = {s.write.attempt: s for s in _intend(run, chunk)}
        yield Step("intended", done)
        stop: Refusal | None = None
        for outcome in run.provider.write([s.write for s in sendings.values()]):
            yield Step("answered", done)
            with run.commit():
                _close(run, sendings[outcome.write.attempt], outcome)
            done += 1
            yield Step("remote", done)
            if outcome.refusal and outcome.refusal.remedy in STOP and outcome.refusal.certain:
                stop = outcome.refusal
        if stop:
            raise stop


def _batches(changes: Sequence[Change], size: int) -> Iterator[Sequence[Change]]:
    """Cut a plan into batches; exceptions never travel with the series they may depend on."""
    for own_kind in _runs(changes):
        for start in range(0, len(own_kind), size):
            yield own_kind[start : start + size]


def _runs(changes: Sequence[Change]) -> Iterator[list[Change]]:
    batch: list[Change] = []
    for change in changes:
        if batch and (batch[-1].action, batch[-1].occurrence) != (change.action, change.occurrence):
            yield batch
            batch = []
        batch.append(change)
    if batch:
        yield batch


def _intend(run: Run, chunk: Sequence[Change]) -> list[Sending]:
    """Decide anew, write an intent for each change that still stands, and prepare the writes."""
    planned = {change.mapping_id: change for change in chunk}
    standing = [
        (change, case)
        for case in cases(run, list(planned))
        for change in changes_of(case, Side.REMOTE)
        if change == planned[change.mapping_id]
    ]
    standing = list(_with_series(run, standing))
    _place(run, standing)
    for case in [*(case for _, case in standing), *_taken_along(run, standing)]:
        journal.keep_losses(run, case)
    intents = journal.write_intents(run, standing)
    return [
        Sending(change, case, intent, _write(change, case, intent))
        for (change, case), intent in zip(standing, intents, strict=True)
    ]


def _with_series(
    run: Run, standing: Sequence[tuple[Change, Case]]
) -> Iterator[tuple[Change, Case]]:
    """Leave out new exceptions whose series is not there, because its creation failed."""
    series = {case.local.series for _, case in standing if case.local and case.local.series}
    there = Mapping.objects.filter(collection=run.collection, item__in=series, remote_hash__gt="")
    there_ids = set(there.values_list("item", flat=True)) if series else set()
    for change, case in standing:
        needs = case.local.series if case.local and change.action is Action.CREATE else None
        if needs is None or needs in there_ids:
            yield change, case


def _taken_along(run: Run, standing: Sequence[tuple[Change, Case]]) -> Iterator[Case]:
    """Find the exceptions that go with a series and were changed since both sides agreed."""
    series = [
        case.mapping.remote_id
        for change, case in standing
        if change.action is Action.DELETE and not change.occurrence
    ]
    rows = Mapping.objects.filter(collection=run.collection, parent__in=series, remote_hash__gt="")
    changed = rows.exclude(remote_hash=F("base_hash")).values_list("pk", flat=True)
    for case in cases(run, list(changed) if series else []):
        yield replace(case, decision=go_with_series(case.state))


_PLACE = ("predecessor", "version", "ordinal", "evidence", "parent", "slot", "remote_id")


def _place(run: Run, standing: Sequence[tuple[Change, Case]]) -> None:
    """Name what is about to be created, and tie exceptions to the copy of their series."""
    parents = parents_of(run, [case.local for _, case in standing if case.local])
    for change, case in standing:
        if change.action is not Action.CREATE:
            continue
        mapping, local = case.mapping, case.local
        seen = bool(mapping.version or mapping.ordinal or mapping.evidence)
        if seen and mapping.remote_id:
            mapping.predecessor = mapping.remote_id
            mapping.version = mapping.ordinal = mapping.evidence = ""
        if local and local.series:
            mapping.parent, mapping.remote_id = parents.get(local.series, ""), ""
        elif seen or not mapping.remote_id:
            mapping.remote_id = name_copy(run, _item(mapping), mapping.predecessor)
            _bring_exceptions_along(run, mapping)
            if local and local.derived:
                # An exception whose series is not mirrored any more stands alone now.
                mapping.parent = mapping.slot = ""
        mapping.save(update_fields=_PLACE)


def _item(mapping: Mapping) -> uuid.UUID:
    if mapping.item_id is None:
        raise LookupError(f"mapping {mapping.pk} has no item to name its copy after")
    return mapping.item_id


def _bring_exceptions_along(run: Run, series: Mapping) -> None:
    """A series that is made again needs its exceptions made again: to the service they are new."""
    if not series.predecessor:
        return
    exceptions = Mapping.objects.filter(collection=run.collection, parent=series.predecessor)
    Item.objects.filter(mappings__in=exceptions).update(pending=True)
    nothing = {"base": None, "base_hash": "", "remote": None, "remote_hash": ""}
    unseen = {"version": "", "ordinal": "", "evidence": "", "synced_revision": 0}
    exceptions.filter(item__isnull=False).update(remote_id="", **nothing, **unseen)


def _write(change: Change, case: Case, intent: SyncItem) -> Write:
    mapping = case.mapping
    return Write(
        kind=WriteKind(change.action.value),
        remote_id=mapping.remote_id,
        attempt=intent.pk.hex,
        version=mapping.version,
        fields=case.decision.fields or {},
        changed=frozenset(change.fields),
        parent=mapping.parent,
        slot=mapping.slot or (case.local.slot if case.local else ""),
        rule=case.local.rule if case.local else "",
    )


def _close(run: Run, sending: Sending, outcome: Outcome) -> None:
    """Write down the answer to one write."""
    intent = sending.intent
    intent.closed_at = run.clock()
    if outcome.copy is not None:
        _close_done(run, sending, outcome.copy)
    elif outcome.refusal is not None:
        _close_refused(run, sending, outcome.refusal)
    intent.save(update_fields=["state", "error", "closed_at", "remote_id"])


def _close_done(run: Run, sending: Sending, copy: Copy) -> None:
    """It did it: what we sent is the base, what it shows is the remote tree."""
    mapping, intent = Mapping.objects.get(pk=sending.case.mapping.pk), sending.intent
    set_base(mapping, sending.case.decision.fields)
    absorb_answer(run, mapping, copy)
    mapping.unanswered = False
    save_mappings([mapping])
    if sending.case.local:
        seen = Mapping.objects.filter(pk=mapping.pk)
        seen.update(synced_revision=sending.case.local.revision)
        rest([sending.case.local.item_id])
    if sending.change.action is Action.DELETE and mapping.remote_id:
        drop_occurrences(run, [mapping.remote_id])
    journal.close_conflict(run, sending.case)
    intent.state, intent.remote_id = SyncItem.State.DONE, mapping.remote_id
    run.count(f"remote.{sending.change.action}")


def _close_refused(run: Run, sending: Sending, refusal: Refusal) -> None:
    """The service refused, or never answered: note it, and when to look again."""
    intent = sending.intent
    intent.error = str(refusal)[:300]
    if not refusal.certain:
        # Still open: the next look at the copy tells whether the write arrived.
        intent.closed_at = None
        run.look_again.append(intent.remote_id)
        if leaves_doubt(run, intent):
            Mapping.objects.filter(pk=sending.case.mapping.pk).update(unanswered=True)
        return
    intent.state = SyncItem.State.FAILED
    if refusal.remedy in (Remedy.REREAD, Remedy.ADOPT, Remedy.GONE):
        run.look_again.append(intent.remote_id)
        return
    run.failures += 1
    _wait(run, sending, refusal)


def _wait(run: Run, sending: Sending, refusal: Refusal) -> None:
    """Put off the next attempt, longer each time; after the last one a person has to look."""
    attempts = sending.case.mapping.attempts + 1
    pause = timedelta(seconds=max(refusal.retry_after or 0, 30 * 2**attempts))
    if refusal.remedy is Remedy.PARK:
        pause = timedelta(days=1)
    if attempts >= MOST_ATTEMPTS:
        sending.intent.state, pause = SyncItem.State.DEAD, timedelta(days=365)
    Mapping.objects.filter(pk=sending.case.mapping.pk).update(
        attempts=attempts,
        next_attempt_at=run.clock() + pause,
        tried_revision=sending.case.local.revision if sending.case.local else 0,
        last_error=str(refusal)[:300],
    )
