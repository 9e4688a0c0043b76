"""First sight: take copies in that neither side has ever known, in one go instead of two.

A first import is hardly anything else. There is no base and no local version, so the decision needs
nothing from the database; `reconcile` makes it all the same. What is written is what staging,
planning and taking in would have written: item, detail row, mapping and journal line.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from calendars import bulk
from calendars.models import Item, time_ordered_uuid
from calendars.new_items import insert_items
from sync.core.provider import Copy
from sync.core.reconcile import Action, Policy, State, reconcile
from sync.core.records import Side, fingerprint
from sync.inward import item_name
from sync.kinds import Incoming
from sync.models import Mapping, SyncItem
from sync.planning import Change
from sync.run import Run, policy_of


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """One copy with the ids of all that is written about it; `text` is its fields as JSON."""

    copy: Copy
    item_id: uuid.UUID
    mapping_id: uuid.UUID
    reason: str
    text: str | None
    hash: str


def take_in(run: Run, copies: Sequence[Copy]) -> list[Copy]:
    """Take new copies in; returns those that have to go the long way.

    That is what may belong to something known: exceptions of a series, events that moved here from
    another calendar, and items that were made before. Must run inside `run.commit()`.
    """
    heads = [copy for copy in copies if not copy.parent and not copy.partial]
    known = _known(run, heads)
    policy = policy_of(run.collection)
    newcomers = [_newcomer(run, copy, policy) for copy in heads if copy.remote_id not in known]
    welcome = [newcomer for newcomer in newcomers if newcomer]
    if welcome:
        _write(run, welcome)
    taken = {newcomer.copy.remote_id for newcomer in welcome}
    return [copy for copy in copies if copy.remote_id not in taken]


def _known(run: Run, heads: Sequence[Copy]) -> set[str]:
    """Name the copies whose item is there already, or that another calendar knew before."""
    names = {item_name(run, copy.remote_id): copy.remote_id for copy in heads}
    made = Item.objects.filter(pk__any=list(names)).values_list("pk", flat=True)
    elsewhere = Mapping.objects.filter(collection__account=run.collection.account_id)
    moved = elsewhere.exclude(collection=run.collection).filter(
        remote_id__any=list(names.values()), remote_hash=""
    )
    return {names[pk] for pk in made} | set(moved.values_list("remote_id", flat=True))


def _newcomer(run: Run, copy: Copy, policy: Policy) -> _Newcomer | None:
    state = State(base=None, local=None, remote=copy.fields, obstacle=copy.obstacle)
    decision = reconcile(state, policy)
    if (decision.on_local, decision.on_remote) != (Action.CREATE, Action.NOTHING):
        return None
    return _Newcomer(
        copy,
        item_name(run, copy.remote_id),
        time_ordered_uuid(),
        decision.reason,
        bulk.dumps(copy.fields),
        fingerprint(copy.fields),
    )


def _write(run: Run, newcomers: Sequence[_Newcomer]) -> None:
    _write_items(run, newcomers)
    _write_mappings(run, newcomers)
    _write_journal(run, newcomers)
    run.on_local_change([newcomer.item_id for newcomer in newcomers])


def _write_items(run: Run, newcomers: Sequence[_Newcomer]) -> None:
    new = ((newcomer.item_id, False) for newcomer in newcomers)
    insert_items(new, home=run.collection, now=run.clock())
    run.kind.create(
        Incoming(newcomer.item_id, newcomer.copy.fields or {}, newcomer.copy.facts)
        for newcomer in newcomers
    )


_MAPPING = (
    *("id", "item", "remote_id", "version", "ordinal", "base", "base_hash", "remote_hash"),
    *("facts", "raw", "obstacle"),
    *("collection", "predecessor", "parent", "slot", "synced_revision", "evidence"),
    *("unanswered", "partial", "attempts", "tried_revision", "last_error", "seen_at"),
)


def _write_mappings(run: Run, newcomers: Sequence[_Newcomer]) -> None:
    alike = (run.collection.pk, "", "", "", 1, "", False, False, 0, 0, "", run.clock())
    rows = (
        (
            *(n.mapping_id, n.item_id, n.copy.remote_id, n.copy.version, n.copy.ordinal),
            *(n.text, n.hash, n.hash),
            *(bulk.dumps(n.copy.facts), bulk.dumps(n.copy.raw), n.copy.obstacle),
            *alike,
        )
        for n in newcomers
    )
    bulk.insert(Mapping, _MAPPING, rows)


_JOURNAL = (
    *("id", "mapping", "item", "remote_id", "reason", "after", "expected_version"),
    *("operation", "side", "action", "state", "fields", "evidence", "attempts", "error"),
    *("created_at", "closed_at"),
)


def _write_journal(run: Run, newcomers: Sequence[_Newcomer]) -> None:
    now, done = run.clock(), SyncItem.State.DONE
    alike = (run.operation.pk, Side.LOCAL, Action.CREATE, done, "[]", "", 1, "", now, now)
    rows = (
        (
            *(time_ordered_uuid(), n.mapping_id, n.item_id, n.copy.remote_id, n.reason),
            *(n.text, n.copy.version, *alike),
        )
        for n in newcomers
    )
    bulk.insert(SyncItem, _JOURNAL, rows)
    run.count("seen_first", len(newcomers))
    run.count(f"{Side.LOCAL}.{Action.CREATE}", len(newcomers))


def lines_of(run: Run) -> list[Change]:
    """Return the lines that a plan would have had for what this run took in at first sight."""
    taken = run.operation.items.filter(side=Side.LOCAL, action=Action.CREATE)
    columns = ("remote_id", "mapping_id", "reason", "after")
    return [
        Change(
            Side.LOCAL, Action.CREATE, remote_id, mapping, None, reason, after=fingerprint(after)
        )
        for remote_id, mapping, reason, after in taken.order_by("remote_id").values_list(*columns)
    ]
