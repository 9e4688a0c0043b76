"""Execute, the remote half: write intents, send, and write down what the service answered."""

import uuid
from collections.abc import Container, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from django.db.models import F

from calendars import bulk
from calendars.models import Item
from sync import journal
from sync.core import proof
from sync.core.plan import CHANGES, Change, Plan, batches, changes_of
from sync.core.provider import Copy, Outcome, Refusal, Remedy, Write, WriteKind
from sync.core.reconcile import Action, go_with_series
from sync.core.records import Side
from sync.core.trees import depart, only, set_base
from sync.inward import rest
from sync.models import Mapping, SyncItem
from sync.planning import Case, cases
from sync.run import LEASE_SECONDS, Run, Step, Steps
from sync.staging import absorb_answers, drop_occurrences, save_mappings
from sync.tracking import give_name, name_copy, parents_of

STOP = (Remedy.FREEZE, Remedy.HOLD, Remedy.RETRY)
# How long an answer may wait for others to be written down with it.
LONGEST_WAIT = timedelta(seconds=LEASE_SECONDS / 12)


@dataclass(frozen=True, slots=True)
class Sending:
    """One write on its way, with the journal line that announced it."""

    change: Change
    case: Case
    intent: SyncItem
    write: Write


# A write with its answer.
Answered = tuple[Sending, Outcome]


def apply(run: Run, plan: Plan) -> Steps:
    """Send the remote half of a plan, batch by batch: intents committed first, answers after.

    While the service works on a batch, the answers to the one before it are written down, and the
    intents of the next one; no step ends meanwhile. Raises `Refusal` when the service shuts us out
    or asks for patience; what it did not get to hear waits for the next run.
    """
    chunks = [*batches(plan.changes, run.provider.traits.batch), ()]
    heard: list[Answered] = []
    ready: list[Sending] | None = None
    done = 0
    for chunk, following in pairwise(chunks):
        if ready is None:
            with run.commit():
                ready = _intend(run, chunk)
            yield Step("intended", done)
        sent, answers = ready, run.provider.write([sending.write for sending in ready])
        ahead, ready = _may_go_ahead(run, chunk, following), None
        if heard or ahead:
            with run.commit():
                _close(run, heard)
                ready = _intend(run, following) if ahead else None
        done, heard, stop = yield from _listen(run, sent, answers, done + len(heard))
        if stop or not ahead:
            with run.commit():
                _close(run, heard)
                _recall(run, ready or [])
            done, heard = done + len(heard), []
            yield Step("remote", done)
        if stop:
            raise stop


def _may_go_ahead(run: Run, chunk: Sequence[Change], following: Sequence[Change]) -> bool:
    """Say whether a batch may be made ready before the answers to the one before it are known.

    That is where both could travel together: what either becomes does not hang on the other. A
    service without batches may keep several records in one place, with one version.
    """
    if run.provider.traits.batch == 1 or not following:
        return False
    last, first = chunk[-1], following[0]
    return (last.action, last.occurrence) == (first.action, first.occurrence)


def _listen(
    run: Run, sent: Sequence[Sending], answers: Iterator[Outcome], done: int
) -> Generator[Step, None, tuple[int, list[Answered], Refusal | None]]:
    """Wait for the answers; return those that are not written down yet, and what stops the run.

    Answers that come at once are left to be written down with one commit. Those of a slow service
    do not wait: each commit proves and prolongs the lease.
    """
    sendings = {sending.write.attempt: sending for sending in sent}
    heard: list[Answered] = []
    stop, since = None, run.clock()
    try:
        for outcome in answers:
            heard.append((sendings[outcome.write.attempt], outcome))
            stop = outcome.refusal if _stops(outcome) else stop
            if run.clock() - since > LONGEST_WAIT:
                yield Step("answered", done)
                with run.commit():
                    _close(run, heard)
                done, heard, since = done + len(heard), [], run.clock()
                yield Step("remote", done)
    except Refusal as refusal:
        stop = refusal
    yield Step("answered", done)
    return done, heard, stop


def _stops(outcome: Outcome) -> bool:
    refusal = outcome.refusal
    return refusal is not None and refusal.remedy in STOP and refusal.certain


def _intend(run: Run, chunk: Sequence[Change]) -> list[Sending]:
    """Decide anew, write an intent for each change that still stands, and prepare the writes.

    Where the local item is still to follow (the guard holds that, or another run came between), the
    copy has to wait: its answer would say that both sides agree.
    """
    planned = {change.mapping_id: change for change in chunk}
    standing = [
        (change, case)
        for case in cases(run, list(planned))
        for change in changes_of(case, Side.REMOTE)
        if change == planned[change.mapping_id] and case.decision.on_local not in CHANGES
    ]
    standing = _with_series(run, standing)
    _place(run, standing)
    for case in [*(case for _, case in standing), *_taken_along(run, standing)]:
        journal.keep_losses(run, case)
    intents = journal.write_intents(run, standing)
    return [
        Sending(change, case, intent, _write(run, change, case, intent))
        for (change, case), intent in zip(standing, intents, strict=True)
    ]


