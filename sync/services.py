"""What Lockstep does with collections, for whoever asks: a person, cron, or the clock."""

import os
import socket
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F

from calendars.services import refresh_busy_blocks
from integrations import registry
from integrations.models import Collection, LeaseLost
from integrations.services import freeze_account, keep_lists_fresh
from integrations.vault import CannotOpen
from sync import engine
from sync.core.provider import Provider, Refusal, Remedy
from sync.models import SyncOperation
from sync.observing import SuspiciousListing
from sync.reports import BUSY, Clock, Report, State, Watch
from sync.run import LEASE_SECONDS, Run, Steps

# Of how many collections what changed is asked for at the same time; one is worked on at a time.
ASKED_AHEAD = 4


class OutOfTime(Exception):
    """The time that the caller gave has run out; what is left waits for the next run."""


def sync_collections(
    *,
    collections: Sequence[Collection],
    clock: Clock,
    trigger: str,
    complete: bool = False,
    released: bool = False,
    deadline: datetime | None = None,
    watch: Watch | None = None,
) -> list[Report]:
    """Bring collections in step: take in all remote changes, draw busy blocks, send local changes.

    One collection's trouble is its own: it is written down in its report and the others go on.
    Collections that were not named but have something to send now are poked.
    """
    keep_lists_fresh({c.account_id: c.account for c in collections}.values(), now=clock())
    way = _Way(clock, trigger, complete, released, deadline, watch)
    runs = [_Attempt(collection, way) for collection in collections]
    for number, attempt in enumerate(runs):
        for soon in runs[number : number + ASKED_AHEAD]:
            soon.ask_ahead()
        attempt.half(engine.pull, "pull")
    Collection.poke(refresh_busy_blocks(now=clock()).targets, now=clock())
    for attempt in runs:
        attempt.half(engine.push, "push")
    return [attempt.finish() for attempt in runs]


@dataclass(frozen=True, slots=True)
class _Way:
    """How a sync is to be made, the same for all its collections."""

    clock: Clock
    trigger: str
    complete: bool
    released: bool
    deadline: datetime | None
    watch: Watch | None


class _Attempt:
    """One collection's way through a sync: two halves, each under its own lease."""

    def __init__(self, collection: Collection, way: _Way) -> None:
        self.report = Report(collection)
        self.way = way
        self.clock = way.clock
        self.follow = redraw(collection, way.clock)
        self.run: Run | None = None
        self.provider: Provider | None = None
        self.fence = collection.lease_fence

    def ask_ahead(self) -> None:
        """Ask what changed before it is this collection's turn; trouble waits until then."""
        collection = self.report.collection
        if self.provider or self.way.complete or not collection.cursor:
            return
        with suppress(CannotOpen):
            self.provider = registry.open_provider(collection, now=self.clock())
            self.provider.ask_ahead(collection.cursor)

    def half(self, steps: Callable[[Run], Steps], name: str) -> None:
        """Drive one half of a run under the lease; trouble ends in the report, not here."""
        if self.report.state:
            return
        started = self.clock()
        try:
            if not self._take_lease():
                self.report.state = BUSY
                return
            try:
                self._drive(steps(self._opened()))
            finally:
                self.report.collection.return_lease()
                self.follow.poke()
        except (Refusal, SuspiciousListing, LeaseLost, OutOfTime, CannotOpen) as trouble:
            self._note(trouble)
        if self.run:
            self.run.operation.timings[name] = round((self.clock() - started).total_seconds(), 3)

    def _take_lease(self) -> bool:
        return self.report.collection.take_lease(
            holder=f"{socket.gethostname()}:{os.getpid()}", now=self.clock(), seconds=LEASE_SECONDS
        )

    def _opened(self) -> Run:
        if self.run is None:
            provider = self._fresh_provider()
            operation = _open_operation(self.report.collection, self.clock(), self.way.trigger)
            self.run = Run(self.report.collection, provider, operation, self.clock, self.follow)
            self.run.complete, self.run.released = self.way.complete, self.way.released
            self.report.operation = self.run.operation
        return self.run

    def _fresh_provider(self) -> Provider:
        """Return the provider that has asked ahead, unless another run came in between."""
        collection = self.report.collection
        if self.provider and collection.lease_fence == self.fence + 1:
            return self.provider
        return registry.open_provider(collection, now=self.clock())

    def _drive(self, steps: Steps) -> None:
        for step in steps:
            self.follow.poke()
            if self.way.watch:
                self.way.watch(self.report.collection, step)
            if self.way.deadline and self.clock() >= self.way.deadline:
                raise OutOfTime

    def _note(self, trouble: Exception) -> None:
        """Translate what stopped a run into its state."""
        match trouble:
            case OutOfTime():
                self.report.state = State.TIMED_OUT
            case SuspiciousListing():
                self.report.state, self.report.holds = State.HELD, [str(trouble)]
            case LeaseLost():
                self.report.state = State.ABANDONED
            case _:
                self.report.state = State.FAILED
        self.report.error = str(trouble)[:500]
        if isinstance(trouble, Refusal) and trouble.remedy is Remedy.FREEZE:
            freeze_account(self.report.collection.account, trouble)

    def finish(self) -> Report:
        """Write the end of the operation down and return the report."""
        run, report = self.run, self.report
        if run is None:
            return report
        operation = run.operation
        report.holds += operation.holds
        if not report.state:
            report.state = _outcome(run)
        operation.state, operation.error = report.state, report.error
        operation.calls, operation.ended_at = run.provider.calls, self.clock()
        operation.save()
        report.counts = operation.counts
        if report.state == State.DONE:
            Collection.objects.filter(pk=report.collection.pk).update(synced_at=self.clock())
        return report


