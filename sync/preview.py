"""Preview: say what a run would do now, and change nothing, here or there."""

from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction

from calendars.services import refresh_busy_blocks
from integrations import registry
from integrations.models import Collection
from integrations.vault import CannotOpen
from sync import engine, first_sight, inward, linking
from sync.adopting import adopt
from sync.core.plan import Change, Plan
from sync.core.provider import Provider, Refusal
from sync.core.records import Side
from sync.models import SyncOperation
from sync.observing import Batch, SuspiciousListing, observe
from sync.reports import BUSY, Clock, Report, State, titles_of
from sync.run import Run
from sync.services import redraw
from sync.spool import Spool
from sync.staging import stage


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
        run = Run(collection, provider, operation, self.clock, redraw(collection, self.clock))
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
        adopt(self.run)
        drafted = engine.prepare(self.run)
        if drafted.local.changes:
            # Exceptions wait for their series, which the first half may have brought back.
            self._add(Plan(Side.LOCAL, drafted.local.changes))
            for _ in inward.apply(self.run, drafted.local):
                continue
            drafted = engine.prepare(self.run)
        self._add(Plan(Side.LOCAL, linking.lines_of(self.run)))
        self._add(drafted.remote)
        self.report.state = State.HELD if self.report.holds else State.DONE
        self.report.counts = dict(_tally(self.report.changes))
        shown = [change.mapping_id for change in self.report.changes]
        self.report.titles = titles_of(self.report.collection, shown)

    def _add(self, plan: Plan) -> None:
        self.report.plans.append(plan)
        self.report.holds += plan.holds


def _tally(changes: Iterable[Change]) -> Iterator[tuple[str, int]]:
    totals: dict[str, int] = {}
    for change in changes:
        name = f"{change.side}.{change.action}"
        totals[name] = totals.get(name, 0) + 1
    yield from sorted(totals.items())
