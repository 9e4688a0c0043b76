"""A simulated world: people and workers act in turns, and everything goes wrong that can.

One seed decides all of it. Workers are generators that stop at every boundary; the world decides
which of them goes on, and whether what it asked for is done, fails, comes late, or kills it.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

from sync.core.provider import Refusal, Write, WriteKind
from tests.sync.pure.beginning import populate
from tests.sync.pure.faults import RATES, SAVAGE, Faults
from tests.sync.pure.judge import Judge
from tests.sync.pure.mishaps import befall
from tests.sync.pure.people import People
from tests.sync.pure.run import Run
from tests.sync.pure.service import Service, Version
from tests.sync.pure.store import Place, Store
from tests.sync.pure.worker import Worker
from tests.sync.simulator.oracle import Oracle, thing_of


class World:
    """One world, from its seed to the end of its faults.

    `weak` says how likely a calendar lacks conditional writes or names of ours; `rates` take
    the place of the faults that the seed would choose; `judge` is told of each write and commit.
    """

    def __init__(
        self,
        seed: int,
        *,
        rates: dict[str, float] | None = None,
        weak: float = 0.05,
        judge: Any = None,
    ) -> None:
        self.seed, self.judge = seed, judge
        self.rng = Random(seed)
        self.faults = Faults(Random(f"faults {seed}"))
        if rates:
            self.faults.rates = dict(rates)
        else:
            self.faults.choose(SAVAGE if self.faults.rng.random() < 0.3 else RATES)
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)
        self.oracle = Oracle()
        self.people = People(self.rng, self.oracle, self.clock)
        self.trace: list[str] = []
        self.workers: list[Worker] = []
        self.late: list[tuple[Service, Write]] = []
        self.backup: Store | None = None
        self.restored = self.calm = False
        self.released: set[int] = set()
        # What a request from before its deletion made once more.
        self.late_again: set[str] = set()
        self.runs = 0
        self.services: dict[str, Service] = {}
        self.store = Store({})
        populate(self, weak)

    def clock(self) -> datetime:
        return self.now

    def tell(self, *words: object) -> None:
        self.trace.append(" ".join(map(str, words)))

    @property
    def trace_hash(self) -> str:
        return sha256("\n".join(self.trace).encode()).hexdigest()

    def judge_write(self, place: Service, write: Write, there: Version | None) -> None:
        """A service carries out a write, with that version in its place."""
        self.tell("written", place.name, write.kind, write.remote_id, sorted(write.changed))
        if write.kind is WriteKind.CREATE and there is not None:
            # A request from before the deletion, to a service that forgets what it deleted.
            self.oracle.deleted.discard(thing_of(write.fields))
            self.late_again.add(thing_of(write.fields))
        if self.judge:
            self.judge.write(self, place, write, there)

    def kept(self) -> list[Any]:
        """All that is there or in a conflict."""
        found: list[Any] = [f for s in self.services.values() for f in s.alive().values()]
        found += [item.fields for item in self.store.items.values() if item.fields]
        found += [[c.local, c.remote] for c in self.store.conflicts]
        if any(service.manners.narrow for service in self.services.values()):
            graves = (item.grave for item in self.store.items.values() if item.grave)
            found += [grave["place"] for grave in graves]
        return found

    # What happens

    def live(self, turns: int) -> None:
        """Let people and workers act in turns, while things go wrong."""
        for _ in range(turns):
            self.now += timedelta(milliseconds=self.rng.randrange(1, 4_000))
            what = self.rng.random()
            if what < 0.12:
                self.tell(self.people.act(self.store, self.services))
            elif what < 0.2 and len(self.workers) < 3:
                self.start(self.rng.choice(list(self.store.places.values())))
            elif what < 0.23 and not self.workers:
                self.now += timedelta(minutes=self.rng.randrange(1, 60))
            elif what < 0.27:
                self._go_wrong()
            else:
                self._some_worker()

    def _some_worker(self) -> None:
        awake = [worker for worker in self.workers if not worker.rests()]
        if not awake:
            return
        worker = self.rng.choice(awake)
        self.faults.struck["two workers at once"] += len(self.workers) > 1
        for _ in range(self.rng.choice((1, 1, 2, 12))):
            if worker.over or worker.asleep:
                break
            worker.step()

    def start(self, place: Place, **how: bool) -> Worker:
        """A new worker sets out to bring a calendar in step."""
        self.runs += 1
        worker = Worker(self, place.name, self.runs, **how)
        self.workers.append(worker)
        return worker

    def _go_wrong(self) -> None:
        """Something happens to the world around the workers."""
        if self.late and self.rng.random() < 0.5:
            self._deliver(self.rng.randrange(len(self.late)))
        if self.backup is None or self.rng.random() < 0.1:
            self.backup = self.store.backup()
        befall(self, self.rng.choice(list(self.services.values())))

    def _deliver(self, number: int) -> None:
        """A request that was given up for lost arrives after all; nobody waits for the answer."""
        service, write = self.late.pop(number)
        try:
            service.check_open("write")
            service.write(write)
        except Refusal as refusal:
            self.tell("too late:", refusal)

    # And how it ends

    def settle(self, cycles: int = 5) -> None:
        """No more faults and no more edits: clean runs; a person releases what is held."""
        self.calm = True
        self.faults.rates = {}
        self.tell("calm")
        for worker in list(self.workers):
            if self.rng.random() < 0.5:
                worker.finish()
            worker.end("killed")
        while self.late:
            self._deliver(0)
        for place in self.services.values():
            place.shut = place.shut if place.shut == "calendar deleted" else ""
        self.now += timedelta(days=400)
        for row in self.store.places.values():
            row.frozen = bool(self.services[row.name].shut)
        for number in range(cycles):
            self.cycle(complete=number == 1, released=number > 0)

    def cycle(self, **how: bool) -> list[Run]:
        """One run over every calendar: all look first, then all write."""
        open_ones = [p for p in self.store.places.values() if not self.services[p.name].shut]
        workers = [self.start(place, **how) for place in open_ones]
        for half in (1, 2):
            for worker in workers:
                worker.finish(half)
        self.now += timedelta(minutes=5)
        return [worker.run for worker in workers if worker.run]


def simulate(seed: int, *, strict: bool = True, forgiving: bool = True, **how: Any) -> World:
    """Live through one seed and check everything that must hold; returns the world.

    `strict` and `forgiving` are the judge's.
    """
    judge = Judge(strict=strict, forgiving=forgiving)
    world = World(seed, judge=judge, **how)
    try:
        world.live(turns=world.rng.randrange(40, 160))
        world.settle()
        judge.end(world)
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    return world
