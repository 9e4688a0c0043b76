"""Fetch: look at a collection and bring home what was seen, without changing anything."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sync.core.absorb import Known, Verdict, weigh
from sync.core.provider import Copy, Refusal, Remedy
from sync.models import Mapping, SyncItem
from sync.run import Run, limits_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One observation of a copy; `strong` if it was read by id, so that it cannot lag behind."""

    copy: Copy
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call brought home; `cursor` is set on the last batch of a listing.

    `answered` names the intents that a read by id has looked after, found or not.
    """

    sightings: Sequence[Sighting]
    cursor: str | None = None
    complete: bool = False
    answered: Sequence[SyncItem] = ()
    unreadable: int = 0


class SuspiciousListing(Exception):
    """A complete listing lacks so many known copies that it is not believed."""


def observe(run: Run) -> Iterator[Batch]:
    """Yield everything that has to be looked at, in the order in which it must be staged.

    First the copies whose last write was never answered, then what changed since the cursor; with
    no cursor, or a dead one, everything, and then each known copy that was missing, read by id.
    Raises `Refusal` when the service does not answer, and `SuspiciousListing`.
    """
    yield from _unanswered(run)
    fits = run.collection.cursor_shape == shape_of(run) and not run.complete
    if run.collection.cursor and fits:
        try:
            yield from _listing(run, run.collection.cursor)
            return
        except Refusal as refusal:
            if refusal.remedy is not Remedy.RESYNC:
                raise
    yield from _complete_listing(run)


def shape_of(run: Run) -> str:
    """Return what a cursor is bound to: the exact request, and the direction staged under."""
    return f"{run.provider.shape};{run.collection.direction}"


def _unanswered(run: Run) -> Iterator[Batch]:
    """Read each copy that an earlier run may or may not have written to."""
    intents = SyncItem.objects.filter(
        operation__collection=run.collection, state=SyncItem.State.INTENDED
    )
    for intent in intents.order_by("created_at"):
        named = (
            [Sighting(run.provider.read(intent.remote_id), strong=True)] if intent.remote_id else []
        )
        yield Batch(named, answered=[intent])


def _listing(run: Run, cursor: str, seen: set[str] | None = None) -> Iterator[Batch]:
    """Yield the pages of one listing, with unclear copies read by id."""
    for page in run.provider.changes(cursor):
        if seen is not None:
            seen.update(copy.remote_id for copy in page.copies)
            seen.update(bad.remote_id for bad in page.unreadable)
        last = page.cursor is not None and seen is None
        sightings = list(_clear(run, page.copies))
        yield Batch(sightings, page.cursor if last else None, unreadable=len(page.unreadable))
        if page.cursor is not None and seen is not None:
            yield Batch(list(_missing(run, seen)), page.cursor, complete=True)


def _complete_listing(run: Run) -> Iterator[Batch]:
    """List everything; the cursor comes with the last batch, after the missing were looked for."""
    yield from _listing(run, "", seen=set())


def _clear(run: Run, copies: Iterable[Copy]) -> Iterator[Sighting]:
    """Replace each copy that is neither older nor newer than what we know by a read by id."""
    copies = list(copies)
    known = known_copies(run, [copy.remote_id for copy in copies])
    for copy in copies:
        verdict = weigh(known.get(copy.remote_id, Known()), copy, strong=False)
        if verdict is Verdict.UNCLEAR:
            yield Sighting(run.provider.read(copy.remote_id), strong=True)
        else:
            yield Sighting(copy)


def known_copies(run: Run, remote_ids: Sequence[str]) -> dict[str, Known]:
    """Return what is known of these copies, as far as weighing an observation needs it."""
    rows = Mapping.objects.filter(collection=run.collection, remote_id__in=remote_ids)
    return {
        remote_id: Known(version, ordinal, {} if remote_hash else None)
        for remote_id, version, ordinal, remote_hash in rows.values_list(
            "remote_id", "version", "ordinal", "remote_hash"
        )
    }


def _missing(run: Run, seen: set[str]) -> Iterator[Sighting]:
    """Read by id each copy that a complete listing should have shown and did not."""
    rows = Mapping.objects.filter(collection=run.collection).exclude(remote_hash="")
    known = list(rows.exclude(remote_id="").values_list("remote_id", flat=True).iterator())
    missing = [remote_id for remote_id in known if remote_id not in seen]
    covered = [remote_id for remote_id in missing if _was_covered(run, remote_id)]
    limits = limits_of(run.collection)
    most = max(limits.always, min(limits.most, int(limits.share_per_day * len(known))))
    if len(covered) > most and not run.released:
        raise SuspiciousListing(
            f"a complete listing lacks {len(covered)} of {len(known)} known copies"
        )
    for remote_id in covered:
        yield Sighting(run.provider.read(remote_id), strong=True)


def _was_covered(run: Run, remote_id: str) -> bool:
    mapping = Mapping.objects.get(collection=run.collection, remote_id=remote_id)
    return run.provider.covers(remote_tree(mapping) or {})


def remote_tree(mapping: Mapping) -> dict[str, object] | None:
    """Return the remote tree of a mapping, which is stored only where it differs from the base."""
    if not mapping.remote_hash:
        return None
    return mapping.base if mapping.remote_hash == mapping.base_hash else mapping.remote
