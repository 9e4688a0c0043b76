"""A worker of a simulated world: it stops at every boundary, and may come to harm at each."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sync.core.provider import Outcome, Refusal, Remedy
from tests.sync.pure import engine
from tests.sync.pure.looking import SuspiciousListing
from tests.sync.pure.run import Call, Commit, Run, Steps
from tests.sync.pure.service import covers, name
from tests.sync.pure.store import Place, Store
from tests.sync.pure.wire import Killed, Wire

if TYPE_CHECKING:
    from tests.sync.pure.world import World

LEASE = timedelta(seconds=120)


class LeaseLost(Exception):
    """The lease went to somebody else; nothing may be committed any more."""


class Worker:
    """One process that runs the two halves of a sync over one calendar, boundary by boundary."""

    def __init__(self, world: "World", place: str, number: int, **how: bool) -> None:
        self.world, self.place, self.number, self.how = world, place, number, how
        self.service = world.services[place]
        self.wire = Wire(world, self.service)
        self.run: Run | None = None
        self.half = 0
        self.steps: Steps | None = None
        self.request: Call | Commit | None = None
        self.asleep = 0
        self.over = ""
        self.trouble: Exception | None = None
        self.skew = timedelta()
        if world.faults.strikes("clock skew"):
            self.skew = timedelta(hours=world.rng.randint(-36, 36))

    @property
    def only(self) -> int:
        """The filter that this worker asks for."""
        return self.wire.listing.only

    def clock(self) -> datetime:
        return self.world.now + self.skew

    def rests(self) -> bool:
        """Let time pass for one that sleeps; says whether it still does."""
        self.asleep = max(0, self.asleep - 1)
        return bool(self.asleep)

    def finish(self, half: int = 2) -> None:
        """Go on to the end of a half."""
        self.asleep = 0
        while not self.over and not (self.half == half and self.steps is None):
            self.step()

    def end(self, how: str, trouble: Exception | None = None) -> None:
        """It is over with this worker."""
        if not self.over:
            self.over, self.trouble = how, trouble
            self.world.tell(self.number, how, trouble or "")
            self.world.workers.remove(self)

    # From boundary to boundary

    def step(self) -> None:
        """Come to the next boundary, or to the end."""
        if self.over:
            return
        if self.steps is None:
            self._begin()
            return
        try:
            self._pass()
        except Killed:
            self.end("killed")
        except LeaseLost as lost:
            self.end("lost its lease", lost)

    def _begin(self) -> None:
        """Take the lease and open the next half."""
        store = self.world.store
        place = store.places[self.place]
        if self.half == 2 or self.is_shut_out(place):
            self.end("done" if self.half == 2 else "busy")
            return
        place.fence += 1
        place.lease_until = self.clock() + LEASE
        self.half += 1
        run = self.open(store, place) if self.run is None else self.run
        self.run, run.fence = run, place.fence
        self.steps = (engine.pull, engine.push)[self.half - 1](run)
        self._resume(lambda steps: next(steps))

    def open(self, store: Store, place: Place) -> Run:
        """Begin a run with the filter that is set now."""
        if self.how.get("released"):
            self.world.released.add(self.number)
        manners, only = self.service.manners, self.service.only
        self.wire.listing.only = only
        return Run(
            self.number,
            store,
            place,
            place.fence,
            self.clock,
            manners.traits,
            f"{only};{place.direction}",
            manners.normalise,
            lambda fields: covers(fields, only),
            lambda *parts: name(parts),
            self.clock(),
            **self.how,
        )

    def _resume(self, go: Callable[[Steps], Call | Commit]) -> None:
        """Let the engine go on until it wants something; see how it ends if it does."""
        assert self.steps is not None
        try:
            self.request = go(self.steps)
        except StopIteration:
            self._give_back()
            self.steps = None
            if self.half == 2:
                self.end("done")
        except (Refusal, SuspiciousListing) as trouble:
            self._give_back()
            if isinstance(trouble, Refusal) and trouble.remedy is Remedy.FREEZE:
                self.world.store.places[self.place].frozen = True
            self.end("failed", trouble)

    def _pass(self) -> None:
        """Do what the engine asked for, unless something goes wrong."""
        if not self.world.calm:
            if self.world.faults.strikes("pause over the lease"):
                self._fall_asleep()
                return
            self.wire.die("kill before")
        if isinstance(self.request, Commit):
            self._commit(self.request)
        elif self.request is not None:
            self._call(self.request)

    def _fall_asleep(self) -> None:
        """Sleep for longer than the lease lasts, while somebody else sets out."""
        world = self.world
        world.tell(self.number, "sleeps")
        world.now += LEASE + timedelta(seconds=5)
        self.asleep = world.rng.randrange(2, 25)
        if len(world.workers) < 3:
            world.start(world.store.places[self.place])

    def _call(self, call: Call) -> None:
        """Make a call; the engine goes on with its answer, unless the process dies first."""
        self.world.tell(self.number, call.verb, call.args[0] if call.verb != "write" else "")
        try:
            answer = self.wire.answer(call)
        except Refusal as refusal:
            answer = refusal
        self.wire.die("kill after")
        if isinstance(answer, Refusal) and call.verb == "write":
            answer = Outcome(call.args[0], refusal=answer)
        if isinstance(answer, Refusal):
            self._resume(lambda steps: steps.throw(answer))
        else:
            self._resume(lambda steps: steps.send(answer))

    # Commits, and the lease that they need

    def _commit(self, commit: Commit) -> None:
        assert self.run is not None
        place = self.world.store.places[self.place]
        if not self.holds_lease(place, self.run):
            raise LeaseLost(f"fence {self.run.fence}")
        # Whether a commit arrived that was never answered is a toss-up.
        if self.world.faults.strikes("kill in"):
            if self.world.rng.random() < 0.5:
                self._work(commit, place)
            raise Killed("in commit")
        result = self._work(commit, place)
        self.wire.die("kill after")
        self.world.tell(self.number, "committed")
        self._resume(lambda steps: steps.send(result))

    def _work(self, commit: Commit, place: Place) -> Any:
        place.lease_until = self.clock() + LEASE
        result = commit.work()
        if self.world.judge:
            self.world.judge.commit(self.world, self)
        return result

    def is_shut_out(self, place: Place) -> bool:
        """Say whether another worker holds the lease, or the account is frozen."""
        busy = place.lease_until is not None and place.lease_until >= self.clock()
        return busy or place.frozen

    def holds_lease(self, place: Place, run: Run) -> bool:
        """Say whether a commit of this worker counts."""
        return place.fence == run.fence

    def _give_back(self) -> None:
        place = self.world.store.places[self.place]
        if self.run and place.fence == self.run.fence:
            place.lease_until = None
