"""Let rules adopt copies that were in a calendar before them, before the first block is sent."""

import uuid
from collections.abc import Iterable

from calendars.adoption import adoptions, take_over
from calendars.locking import lock_rules
from calendars.models import BusyRule, Event
from sync.models import Mapping
from sync.run import Run


def adopt(run: Run) -> None:
    """Give blocks that are about to be made for the first time to the copies that are there.

    Everything in this calendar has been seen by then, and none of the blocks sent: a run pulls
    before it pushes. A rule's first application ends when its source was listed completely and all
    its events were looked at. Must run inside `run.commit()`.
    """
    into = BusyRule.objects.filter(
        target=run.collection, adopts=True, adopted_at=None, removed_at=None
    )
    if not into.exists():  # as in most runs
        return
    rules = list(into.select_related("source").order_by("created_at", "pk"))
    copies = {found.copy for rule in rules for found in adoptions(rule)}
    lock_rules({run.collection.pk} | _blocked_by(copies))
    for rule in rules:
        for adoption in adoptions(rule) if copies else ():
            if adoption.copy not in copies:
                continue
            Mapping.objects.filter(item=adoption.block).delete()
            take_over(adoption, run.clock())
            run.count("local.adopt")
        if rule.applied and rule.source.listed_at:
            BusyRule.objects.filter(pk=rule.pk).update(adopted_at=run.clock())


def _blocked_by(events: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Return the calendars in which these events have blocks."""
    blocks = Event.objects.filter(source__in=list(events), item__deleted_at=None)
    return {pk for pk in blocks.values_list("busy_rule__target", flat=True) if pk}
