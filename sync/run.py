"""One run over one collection: what its parts share, and how it commits."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from integrations.models import Collection
from sync.core.guard import Limits
from sync.core.merge import MergePolicy
from sync.core.provider import Provider
from sync.core.reconcile import Policy
from sync.core.records import Direction, Side, Strategy
from sync.kinds import KINDS, DetailKind
from sync.models import SyncLog, SyncOperation

# Longer than the longest wait for one answer of a service, so that a run that is alive keeps it.
LEASE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Step:
    """A boundary that a run has come to: nothing is half done here, so it may stop or die."""

    phase: str
    done: int = 0


Steps = Iterator[Step]


@dataclass(slots=True)
class Run:
    """Everything that the parts of one run share.

    `on_local_change` is called inside the transaction that changed local items, so that what
    follows from the change (busy blocks) cannot be lost. `fenced` is False for a preview, whose
    transaction is rolled back. `complete` asks for a complete listing whatever the cursor;
    `released` lets dangerous changes pass that the guard would hold.
    """

    collection: Collection
    provider: Provider
    operation: SyncOperation
    clock: Callable[[], datetime]
    on_local_change: Callable[[Sequence[uuid.UUID]], None]
    fenced: bool = True
    complete: bool = False
    released: bool = False
    failures: int = 0
    # Copies that moved under our hands or whose write was not answered; read before planning again.
    look_again: list[str] = field(default_factory=list)

    @property
    def kind(self) -> DetailKind:
        """How the detail rows of this collection's items are read and written."""
        return KINDS[self.collection.kind]

    @contextmanager
    def commit(self) -> Iterator[None]:
        """One transaction that counts only while this run holds the lease; `LeaseLost` if not."""
        with transaction.atomic():
            if self.fenced:
                self.collection.prove_lease(now=self.clock(), seconds=LEASE_SECONDS)
            yield

    def log(self, level: str, code: str, **facts: object) -> None:
        """Write a line into the operation's log; facts are numbers and codes, never event text."""
        SyncLog.objects.create(
            operation=self.operation, at=self.clock(), level=level, code=code, facts=facts
        )

    def count(self, what: str, number: int = 1) -> None:
        """Add to the operation's counts; they are saved when the run ends."""
        counts = self.operation.counts
        counts[what] = counts.get(what, 0) + number


def policy_of(collection: Collection) -> Policy:
    """Translate a collection's settings into the policy that decisions follow."""
    strategies = dict.fromkeys((Strategy(collection.strategy), Strategy(collection.fallback)))
    return Policy(
        direction=Direction(collection.direction),
        merging=MergePolicy(
            strategies=tuple(strategies),
            owners={name: Side(side) for name, side in collection.owners.items()},
            equal_within=timedelta(seconds=collection.equal_within_seconds),
        ),
    )


def limits_of(collection: Collection) -> Limits:
    """Translate a collection's settings into the guard's limits."""
    return Limits(
        most=collection.max_deletions,
        share=collection.max_deleted_share,
        share_per_day=collection.max_deleted_share_per_day,
    )
