"""Remove busy blocks of ours from a calendar, known by their marks whatever the database knows.

Each deletion is announced in the journal before it is sent, holds only for the version just read,
and is harmless when repeated: a run that died simply starts again.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from calendars.locking import lock_rules
from calendars.models import BusyRule, Event, Item
from calendars.models.item import ItemQuerySet
from sync.core.provider import Copy, Outcome, Provider, Remedy, Write, WriteKind
from sync.core.reconcile import Action
from sync.core.records import Side
from sync.inward import rest
from sync.models import Mapping, SyncItem, SyncOperation
from sync.outward import STOP
from sync.run import Run, Step, Steps

# How often a copy that changed under our hands is read and tried again.
ROUNDS = 3
# How many local rows are changed in one transaction.
BATCH = 1_000


def blocks_in(provider: Provider) -> list[Copy]:
    """Return the busy blocks that Lockstep made in a calendar, without their raw answers.

    An occurrence that differs goes with its series; it is listed only if its series is not.
    """
    found = {c.remote_id: replace(c, raw=None) for c in provider.marked() if _is_block(c)}
    return [copy for copy in found.values() if copy.parent not in found]


def _is_block(copy: Copy) -> bool:
    """Say whether a copy bears the genuine mark of a rule, and takes place."""
    fields = copy.fields
    return bool(copy.mark and copy.mark.rule and fields and fields.get("status") != "cancelled")


def settle(run: Run) -> Steps:
    """Look after the deletions that an earlier, dead run of this kind never heard the answer to."""
    unanswered = SyncItem.objects.filter(
        operation__collection=run.collection,
        operation__trigger=run.operation.trigger,
        state=SyncItem.State.INTENDED,
    )
    for _ in _look_again(run, list(unanswered.order_by("pk"))):
        yield Step("settled")


def remove(run: Run, blocks: Sequence[Copy], reason: str) -> Steps:
    """Delete these copies, batch by batch; what changed meanwhile is read and judged anew.

    Raises `Refusal` when the service shuts us out or asks for patience; what it did not get to hear
    is found again by the next run.
    """
    done, waiting, size = 0, list(blocks), run.provider.traits.batch
    for _ in range(ROUNDS):
        unsure: list[SyncItem] = []
        for start in range(0, len(waiting), size):
            batch = waiting[start : start + size]
            with run.commit():
                intents = _intend(run, batch, reason)
            yield Step("intended", done)
            unsure += _send(run, batch, intents)
            done += len(batch)
            yield Step("removed", done)
        waiting = list(_look_again(run, unsure))
        done -= len(waiting)
        if not waiting:
            return
    run.failures += len(waiting)


def _intend(run: Run, blocks: Sequence[Copy], reason: str) -> list[SyncItem]:
    """Announce the deletion of each copy, with what proves that it is ours."""
    now, names = run.clock(), [copy.remote_id for copy in blocks]
    mappings = Mapping.objects.filter(collection=run.collection, remote_id__in=names)
    known = {m.remote_id: m for m in mappings.only("remote_id", "item_id")}
    intents = [
        SyncItem(
            operation=run.operation,
            mapping=known.get(copy.remote_id),
            item_id=known[copy.remote_id].item_id if copy.remote_id in known else None,
            remote_id=copy.remote_id,
            side=Side.REMOTE,
            action=Action.DELETE,
            reason=reason,
            state=SyncItem.State.INTENDED,
            before=copy.fields,
            expected_version=copy.version,
            evidence=f"genuine mark of rule {copy.mark.rule}" if copy.mark else "",
            attempts=1,
            created_at=now,
        )
        for copy in blocks
    ]
    return SyncItem.objects.bulk_create(intents)


def _send(run: Run, blocks: Sequence[Copy], intents: Sequence[SyncItem]) -> list[SyncItem]:
    """Send one batch and write the answers down; returns the intents to look at again."""
    by_attempt = {intent.pk.hex: intent for intent in intents}
    writes = [
        Write(WriteKind.DELETE, i.remote_id, attempt=i.pk.hex, version=copy.version)
        for i, copy in zip(intents, blocks, strict=True)
    ]
    outcomes = list(run.provider.write(writes))
    with run.commit():
        bury(run, [o.write.remote_id for o in outcomes if _gone(o)], "deleted by us")
        for outcome in outcomes:
            _close(run, by_attempt[outcome.write.attempt], outcome)
    for refusal in (o.refusal for o in outcomes):
        if refusal and refusal.certain and refusal.remedy in STOP:
            raise refusal
    return [by_attempt[o.write.attempt] for o in outcomes if _unsure(o)]


def _gone(outcome: Outcome) -> bool:
    return outcome.copy is not None or (
        outcome.refusal is not None and outcome.refusal.remedy is Remedy.GONE
    )


def _unsure(outcome: Outcome) -> bool:
    """Say whether only a look at the copy can tell what became of it."""
    refusal = outcome.refusal
    return refusal is not None and (not refusal.certain or refusal.remedy is Remedy.REREAD)


def _close(run: Run, intent: SyncItem, outcome: Outcome) -> None:
    """Write down the answer to one deletion; one that is unsure stays open."""
    refusal = outcome.refusal
    intent.error = str(refusal)[:300] if refusal else ""
    if _gone(outcome):
        _end(run, intent, SyncItem.State.DONE)
    elif _unsure(outcome):
        intent.save(update_fields=["error"])
    else:
        run.failures += 1
        _end(run, intent, SyncItem.State.FAILED)


def _end(run: Run, intent: SyncItem, state: SyncItem.State) -> None:
    intent.state, intent.closed_at = state, run.clock()
    intent.save(update_fields=["state", "error", "closed_at"])
    if state is SyncItem.State.DONE:
        run.count(f"{Side.REMOTE}.{Action.DELETE}")


def _look_again(run: Run, unsure: Sequence[SyncItem]) -> Iterator[Copy]:
    """Read what these deletions were about, close them, and yield the copies still to go."""
    for intent in unsure:
        copy = run.provider.read(intent.remote_id)
        with run.commit():
            if copy.fields is None or copy.fields.get("status") == "cancelled":
                bury(run, [copy.remote_id], copy.evidence or "cancelled")
                _end(run, intent, SyncItem.State.DONE)
            elif _is_block(copy):
                _end(run, intent, SyncItem.State.LOST)
            else:
                intent.error = "it no longer bears our mark"
                _end(run, intent, SyncItem.State.SKIPPED)
        if _is_block(copy):
            yield replace(copy, raw=None)


def bury(run: Run, remote_ids: Sequence[str], evidence: str) -> None:
    """Let the mappings of blocks that are gone be graves, and the blocks be deleted here too.

    A series takes its exceptions along. Must run inside `run.commit()`.
    """
    ours = Q(item=None) | Q(item__event__busy_rule__isnull=False)
    named = Q(remote_id__in=remote_ids) | Q(parent__in=remote_ids)
    rows = Mapping.objects.filter(ours, named, collection=run.collection)
    graves = dict(rows.values_list("pk", "item_id"))
    items = [item_id for item_id in graves.values() if item_id]
    delete_blocks(items, run.clock())
    Mapping.objects.filter(pk__in=graves).update(
        base=None,
        base_hash="",
        remote=None,
        remote_hash="",
        evidence=evidence,
        unanswered=False,
        attempts=0,
        next_attempt_at=None,
        last_error="",
        seen_at=run.clock(),
    )
    revision = Item.objects.filter(pk=OuterRef("item")).values("revision")
    with_item = Mapping.objects.filter(pk__in=graves, item__isnull=False)
    with_item.update(synced_revision=Subquery(revision))
    rest(items)


def delete_blocks(item_ids: Iterable[uuid.UUID], now: datetime) -> None:
    """Delete busy blocks here; their rules, if they still exist, draw them anew at the next sync.

    Must run inside a transaction: it locks the rules, as all writing to blocks does.
    """
    ids = list(item_ids)
    rules = BusyRule.objects.filter(pk__in=Event.objects.filter(pk__in=ids).values("busy_rule"))
    lock_rules(rules.values_list("target", flat=True))
    # A word of its own, so that a rule that is being applied right now is not taken for finished.
    rules.update(applied=f"blocks deleted {uuid.uuid4().hex}")
    Item.objects.alive().filter(pk__in=ids).update(
        deleted_at=now, updated_at=now, revision=F("revision") + 1, pending=True
    )


def retire(
    operation: SyncOperation, blocks: ItemQuerySet, reason: str, evidence: str, now: datetime
) -> int:
    """Delete busy blocks here, in batches; the next sync deletes their copies. Returns how many."""
    number = 0
    while batch := list(blocks.alive().order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            delete_blocks(batch, now)
            rest(batch)
            SyncItem.objects.bulk_create(
                SyncItem(
                    operation=operation,
                    item_id=item_id,
                    side=Side.LOCAL,
                    action=Action.DELETE,
                    reason=reason,
                    state=SyncItem.State.DONE,
                    evidence=evidence,
                    attempts=1,
                    created_at=now,
                    closed_at=now,
                )
                for item_id in batch
            )
        number += len(batch)
    return number
