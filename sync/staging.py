"""Stage: write what was seen into the remote trees; nothing is decided here."""

import uuid
from collections.abc import Container, Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from calendars import bulk
from calendars.models import Item, time_ordered_uuid
from sync import first_sight, journal
from sync.core import proof, trees
from sync.core.absorb import Known, Verdict, weigh
from sync.core.proof import DROPPED
from sync.core.provider import Copy
from sync.core.records import Direction, fingerprint
from sync.core.text import clean
from sync.core.trees import only
from sync.models import Mapping, SyncItem
from sync.observing import Batch, Sighting, known_copies, shape_of
from sync.restoring import distrust, strange_marks, trust_again
from sync.run import Run
from sync.wanted import wake


@dataclass(slots=True)
class _Page:
    """One batch while it is staged: what moved, the mappings concerned, our unanswered writes.

    `nameless` holds mappings of occurrences that the service has not named yet, by (series, slot).
    `strange` names the writes of ours, by their marks, that this database should know and does not.
    """

    news: list[Sighting]
    known: dict[str, Mapping]
    attempts: dict[str, SyncItem]
    nameless: dict[tuple[str, str], Mapping] = field(default_factory=dict)
    fresh: dict[str, Copy] = field(default_factory=dict)
    touched: list[Mapping] = field(default_factory=list)
    strange: frozenset[str] = frozenset()


_TREE = ("version", "ordinal", "parent", "slot", "base", "base_hash", "remote", "remote_hash")
_SEEN = ("facts", "raw", "partial", "obstacle", "evidence", "unanswered", "seen_at", "remote_id")
_RETRY = ("attempts", "next_attempt_at", "tried_revision", "last_error")
_COLUMNS = (*_TREE, *_SEEN, *_RETRY)

# Of the records of one page that cannot be read, so many are named in the log.
MOST_NAMED = 20


def stage(run: Run, batch: Batch) -> None:
    """Write one batch into the remote trees, with the cursor if it is the last one.

    Must run inside `run.commit()`. An observation that is older than what is known changes nothing.
    """
    page = _open_page(run, batch.sightings)
    for sighting in page.news:
        _absorb(run, page, sighting)
    _let_exceptions_go(run, page, batch.sightings)
    _save(run, page)
    if page.strange:
        distrust(run)
    for intent in batch.answered:
        _close_unanswered(run, intent)
    if batch.unreadable:
        run.count("unreadable", len(batch.unreadable))
        named = {clean(bad.remote_id): clean(bad.problem) for bad in batch.unreadable[:MOST_NAMED]}
        run.log("warning", "unreadable_records", number=len(batch.unreadable), records=named)
    if batch.cursor is not None:
        _forget_strays(run)
        _save_cursor(run, batch)


def _let_exceptions_go(run: Run, page: _Page, sightings: Sequence[Sighting]) -> None:
    """An exception that its series, as it is now, does not name any more is gone."""
    news = {id(sighting) for sighting in page.news}
    named = {
        s.copy.remote_id: s.copy.occurrences
        for s in sightings
        if s.copy.occurrences is not None and s.copy.fields is not None
        if s.strong or id(s) in news
    }
    if not named:
        return
    known = Mapping.objects.filter(collection=run.collection).parts_of(named)
    for mapping in known.exclude(remote_hash="").exclude(remote_id="").order_by("pk"):
        if mapping.remote_id not in named[mapping.parent]:
            page.known[mapping.remote_id] = mapping
            gone = Copy(mapping.remote_id, evidence=DROPPED)
            _absorb(run, page, Sighting(gone, strong=True))


def _forget_strays(run: Run) -> None:
    """Forget new cancelled occurrences whose series is not here; it may have come after them."""
    here = Mapping.objects.filter(collection=run.collection)
    new = here.filter(item=None, base_hash="", remote={"status": "cancelled"}).exclude(parent="")
    if new.exists():
        new.exclude(parent__in=here.values("remote_id")).delete()


