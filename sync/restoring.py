"""Notice that the database was restored from a backup, and be careful until all was seen anew.

A mark that is genuine and names a write that the journal should know, and does not, is the proof:
we wrote it, and forgot. Deletions rest on what was forgotten too, so they are held until every
calendar concerned was listed completely once more.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import F, Min

from integrations.models import Collection
from sync.core.provider import Copy
from sync.models import Mapping, SyncItem
from sync.run import Run

RESTORED = "it bears marks of writes that this database does not know: was a backup restored?"


def strange_marks(run: Run, copies: Iterable[Copy]) -> frozenset[str]:
    """Name the writes of ours, by their marks, that the journal has forgotten too early."""
    ids = {c.mark.attempt for c in copies if c.mark and not c.mark.inherited}
    oldest = run.clock() - timedelta(days=settings.LOCKSTEP_JOURNAL_DAYS - 1)
    young = {name for name in ids if _made_at(uuid.UUID(name)) > oldest}
    if not young:
        return frozenset()
    known = SyncItem.objects.filter(pk__in=[uuid.UUID(name) for name in young])
    return frozenset(young - {pk.hex for pk in known.values_list("pk", flat=True)})


def _made_at(attempt: uuid.UUID) -> datetime:
    """Return when a time-ordered id was made; the beginning of time for any other."""
    stamp = attempt.int >> 80 if attempt.version == 7 else 0
    return datetime.fromtimestamp(stamp / 1000, UTC)


def distrust(run: Run) -> None:
    """Hold the deletions of this calendar, and of those that hold the same events."""
    concerned = Collection.objects.alike(run.collection).filter(deletions_held_because="")
    concerned.update(deletions_held_because=RESTORED)
    run.collection.deletions_held_because = run.collection.deletions_held_because or RESTORED
    run.log("warning", "unknown_writes_of_ours")


def needs_listing(collection: Collection) -> bool:
    """Say whether what changed is not enough to know what is there.

    After a restored backup it is not, nor after we were given another role: a reader of less sees
    less, and what it does not see is not gone.
    """
    return bool(collection.deletions_held_because)


def trust_again(run: Run) -> list[str]:
    """Let deletions go again after a complete listing; returns the fields that changed."""
    if not needs_listing(run.collection):
        return []
    run.collection.deletions_held_because = ""
    return ["deletions_held_because"]


def release_unclaimed(run: Run) -> None:
    """Let copies that we made and forgot be taken in like others, once nobody claimed them.

    Every calendar of the circle that takes part has been looked at since they were seen, or an
    earlier run has seen them: whatever item they were copies of is not there any more. Must run
    inside `run.commit()`.
    """
    moved = Mapping.objects.filter(collection=run.collection).exclude(remote_hash=F("base_hash"))
    mine = moved.filter(unclaimed=True)
    if not mine.exists():
        return
    mates = Collection.objects.alike(run.collection).syncing().exclude(pk=run.collection.pk)
    if not mates.filter(caught_up_at=None).exists():
        since = mates.aggregate(first=Min("caught_up_at"))["first"] or run.operation.started_at
        mine.filter(seen_at__lt=since).update(unclaimed=False)
