"""Execute, the remote half: write intents, send, and write down what the service answered."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from calendars.models import Item
from sync import journal
from sync.core.provider import Copy, Outcome, Refusal, Remedy, Write, WriteKind
from sync.core.reconcile import Action
from sync.core.records import Direction, Side
from sync.inward import rest
from sync.kinds import Local
from sync.models import Mapping, SyncItem
from sync.planning import Case, Change, Plan, cases, changes_of
from sync.run import Run, Step, Steps
from sync.staging import absorb_answer, drop_occurrences, save_mappings, set_base

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


def track(run: Run) -> None:
    """Give each local item of this collection that has no remote copy yet a mapping, with its name.

    Must run inside `run.commit()`. An exception waits until its series has a mapping.
    """
    if run.collection.direction == Direction.PULL:
        return
    items = Item.objects.alive().filter(home=run.collection, pending=True)
    new = list(items.exclude(mappings__collection=run.collection).values_list("pk", flat=True))
    locals_ = run.kind.load(new).values()
    _map(run, [(local, "") for local in locals_ if not local.series])
    parts = [(local, _parent(run, local.series)) for local in locals_ if local.series]
    _map(run, [(local, parent) for local, parent in parts if parent])


def _map(run: Run, rows: Sequence[tuple[Local, str]]) -> None:
    """Insert mappings for items, given with the remote id of their series."""
    now = run.clock()
    mappings = [
        Mapping(
            collection=run.collection,
            item_id=local.item_id,
            remote_id="" if parent else _name(run, local.item_id),
            parent=parent,
            slot=local.slot,
            seen_at=now,
        )
        for local, parent in rows
    ]
    Mapping.objects.bulk_create(mappings, ignore_conflicts=True, batch_size=1_000)


def _name(run: Run, item_id: uuid.UUID, predecessor: str = "") -> str:
    """Name a copy after its item, its place and the dead copy that it replaces."""
    if not run.provider.traits.client_ids:
        return ""
    return run.provider.name(str(run.collection.pk), str(item_id), predecessor)


def _intend(run: Run, chunk: Sequence[Change]) -> list[Sending]:
    """Decide anew, write an intent for each change that still stands, and prepare the writes."""
    planned = {change.mapping_id: change for change in chunk}
    standing = [
        (change, case)
        for case in cases(run, list(planned))
        for change in changes_of(case, Side.REMOTE)
        if change == planned[change.mapping_id]
    ]
    _place(run, standing)
    for _, case in standing:
        journal.keep_losses(run, case)
    intents = journal.write_intents(run, standing)
    return [
        Sending(change, case, intent, _write(change, case, intent))
        for (change, case), intent in zip(standing, intents, strict=True)
    ]


def _place(run: Run, standing: Iterable[tuple[Change, Case]]) -> None:
    """Name what is about to be created, and tie exceptions to the copy of their series."""
    for change, case in standing:
        if change.action is not Action.CREATE:
            continue
        mapping, local = case.mapping, case.local
        seen = bool(mapping.version or mapping.ordinal or mapping.evidence)
        if seen and mapping.remote_id:
            mapping.predecessor = mapping.remote_id
            mapping.version = mapping.ordinal = mapping.evidence = ""
        if local and local.series:
            mapping.parent, mapping.remote_id = _parent(run, local.series), ""
        elif seen or not mapping.remote_id:
            mapping.remote_id = _name(run, _item(mapping), mapping.predecessor)
        mapping.save(
            update_fields=["predecessor", "version", "ordinal", "evidence", "parent", "remote_id"]
        )


def _item(mapping: Mapping) -> uuid.UUID:
    if mapping.item_id is None:
        raise LookupError(f"mapping {mapping.pk} has no item to name its copy after")
    return mapping.item_id


def _parent(run: Run, series: uuid.UUID) -> str:
    of = Mapping.objects.filter(collection=run.collection, item=series)
    return of.values_list("remote_id", flat=True).first() or ""


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
    absorb_answer(run, mapping, copy)
    set_base(mapping, sending.case.decision.fields)
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
        attempts=attempts, next_attempt_at=run.clock() + pause, last_error=str(refusal)[:300]
    )