def absorb_answers(
    run: Run, answers: Sequence[tuple[Mapping, Copy]], closing: Container[str]
) -> None:
    """Write strong observations of known copies into their mappings (not yet saved).

    `closing` names the writes whose answers these are: they need no mark to be proven.
    """
    others = [c for _, c in answers if not (c.mark and c.mark.attempt in closing)]
    known = {copy.remote_id: mapping for mapping, copy in answers}
    page = _Page([], known, _attempts(run, others))
    for _, copy in answers:
        _absorb(run, page, Sighting(copy, strong=True))


def save_mappings(mappings: Iterable[Mapping], *more: str) -> None:
    """Save the staged columns of mappings, and more if asked to."""
    columns = (*_COLUMNS, *more)
    values = attrgetter(*columns, "pk")
    bulk.update_together(Mapping, columns, map(values, mappings))


def _open_page(run: Run, sightings: Sequence[Sighting]) -> _Page:
    """Load what the batch needs: little about every copy, everything about those that moved."""
    seen = known_copies(run, [s.copy.remote_id for s in sightings])
    news = [s for s in sightings if _is_news(seen.get(s.copy.remote_id, Known()), s)]
    ids = [s.copy.remote_id for s in news if s.copy.remote_id in seen]
    mine = Mapping.objects.filter(collection=run.collection)
    known = {mapping.remote_id: mapping for mapping in mine.named(ids)} if ids else {}
    copies = [s.copy for s in news]
    attempts, nameless = _attempts(run, copies), _unnamed(run, copies)
    return _Page(news, known, attempts, nameless, strange=strange_marks(run, copies))


def _unnamed(run: Run, copies: Sequence[Copy]) -> dict[tuple[str, str], Mapping]:
    parents = {copy.parent for copy in copies if copy.parent}
    if not parents:
        return {}
    rows = Mapping.objects.filter(collection=run.collection, remote_id="").parts_of(parents)
    return {(mapping.parent, mapping.slot): mapping for mapping in rows}


def _is_news(known: Known, sighting: Sighting) -> bool:
    return weigh(known, sighting.copy, strong=sighting.strong) is Verdict.NEWS


def _attempts(run: Run, copies: Iterable[Copy]) -> dict[str, SyncItem]:
    """Return our writes whose marks these copies bear, unless they are known to be done.

    A mark proves that its write arrived, even one that we had taken for refused or lost.
    """
    ids = {c.mark.attempt for c in copies if c.mark and not c.mark.inherited}
    if not ids:
        return {}
    unproven = SyncItem.objects.exclude(state=SyncItem.State.DONE).filter(
        pk__in=[uuid.UUID(i) for i in ids],
        operation__collection=run.collection,
        mapping__isnull=False,
    )
    return {item.pk.hex: item for item in unproven.select_related("mapping")}


def _absorb(run: Run, page: _Page, sighting: Sighting) -> None:
    copy = sighting.copy
    mapping = page.known.get(copy.remote_id) or _nameless(page, copy)
    if mapping is None:
        if copy.fields is not None and _wanted(run, page, copy):
            page.fresh[copy.remote_id] = copy
        return
    known = trees.known(mapping)
    if not _is_news(known, sighting):
        return
    copy = _shared(run, copy) if mapping.away else copy
    proven = _proven(page, mapping, known, copy)
    if proven and proof.proof_in(known, copy) is proof.Proof.NAME:
        journal.keep_unproven(run, mapping, proven)
    _acknowledge(run, mapping, proven)
    if known.partial and copy.fields is not None and not copy.partial:
        # What our side did to a hidden field was passed over.
        _look_at_local_again(mapping)
    trees.show(mapping, copy, now=run.clock(), conditional=run.provider.traits.conditional)
    page.touched.append(mapping)


def _shared(run: Run, copy: Copy) -> Copy:
    """Leave out of a copy away from home what was never shared: that is its own affair."""
    return replace(copy, fields=only(copy.fields, run.kind.shared)) if copy.fields else copy


