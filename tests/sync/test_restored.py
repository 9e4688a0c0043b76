"""A calendar of its own, and a database from before a copy died there and was made again."""

from datetime import datetime

import pytest

from calendars.models import Event, Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.core.provider import Refusal, Remedy
from sync.models import Mapping
from tests.sync.backup import back_up, restore
from tests.sync.world import Clock, World, add_locally, edit_locally, local_titles

pytestmark = pytest.mark.django_db

SLOT = "2026-05-06T07:00:00Z"


class TickingClock(Clock):
    """A clock on which everything takes a moment."""

    def __call__(self) -> datetime:
        self.advance(milliseconds=1)
        return self.now


class Calendar(World):
    """One two-way calendar with one event, known to both sides."""

    def __init__(self) -> None:
        super().__init__(TickingClock())
        self.main = self.collection()
        self.remote = self.calendars["main"]
        self.remote.add("a", title="Talk")
        self.sync(self.main)

    def revive(self, remote_id: str, title: str) -> None:
        """Somebody deletes a copy that was just edited here, so that it is made again."""
        self.remote.delete(remote_id)
        edit_locally("Talk", self.clock(), title=title)
        assert title in self.settle()

    def go_back(self, backup: str) -> None:
        """A day passes before somebody restores the backup."""
        restore(backup)
        self.clock.advance(days=1)

    def settle(self) -> list[str]:
        """Sync until nothing happens any more, and return the titles of the copies."""
        for _ in range(5):
            if not self.sync(self.main).operation.counts:
                return self.remote.titles()
        raise AssertionError("the calendar does not come to rest")


@pytest.fixture
def world() -> Calendar:
    return Calendar()


def test_an_item_claims_the_copy_that_replaced_its_dead_one(world: Calendar) -> None:
    edit_locally("Talk", world.clock(), title="Lecture")
    backup = back_up()
    world.remote.delete("a")
    world.sync(world.main)
    world.go_back(backup)

    assert world.settle() == ["Lecture"]

    assert local_titles() == ["Lecture"]
    assert not Conflict.objects.filter(outcome="open").exists()


def test_two_versions_of_which_neither_is_known_to_be_newer_stay_one_event(
    world: Calendar,
) -> None:
    """The item was never sent as far as the backup knows, and its copy died and was replaced."""
    world.remote.delete("a")
    world.sync(world.main)
    times = {"starts_at": world.clock.now, "ends_at": world.clock.now, "start_zone": "UTC"}
    add_locally(world.main, world.clock(), title="Talk", **times)
    backup = back_up()
    world.sync(world.main)
    world.revive(world.remote.writes[-1][1], "Lecture")
    world.go_back(backup)
    Collection.objects.update(strategy="manual_review")

    assert world.settle() == ["Lecture"]

    conflict = Conflict.objects.get(outcome="open")
    assert (conflict.local["title"], conflict.remote["title"]) == ("Talk", "Lecture")
    assert Item.objects.alive().count() == 1


def test_a_name_that_another_event_bears_by_now_stops_nothing(world: Calendar) -> None:
    """Nobody claimed the copy, so it was taken for a new event; then its item came back."""
    backup = back_up()
    world.revive("a", "Lecture")
    world.go_back(backup)
    world.sync(world.main)
    edit_locally("Talk", world.clock(), title="Talk, with notes")

    assert world.settle() == ["Lecture", "Talk, with notes"]

    assert local_titles() == ["Lecture", "Talk, with notes"]
    assert Mapping.objects.filter(remote_id="a", item=None).exists(), "the dead copy is unknown"


def test_what_a_forgotten_copy_took_along_when_it_was_deleted_is_kept(world: Calendar) -> None:
    """Whoever deleted it had seen what we sent before the backup was restored, and no more."""
    times = {"starts_at": world.clock.now, "ends_at": world.clock.now, "start_zone": "UTC"}
    add_locally(world.main, world.clock(), title="Plan", **times)
    backup = back_up()
    world.sync(world.main)
    world.go_back(backup)
    world.remote.delete(world.remote.writes[-1][1])
    edit_locally("Plan", world.clock(), title="Better plan")
    provider = world.provider(world.main)
    provider.fault = unanswered
    world.drive(world.run(world.main, provider))
    provider = world.provider(world.main)
    provider.telling = False

    world.sync(world.main, provider)

    assert local_titles() == ["Talk"]
    assert Conflict.objects.get(outcome="automatic").local["title"] == "Better plan"


def unanswered(call: str, moment: str) -> None:
    """A write is lost on its way, and so is every question about it."""
    if call in ("write", "read"):
        raise Refusal(Remedy.RETRY, call=call, certain=False)


def test_a_series_that_finds_its_name_taken_leaves_the_exceptions_of_the_other(
    world: Calendar,
) -> None:
    world.remote.edit("a", recurrence=["RRULE:FREQ=DAILY;COUNT=5"])
    world.remote.add(f"a_{SLOT}", title="Later", parent="a", slot=SLOT)
    world.sync(world.main)
    backup = back_up()
    world.revive("a", "Lecture")
    world.go_back(backup)
    world.sync(world.main)
    edit_locally("Talk", world.clock(), title="Talk, with notes")

    assert world.settle() == ["Later", "Later", "Lecture", "Talk, with notes"]

    parts = Event.objects.filter(title="Later", item__deleted_at=None)
    assert sorted(part.series.event.title for part in parts) == ["Lecture", "Talk, with notes"]
