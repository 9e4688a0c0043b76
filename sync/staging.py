"""Stage: write what was seen into the remote trees; nothing is decided here."""

import uuid
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import Any

from calendars import bulk
from calendars.models import Item, time_ordered_uuid
from sync import first_sight
from sync.core.absorb import Known, Verdict, overlay, weigh
from sync.core.provider import Copy
from sync.core.records import Direction, Fields, fingerprint
from sync.models import Mapping, SyncItem
from sync.observing import Batch, Sighting, known_copies, remote_tree, shape_of
from sync.run import Run


@dataclass(slots=True)
class _Page:
    """One batch while it is staged: what moved, the mappings concerned, our unanswered writes.

    `nameless` holds mappings of occurrences that the service has not named yet, by (series, slot).
    """

    news: list[Sighting]
    known: dict[str, Mapping]
    attempts: dict[str, SyncItem]
    nameless: dict[tuple[str, str], Mapping] = field(default_factory=dict)
    fresh: dict[str, Copy] = field(default_factory=dict)
    touched: list[Mapping] = field(default_factory=list)


_TREE = ("version", "ordinal", "parent", "slot", "base", "base_hash", "remote", "remote_hash")
_SEEN = ("facts", "raw", "partial", "obstacle", "evidence", "unanswered", "seen_at", "remote_id")
_RETRY = ("attempts", "next_attempt_at", "tried_revision", "last_error")
_COLUMNS = (*_TREE, *_SEEN, *_RETRY)
_JSON = frozenset({"base", "remote", "facts", "raw"})


def stage(run: Run, batch: Batch) -> None:
    """Write one batch into the remote trees, with the cursor if it is the last one.

    Must run inside `run.commit()`. An observation that is older than what is known changes nothing.
    """
    page = _open_page(run, batch.sightings)
    for sighting in page.news:
        _absorb(run, page, sighting)
    _save(run, page)
    for intent in batch.answered:
        _close_unanswered(run, intent)
    if batch.unreadable:
        run.count("unreadable", batch.unreadable)
        run.log("warning", "unreadable_records", number=batch.unreadable)
    if batch.cursor is not None:
        _forget_strays(run)
        _save_cursor(run, batch)


def _forget_strays(run: Run) -> None:
    """Forget new cancelled occurrences whose series is not here; it may have come after them."""
    here = Mapping.objects.filter(collection=run.collection)
    new = here.filter(item=None, base_hash="", remote={"status": "cancelled"}).exclude(parent="")
    new.exclude(parent__in=here.values("remote_id")).delete()


def absorb_answer(run: Run, mapping: Mapping, copy: Copy) -> None:
    """Write one strong observation of a known copy into its mapping (not yet saved)."""
    page = _Page([], {copy.remote_id: mapping}, _attempts(run, [copy]))
    _absorb(run, page, Sighting(copy, strong=True))


def save_mappings(mappings: Iterable[Mapping]) -> None:
    """Save the staged columns of mappings."""
    bulk.update(Mapping, _COLUMNS, (_row(mapping) for mapping in mappings))


def _row(mapping: Mapping) -> tuple[Any, ...]:
    values = (getattr(mapping, name) for name in _COLUMNS)
    pairs = zip(_COLUMNS, values, strict=True)
    return (*(bulk.dumps(v) if n in _JSON else v for n, v in pairs), mapping.pk)


def _open_page(run: Run, sightings: Sequence[Sighting]) -> _Page:
    """Load what the batch needs: little about every copy, everything about those that moved."""
    seen = known_copies(run, [s.copy.remote_id for s in sightings])
    news = [s for s in sightings if _is_news(seen.get(s.copy.remote_id, Known()), s)]
    ids = [s.copy.remote_id for s in news]
    rows = Mapping.objects.filter(collection=run.collection, remote_id__in=ids)
    known = {mapping.remote_id: mapping for mapping in rows}
    copies = [s.copy for s in news]
    return _Page(news, known, _attempts(run, copies), _unnamed(run, copies))


def _unnamed(run: Run, copies: Sequence[Copy]) -> dict[tuple[str, str], Mapping]:
    parents = {copy.parent for copy in copies if copy.parent}
    if not parents:
        return {}
    rows = Mapping.objects.filter(collection=run.collection, parent__in=parents, remote_id="")
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
    there: Fields | None = {} if mapping.remote_hash else None
    known = Known(mapping.version, mapping.ordinal, there, True, mapping.partial)
    if not _is_news(known, sighting):
        return
    _acknowledge(run, mapping, _proven(page, mapping, known, copy))
    write_remote(run, mapping, copy)
    page.touched.append(mapping)


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
    """Say whether a copy that we never saw is to be taken in.

    Not if it is ours and nothing claims it: a busy block whose rule this database does not know, or
    a second copy that a worker wrote after it had been given up for lost. Cleanup removes those.
    A cancelled occurrence shows no times to go by: it is wanted wherever its series is.
    """
    if copy.mark and (copy.mark.rule or copy.mark.attempt in page.attempts):
        run.count("unclaimed")
        return False
    if run.collection.direction == Direction.PUSH:
        return False
    return copy.partial or run.provider.covers(copy.fields or {})


