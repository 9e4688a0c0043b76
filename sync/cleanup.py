"""Clean up: busy blocks that belong to nothing any more, orphaned rows, and what has expired."""

from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.db.models import Q

from calendars.models import BusyRule, Item
from integrations.models import Account, Collection
from sync.core.provider import Copy, Provider
from sync.core.records import Direction
from sync.errands import Errand
from sync.models import Mapping
from sync.planning import CLEANUP
from sync.removal import blocks_in, remove, retire, settle
from sync.reports import Clock, Watch
from sync.retention import purge
from sync.run import Run, Step, Steps

_UNCLAIMED = "nothing here claims it"
_ORPHANED = "the block belongs to nothing"


def cleanup_orphaned(
    *, collections: Sequence[Collection], clock: Clock, watch: Watch | None = None
) -> list[Errand]:
    """Clean up calendar by calendar; one calendar's trouble is its own.

    Here, blocks whose source or rule is gone are deleted (the next sync deletes their copies), and
    expired rows go. There, copies with a genuine mark go that no mapping of ours claims; only in
    calendars that take part and may be written to, and only under the lease.
    """
    errands = [Errand(collection, CLEANUP, clock) for collection in collections]
    for errand in errands:
        _tidy(errand)
        if _is_written_to(errand.collection):
            errand.run(partial(_remove_strays, errand), watch)
        errand.close()
    return errands


def preview_cleanup(*, collections: Sequence[Collection], clock: Clock) -> list[Errand]:
    """Say what a cleanup would do now, and change nothing, here or there."""
    errands = [Errand(collection, CLEANUP, clock) for collection in collections]
    for errand in errands:
        if _is_written_to(errand.collection):
            errand.look(partial(strays_in, errand.collection))
    with transaction.atomic():
        for errand in errands:
            _tidy(errand)
        transaction.set_rollback(True)
    for errand in errands:
        errand.operation = None
    return errands


def _is_written_to(collection: Collection) -> bool:
    """Say whether cleanup may delete anything at the service."""
    takes_part = collection.selected and collection.gone_at is None
    active = collection.account.state == Account.State.ACTIVE
    return takes_part and active and collection.direction != Direction.PULL


def _tidy(errand: Errand) -> None:
    """Do the part that needs no service: no lease is taken, no row is waited for."""
    operation, now = errand.open(), errand.clock()
    counts = {"local.delete": _retire_orphans(errand)}
    counts |= {f"purged.{what}": number for what, number in purge(errand.collection, now).items()}
    operation.counts = {what: number for what, number in counts.items() if number}
    errand.counts = operation.counts


def _retire_orphans(errand: Errand) -> int:
    """Delete blocks here whose rule, source or series is gone, unless a person wanted to keep them.

    The block of an exception may outlive its source: it then shows what the series would.
    """
    blocks = Item.objects.filter(home=errand.collection, event__busy_rule__isnull=False)
    blocks = blocks.exclude(event__busy_rule__removal__in=BusyRule.KEPT)
    gone = (
        ("its rule was taken away", Q(event__busy_rule__removed_at__isnull=False)),
        ("its source was deleted", Q(event__series=None, event__source__deleted_at__isnull=False)),
        ("its series was deleted", Q(event__series__deleted_at__isnull=False)),
    )
    return sum(
        retire(errand.open(), blocks.filter(which), _ORPHANED, why, errand.clock())
        for why, which in gone
    )


def _remove_strays(errand: Errand, run: Run) -> Steps:
    yield from settle(run)
    strays = strays_in(errand.collection, run.provider)
    errand.found = len(strays)
    yield Step("found", len(strays))
    yield from remove(run, strays, _UNCLAIMED)


def strays_in(collection: Collection, provider: Provider) -> list[Copy]:
    """Return the blocks of ours in a calendar that no mapping claims.

    They were left by a database that was lost, or by a worker whose write had been given up. The
    same calendar may be connected through several accounts; any of them may claim a block. An
    occurrence in a series that is claimed is the next sync's affair.
    """
    blocks = blocks_in(provider)
    names = {copy.remote_id for copy in blocks} | {copy.parent for copy in blocks} - {""}
    alive = ~Q(base_hash="") | Q(item__deleted_at=None, item__isnull=False)
    mappings = Mapping.objects.filter(
        alive,
        collection__remote_id=collection.remote_id,
        collection__kind=collection.kind,
        collection__account__service=collection.account.service,
        remote_id__in=names,
    )
    claimed = set(mappings.values_list("remote_id", flat=True))
    return [copy for copy in blocks if not claimed & {copy.remote_id, copy.parent}]
