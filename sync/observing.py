"""Fetch: look at a collection and bring home what was seen, without changing anything."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sync.core import trees
from sync.core.absorb import Known, Verdict, weigh
from sync.core.guard import too_many_missing
from sync.core.provider import Copy, Page, Refusal, Remedy, Unreadable, WriteKind
from sync.echoes import without_echoes
from sync.models import Mapping, SyncItem
from sync.restoring import needs_listing
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
    unreadable: Sequence[Unreadable] = ()


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
    fits = fits and not needs_listing(run.collection)
    if run.collection.cursor and fits:
        try:
            yield from _listing(run, run.collection.cursor)
            return
        except Refusal as refusal:
            if refusal.remedy is not Remedy.RESYNC:
                raise
            # Given up for good: whatever answers next may be another calendar under the same name.
            yield Batch([], cursor="")
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
        named = list(_read(run, intent.remote_id)) if intent.remote_id else []
        if named or not intent.remote_id:
            yield Batch(named, answered=[intent])


def _read(run: Run, remote_id: str) -> Iterator[Sighting]:
    """Read a copy by id; nothing is seen of one that is there and cannot be understood."""
    try:
        yield Sighting(run.provider.read(remote_id), strong=True)
    except Refusal as refusal:
        if refusal.remedy is not Remedy.PARK:
            raise
        run.log("warning", "unreadable_records", number=1)


def _listing(run: Run, cursor: str, seen: set[str] | None = None) -> Iterator[Batch]:
    """Yield the pages of one listing, with unclear copies read by id."""
    gone: set[str] = set()
    for page in (without_echoes(run, page) for page in run.provider.changes(cursor)):
        if seen is not None and run.collection.cursor:
            # It may lag behind what the old cursor covers: whoever breaks off starts from nothing.
            yield Batch([], cursor="")
        if seen is not None:
            seen.update(copy.remote_id for copy in page.copies)
            seen.update(bad.remote_id for bad in page.unreadable)
        last = page.cursor is not None and seen is None
        sightings = list(_clear(run, page, gone))
        yield Batch(sightings, page.cursor if last else None, unreadable=page.unreadable)
        if page.cursor is not None and seen is not None:
            yield Batch(list(_missing(run, seen)), page.cursor, complete=True)


def _complete_listing(run: Run) -> Iterator[Batch]:
    """List everything; the cursor comes with the last batch, after the missing were looked for."""
    yield from _listing(run, "", seen=set())


def _clear(run: Run, page: Page, gone: set[str]) -> Iterator[Sighting]:
    """Replace each copy that is neither older nor newer than what we know by a read by id.

    So it is with one that a page shows twice, or that shows up after the same listing called it
    `gone`. Adds to `gone` what this page does.
    """
    times = Counter(copy.remote_id for copy in page.copies)
    known = known_copies(run, list(times))
    for remote_id, copy in {copy.remote_id: copy for copy in page.copies}.items():
        verdict = weigh(known.get(remote_id, Known()), copy, strong=page.strong)
        if verdict is Verdict.UNCLEAR or times[remote_id] > 1 or remote_id in gone:
            yield from _read(run, remote_id)
        else:
            yield Sighting(copy, strong=page.strong)
    gone.update(copy.remote_id for copy in page.copies if copy.fields is None)


def known_copies(run: Run, remote_ids: Sequence[str]) -> dict[str, Known]:
    """Return what is known of these copies, as far as weighing an observation needs it."""
    if not remote_ids:
        return {}
    rows = Mapping.objects.filter(collection=run.collection).named(remote_ids)
    return {
        remote_id: Known(version, ordinal, {} if remote_hash else None, True, partial)
        for remote_id, version, ordinal, remote_hash, partial in rows.values_list(
            "remote_id", "version", "ordinal", "remote_hash", "partial"
        )
    }


def _missing(run: Run, seen: set[str]) -> Iterator[Sighting]:
    """Read by id each copy that a complete listing should have shown and did not.

    So, too, what was given up for lost: it may have arrived, and the cursor lies past it.
    """
    rows = Mapping.objects.filter(collection=run.collection).exclude(remote_hash="")
    known = list(rows.exclude(remote_id="").values_list("remote_id", flat=True).iterator())
    covered = list(_covered(run, sorted(name for name in known if name not in seen)))
    limits = limits_of(run.collection)
    if too_many_missing(len(covered), len(known), limits) and not run.released:
        raise SuspiciousListing(
            f"a complete listing lacks {len(covered)} of {len(known)} known copies"
        )
    for remote_id in [*covered, *_given_up(run, seen)]:
        yield from _read(run, remote_id)


def _given_up(run: Run, seen: set[str]) -> list[str]:
    """Name the copies whose creation was given up for lost and that nobody saw alive since."""
    lost = SyncItem.objects.filter(
        state=SyncItem.State.LOST,
        action=WriteKind.CREATE,
        mapping__collection=run.collection,
        mapping__remote_hash="",
    )
    names = lost.exclude(remote_id="").order_by().values_list("remote_id", flat=True)
    return sorted(set(names) - seen)


def _covered(run: Run, remote_ids: Sequence[str]) -> Iterator[str]:
    """Yield those that lie within what a complete listing shows."""
    columns = ("remote_id", "base", "base_hash", "remote", "remote_hash")
    for start in range(0, len(remote_ids), _CHUNK):
        chunk = remote_ids[start : start + _CHUNK]
        rows = Mapping.objects.filter(collection=run.collection).named(chunk).only(*columns)
        for mapping in rows.order_by("remote_id"):
            if run.provider.covers(trees.remote_tree(mapping) or {}):
                yield mapping.remote_id


_CHUNK = 1_000