def _with_series(run: Run, standing: list[tuple[Change, Case]]) -> list[tuple[Change, Case]]:
    """Leave out new exceptions whose series is not there, because its creation failed."""
    lacking = {case.local.series for _, case in standing if case.local and case.local.series}
    if not lacking:
        return standing
    there = Mapping.objects.filter(collection=run.collection, item__in=lacking, remote_hash__gt="")
    lacking -= set(there.values_list("item", flat=True))
    return [
        (change, case)
        for change, case in standing
        if change.action is not Action.CREATE or not case.local or case.local.series not in lacking
    ]


def _taken_along(run: Run, standing: Sequence[tuple[Change, Case]]) -> Iterator[Case]:
    """Find the exceptions that go with a series and were changed since both sides agreed."""
    series = [
        case.mapping.remote_id
        for change, case in standing
        if change.action is Action.DELETE and not change.occurrence
    ]
    if not series:
        return
    rows = Mapping.objects.filter(collection=run.collection, parent__in=series, remote_hash__gt="")
    changed = rows.exclude(remote_hash=F("base_hash")).values_list("pk", flat=True)
    for case in cases(run, list(changed)):
        yield replace(case, decision=go_with_series(case.state))


class _Place(NamedTuple):
    """What a mapping says of the copy's name, and of what there was before it."""

    predecessor: str
    version: str
    ordinal: str
    evidence: str
    parent: str
    slot: str
    remote_id: str


def _place_of(mapping: Mapping) -> _Place:
    return _Place._make(getattr(mapping, name) for name in _Place._fields)


def _place(run: Run, standing: Sequence[tuple[Change, Case]]) -> None:
    """Name what is about to be created, and tie exceptions to the copy of their series."""
    parents = parents_of(run, (case.local.series for _, case in standing if case.local))
    placed, graves = [], []
    for change, case in standing:
        if change.action is not Action.CREATE:
            continue
        mapping, local = case.mapping, case.local
        before = _place_of(mapping)
        seen = depart(mapping)
        dead = mapping.predecessor
        if local and local.series:
            mapping.parent, mapping.remote_id = parents.get(local.series, ""), ""
        elif seen or not mapping.remote_id:
            _forget_untaken(run, name_copy(run, _item(mapping), dead))
            give_name(run, mapping, _item(mapping))
            _bring_exceptions_along(run, dead)
            if local and local.derived:
                # An exception whose series is not mirrored any more stands alone now.
                mapping.parent = mapping.slot = ""
        if seen and not mapping.parent and dead == before.remote_id != "":
            graves.append(_grave(run, before))
        if (after := _place_of(mapping)) != before:
            placed.append((*after, mapping.pk))
    bulk.update(Mapping, _Place._fields, placed)
    Mapping.objects.bulk_create(graves, ignore_conflicts=True)


def _grave(run: Run, dead: _Place) -> Mapping:
    """Return what keeps a dead copy's name known: a late listing may still show it alive."""
    return Mapping(
        collection=run.collection,
        remote_id=dead.remote_id,
        version=dead.version,
        ordinal=dead.ordinal,
        evidence=dead.evidence,
        seen_at=run.clock(),
    )


def _forget_untaken(run: Run, remote_id: str) -> None:
    """Make room for a name that a copy bears already; the service says so, and it is adopted."""
    bearing = Mapping.objects.filter(collection=run.collection, item=None).named([remote_id])
    bearing.exclude(remote_hash="").delete()


def _item(mapping: Mapping) -> uuid.UUID:
    if mapping.item_id is None:
        raise LookupError(f"mapping {mapping.pk} has no item to name its copy after")
    return mapping.item_id


def _bring_exceptions_along(run: Run, dead: str) -> None:
    """A series that is made again needs its exceptions made again: to the service they are new."""
    if not dead:
        return
    exceptions = Mapping.objects.filter(collection=run.collection, parent=dead)
    Item.objects.filter(mappings__in=exceptions).update(pending=True)
    nothing = {"base": None, "base_hash": "", "remote": None, "remote_hash": ""}
    unseen = {"version": "", "ordinal": "", "evidence": "", "synced_revision": 0}
    exceptions.filter(item__isnull=False).update(remote_id="", **nothing, **unseen)


def _write(run: Run, change: Change, case: Case, intent: SyncItem) -> Write:
    mapping, fields, changed = case.mapping, case.decision.fields or {}, frozenset(change.fields)
    if mapping.away:
        # The plan holds nothing else; what may not be shared does not leave in any case.
        fields, changed = only(fields, run.kind.shared), changed & run.kind.shared
    return Write(
        kind=WriteKind(change.action.value),
        remote_id=mapping.remote_id,
        attempt=intent.pk.hex,
        version=mapping.version,
        fields=fields,
        changed=changed,
        parent=mapping.parent,
        slot=mapping.slot or (case.local.slot if case.local else ""),
        rule=case.local.rule if case.local else "",
    )


