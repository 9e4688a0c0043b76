"""Look at a calendar, and write down what was seen; compare `sync.observing` and `sync.staging`."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sync.core import proof, trees
from sync.core.absorb import Known, Verdict, weigh
from sync.core.guard import too_many_missing
from sync.core.provider import Copy, Page, Refusal, Remedy
from sync.core.records import Direction, fingerprint
from tests.sync.pure.run import Call, Commit, Run, Steps
from tests.sync.pure.store import Conflict, Intent, Tie

Sighting = tuple[Copy, bool]  # a copy, and whether it was read by id


class SuspiciousListing(Exception):
    """A complete listing lacks so many known copies that it is not believed."""


def observe(run: Run) -> Steps:
    """Look at unanswered writes, then at what changed, or at everything; stage all of it."""
    yield from _unanswered(run)
    place = run.place
    if place.cursor and place.shape == run.shape and not (run.complete or place.distrust):
        try:
            yield from _listing(run, place.cursor, None)
            return
        except Refusal as refusal:
            if refusal.remedy is not Remedy.RESYNC:
                raise
    yield from _listing(run, "", set())


def _unanswered(run: Run) -> Steps:
    """Read each copy that an earlier run may or may not have written to."""
    for intent in intended(run):
        seen: list[Sighting] = []
        if intent.remote_id:
            seen.append(((yield Call("read", (intent.remote_id,))), True))
        yield stage_it(run, seen, answered=[intent])


def intended(run: Run) -> list[Intent]:
    """List the writes to this calendar that nobody answered yet."""
    mine = (i for i in run.store.intents.values() if i.place == run.place.name)
    return [intent for intent in mine if intent.state == "intended"]


def _listing(run: Run, cursor: str, seen: set[str] | None) -> Steps:
    """Take in the pages of one listing; the cursor comes with the last."""
    gone: set[str] = set()
    number, last = 0, False
    while not last:
        page: Page
        page, last = yield Call("page", (cursor, number))
        if seen is not None and number == 0 and _distrusts_the_old_cursor(run):
            yield stage_it(run, [], "")
        number += 1
        if last and page.cursor is None:
            raise Refusal(Remedy.RETRY, call="page", status=200, reason="no cursor at the end")
        if seen is not None:
            seen.update(copy.remote_id for copy in page.copies)
        sightings = yield from _clear(run, page.copies, gone)
        yield stage_it(run, sightings, None if seen is not None else page.cursor)
    if seen is not None:
        yield stage_it(run, (yield from _missing(run, seen)), page.cursor, complete=True)


def _distrusts_the_old_cursor(run: Run) -> bool:
    """A complete listing may lag behind the old cursor: whoever breaks off starts from nothing."""
    return bool(run.place.cursor)


def _clear(run: Run, copies: Sequence[Copy], gone: set[str]) -> Steps:
    """Replace each copy that is neither older nor newer than what we know by a read by id."""
    times = Counter(copy.remote_id for copy in copies)
    sightings: list[Sighting] = []
    for remote_id, copy in {copy.remote_id: copy for copy in copies}.items():
        verdict = weigh(known_of(run, remote_id), copy, strong=False)
        if verdict is Verdict.UNCLEAR or times[remote_id] > 1 or remote_id in gone:
            sightings.append(((yield Call("read", (remote_id,))), True))
        else:
            sightings.append((copy, False))
    gone.update(copy.remote_id for copy in copies if copy.fields is None)
    return sightings


def known_of(run: Run, remote_id: str) -> Known:
    """Return what is known of a copy."""
    tie = run.store.tie(run.place.name, remote_id)
    return trees.known(tie) if tie else Known()


def _missing(run: Run, seen: set[str]) -> Steps:
    """Read by id each copy that a complete listing should have shown and did not."""
    known = [tie for tie in run.store.at(run.place.name) if tie.remote_hash and tie.remote_id]
    missing = [tie for tie in known if tie.remote_id not in seen]
    names = [tie.remote_id for tie in missing if run.covers(trees.remote_tree(tie) or {})]
    if too_many_missing(len(names), len(known), run.limits) and not run.released:
        raise SuspiciousListing(f"lacks {len(names)} of {len(known)}")
    sightings: list[Sighting] = []
    for remote_id in [*sorted(names), *_given_up(run, seen)]:
        sightings.append(((yield Call("read", (remote_id,))), True))
    return sightings


def _given_up(run: Run, seen: set[str]) -> list[str]:
    """Name the copies whose creation was given up for lost and that nobody saw alive since."""
    mine = (i for i in run.store.intents.values() if i.place == run.place.name)
    lost = (i for i in mine if i.state == "lost" and i.action == "create" and i.remote_id)
    return sorted({i.remote_id for i in lost if not run.store.ties[i.tie].remote_hash} - seen)


def stage_it(
    run: Run,
    sightings: Iterable[Sighting],
    cursor: str | None = None,
    answered: Sequence[Intent] = (),
    *,
    complete: bool = False,
) -> Commit:
    """Return the commit that stages what was seen, with the cursor if it is the last of it."""
    return Commit(lambda: stage(run, sightings, cursor, answered, complete=complete))


def stage(
    run: Run,
    sightings: Iterable[Sighting],
    cursor: str | None,
    answered: Sequence[Intent],
    *,
    complete: bool = False,
) -> None:
    """Write what was seen into the remote trees; nothing is decided here."""
    for copy, strong in sightings:
        absorb(run, copy, strong=strong)
    for intent in answered:
        _close_unanswered(run, intent)
    if cursor is not None:
        _save_cursor(run, cursor, complete=complete)


def _save_cursor(run: Run, cursor: str, *, complete: bool) -> None:
    place = run.place
    place.cursor, place.shape = cursor, run.shape
    if cursor:
        place.caught_up_at = run.clock()
    if complete:
        place.distrust = ""


def absorb(run: Run, copy: Copy, *, strong: bool) -> None:
    """Learn from one observation of one copy."""
    attempt = _attempt(run, copy)
    tie = run.store.tie(run.place.name, copy.remote_id) or _nameless(run, copy, attempt)
    if tie is None:
        if copy.fields is not None and _wanted(run, copy, attempt):
            _insert(run, copy)
        return
    known = trees.known(tie)
    if weigh(known, copy, strong=strong) is not Verdict.NEWS:
        return
    proven = _proven(run, tie, known, copy, attempt)
    if proven and proof.proof_in(known, copy) is proof.Proof.NAME:
        _keep_unproven(run, proven)
    _acknowledge(run, tie, proven)
    trees.show(tie, copy, now=run.clock(), conditional=run.traits.conditional)


def _attempt(run: Run, copy: Copy) -> Intent | None:
    """Find the write of ours whose mark a copy bears, unless it is known to be done."""
    if copy.mark is None or copy.mark.inherited:
        return None
    intent = run.store.intents.get(copy.mark.attempt)
    ours = intent is not None and intent.place == run.place.name and intent.state != "done"
    return intent if ours else None


def _nameless(run: Run, copy: Copy, attempt: Intent | None) -> Tie | None:
    """Find the tie whose copy was written but never answered, so that it has no name yet."""
    tie = run.store.ties.get(attempt.tie) if attempt else None
    return tie if tie and tie.remote_id in ("", copy.remote_id) else None


def _wanted(run: Run, copy: Copy, attempt: Intent | None) -> bool:
    verdict = proof.welcome(
        copy,
        direction=Direction.TWO_WAY if _forgotten(run, copy) else run.place.direction,
        ours=attempt is not None,
        covered=copy.fields is not None and run.covers(copy.fields),
    )
    return verdict is proof.Welcome.TAKE_IN


def _insert(run: Run, copy: Copy) -> None:
    pk = run.store.new_number()
    tie = Tie(pk, run.place.name, None, run.clock(), remote_id=copy.remote_id)
    trees.show(tie, copy, now=run.clock(), conditional=run.traits.conditional)
    tie.unclaimed = _forgotten(run, copy)
    run.store.add_tie(tie)
    run.count("seen_first")


def _forgotten(run: Run, copy: Copy) -> bool:
    """Say whether we made a copy and know nothing of it: a backup was restored.

    Then deletions are held wherever the same events are, until all was seen anew.
    """
    forgotten = copy.mark is not None and copy.mark.attempt not in run.store.intents
    for name in run.store.mates(run.place.name) if forgotten else ():
        run.store.places[name].distrust = "a backup was restored"
    return forgotten


def _proven(run: Run, tie: Tie, known: Known, copy: Copy, attempt: Intent | None) -> Intent | None:
    match proof.proof_in(known, copy):
        case proof.Proof.MARK:
            return attempt
        case proof.Proof.NAME:
            mine = (i for i in run.store.intents.values() if i.tie == tie.pk)
            return next(
                (i for i in mine if i.action == "create" and i.state in ("intended", "lost")), None
            )
        case _:
            return None


def _keep_unproven(run: Run, intent: Intent) -> None:
    """Keep what we sent, for no mark proves that whoever deleted the copy had seen just that."""
    sent = intent.after
    run.store.conflicts.append(Conflict(intent.tie, sent, None, fingerprint(sent), "", "automatic"))


def _acknowledge(run: Run, tie: Tie, intent: Intent | None) -> None:
    """The payload of a write that has proven to have arrived is the base."""
    if intent is None:
        return
    if intent.state != "intended":
        tie.synced_revision = 0
    trees.set_base(tie, intent.after)
    tie.unanswered = False
    intent.state = "done"
    _end_conflicts(run, tie, intent)


def _end_conflicts(run: Run, tie: Tie, intent: Intent) -> None:
    """Close the conflict that an unanswered write ended, as its answer would have done."""
    for conflict in run.store.conflicts:
        if conflict.tie == tie.pk and conflict.outcome in ("open", "ruled"):
            conflict.outcome = "settled" if intent.ruled else "moot"


def _close_unanswered(run: Run, intent: Intent) -> None:
    """Close an intent that a read by id has looked after, unless its mark was found."""
    if intent.state != "intended":
        return
    tie = run.store.ties[intent.tie]
    done = proof.proven_by_absence(intent.action, there=bool(tie.remote_hash))
    intent.state = "done" if done else "lost"
    if not done and proof.leaves_doubt(intent.action, client_ids=run.traits.client_ids):
        tie.unanswered = True
