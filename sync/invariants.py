"""The invariants of what is stored, each as one question to the database whose answer is no rows.

What a constraint of the database already forbids is not asked here.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from calendars.models import BusyRule, Event, Item
from integrations.models import Collection
from sync.core.events import FIELDS, SHARED
from sync.core.records import fingerprint
from sync.models import Mapping, SyncItem
from sync.wanted import behind, lacking

# A write that nobody has looked after for this long was forgotten.
UNANSWERED = timedelta(minutes=15)
# A lease is asked for in minutes; one that ends later than this comes from a wrong clock.
LONGEST_LEASE = timedelta(minutes=15)
ABANDONED_LEASE = timedelta(days=1)
# How many mappings have their hashes computed anew.
SAMPLE = 1_000


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: its name, what is true while it holds, and which rows break it."""

    name: str
    sentence: str
    broken: Callable[[datetime], Iterable[uuid.UUID]]


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant with the rows that break it; none while it holds."""

    name: str
    sentence: str
    rows: tuple[str, ...]


def check_all(now: datetime) -> list[Finding]:
    """Ask every question; changes nothing and calls no service."""
    return [
        Finding(check.name, check.sentence, tuple(str(row) for row in check.broken(now)))
        for check in CHECKS
    ]


def _ids(rows: QuerySet[Any]) -> Iterable[uuid.UUID]:
    return rows.order_by("pk").values_list("pk", flat=True)


def _idle(path: str, now: datetime) -> Q:
    """Say that no run is busy with a collection; in the middle of a run much may be under way."""
    return Q(**{f"{path}lease_until": None}) | Q(**{f"{path}lease_until__lt": now})


def _cursors_without_listing(now: datetime) -> Iterable[uuid.UUID]:
    cursors = Collection.objects.exclude(cursor="")
    return _ids(cursors.filter(Q(listed_at=None) | Q(cursor_shape="")))


def _forgotten_intents(now: datetime) -> Iterable[uuid.UUID]:
    intents = SyncItem.objects.filter(
        _idle("operation__collection__", now),
        state=SyncItem.State.INTENDED,
        created_at__lt=now - UNANSWERED,
    )
    return _ids(intents)


_SENT = (SyncItem.State.INTENDED, SyncItem.State.DONE, SyncItem.State.LOST)


def _unproven_deletions(now: datetime) -> Iterable[uuid.UUID]:
    """Find them; a version is expected where the service is known to have some."""
    sent = SyncItem.objects.filter(side="remote", action="delete", state__in=_SENT)
    seen = Mapping.objects.filter(collection=OuterRef("operation__collection"), version__gt="")
    unbound = Q(Exists(seen), expected_version="")
    return _ids(sent.filter(Q(evidence="") | unbound))


def _mappings_across_workspaces(now: datetime) -> Iterable[uuid.UUID]:
    return _ids(
        Mapping.objects.filter(item__isnull=False).exclude(
            item__workspace=F("collection__account__workspace")
        )
    )


def _blocks_across_workspaces(now: datetime) -> Iterable[uuid.UUID]:
    mine = F("item__workspace")
    return _ids(
        Event.objects.filter(busy_rule__isnull=False).exclude(
            busy_rule__source__account__workspace=mine,
            busy_rule__target__account__workspace=mine,
            source__workspace=mine,
        )
    )


def _rules_across_workspaces(now: datetime) -> Iterable[uuid.UUID]:
    return _ids(
        BusyRule.objects.exclude(source__account__workspace=F("target__account__workspace"))
    )


def _misplaced_trees(now: datetime) -> Iterable[uuid.UUID]:
    """Find mappings whose remote tree is kept where it equals the base, or missing where not."""
    equal = Q(remote_hash=F("base_hash")) | Q(remote_hash="")
    has_base, has_remote = Q(base__isnull=False), Q(remote__isnull=False)
    wrong = (equal & has_remote) | (~equal & ~has_remote)
    wrong |= (Q(base_hash="") & has_base) | (~Q(base_hash="") & ~has_base)
    return _ids(Mapping.objects.filter(wrong))


def _wrong_hashes(now: datetime) -> Iterable[uuid.UUID]:
    """Compute the hashes of a random sample anew."""
    sample = Mapping.objects.order_by("?").values_list("pk", flat=True)[:SAMPLE]
    rows = Mapping.objects.filter(pk__in=list(sample)).only(
        "base", "base_hash", "remote", "remote_hash"
    )
    return sorted(row.pk for row in rows.iterator(chunk_size=100) if not _hashes_fit(row))


def _hashes_fit(row: Mapping) -> bool:
    fits = row.base is None or fingerprint(row.base) == row.base_hash
    return fits and (row.remote is None or fingerprint(row.remote) == row.remote_hash)


def _needlessly_pending(now: datetime) -> Iterable[uuid.UUID]:
    """Find them among the items that have a copy; what never had one goes with its retention."""
    copied = Exists(Mapping.objects.filter(item=OuterRef("pk")))
    settled = Item.objects.filter(_idle("home__", now), copied, ~behind(), pending=True)
    return _ids(settled.filter(~lacking()))


def _never_sent(now: datetime) -> Iterable[uuid.UUID]:
    asleep = Item.objects.filter(_idle("home__", now), pending=False)
    return _ids(asleep.filter(Q(behind()) | lacking()))


def _wrongly_away(now: datetime) -> Iterable[uuid.UUID]:
    """Find copies that count as away from home and are not, or the other way round."""
    here = Q(item__home=F("collection"))
    events = Mapping.objects.filter(item__event__busy_rule=None, item__deleted_at=None)
    events = events.filter(_idle("collection__", now), item__isnull=False)
    return _ids(events.filter(Q(here, away=True) | Q(~here, away=False)))


def _copies_outside_circles(now: datetime) -> Iterable[uuid.UUID]:
    away = Mapping.objects.filter(away=True, item__home__isnull=False, item__deleted_at=None)
    same = Q(item__home__circle=F("collection__circle"))
    return _ids(away.filter(_idle("collection__", now)).exclude(same))


def _overshared(now: datetime) -> Iterable[uuid.UUID]:
    """Find copies away from home that are taken to hold what is never shared."""
    own = sorted(FIELDS - SHARED)
    held = Q(base__has_any_keys=own) | Q(remote__has_any_keys=own)
    return _ids(Mapping.objects.filter(held, away=True))


def _circles_across_workspaces(now: datetime) -> Iterable[uuid.UUID]:
    members = Collection.objects.filter(circle__isnull=False)
    return _ids(members.exclude(circle__workspace=F("account__workspace")))


def _orphaned_exceptions(now: datetime) -> Iterable[uuid.UUID]:
    dead = Event.objects.filter(item__deleted_at=None, series__deleted_at__isnull=False)
    return _ids(dead.filter(_idle("item__home__", now)))


def _orphaned_copies(now: datetime) -> Iterable[uuid.UUID]:
    """Find exceptions that are there remotely although their series is not."""
    series = Mapping.objects.filter(
        collection=OuterRef("collection"), remote_id=OuterRef("parent"), remote_hash=""
    )
    alive = Mapping.objects.exclude(parent="").exclude(remote_hash="")
    return _ids(alive.filter(Exists(series)))


def _doubled_occurrences(now: datetime) -> Iterable[uuid.UUID]:
    """Find exceptions that share the place in a series with an older one."""
    alive = Mapping.objects.exclude(parent="").exclude(slot="").exclude(remote_hash="")
    older = alive.filter(
        collection=OuterRef("collection"),
        parent=OuterRef("parent"),
        slot=OuterRef("slot"),
        pk__lt=OuterRef("pk"),
    )
    return _ids(alive.filter(Exists(older)))


def _living_on_here_only(now: datetime) -> Iterable[uuid.UUID]:
    """Find items that no service has any more and that nothing will send again."""
    mine = Mapping.objects.filter(item=OuterRef("pk"))
    alive = Q(~Q(base_hash="") | ~Q(remote_hash=""))
    return _ids(
        Item.objects.alive().filter(
            _idle("home__", now), Exists(mine), ~Exists(mine.filter(alive)), pending=False
        )
    )


def _blocks_of_nothing(now: datetime) -> Iterable[uuid.UUID]:
    """Find living blocks whose rule or source is gone; an exception may outlive its source."""
    gone = Q(busy_rule__removed_at__isnull=False)
    gone |= Q(series=None, source__deleted_at__isnull=False)
    blocks = Event.objects.filter(busy_rule__isnull=False, item__deleted_at=None)
    return _ids(blocks.filter(gone).exclude(busy_rule__removal__in=BusyRule.KEPT))


def _blocks_elsewhere(now: datetime) -> Iterable[uuid.UUID]:
    blocks = Event.objects.filter(busy_rule__isnull=False, item__deleted_at=None)
    return _ids(blocks.exclude(item__home=F("busy_rule__target")))


def _impossible_leases(now: datetime) -> Iterable[uuid.UUID]:
    too_late = Q(lease_until__gt=now + LONGEST_LEASE)
    syncing = Collection.objects.syncing().values("pk")
    forgotten = Q(lease_until__lt=now - ABANDONED_LEASE, pk__in=Subquery(syncing))
    return _ids(Collection.objects.filter(too_late | forgotten).exclude(lease_holder=""))


CHECKS = (
    Check(
        "cursor_after_listing",
        "A calendar that has a cursor was once listed completely, in the shape the cursor says.",
        _cursors_without_listing,
    ),
    Check(
        "intents_answered",
        "No write waits for its answer for more than 15 minutes while no run is busy there.",
        _forgotten_intents,
    ),
    Check(
        "deletions_proven",
        "Every deletion sent to a service has its evidence and, if there are any, its version.",
        _unproven_deletions,
    ),
    Check(
        "mapping_in_one_workspace",
        "An item and its remote copy belong to the same workspace.",
        _mappings_across_workspaces,
    ),
    Check(
        "block_in_one_workspace",
        "A busy block, its source and both calendars of its rule belong to the same workspace.",
        _blocks_across_workspaces,
    ),
    Check(
        "rule_in_one_workspace",
        "Both calendars of a busy rule belong to the same workspace.",
        _rules_across_workspaces,
    ),
    Check(
        "trees_in_place",
        "A mapping keeps its remote tree exactly where that differs from its base.",
        _misplaced_trees,
    ),
    Check(
        "hashes_true",
        f"The hashes of {SAMPLE} mappings, drawn by lot, are those of their trees.",
        _wrong_hashes,
    ),
    Check(
        "rest_when_seen",
        "An item whose latest revision every copy has seen is not looked at again.",
        _needlessly_pending,
    ),
    Check(
        "sent_when_changed",
        "An item whose latest revision some copy has not seen is pending.",
        _never_sent,
    ),
    Check(
        "home_or_away",
        "A copy counts as away from home exactly where its item's home is another calendar.",
        _wrongly_away,
    ),
    Check(
        "away_within_circle",
        "A copy away from home is in a calendar that holds the same events as the home.",
        _copies_outside_circles,
    ),
    Check(
        "shared_only",
        "Of a copy away from home only what may be shared is compared and written.",
        _overshared,
    ),
    Check(
        "circle_in_one_workspace",
        "All calendars of a circle belong to its workspace.",
        _circles_across_workspaces,
    ),
    Check(
        "exception_with_series",
        "An occurrence that differs lives no longer than its series.",
        _orphaned_exceptions,
    ),
    Check(
        "copy_with_series",
        "The remote copy of an occurrence is not there without that of its series.",
        _orphaned_copies,
    ),
    Check(
        "one_copy_per_occurrence",
        "Each place in a series has at most one remote copy.",
        _doubled_occurrences,
    ),
    Check(
        "gone_there_gone_here",
        "An item that is gone from every service, and not to be sent again, is deleted here too.",
        _living_on_here_only,
    ),
    Check(
        "block_of_something",
        "A living busy block has a living source and a rule (manage.py cleanup_orphaned helps).",
        _blocks_of_nothing,
    ),
    Check(
        "block_in_its_target",
        "A busy block is in the target calendar of its rule.",
        _blocks_elsewhere,
    ),
    Check(
        "lease_in_time",
        "A lease ends within minutes, and one that a dead run left is taken over within a day.",
        _impossible_leases,
    ),
)
