"""What Lockstep does with collections: sync them, preview that, explain it. The only way in."""

import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from calendars.services import refresh_busy_blocks
from integrations import registry
from integrations.models import Collection, LeaseLost
from integrations.services import freeze_account, keep_lists_fresh
from integrations.vault import CannotOpen
from sync import engine, first_sight
from sync.core.provider import Provider, Refusal, Remedy
from sync.core.records import Side
from sync.kinds import KINDS
from sync.models import Mapping, SyncOperation
from sync.observing import Batch, SuspiciousListing, observe
from sync.planning import Change, Plan
from sync.run import LEASE_SECONDS, Run, Step, Steps
from sync.spool import Spool
from sync.staging import stage

Clock = Callable[[], datetime]
Watch = Callable[[Collection, Step], None]

State = SyncOperation.State


@dataclass(slots=True)
class Report:
    """What a run over one collection did, or a preview of one would do.

    `state` is an operation's state, or "busy" when another run holds the lease. `plans` and
    `titles` (by mapping) are filled by a preview only; what a run did is in its operation's items.
    """

    collection: Collection
    state: str = ""
    operation: SyncOperation | None = None
    plans: list[Plan] = field(default_factory=list)
    titles: dict[uuid.UUID | None, str] = field(default_factory=dict)
    holds: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def changes(self) -> list[Change]:
        """The lines of a preview, in the order in which they would be carried out."""
        return [change for plan in self.plans for change in plan.changes]


class OutOfTime(Exception):
    """The time that the caller gave has run out; what is left waits for the next run."""


BUSY = "busy"
# How many records of a preview are known by their titles; more than this nobody reads.
MOST_TITLES = 1_000


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
    runs = [_Attempt(c, clock, trigger, complete, released, deadline, watch) for c in collections]
    for attempt in runs:
        attempt.half(engine.pull, "pull")
    Collection.poke(refresh_busy_blocks(now=clock()).targets, now=clock())
    for attempt in runs:
        attempt.half(engine.push, "push")
    return [attempt.finish() for attempt in runs]


class _Attempt:
    """One collection's way through a sync: two halves, each under its own lease."""

    def __init__(
        self,
        collection: Collection,
        clock: Clock,
        trigger: str,
        complete: bool,
        released: bool,
        deadline: datetime | None,
        watch: Watch | None,
    ) -> None:
        self.report = Report(collection)
        self.clock, self.trigger = clock, trigger
        self.deadline, self.watch = deadline, watch
        self.complete, self.released = complete, released
        self.run: Run | None = None

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
            self.run = _open_run(self.report.collection, self.clock, self.trigger)
            self.run.complete, self.run.released = self.complete, self.released
            self.report.operation = self.run.operation
        return self.run

    def _drive(self, steps: Steps) -> None:
        for step in steps:
            if self.watch:
                self.watch(self.report.collection, step)
            if self.deadline and self.clock() >= self.deadline:
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


def _open_run(collection: Collection, clock: Clock, trigger: str) -> Run:
    """Open the provider and the operation of a run that holds the lease."""
    collection.operations.filter(state=State.RUNNING).update(
        state=State.ABANDONED, ended_at=clock()
    )
    provider = registry.open_provider(collection, now=clock())
    operation = SyncOperation.objects.create(
        collection=collection,
        trigger=trigger,
        started_at=clock(),
        fence=collection.lease_fence,
    )
    return Run(collection, provider, operation, clock, _redraw(collection, clock))


def _redraw(collection: Collection, clock: Clock) -> Callable[[Sequence[uuid.UUID]], None]:
    """Return what a run calls, in its own transaction, for local items that it changed."""

    def redraw(item_ids: Sequence[uuid.UUID]) -> None:
        drawn = refresh_busy_blocks(now=clock(), source=collection, item_ids=item_ids)
        Collection.poke(drawn.targets, now=clock())

    return redraw


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


def preview_collections(
    *,
    collections: Sequence[Collection],
    clock: Clock,
    complete: bool = False,
    released: bool = False,
) -> list[Report]:
    """Say what `sync_collections` would do now, and change nothing, here or there.

    Everything is looked at first; then the same functions that a run uses stage, plan and take in,
    inside one transaction that is rolled back.
    """
    previews = [_Preview(c, clock, complete, released) for c in collections]
    for preview in previews:
        preview.look()
    with transaction.atomic():
        for preview in previews:
            preview.take_in()
        refresh_busy_blocks(now=clock())
        for preview in previews:
            preview.plan_sending()
        transaction.set_rollback(True)
    return [preview.report for preview in previews]


class _Preview:
    """One collection's way through a preview."""

    def __init__(
        self, collection: Collection, clock: Clock, complete: bool, released: bool
    ) -> None:
        self.report = Report(collection)
        self.clock, self.complete, self.released = clock, complete, released
        self.run: Run | None = None
        self.spool = Spool[Batch]()

    def look(self) -> None:
        """Fetch, without any transaction, everything that the run would look at."""
        collection = self.report.collection
        if collection.lease_until and collection.lease_until > self.clock():
            self.report.state = BUSY
            return
        try:
            self.run = self._open(registry.open_provider(collection, now=self.clock(), keep=False))
            for batch in observe(self.run):
                self.spool.add(batch)
        except SuspiciousListing as trouble:
            self.report.state, self.report.holds = State.HELD, [str(trouble)]
        except (Refusal, CannotOpen) as trouble:
            self.report.state, self.report.error = State.FAILED, str(trouble)

    def _open(self, provider: Provider) -> Run:
        collection, now = self.report.collection, self.clock()
        operation = SyncOperation(collection=collection, trigger="preview", started_at=now)
        run = Run(collection, provider, operation, self.clock, _redraw(collection, self.clock))
        run.fenced, run.complete, run.released = False, self.complete, self.released
        return run

    def take_in(self) -> None:
        """Stage what was seen and let local items follow, in a transaction to be rolled back."""
        if self.report.state or self.run is None:
            return
        self.run.operation.save(force_insert=True)
        for batch in self.spool:
            stage(self.run, batch)
        self._add(Plan(Side.LOCAL, first_sight.lines_of(self.run)))
        plan = engine.prepare(self.run).local
        self._add(plan)
        for _ in engine.take_in(self.run):
            continue

    def plan_sending(self) -> None:
        """Plan the remote half on top of what was taken in."""
        if self.report.state or self.run is None:
            return
        drafted = engine.prepare(self.run)
        self._add(drafted.remote)
        self.report.state = State.HELD if self.report.holds else State.DONE
        self.report.counts = dict(_tally(self.report.changes))
        shown = [change.mapping_id for change in self.report.changes]
        self.report.titles = titles_of(self.report.collection, shown)

    def _add(self, plan: Plan) -> None:
        self.report.plans.append(plan)
        self.report.holds += plan.holds


def titles_of(
    collection: Collection, mapping_ids: Sequence[uuid.UUID | None]
) -> dict[uuid.UUID | None, str]:
    """Return what a person knows the records of these mappings by, the first thousand of them."""
    ids = [pk for pk in mapping_ids if pk][:MOST_TITLES]
    items = dict(Mapping.objects.filter(pk__in=ids).values_list("pk", "item_id"))
    labels = KINDS[collection.kind].labels([i for i in items.values() if i])
    return {pk: labels[item] for pk, item in items.items() if item in labels}


def _tally(changes: Iterable[Change]) -> Iterator[tuple[str, int]]:
    totals: dict[str, int] = {}
    for change in changes:
        name = f"{change.side}.{change.action}"
        totals[name] = totals.get(name, 0) + 1
    yield from sorted(totals.items())
