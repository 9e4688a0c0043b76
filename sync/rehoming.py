"""Rehome: events whose home was removed live on in a calendar of their circle."""

from django.db.models import F

from calendars.models import Item
from sync.core.reconcile import Action
from sync.core.records import Side
from sync.core.trees import only
from sync.kinds import Incoming
from sync.models import Mapping, SyncItem
from sync.run import Run

# How many lines are written at a time.
CHUNK = 1_000


def give_a_home(run: Run) -> None:
    """Let items whose home was removed with its account live here, as far as they are here.

    Only what was shared is here, so only that is kept: nobody is invited by it. Must run inside
    `run.commit()`.
    """
    if run.collection.circle_id is None:
        return
    lost = Item.objects.alive().filter(home=None, mappings__collection=run.collection)
    lost = (
        lost.filter(event__busy_rule=None)
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    ids = list(lost.values_list("pk", flat=True))
    if not ids:
        return
    locals_ = run.kind.load(ids)
    kept = {pk: only(local.content, run.kind.shared) for pk, local in locals_.items()}
    run.kind.update(
        Incoming(pk, fields, {}, locals_[pk].series, locals_[pk].slot)
        for pk, fields in kept.items()
    )
    Item.objects.filter(pk__in=ids).update(
        home=run.collection, revision=F("revision") + 1, pending=True, updated_at=run.clock()
    )
    here = Mapping.objects.filter(collection=run.collection, item__in=ids)
    here.update(away=False)
    lines = [
        SyncItem(
            operation=run.operation,
            mapping=mapping,
            item_id=mapping.item_id,
            remote_id=mapping.remote_id,
            side=Side.LOCAL,
            action=Action.UPDATE,
            reason="its home was removed; it lives here now",
            state=SyncItem.State.DONE,
            before=locals_[mapping.item_id].content,
            after=kept[mapping.item_id],
            attempts=1,
            created_at=run.clock(),
            closed_at=run.clock(),
        )
        for mapping in here
        if mapping.item_id
    ]
    SyncItem.objects.bulk_create(lines, batch_size=CHUNK)
    run.count(f"{Side.LOCAL}.{Action.UPDATE}", len(lines))
    run.on_local_change(ids)