def _proven(page: _Page, mapping: Mapping, known: Known, copy: Copy) -> SyncItem | None:
    """Find the write of ours that this copy shows to have arrived, if any.

    Its mark says so. A tombstone may no longer bear one: if it is the first that we hear of a copy
    that we named, the creation arrived; of several, we take the oldest, so that what a person wrote
    locally after it counts as not yet seen by whoever deleted the copy.
    """
    if copy.mark and not copy.mark.inherited:
        return page.attempts.get(copy.mark.attempt)
    if known.ever_seen or copy.fields is not None:
        return None
    creations = SyncItem.objects.filter(mapping=mapping, side="remote", action="create")
    return creations.exclude(state=SyncItem.State.DONE).order_by("created_at", "pk").first()


def _acknowledge(run: Run, mapping: Mapping, attempt: SyncItem | None) -> None:
    """The payload of a write that has proven to have arrived is the base."""
    if attempt is None:
        return
    if attempt.state != SyncItem.State.INTENDED:
        _look_at_local_again(mapping)
    set_base(mapping, attempt.after)
    mapping.unanswered = False
    attempt.state = SyncItem.State.DONE
    attempt.evidence = attempt.evidence or "found its mark"
    attempt.closed_at = run.clock()
    attempt.save(update_fields=["state", "evidence", "closed_at"])


def _look_at_local_again(mapping: Mapping) -> None:
    """Plans were made as if this write had not arrived; what they found in step may not be."""
    Item.objects.filter(mappings=mapping).update(pending=True)
    Mapping.objects.filter(pk=mapping.pk).update(synced_revision=0)


def set_base(mapping: Mapping, fields: Fields | None) -> None:
    """Move what both sides agreed on, keeping the remote tree as it is."""
    remote = remote_tree(mapping)
    mapping.base, mapping.base_hash = fields, fingerprint(fields)
    mapping.remote = None if mapping.remote_hash == mapping.base_hash else remote


def write_remote(run: Run, mapping: Mapping, copy: Copy) -> None:
    """Let a mapping's remote tree be what the copy shows."""
    fields = overlay(remote_tree(mapping), copy, mapping.base)
    mapping.remote_hash = fingerprint(fields)
    mapping.remote = None if mapping.remote_hash == mapping.base_hash else fields
    mapping.remote_id = copy.remote_id
    mapping.version = copy.version or mapping.version
    mapping.ordinal = copy.ordinal or mapping.ordinal
    mapping.seen_at = run.clock()
    mapping.evidence = copy.evidence
    mapping.attempts, mapping.next_attempt_at, mapping.last_error = 0, None, ""
    if copy.fields is not None:
        # A write that rested on an older version can no longer arrive.
        mapping.unanswered = mapping.unanswered and not run.provider.traits.conditional
        mapping.parent, mapping.slot = copy.parent or mapping.parent, copy.slot or mapping.slot
        mapping.facts, mapping.raw = dict(copy.facts), copy.raw
        mapping.obstacle, mapping.partial = copy.obstacle, copy.partial


def _save(run: Run, page: _Page) -> None:
    save_mappings(page.touched)
    _insert(run, first_sight.take_in(run, list(page.fresh.values())))
    dead = [m.remote_id for m in page.touched if not m.remote_hash and m.remote_id]
    if dead:
        drop_occurrences(run, dead)


def drop_occurrences(run: Run, series: Sequence[str]) -> None:
    """A series that is gone took its exceptions along, whether or not a listing says so.

    Of those that are deleted here as well, both sides agree at once.
    """
    orphans = Mapping.objects.filter(collection=run.collection, parent__in=series)
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
    *_COLUMNS,
)


def _insert(run: Run, copies: Sequence[Copy]) -> None:
    """Insert mappings for copies that were never seen before."""
    now = run.clock()
    bulk.insert(Mapping, _FRESH, (_fresh_row(run, copy, now) for copy in copies))
    if copies:
        run.count("seen_first", len(copies))


def _fresh_row(run: Run, copy: Copy, now: Any) -> tuple[Any, ...]:
    values: Map[str, Any] = {
        "id": time_ordered_uuid(),
        "collection": run.collection.pk,
        "item": None,
        "predecessor": "",
        "synced_revision": 0,
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

    A deletion is proven by a tombstone. Anything else is lost: it may still arrive, from a worker
    that was asleep, so its mark is recognised for ever; until then the mapping remembers the doubt.
    """
    intent.refresh_from_db()
    if intent.state != SyncItem.State.INTENDED:
        return
    mapping = intent.mapping
    deleted = intent.action == "delete" and mapping is not None and not mapping.remote_hash
    intent.state = SyncItem.State.DONE if deleted else SyncItem.State.LOST
    intent.closed_at = run.clock()
    intent.save(update_fields=["state", "closed_at"])
    if mapping is not None and not deleted and leaves_doubt(run, intent):
        Mapping.objects.filter(pk=mapping.pk).update(unanswered=True)


def leaves_doubt(run: Run, intent: SyncItem) -> bool:
    """Say if an unanswered write could have been undone by a person without a trace of it.

    Not a creation under a name of ours: the name, alive or dead, tells whether it arrived.
    """
    return intent.action != "create" or not run.provider.traits.client_ids


def _save_cursor(run: Run, batch: Batch) -> None:
    collection = run.collection
    collection.cursor, collection.cursor_shape = batch.cursor or "", shape_of(run)
    changed = ["cursor", "cursor_shape"]
    if batch.complete:
        collection.listed_at = run.clock()
        run.operation.complete_listing = True
        changed.append("listed_at")
    collection.save_fields(changed)