def _outcome(run: Run) -> str:
    if run.failures:
        return State.FAILED
    return State.HELD if run.operation.holds else State.DONE


def _open_operation(collection: Collection, now: datetime, trigger: str) -> SyncOperation:
    """Open the operation of a run that holds the lease; one that is still open has died."""
    collection.operations.filter(state=State.RUNNING).update(state=State.ABANDONED, ended_at=now)
    return SyncOperation.objects.create(
        collection=collection, trigger=trigger, started_at=now, fence=collection.lease_fence
    )


@dataclass(slots=True)
class Following:
    """What follows from local changes: busy blocks at once, runs of other calendars after that.

    Blocks are drawn in the transaction of the change. Others are poked outside of it: each run
    locks the row of its calendar, and two that poke each other would wait for each other for ever.
    """

    collection: Collection
    clock: Clock
    concerned: set[uuid.UUID] = field(default_factory=set)

    def __call__(self, item_ids: Sequence[uuid.UUID]) -> None:
        """Draw the blocks of these items."""
        drawn = refresh_busy_blocks(now=self.clock(), source=self.collection, item_ids=item_ids)
        self.concerned |= {*drawn.targets, *others_alike(self.collection)}

    def poke(self) -> None:
        """Ask for runs of the calendars that have something to send now."""
        if self.concerned:
            Collection.poke(self.concerned, now=self.clock())
            self.concerned.clear()


def redraw(collection: Collection, clock: Clock) -> Following:
    """Return what a run calls, in its own transaction, for local items that it changed."""
    return Following(collection, clock)


def others_alike(collection: Collection) -> list[uuid.UUID]:
    """Return the other calendars that are to hold what this one does."""
    others = Collection.objects.alike(collection).receiving().exclude(pk=collection.pk)
    return list(others.values_list("pk", flat=True)) if collection.circle_id else []


def due_collections(*, now: datetime) -> list[uuid.UUID]:
    """Name the collections that want a run now: their interval has passed, or something poked."""
    due = Collection.objects.due(now).order_by(F("tried_at").asc(nulls_first=True), "pk")
    return list(due.values_list("pk", flat=True))


def sync_due_collection(*, collection_id: uuid.UUID, clock: Clock, seconds: float) -> str:
    """Run one collection that was found due, unless it is not any more; returns how that ended."""
    due = Collection.objects.due(clock()).filter(pk=collection_id)
    collections = list(due.select_related("account__workspace"))
    deadline = clock() + timedelta(seconds=seconds)
    reports = sync_collections(
        collections=collections, clock=clock, trigger="clock", deadline=deadline
    )
    return reports[0].state if reports else "not due"