def _nameless(page: _Page, copy: Copy) -> Mapping | None:
    """Find the mapping whose copy was written but never answered, so that it has no name yet."""
    attempt = page.attempts.get(copy.mark.attempt) if copy.mark else None
    if attempt and attempt.mapping and attempt.mapping.remote_id in ("", copy.remote_id):
        return attempt.mapping
    if not copy.parent or copy.fields is None:
        return None
    mapping = page.nameless.get((copy.parent, copy.slot))
    return mapping if mapping and mapping.remote_id in ("", copy.remote_id) else None


def _wanted(run: Run, page: _Page, copy: Copy) -> bool:
    """Say whether a copy that we never saw is to be taken in."""
    ours = copy.mark is not None and copy.mark.attempt in page.attempts
    covered = copy.fields is not None and run.provider.covers(copy.fields)
    # In a circle what is there already may be linked, also where nothing is taken in.
    in_circle = run.collection.circle_id is not None
    direction = Direction.TWO_WAY if in_circle else Direction(run.collection.direction)
    verdict = proof.welcome(copy, direction=direction, ours=ours, covered=covered)
    if verdict is not proof.Welcome.TAKE_IN and copy.parent and _in_our_block(run, copy.parent):
        return True
    if verdict is proof.Welcome.UNCLAIMED:
        run.count("unclaimed")
    return verdict is proof.Welcome.TAKE_IN


def _in_our_block(run: Run, series: str) -> bool:
    """Say whether a series is a busy block of ours: a person changed an occurrence of it."""
    of_it = Mapping.objects.filter(collection=run.collection, remote_id=series)
    return of_it.filter(
        item__event__busy_rule__isnull=False, item__deleted_at=None, base__isnull=False
    ).exists()


def _proven(page: _Page, mapping: Mapping, known: Known, copy: Copy) -> SyncItem | None:
    """Find the write of ours that this copy shows to have arrived, if any.

    If only its name speaks, and there are several creations, we take the oldest, so that what a
    person wrote locally after it counts as not yet seen by whoever deleted the copy.
    """
    match proof.proof_in(known, copy):
        case proof.Proof.MARK if copy.mark:
            return page.attempts.get(copy.mark.attempt)
        case proof.Proof.NAME:
            made = SyncItem.objects.filter(mapping=mapping, side="remote", action="create")
            # What was refused did not arrive; what else is there may have.
            open_ones = made.filter(state__in=[SyncItem.State.INTENDED, SyncItem.State.LOST])
            return open_ones.order_by("created_at", "pk").first()
        case _:
            return None


def _acknowledge(run: Run, mapping: Mapping, attempt: SyncItem | None) -> None:
    """The payload of a write that has proven to have arrived is the base."""
    if attempt is None:
        return
    if attempt.state != SyncItem.State.INTENDED:
        _look_at_local_again(mapping)
    after = attempt.after
    trees.set_base(mapping, only(after, run.kind.shared) if after and mapping.away else after)
    mapping.unanswered = False
    attempt.state = SyncItem.State.DONE
    attempt.evidence = attempt.evidence or "found its mark"
    journal.close_proven(run, attempt)
    attempt.closed_at = run.clock()
    attempt.save(update_fields=["state", "evidence", "closed_at"])


def _look_at_local_again(mapping: Mapping) -> None:
    """Plans were made as if this write had not arrived; what they found in step may not be."""
    Item.objects.filter(mappings=mapping).update(pending=True)
    Mapping.objects.filter(pk=mapping.pk).update(synced_revision=0)


def _save(run: Run, page: _Page) -> None:
    save_mappings(page.touched)
    unclaimed = _unclaimed(run, page)
    welcome = [copy for copy in page.fresh.values() if copy.remote_id not in unclaimed]
    _insert(run, first_sight.take_in(run, welcome))
    _insert(run, [page.fresh[name] for name in unclaimed], unclaimed=True)
    dead = [m.remote_id for m in page.touched if not m.remote_hash and m.remote_id]
    if dead:
        drop_occurrences(run, dead)


