"""Carry a plan out, here and there; compare `sync.inward`, `sync.outward` and `sync.journal`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sync.core import proof, trees
from sync.core.plan import CHANGES, Change, Plan, batches, changes_of, seen_revision
from sync.core.provider import Outcome, Refusal, Remedy, Write, WriteKind
from sync.core.reconcile import Action
from sync.core.records import Side, fingerprint
from tests.sync.pure.looking import absorb
from tests.sync.pure.planning import Case, cases, forget_untaken, give_name
from tests.sync.pure.run import Call, Commit, Run, Steps
from tests.sync.pure.store import EMPTY, Conflict, Deletion, Intent, Item

STOP = (Remedy.FREEZE, Remedy.HOLD, Remedy.RETRY)


# Here


def apply_here(run: Run, plan: Plan) -> Steps:
    """Let local items become what was decided."""
    if plan.changes:
        yield Commit(lambda: _apply_chunk(run, plan.changes))


def still_due(run: Run, changes: Sequence[Change], side: Side) -> Iterator[tuple[Change, Case]]:
    """Decide anew on what is there now, and yield only what comes out as it was planned."""
    planned = {change.mapping_id: change for change in changes}
    for case in cases(run, list(planned)):  # type: ignore[arg-type]
        for change in changes_of(case, side):
            if change == planned[change.mapping_id]:
                yield change, case


def _apply_chunk(run: Run, changes: Sequence[Change]) -> None:
    for change, case in list(still_due(run, changes, Side.LOCAL)):
        if change.action is Action.CONFLICT:
            open_conflict(run, case)
            continue
        keep_losses(run, case)
        close_conflict(run, case)
        _become(run, change, case)
        run.count(f"local.{change.action}")


def _become(run: Run, change: Change, case: Case) -> None:
    """Write the item, and let the base be the remote tree: all of it has been taken in."""
    item = run.store.item_of(case.tie) or _born(run, change, case)
    if item is not None and change.action in CHANGES:
        _rewrite(run, item, change, case)
    trees.set_base(case.tie, trees.remote_tree(case.tie))
    revision = case.local.revision if case.local else 0
    case.tie.synced_revision = seen_revision(revision, change.action, case.decision)
    case.tie.item_id = item.pk if item else None


def _born(run: Run, change: Change, case: Case) -> Item | None:
    """Make the item of a copy that was never seen, named after it."""
    if change.action is not Action.CREATE:
        return None
    name = f"{run.place.name}/{case.tie.remote_id}"
    pk = f"{name}/{run.store.new_number()}" if name in run.store.items else name
    item = Item(pk, run.place.name, None, run.clock(), revision=0)
    run.store.items[pk] = item
    return item


def _rewrite(run: Run, item: Item, change: Change, case: Case) -> None:
    item.revision += 1
    item.updated_at = run.clock()
    if change.action is Action.DELETE:
        item.bury()
        _note_deletion(run, Side.LOCAL)
        return
    known = case.local.fields if case.local else None
    item.fields = trees.taken_in(known or EMPTY, case.state.local, case.decision.fields or {})
    if change.action is Action.CREATE:
        item.home = run.place.name


def _note_deletion(run: Run, side: Side) -> None:
    run.store.deletions.append(Deletion(run.place.name, side, run.number, run.clock()))


# There


@dataclass(frozen=True, slots=True)
class Sending:
    """One write on its way, with the journal line that announced it."""

    change: Change
    case: Case
    intent: Intent
    write: Write


def apply_there(run: Run, plan: Plan) -> Steps:
    """Send batch by batch: intents committed first, answers after."""
    for chunk in batches(plan.changes, run.traits.batch):
        sendings = yield from _announce(run, chunk)
        outcomes = []
        for sending in sendings:
            outcomes.append((sending, (yield Call("write", (sending.write,)))))
        stop: Refusal | None = None
        for sending, outcome in outcomes:
            yield _closing(run, sending, outcome)
            refusal = outcome.refusal
            if refusal and refusal.remedy in STOP and refusal.certain:
                stop = refusal
        if stop:
            raise stop


def _announce(run: Run, chunk: Sequence[Change]) -> Steps:
    """Write an intent for each change that still stands; returns what to send."""
    return (yield Commit(lambda: _intend(run, chunk)))


def _closing(run: Run, sending: Sending, outcome: Outcome) -> Commit:
    return Commit(lambda: close(run, sending, outcome))


def _intend(run: Run, chunk: Sequence[Change]) -> list[Sending]:
    sendings = []
    for change, case in list(still_due(run, chunk, Side.REMOTE)):
        if change.action is Action.CREATE:
            _place(run, case)
        keep_losses(run, case)
        intent = _intent(run, change, case)
        run.store.intents[intent.pk] = intent
        sendings.append(Sending(change, case, intent, _write(change, case, intent)))
    return sendings


def _place(run: Run, case: Case) -> None:
    """Name what is about to be created; the name of the dead copy stays known."""
    tie = case.tie
    grave = replace(tie, pk=run.store.new_number(), item_id=None)
    seen = trees.depart(tie)
    dead = tie.predecessor
    if seen or not tie.remote_id:
        forget_untaken(run, tie)
        give_name(run, tie)
    if seen and dead == grave.remote_id != "":
        run.store.add_tie(grave)


def _intent(run: Run, change: Change, case: Case) -> Intent:
    said = "a person ruled" if case.state.ruling else "there is no local item"
    evidence = f"local revision {case.local.revision}" if case.local else said
    return Intent(
        pk=f"{run.store.new_number():032x}",
        place=run.place.name,
        tie=case.tie.pk,
        remote_id=case.tie.remote_id,
        action=change.action.value,
        before=case.state.remote,
        after=case.decision.fields,
        version=case.tie.version,
        evidence=evidence,
        run=run.number,
        ruled=case.decision.reason == "a person ruled",
    )


def _write(change: Change, case: Case, intent: Intent) -> Write:
    return Write(
        kind=WriteKind(change.action.value),
        remote_id=case.tie.remote_id,
        attempt=intent.pk,
        version=case.tie.version,
        fields=case.decision.fields or {},
        changed=frozenset(change.fields),
    )


def close(run: Run, sending: Sending, outcome: Outcome) -> None:
    """Write down the answer to one write."""
    if outcome.copy is not None:
        _close_done(run, sending, outcome)
    elif outcome.refusal is not None:
        _close_refused(run, sending, outcome.refusal)


def _close_done(run: Run, sending: Sending, outcome: Outcome) -> None:
    """It did it: what we sent is the base, what it shows is the remote tree."""
    tie = run.store.ties[sending.case.tie.pk]
    trees.set_base(tie, sending.case.decision.fields)
    if outcome.copy is not None:
        absorb_answer(run, sending, outcome)
    tie.unanswered = False
    if sending.case.local:
        tie.synced_revision = sending.case.local.revision
    if sending.change.action is Action.DELETE:
        _note_deletion(run, Side.REMOTE)
    close_conflict(run, sending.case)
    sending.intent.state = "done"
    run.count(f"remote.{sending.change.action}")


def absorb_answer(run: Run, sending: Sending, outcome: Outcome) -> None:
    """Learn from the answer, as from any observation; a service's own name is the tie's now."""
    tie, copy = run.store.ties[sending.case.tie.pk], outcome.copy
    if copy is not None:
        tie.remote_id = tie.remote_id or copy.remote_id
        absorb(run, copy, strong=True)


def _close_refused(run: Run, sending: Sending, refusal: Refusal) -> None:
    """The service refused, or never answered: note it, and when to look again."""
    tie, intent = run.store.ties[sending.case.tie.pk], sending.intent
    match proof.aftermath(refusal):
        case proof.Aftermath.DOUBT:
            run.look_again.append(intent.remote_id)
            if proof.leaves_doubt(intent.action, client_ids=run.traits.client_ids):
                tie.unanswered = True
        case proof.Aftermath.LOOK_AGAIN:
            intent.state = "failed"
            run.look_again.append(intent.remote_id)
        case proof.Aftermath.WAIT:
            intent.state = "failed"
            run.failures += 1
            tie.attempts += 1
            tie.next_attempt_at = run.clock() + proof.pause_after(refusal, tie.attempts)
            tie.tried_revision = sending.case.local.revision if sending.case.local else 0


# What is lost on the way


def keep_losses(run: Run, case: Case) -> None:
    """Store both versions of what is about to be overwritten, once."""
    if not any(clash.winner for clash in case.decision.clashes):
        return
    row = _conflict_row(case, "automatic")
    if row not in run.store.conflicts:
        run.store.conflicts.append(row)
        run.count("conflicts.automatic")


def open_conflict(run: Run, case: Case) -> None:
    """Put a clash before a person; one about an earlier state becomes moot."""
    for conflict in _unsettled(run, case):
        conflict.outcome = "moot"
    run.store.conflicts.append(_conflict_row(case, "open"))
    run.count("local.conflict")


def close_conflict(run: Run, case: Case) -> None:
    """Close the unsettled conflict: settled if it was ruled on, moot if things moved."""
    ruled = case.decision.reason == "a person ruled"
    for conflict in _unsettled(run, case):
        if conflict is case.conflict:
            conflict.outcome = "settled" if ruled else "moot"


def _unsettled(run: Run, case: Case) -> Iterable[Conflict]:
    mine = (c for c in run.store.conflicts if c.tie == case.tie.pk)
    return [conflict for conflict in mine if conflict.outcome in ("open", "ruled")]


def _conflict_row(case: Case, outcome: str) -> Conflict:
    local, remote = case.state.local, case.state.remote
    return Conflict(case.tie.pk, local, remote, fingerprint(local), fingerprint(remote), outcome)
