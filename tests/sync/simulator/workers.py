"""The workers of a simulated world: the engine's own generators, stopped wherever they yield."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from calendars.services import refresh_busy_blocks
from integrations.models import Collection, LeaseLost
from sync import engine
from sync.core.provider import Refusal
from sync.models import SyncOperation
from sync.observing import SuspiciousListing
from sync.run import LEASE_SECONDS, Run, Step
from tests.sync.simulator import judging
from tests.sync.simulator.faults import Killed

if TYPE_CHECKING:
    from tests.sync.simulator.world import Simulation


class SimulatedRun(Run):
    """A run whose commits are boundaries too."""

    worker: "Worker"

    @contextmanager
    def commit(self) -> Iterator[None]:
        simulation, worker = self.worker.simulation, self.worker
        simulation.boundary(worker, "commit", "before")
        cursor = self.collection.cursor
        with Run.commit(self):
            yield
            if not simulation.calm and simulation.faults.strikes("kill"):
                raise Killed("in commit")
            assert simulation.holders[self.collection.pk] is worker, "I-16: a stale commit"
        if self.collection.cursor != cursor:
            judging.cursor_is_safe(simulation, self.collection)
        if not simulation.calm and simulation.faults.strikes("kill"):
            raise Killed("after commit")


class Worker:
    """One process that runs the two halves of a sync over one collection, step by step."""

    def __init__(self, simulation: "Simulation", collection: Collection, **how: bool) -> None:
        self.simulation, self.how = simulation, how
        self.collection = Collection.objects.select_related("account").get(pk=collection.pk)
        self.name = f"worker {len(simulation.trace)}"
        self.run: Run | None = None
        self.running = False
        self.over = ""
        self.trouble: BaseException | None = None
        self.steps = self._steps()

    def advance(self, steps: int) -> None:
        """Take some steps; see how it ends if it does."""
        if self.running or self.over:
            return
        self.running = True
        try:
            for _ in range(steps):
                if next(self.steps, None) is None:
                    self._end("done")
                    return
        except LeaseLost as lost:
            self._end("lost its lease", lost)
        except Killed as killed:
            self._end("killed", killed)
        except (Refusal, SuspiciousListing) as trouble:
            self._end("failed", trouble)
            self.collection.return_lease()
            if isinstance(trouble, Refusal):
                self.simulation.upheavals.shut_out(self.collection, trouble)
        finally:
            self.running = False

    def _end(self, how: str, trouble: BaseException | None = None) -> None:
        self.over, self.trouble = how, trouble
        self.simulation.tell(self.name, how, trouble or "")
        if self in self.simulation.workers:
            self.simulation.workers.remove(self)

    def _steps(self) -> Iterator[Step]:
        for half in (engine.pull, engine.push):
            if not self._take_lease():
                return
            if self.run is None:
                self.run = self._open()
            yield from half(self.run)
            self.collection.return_lease()
            yield Step("half")
            refresh_busy_blocks(now=self.simulation.clock())

    def _take_lease(self) -> bool:
        taken = self.collection.take_lease(
            holder=self.name, now=self.simulation.clock(), seconds=LEASE_SECONDS
        )
        if taken:
            self.simulation.holders[self.collection.pk] = self
        return taken

    def _open(self) -> Run:
        simulation = self.simulation
        operation = SyncOperation.objects.create(
            id=simulation.new_id(),
            collection=self.collection,
            trigger="simulation",
            started_at=simulation.clock(),
        )
        run = SimulatedRun(
            collection=self.collection,
            provider=simulation.provider(self.collection, self),
            operation=operation,
            clock=simulation.clock,
            on_local_change=partial(simulation.redraw, self.collection),
            **self.how,
        )
        run.worker = self
        if run.released:
            simulation.released.add(operation.pk)
        return run