def _unclaimed(run: Run, page: _Page) -> list[str]:
    """Name the new copies that we made and forgot: their items may still claim them."""
    if not page.fresh:
        return []
    ours = [c for c in page.fresh.values() if c.mark and c.mark.attempt in page.strange]
    parents = {copy.parent for copy in page.fresh.values() if copy.parent}
    waiting = Mapping.objects.filter(collection=run.collection, unclaimed=True).named(parents)
    names = {copy.remote_id for copy in ours}
    names |= set(waiting.values_list("remote_id", flat=True)) if parents else set()
    return [n for n, copy in page.fresh.items() if n in names or copy.parent in names]


def drop_occurrences(run: Run, series: Sequence[str]) -> None:
    """A series that is gone took its exceptions along, whether or not a listing says so.

    Of those that are deleted here as well, both sides agree at once.
    """
    orphans = Mapping.objects.filter(collection=run.collection).parts_of(series)
    orphans = orphans.exclude(remote_hash="")
    gone = {"remote_hash": "", "remote": None, "seen_at": run.clock()}
    gone["evidence"] = "its series was deleted"
    orphans.filter(item__deleted_at__isnull=False).update(**gone, base_hash="", base=None)
    orphans.update(**gone)


_FRESH = (
    "id",
    "collection",
    "item",
    "predecessor",
    "synced_revision",
    "unclaimed",
    *_COLUMNS,
)


def _insert(run: Run, copies: Sequence[Copy], *, unclaimed: bool = False) -> None:
    """Insert mappings for copies that were never seen before."""
    if not copies:
        return
    now = run.clock()
    bulk.insert(Mapping, _FRESH, (_fresh_row(run, copy, now, unclaimed) for copy in copies))
    run.count("seen_first", len(copies))


def _fresh_row(run: Run, copy: Copy, now: Any, unclaimed: bool) -> tuple[Any, ...]:
    values: Map[str, Any] = {
        "id": time_ordered_uuid(),
        "collection": run.collection.pk,
        "item": None,
        "predecessor": "",
        "synced_revision": 0,
        "unclaimed": unclaimed,
        "version": copy.version,
        "ordinal": copy.ordinal,
        "parent": copy.parent,
        "slot": copy.slot,
        "base": None,
        "base_hash": "",
        "remote": bulk.dumps(copy.fields),
        "remote_hash": fingerprint(copy.fields),
        "facts": bulk.dumps(copy.facts),
        "raw": bulk.dumps(copy.raw),
        "obstacle": copy.obstacle,
        "partial": copy.partial,
        "evidence": "",
        "unanswered": False,
        "seen_at": now,
        "remote_id": copy.remote_id,
        "attempts": 0,
        "tried_revision": 0,
        "next_attempt_at": None,
        "last_error": "",
    }
    return tuple(values[name] for name in _FRESH)


def _close_unanswered(run: Run, intent: SyncItem) -> None:
    """Close an intent that a read by id has looked after, unless its mark was found.

    Of one that is lost, the mapping remembers the doubt until its mark is found after all.
    """
    intent.refresh_from_db()
    if intent.state != SyncItem.State.INTENDED:
        return
    mapping = intent.mapping
    there = mapping is None or bool(mapping.remote_hash)
    done = proof.proven_by_absence(intent.action, there=there)
    intent.state = SyncItem.State.DONE if done else SyncItem.State.LOST
    intent.closed_at = run.clock()
    intent.save(update_fields=["state", "closed_at"])
    client_ids = run.provider.traits.client_ids
    if (
        mapping is not None
        and not done
        and proof.leaves_doubt(intent.action, client_ids=client_ids)
    ):
        Mapping.objects.filter(pk=mapping.pk).update(unanswered=True)


def _save_cursor(run: Run, batch: Batch) -> None:
    collection = run.collection
    collection.cursor, collection.cursor_shape = batch.cursor or "", shape_of(run)
    changed = ["cursor", "cursor_shape"]
    if batch.cursor:
        collection.caught_up_at = run.clock()
        changed.append("caught_up_at")
    if batch.complete:
        collection.listed_at = run.clock()
        run.operation.complete_listing = True
        changed.append("listed_at")
        changed += trust_again(run)
        wake(collection)
    collection.save_fields(changed)
