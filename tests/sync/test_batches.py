"""Batches of writes: while the service works on one, the database is brought up to date."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from sync import engine
from sync.core.provider import Outcome, Refusal, Remedy, Traits, Write
from sync.models import SyncItem
from sync.run import LEASE_SECONDS
from tests.sync.remote import RemoteProvider
from tests.sync.world import World, add_locally, except_locally, finish

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]
SLOT = "2026-05-06T07:00:00Z"


@dataclass(slots=True)
class Watched(RemoteProvider):
    """A service that notes what the journal says when a batch is sent, and when it is answered."""

    sent: list[dict[str, int]] = field(default_factory=list)
    answered: list[dict[str, int]] = field(default_factory=list)

    @property
    def in_the_air(self) -> int:
        """How many batches were sent and not answered."""
        return len(self.sent) - len(self.answered)

    def write(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        self.sent.append(journal())
        return self._watched(RemoteProvider.write(self, writes))

    def _watched(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        before = journal()
        yield from outcomes
        self.answered.append(before)


def journal() -> dict[str, int]:
    """How many lines there are in each state."""
    states = SyncItem.objects.values_list("state", flat=True)
    return {state: list(states).count(state) for state in sorted(set(states))}


class Busy(World):
    """A calendar to which seven local events are to go, in batches of three."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.collection()
        self.remote = self.calendars["main"]
        for number in range(7):
            add_locally(self.main, self.clock(), title=f"New {number}")

    def watched(self, **how: object) -> Watched:
        return Watched(self.remote, **how)  # type: ignore[arg-type]


@pytest.fixture
def world() -> Busy:
    return Busy()


def test_intents_are_there_before_their_batch_is_sent(world: Busy) -> None:
    service = world.watched()
    world.sync(world.main, service)
    assert [states["intended"] for states in service.sent] == [3, 6, 4]


def test_the_last_answers_and_the_next_intents_are_written_while_a_batch_is_in_the_air(
    world: Busy,
) -> None:
    service = world.watched()
    world.sync(world.main, service)
    assert service.answered == [
        {"intended": 6},
        {"done": 3, "intended": 4},
        {"done": 6, "intended": 1},
    ]
    assert journal() == {"done": 7}


def test_no_step_ends_while_a_batch_is_in_the_air(world: Busy) -> None:
    service = world.watched()
    run = world.run(world.main, service)
    finish(engine.pull(run))
    assert {service.in_the_air for _ in engine.push(run)} == {0}
    assert len(service.sent) == 3


def test_what_was_announced_after_a_batch_that_stops_the_run_is_not_sent(world: Busy) -> None:
    service = world.watched()

    def full(call: str, moment: str) -> None:
        if (call, moment, len(world.remote.writes)) == ("write", "before", 1):
            raise Refusal(Remedy.HOLD, call="insert", status=403, reason="quotaExceeded")

    service.fault = full
    with pytest.raises(Refusal, match="quotaExceeded"):
        world.sync(world.main, service)

    assert len(service.sent) == 1
    assert journal() == {"done": 1, "failed": 2, "skipped": 3}
    skipped = SyncItem.objects.filter(state=SyncItem.State.SKIPPED)
    assert {line.error.partition(":")[0] for line in skipped} == {"not sent"}


def test_what_was_not_sent_is_sent_by_the_next_run(world: Busy) -> None:
    service = world.watched()

    def tired(call: str, moment: str) -> None:
        if (call, moment) == ("write", "before"):
            raise Refusal(Remedy.RETRY, call="insert", status=429, reason="slow down")

    service.fault = tired
    with pytest.raises(Refusal, match="slow down"):
        world.sync(world.main, service)
    world.main.return_lease()
    world.clock.advance(days=1)

    world.sync(world.main)

    assert world.remote.titles() == [f"New {number}" for number in range(7)]
    assert journal() == {"done": 7, "failed": 3, "skipped": 3}


def test_answers_of_a_slow_service_are_written_down_before_more_is_sent(world: Busy) -> None:
    service, proven = world.watched(), list[float]()

    def slow(call: str, moment: str) -> None:
        if (call, moment) == ("write", "before"):
            world.clock.advance(seconds=11)
            world.main.refresh_from_db()
            assert world.main.lease_until
            proven.append((world.main.lease_until - world.clock()).total_seconds())

    service.fault = slow
    world.sync(world.main, service)
    assert [states.get("done", 0) for states in service.sent] == [0, 3, 6]
    assert set(proven) == {LEASE_SECONDS - 11.0}


def test_a_service_without_batches_is_sent_one_thing_after_the_other(world: Busy) -> None:
    """There an answer may say what the next write must rest on."""
    traits = Traits(conditional=True, client_ids=True, batch=1)
    service = world.watched(traits=traits, whole_series=True)
    world.sync(world.main, service)
    assert [states["intended"] for states in service.sent] == [1] * 7


def test_an_exception_is_announced_once_its_series_is_there(world: Busy) -> None:
    times = {"starts_at": world.clock(), "ends_at": world.clock(), "start_zone": "UTC"}
    add_locally(world.main, world.clock(), title="Daily", recurrence=DAILY, **times)
    except_locally("Daily", SLOT, world.clock(), title="Later")
    service = world.watched()
    world.sync(world.main, service)
    assert service.sent[-1] == {"done": 8, "intended": 1}
