"""A simulated world: calendars, people, workers that take turns, and everything that can go wrong.

One seed decides all of it. The workers are the engine's own generators; they are interrupted where
they yield, at each remote call and at each commit, so that whatever can happen between two of their
statements in production can happen here.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from itertools import permutations
from random import Random
from unittest import mock

from django.db import connection, transaction

from calendars.models import BusyRule, Event, Item, item
from calendars.services import refresh_busy_blocks
from conflicts.models import Conflict
from integrations.models import Account, Collection, LeaseLost, Workspace
from sync import engine
from sync.core.provider import Refusal, Traits, Write
from sync.core.records import Direction, Strategy
from sync.models import Mapping, SyncItem, SyncLog, SyncOperation
from sync.observing import SuspiciousListing
from sync.run import LEASE_SECONDS, Run, Step
from tests.sync.remote import FULL, RemoteCalendar, Stored
from tests.sync.simulator import properties
from tests.sync.simulator.faults import Faults, FaultyProvider, Killed
from tests.sync.simulator.oracle import Oracle
from tests.sync.simulator.people import People
from tests.sync.world import Clock


class Simulation:
    """One world, from its seed to the end of its faults."""

    def __init__(
        self, seed: int, traits: Traits = FULL, rates: dict[str, float] | None = None
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.clock = Clock()
        self.oracle = Oracle()
        self.faults = Faults(Random(seed + 1))
        self.faults.choose()
        self.faults.rates = rates or self.faults.rates
        self.people = People(self.rng, self.oracle, self.new_id, self.redraw)
        self.traits = traits
        self.ordered = self.rng.random() < 0.7
        self.telling = self.rng.random() < 0.7
        self.trace: list[str] = []
        self.workers: list[Worker] = []
        self.collections: list[Collection] = []
        self.calendars: dict[uuid.UUID, RemoteCalendar] = {}
        self.holders: dict[uuid.UUID, Worker] = {}
        self.rules: list[BusyRule] = []
        self.forgiven: set[tuple[uuid.UUID, str]] = set()
        self.released: set[uuid.UUID] = set()
        self.depth = 0
        self.calm = False

    def new_id(self) -> uuid.UUID:
        return uuid.UUID(int=self.rng.getrandbits(128), version=4)

    def tell(self, *words: object) -> None:
        self.trace.append(" ".join(str(word) for word in words))

    @property
    def trace_hash(self) -> str:
        return sha256("\n".join(self.trace).encode()).hexdigest()

    # The world as it is at first

    def populate(self) -> None:
        """Connect one or two calendars of one account, with a few events in them."""
        workspace = Workspace.objects.create(id=self.new_id(), name=f"Team {self.new_id()}")
        account = Account.objects.create(
            id=self.new_id(), workspace=workspace, service="google", identity=f"sub-{self.seed}"
        )
        for name in ("one", "two")[: self.rng.choice((1, 1, 2))]:
            collection = Collection.objects.create(
                id=self.new_id(),
                account=account,
                remote_id=name,
                name=name,
                selected=True,
                direction=self.rng.choices(list(Direction), (1, 1, 4))[0],
                strategy=self.rng.choice(list(Strategy)),
                fallback=self.rng.choice(list(Strategy)),
            )
            self.collections.append(collection)
            calendar = self.calendars[collection.pk] = RemoteCalendar(self.clock, f"{name}@x")
            for _ in range(self.rng.randrange(5)):
                self.people.create_remotely(calendar)
        self._make_rules()
        shapes = [f"{c.direction}/{c.strategy}/{c.fallback}" for c in self.collections]
        self.tell(
            *shapes,
            f"rules={len(self.rules)} ordered={self.ordered} telling={self.telling}",
            *self.faults.rates,
        )

    def _make_rules(self) -> None:
        """Let calendars block each other, where they can be written to."""
        for source, target in permutations(self.collections, 2):
            if target.direction != Direction.PULL and self.rng.random() < 0.5:
                rule = {"source": source, "target": target, "past_days": 3_000}
                self.rules.append(BusyRule.objects.create(id=self.new_id(), **rule))

    def redraw(self, collection: Collection, item_ids: Sequence[uuid.UUID]) -> None:
        """Let busy blocks follow the items of a calendar that were just changed."""
        refresh_busy_blocks(now=self.clock(), source=collection, item_ids=item_ids)

    def provider(self, collection: Collection, worker: "Worker") -> FaultyProvider:
        """Open a provider whose every call may be interrupted or fail."""
        provider = FaultyProvider(self.calendars[collection.pk], traits=self.traits)
        provider.ordered, provider.telling = self.ordered, self.telling
        provider.page = 2
        provider.faults = self.faults
        provider.forgive = lambda remote_id: self.forgiven.add((collection.pk, remote_id))

        def fault(call: str, moment: str) -> None:
            self.boundary(worker, call, moment)
            if call == "list":
                provider.prepare_listing()

        def witness(write: Write, there: Stored | None) -> None:
            self.tell("written", write.kind, write.remote_id, sorted(write.changed))
            properties.judge_write(self, collection, write, there)

        provider.fault, provider.witness = fault, witness
        return provider

    # What happens

    def live(self, turns: int) -> None:
        """Let people and workers act in turns, while things go wrong."""
        for _ in range(turns):
            self.clock.advance(milliseconds=self.rng.randrange(1, 4_000))
            what = self.rng.choices(("act", "step", "start"), (4, 10, 2))[0]
            if what == "act":
                self.act()
            elif what == "start" and len(self.workers) < 3:
                self.start(self.rng.choice(self.collections))
            elif self.workers:
                self.rng.choice(self.workers).advance(self.rng.choice((1, 1, 3, 30)))

    def act(self) -> None:
        """One person does something."""
        collection = self.rng.choice(self.collections)
        self.tell(self.people.act(collection, self.calendars[collection.pk], self.clock()))

    def start(self, collection: Collection, **how: bool) -> "Worker":
        """A new worker sets out to bring a collection in step."""
        worker = Worker(self, collection, **how)
        self.workers.append(worker)
        return worker

    def boundary(self, worker: "Worker", where: str, moment: str) -> None:
        """Something may happen here: others act, the worker sleeps too long, fails or dies."""
        if self.calm:
            return
        self.tell(worker.name, moment, where)
        if self.depth < 2:
            self.depth += 1
            if self.faults.strikes("interruption"):
                self._interrupt(worker)
            if self.faults.strikes("zombie"):
                self._oversleep(worker)
            self.depth -= 1
        if where == "commit":
            if self.faults.strikes("kill"):
                raise Killed(f"{moment} commit")
        else:
            self.faults.strike_call(where, moment)

    def _interrupt(self, worker: "Worker") -> None:
        others = [w for w in self.workers if w is not worker and not w.running]
        if others and self.rng.random() < 0.4:
            self.rng.choice(others).advance(self.rng.randrange(1, 6))
        else:
            self.act()

    def _oversleep(self, worker: "Worker") -> None:
        """The worker sleeps until its lease is over, and another one does its work."""
        self.tell(worker.name, "sleeps")
        self.clock.advance(seconds=LEASE_SECONDS + 5)
        self.start(worker.collection).advance(1_000)

    # And how it ends

    def settle(self, cycles: int = 5) -> None:
        """No more faults and no more edits: a few clean runs; a person releases what is held."""
        self.calm = True
        self.faults.rates = {}
        for worker in list(self.workers):
            if self.rng.random() < 0.5:
                worker.advance(1_000)
        self.workers.clear()
        self.clock.advance(days=400)
        for number in range(cycles):
            self.cycle(complete=number == 2, released=number > 0)

    def cycle(self, **how: bool) -> list[Run]:
        """One run over every collection, from one end to the other."""
        runs = []
        for collection in self.collections:
            worker = self.start(collection, **how)
            worker.advance(10_000)
            assert worker.over == "done", f"{worker.over}: {worker.trouble!r}"
            runs.append(worker.run)
            self.clock.advance(minutes=5)
        return [run for run in runs if run]


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
            properties.cursor_is_safe(simulation, self.collection)
        if not simulation.calm and simulation.faults.strikes("kill"):
            raise Killed("after commit")


class Worker:
    """One process that runs the two halves of a sync over one collection, step by step."""

    def __init__(self, simulation: Simulation, collection: Collection, **how: bool) -> None:
        self.simulation, self.how = simulation, how
        self.collection = Collection.objects.get(pk=collection.pk)
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


@contextmanager
def same_ids_again(simulation: Simulation) -> Iterator[None]:
    """Let ids depend on the seed alone."""
    rng = Random(simulation.seed + 2)
    origin = datetime(1970, 1, 1, tzinfo=UTC)

    def time_ns() -> int:
        return int((simulation.clock() - origin).total_seconds() * 1_000) * 1_000_000

    with (
        mock.patch.object(item, "os", mock.Mock(urandom=rng.randbytes)),
        mock.patch.object(item, "time", mock.Mock(time_ns=time_ns)),
    ):
        yield


def forget_everything() -> None:
    """Empty the tables that a world fills; quicker than TRUNCATE for so few rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        for model in _FILLED:
            cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608 - ours


_FILLED = (
    *(Conflict, SyncLog, SyncItem, SyncOperation, Mapping),
    *(Event, Item, BusyRule, Collection, Account, Workspace),
)


def simulate(
    seed: int,
    traits: Traits = FULL,
    check: Callable[[Simulation], None] = properties.check,
    rates: dict[str, float] | None = None,
) -> Simulation:
    """Live through one seed and check everything that must hold; returns the world.

    `rates` takes the place of the faults that the seed would choose.
    """
    forget_everything()
    simulation = Simulation(seed, traits, rates)
    try:
        with same_ids_again(simulation):
            simulation.populate()
            simulation.live(turns=simulation.rng.randrange(20, 70))
            simulation.settle()
            check(simulation)
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    return simulation
