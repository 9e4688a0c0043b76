"""First sight: take copies in that neither side has ever known, in one go instead of two.

A first import is hardly anything else. There is no base and no local version, so the decision needs
nothing from the database; `reconcile` makes it all the same. What is written is what staging,
planning and taking in would have written: item, detail row, mapping and journal line.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from calendars import bulk
from calendars.models import Item, time_ordered_uuid
from calendars.new_items import insert_items
from sync.core.plan import Change
from sync.core.provider import Copy
from sync.core.reconcile import Action, Decision, Policy, State, reconcile
from sync.core.records import Side, canonical, fingerprint, hash_of
from sync.inward import item_name, join_series
from sync.kinds import Incoming
from sync.models import Mapping, SyncItem
from sync.run import Run, policy_of


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """One copy with the ids of all that is written about it; `text` is its fields as JSON."""

    copy: Copy
    item_id: uuid.UUID
    mapping_id: uuid.UUID
    reason: str
    text: str
    hash: str


def take_in(run: Run, copies: Sequence[Copy]) -> list[Copy]:
    """Take new copies in; returns those that have to go the long way.

    That is what may belong to something known: exceptions of a series, events that moved here from
    another calendar, and items that were made before. Must run inside `run.commit()`.
    """
    decide = _decider(policy_of(run.collection))
    heads = [copy for copy in copies if _is_for_us(copy, decide)]
    names = {item_name(run, copy.remote_id): copy.remote_id for copy in heads}
    known = _known(run, names)
    newcomers = [
        _newcomer(copy, item_id, decide(copy.obstacle).reason)
        for copy, item_id in zip(heads, names, strict=True)
        if copy.remote_id not in known
    ]
    if newcomers:
        _write(run, newcomers)
    taken = {newcomer.copy.remote_id for newcomer in newcomers}
    return [copy for copy in copies if copy.remote_id not in taken]


def _decider(policy: Policy) -> Callable[[str], Decision]:
    """Return what decides about a copy that neither side knew, by what is in its way.

    Beside that only the policy counts, not the content; so each obstacle is decided on once.
    """

    @cache
    def decide(obstacle: str) -> Decision:
        return reconcile(State(base=None, local=None, remote={}, obstacle=obstacle), policy)

    return decide


def _is_for_us(copy: Copy, decide: Callable[[str], Decision]) -> bool:
    """Say whether a copy stands for itself, is seen whole, and is to be taken in, no more."""
    if copy.parent or copy.partial or copy.fields is None:
        return False
    decision = decide(copy.obstacle)
    return (decision.on_local, decision.on_remote) == (Action.CREATE, Action.NOTHING)


def _known(run: Run, names: dict[uuid.UUID, str]) -> set[str]:
    """Name the copies whose item is there already, or that another calendar knew before."""
    if not names:
        return set()
    made = Item.objects.filter(pk__any=list(names)).values_list("pk", flat=True)
    elsewhere = Mapping.objects.filter(collection__account=run.collection.account_id)
    moved = elsewhere.exclude(collection=run.collection).filter(remote_hash="")
    moved = moved.named(names.values())
    return {names[pk] for pk in made} | set(moved.values_list("remote_id", flat=True))


def _newcomer(copy: Copy, item_id: uuid.UUID, reason: str) -> _Newcomer:
    text = canonical(copy.fields or {})
    return _Newcomer(copy, item_id, time_ordered_uuid(), reason, text, hash_of(text))


def _write(run: Run, newcomers: Sequence[_Newcomer]) -> None:
    _write_items(run, newcomers)
    _write_mappings(run, newcomers)
    _write_journal(run, newcomers)
    join_series(run, [newcomer.copy.remote_id for newcomer in newcomers])
    taken = run.operation.counts["seen_first"]
    if _has_outgrown(taken, taken - len(newcomers)):
        bulk.refresh_statistics(Mapping)
    run.on_local_change([newcomer.item_id for newcomer in newcomers])


def _has_outgrown(now: int, before: int) -> bool:
    """Say whether an import has grown fourfold since PostgreSQL looked at the table of mappings.

    Left alone it looks once a minute, and until then takes the calendar for a small part of the
    table: for each page it would read all mappings of the calendar.
    """
    return _fourfold(now) > _fourfold(before)


def _fourfold(number: int) -> int:
    return (number // 2_000).bit_length() // 2


def _write_items(run: Run, newcomers: Sequence[_Newcomer]) -> None:
    # In a circle other calendars are still to hear of it.
    in_circle = run.collection.circle_id is not None
    new = ((newcomer.item_id, in_circle) for newcomer in newcomers)
    insert_items(new, home=run.collection, now=run.clock())
    run.kind.create(
        Incoming(newcomer.item_id, newcomer.copy.fields or {}, newcomer.copy.facts)
        for newcomer in newcomers
    )


_MAPPING = (
    *("id", "item", "remote_id", "version", "ordinal", "base", "base_hash", "remote_hash"),
    *("facts", "raw", "obstacle"),
)
_UNTRIED = {
    **{"predecessor": "", "parent": "", "slot": "", "evidence": "", "last_error": ""},
    **{"unanswered": False, "partial": False, "attempts": 0, "tried_revision": 0},
}


def _write_mappings(run: Run, newcomers: Sequence[_Newcomer]) -> None:
    rows = (
        (
            *(n.mapping_id, n.item_id, n.copy.remote_id, n.copy.version, n.copy.ordinal),
            *(n.text, n.hash, n.hash),
            *(bulk.dumps(n.copy.facts), bulk.dumps(n.copy.raw), n.copy.obstacle),
        )
        for n in newcomers
    )
    alike = {"collection": run.collection.pk, "synced_revision": 1, "seen_at": run.clock()}
    bulk.insert(Mapping, _MAPPING, rows, {**alike, **_UNTRIED})


_JOURNAL = ("id", "mapping", "item", "remote_id", "reason", "after", "expected_version")
_DONE = {
    **{"side": Side.LOCAL, "action": Action.CREATE, "state": SyncItem.State.DONE},
    **{"fields": "[]", "evidence": "", "attempts": 1, "error": ""},
}


def _write_journal(run: Run, newcomers: Sequence[_Newcomer]) -> None:
    rows = (
        (
            *(time_ordered_uuid(), n.mapping_id, n.item_id, n.copy.remote_id, n.reason),
            *(n.text, n.copy.version),
        )
        for n in newcomers
    )
    now = run.clock()
    alike = {"operation": run.operation.pk, "created_at": now, "closed_at": now}
    bulk.insert(SyncItem, _JOURNAL, rows, {**alike, **_DONE})
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