_ANSWER = ("state", "error", "closed_at", "remote_id")


def _close(run: Run, answered: Sequence[Answered]) -> None:
    """Write down the answers to the writes of one batch."""
    for sending, _ in answered:
        sending.intent.closed_at = run.clock()
    _close_done(run, [(sending, o.copy) for sending, o in answered if o.copy is not None])
    for sending, outcome in answered:
        if outcome.copy is None and outcome.refusal is not None:
            _close_refused(run, sending, outcome.refusal)
    _save(sending.intent for sending, _ in answered)


def _recall(run: Run, sendings: Sequence[Sending]) -> None:
    """Say of writes that were announced that they were not sent after all."""
    for sending in sendings:
        sending.intent.state, sending.intent.closed_at = SyncItem.State.SKIPPED, run.clock()
        sending.intent.error = "not sent: the batch before it stopped the run"
    _save(sending.intent for sending in sendings)


def _save(intents: Iterable[SyncItem]) -> None:
    bulk.update_together(SyncItem, _ANSWER, map(attrgetter(*_ANSWER, "pk"), intents))


def _close_done(run: Run, done: Sequence[tuple[Sending, Copy]]) -> None:
    """They are done: what we sent is the base, what the copies show is the remote tree.

    The mappings are as they were when the writes were announced: only who holds the lease writes
    them, and this commit proves that nobody else has held it since.
    """
    cases_ = [sending.case for sending, _ in done]
    hidden = {case.mapping.pk for case in cases_ if case.mapping.partial}
    for case in cases_:
        set_base(case.mapping, case.decision.fields)
    answers = [(sending.case.mapping, copy) for sending, copy in done]
    absorb_answers(run, answers, {sending.write.attempt for sending, _ in done})
    for case in cases_:
        case.mapping.unanswered = False
    _save_seen(cases_, hidden)
    for sending, _ in done:
        journal.close_conflict(run, sending.case)
        sending.intent.state = SyncItem.State.DONE
        sending.intent.remote_id = sending.case.mapping.remote_id
        run.count(f"remote.{sending.change.action}")
    _drop_occurrences(run, done)


def _save_seen(cases_: Sequence[Case], hidden: Container[uuid.UUID]) -> None:
    """Save what the answers changed, and that the copies have seen their items' revisions.

    Where an answer shows what was `hidden`, our side of that was not sent.
    """
    mappings = {case.mapping.pk: case.mapping for case in cases_}
    seen = {
        case.mapping.pk: case.local
        for case in cases_
        if case.local and (case.mapping.partial or case.mapping.pk not in hidden)
    }
    for pk, local in seen.items():
        mappings[pk].synced_revision = local.revision
    save_mappings((mappings[pk] for pk in seen), "synced_revision")
    save_mappings(mapping for pk, mapping in mappings.items() if pk not in seen)
    if seen:
        rest([local.item_id for local in seen.values()])


def _drop_occurrences(run: Run, done: Sequence[tuple[Sending, Copy]]) -> None:
    deleted = [sending.intent for sending, _ in done if sending.change.action is Action.DELETE]
    names = [intent.remote_id for intent in deleted if intent.remote_id]
    if names:
        drop_occurrences(run, names)


def _close_refused(run: Run, sending: Sending, refusal: Refusal) -> None:
    """The service refused, or never answered: note it, and when to look again."""
    intent = sending.intent
    intent.error = str(refusal)[:300]
    match proof.aftermath(refusal):
        case proof.Aftermath.DOUBT:
            intent.closed_at = None
            run.look_again.append(intent.remote_id)
            client_ids = run.provider.traits.client_ids
            if proof.leaves_doubt(intent.action, client_ids=client_ids):
                Mapping.objects.filter(pk=sending.case.mapping.pk).update(unanswered=True)
        case proof.Aftermath.LOOK_AGAIN:
            intent.state = SyncItem.State.FAILED
            run.look_again.append(intent.remote_id)
        case proof.Aftermath.WAIT:
            intent.state = SyncItem.State.FAILED
            run.failures += 1
            _wait(run, sending, refusal)


def _wait(run: Run, sending: Sending, refusal: Refusal) -> None:
    """Put off the next attempt, longer each time; after the last one a person has to look."""
    attempts = sending.case.mapping.attempts + 1
    if attempts >= proof.MOST_ATTEMPTS:
        sending.intent.state = SyncItem.State.DEAD
    Mapping.objects.filter(pk=sending.case.mapping.pk).update(
        attempts=attempts,
        next_attempt_at=run.clock() + proof.pause_after(refusal, attempts),
        tried_revision=sending.case.local.revision if sending.case.local else 0,
        last_error=str(refusal)[:300],
    )
