"""A simulated world: calendars, people, workers that take turns, and everything that can go wrong.

One seed decides all of it. The workers are the engine's own generators; they are interrupted where
they yield, at each remote call and at each commit, so that whatever can happen between two of their
statements in production can happen here.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from unittest import mock

from calendars.models import BusyRule, item
from calendars.services import refresh_busy_blocks
from integrations.models import Account, Circle, Collection, Workspace
from sync.core.provider import Traits, Write
from sync.core.records import Direction, Strategy
from sync.run import LEASE_SECONDS, Run
from tests.sync.remote import Stored
from tests.sync.simulator import dry_runs, judging, properties
from tests.sync.simulator.faults import Faults, Killed
from tests.sync.simulator.oracle import Oracle
from tests.sync.simulator.people import People
from tests.sync.simulator.service import FaultyProvider, SimulatedCalendar
from tests.sync.simulator.shapes import draw, edges
from tests.sync.simulator.tables import forget_everything
from tests.sync.simulator.upheavals import Upheavals
from tests.sync.simulator.workers import Worker
from tests.sync.world import Clock

# How many clean cycles may pass before nothing is left to do.
CYCLES = 5
# Where one of these strikes, a calendar may be looked at before something that is there shows.
SEEN_LATE = frozenset({"lag", "short listing", "empty listing", "interruption", "zombie"})


class Simulation:
    """One world, from its seed to the end of its faults."""

    def __init__(
        self, seed: int, traits: Traits | None = None, rates: dict[str, float] | None = None
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.clock = Clock()
        self.oracle = Oracle()
        self.shape = draw(self.rng, traits)
        self.traits = self.shape.traits
        self.faults = Faults(Random(seed + 1), self.clock)
        self.gentle = self.shape.gentle and not traits
        self.faults.choose(rates, gentle=self.gentle)
        self.sees_late = bool(SEEN_LATE & self.faults.rates.keys())
        self.people = People(self)
        self.upheavals = Upheavals(self)
        self.trace: list[str] = []
        self.workers: list[Worker] = []
        self.collections: list[Collection] = []
        self.calendars: dict[uuid.UUID, SimulatedCalendar] = {}
        self.holders: dict[uuid.UUID, Worker] = {}
        self.rules: list[BusyRule] = []
        self.forgiven: set[tuple[uuid.UUID, str]] = set()
        self.released: set[uuid.UUID] = set()
        self.depth = 0
        self.calm = False
        self.quiet = False

    def new_id(self) -> uuid.UUID:
        return uuid.UUID(int=self.rng.getrandbits(128), version=4)

    def tell(self, *words: object) -> None:
        self.trace.append(" ".join(str(word) for word in words))

    @property
    def trace_hash(self) -> str:
        return sha256("\n".join(self.trace).encode()).hexdigest()

    # The world as it is at first

    def populate(self) -> None:
        """Connect the calendars of one or two accounts, with a few events, and make the rules."""
        workspace = Workspace.objects.create(id=self.new_id(), name=f"Team {self.new_id()}")
        self.circle = Circle.objects.create(id=self.new_id(), workspace=workspace, name="ours")
        accounts = [
            Account.objects.create(
                id=self.new_id(),
                workspace=workspace,
                service="google",
                identity=f"sub-{self.seed}-{number}",
            )
            for number in range(self.shape.accounts)
        ]
        for number in range(self.shape.calendars):
            self._connect(accounts[number % len(accounts)], number)
        for source, target in edges(self.shape):
            if self.collections[target].direction != Direction.PULL:
                self.make_rule(self.collections[source], self.collections[target])
        settings = [f"{c.direction}/{c.strategy}/{c.fallback}" for c in self.collections]
        self.tell(self.shape, *settings, *self.faults.rates)

    def _connect(self, account: Account, number: int) -> None:
        name, shared = f"calendar {number}", number < self.shape.members
        directions = (0, 0, 1) if shared else (1, 1, 4)
        collection = Collection.objects.create(
            id=self.new_id(),
            account=account,
            remote_id=name,
            name=name,
            selected=True,
            circle=self.circle if shared else None,
            direction=self.rng.choices(list(Direction), directions)[0],
            strategy=self.rng.choice(list(Strategy)),
            fallback=self.rng.choice(list(Strategy)),
            owners=self.rng.choice(({}, {}, {}, {"title": "remote"}, {"location": "local"})),
        )
        self.collections.append(collection)
        calendar = self.calendars[collection.pk] = SimulatedCalendar(self.clock, name)
        calendar.trimming = self.shape.trimming
        for _ in range(self.rng.randrange(5)):
            self.people.create_remotely(calendar)

    def make_rule(self, source: Collection, target: Collection) -> None:
        """Let one calendar block another."""
        rule = {"source": source, "target": target, "past_days": 3_000}
        self.rules.append(BusyRule.objects.create(id=self.new_id(), **rule))

    def redraw(self, collection: Collection, item_ids: Sequence[uuid.UUID]) -> None:
        """Let busy blocks follow the items of a calendar that were just changed."""
        refresh_busy_blocks(now=self.clock(), source=collection, item_ids=item_ids)

    def provider(self, collection: Collection, worker: Worker | None) -> FaultyProvider:
        """Open a provider; a worker's calls to it may be interrupted or fail."""
        provider = FaultyProvider(self.calendars[collection.pk], traits=self.traits)
        provider.ordered, provider.telling = self.shape.ordered, self.shape.telling
        provider.veil, provider.since = (
            self.upheavals.veil(collection),
            self.upheavals.since(collection),
        )
        provider.shape = f"test since {provider.since}"
        provider.page = 2
        provider.prompt = self.seed % 2 == 0
        provider.faults = self.faults if worker else Faults(Random(0), self.clock)
        provider.forgive = lambda remote_id: self.forgiven.add((collection.pk, remote_id))

        def fault(call: str, moment: str) -> None:
            if worker:
                self.boundary(worker, call, moment)
            if moment == "before":
                self.upheavals.refuse(collection, call)
            if worker and call == "list":
                provider.prepare_listing()

        def witness(write: Write, there: Stored | None) -> None:
            self.tell("written", write.kind, write.remote_id, sorted(write.changed))
            judging.judge_write(self, collection, write, there)

        provider.fault, provider.witness = fault, witness
        return provider

    # What happens

    def live(self, turns: int) -> None:
        """Let people and workers act in turns, while things go wrong."""
        for _ in range(turns):
            self.clock.advance(milliseconds=self.rng.randrange(1, 4_000))
            what = self.rng.choices(("act", "step", "start", "upheaval"), (7, 10, 3, 0.6))[0]
            self.upheavals.pass_by()
            if what == "act":
                self.act()
            elif what == "upheaval":
                self.upheavals.happen()
            elif what == "start" and len(self.workers) < self.shape.workers:
                self.start(self.rng.choice(self.collections))
            elif self.workers:
                steps = 10_000 if self.gentle else self.rng.choice((1, 3, 10, 30))
                self.rng.choice(self.workers).advance(steps)

    def act(self) -> None:
        """One person does something."""
        self.tell(self.people.act(self.rng.choice(self.collections)))

    def start(self, collection: Collection, **how: bool) -> Worker | None:
        """A new worker sets out to bring a collection in step, if that takes part now."""
        if not Collection.objects.syncing().filter(pk=collection.pk).exists():
            return None
        worker = Worker(self, collection, **how)
        self.workers.append(worker)
        return worker

    def boundary(self, worker: Worker, where: str, moment: str) -> None:
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

    def _interrupt(self, worker: Worker) -> None:
        others = [w for w in self.workers if w is not worker and not w.running]
        if others and self.rng.random() < 0.4:
            self.rng.choice(others).advance(self.rng.randrange(1, 6))
        elif self.rng.random() < 0.1:
            self.upheavals.happen()
        else:
            self.act()

    def _oversleep(self, worker: Worker) -> None:
        """The worker sleeps until its lease is over, and another one does its work."""
        self.tell(worker.name, "sleeps")
        self.clock.advance(seconds=LEASE_SECONDS + 5)
        if other := self.start(worker.collection):
            other.advance(1_000)

    # And how it ends

    def settle(self) -> None:
        """No more faults and no more edits: a few clean runs; a person releases what is held."""
        self.calm = True
        self.faults.end()
        self.upheavals.mend()
        for worker in list(self.workers):
            if self.rng.random() < 0.5:
                worker.advance(1_000)
        self.workers.clear()
        if self.upheavals.restored:
            # Nobody restores a backup and then waits for a year.
            self.cycle()
        self.clock.advance(days=400)
        first = self.rng.random()
        if first < 0.2:
            dry_runs.foretells_the_run(self)
        elif first < 0.6:
            self.cycle()
        self.cycle(complete=True, released=True)
        for _ in range(CYCLES):
            before = properties.snapshot(self)
            runs = self.cycle(released=True)
            self.quiet = properties.snapshot(self) == before
            if self.quiet and not any(run.operation.counts for run in runs):
                return

    def cycle(self, **how: bool) -> list[Run]:
        """One run over every collection, from one end to the other."""
        runs = []
        for collection in self.collections:
            worker = self.start(collection, **how)
            assert worker, f"{collection} does not take part"
            worker.advance(10_000)
            assert worker.over == "done", f"{worker.over}: {worker.trouble!r}"
            runs.append(worker.run)
            self.clock.advance(minutes=5)
        return [run for run in runs if run]


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


def simulate(
    seed: int,
    traits: Traits | None = None,
    check: Callable[[Simulation], None] = properties.check,
    rates: dict[str, float] | None = None,
) -> Simulation:
    """Live through one seed and check everything that must hold; returns the world.

    `traits` and `rates` take the place of the service and the faults that the seed would choose.
    """
    forget_everything()
    simulation = Simulation(seed, traits, rates)
    try:
        with same_ids_again(simulation):
            simulation.populate()
            simulation.live(turns=simulation.rng.randrange(30, 80))
            simulation.settle()
            check(simulation)
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    return simulation


__all__ = ["Simulation", "forget_everything", "simulate"]
