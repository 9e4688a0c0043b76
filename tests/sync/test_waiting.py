"""What waits: refused writes for their time or a change, held deletions for a person."""

import pytest

from calendars.models import Item
from sync.core.provider import Refusal, Remedy
from sync.models import Mapping, SyncItem
from tests.sync.remote import RemoteProvider
from tests.sync.world import World, delete_locally, edit_locally, local_titles

pytestmark = pytest.mark.django_db


class Full(World):
    """One two-way calendar with ten events, known to both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.collection()
        self.remote = self.calendars["main"]
        for name in "abcdefghij":
            self.remote.add(name, title=name)
        self.sync(self.main)

    def refusing(self) -> RemoteProvider:
        """A service that will not take what it is sent."""
        provider = self.provider(self.main)

        def fault(call: str, moment: str) -> None:
            if (call, moment) == ("write", "before"):
                raise Refusal(Remedy.PARK, call="patch", status=400, reason="invalid")

        provider.fault = fault
        return provider


@pytest.fixture
def world() -> Full:
    return Full()


def test_a_refused_write_waits_and_is_not_sent_again_meanwhile(world: Full) -> None:
    edit_locally("a", world.clock(), title="A")
    world.sync(world.main, world.refusing())

    world.sync(world.main)

    assert world.remote.writes == []
    assert Mapping.objects.get(remote_id="a").next_attempt_at > world.clock()


def test_a_refused_record_that_a_person_changed_is_tried_at_once(world: Full) -> None:
    edit_locally("a", world.clock(), title="A")
    world.sync(world.main, world.refusing())
    edit_locally("A", world.clock(), title="Another A")

    world.sync(world.main)

    assert world.remote.writes == [("update", "a")]


def test_held_deletions_are_written_down_once(world: Full) -> None:
    for name in "abcdef":
        delete_locally(name, world.clock())

    for _ in range(3):
        world.sync(world.main)

    assert world.remote.writes == []
    assert SyncItem.objects.filter(state=SyncItem.State.HELD).count() == 6


def test_what_is_no_longer_held_is_closed(world: Full) -> None:
    for name in "abcdef":
        delete_locally(name, world.clock())
    world.sync(world.main)

    world.sync(world.main, released=True)

    assert len(world.remote.writes) == 6
    assert not SyncItem.objects.filter(state=SyncItem.State.HELD).exists()


def test_held_deletions_hold_nothing_else(world: Full) -> None:
    for name in "abcdef":
        delete_locally(name, world.clock())
    edit_locally("g", world.clock(), title="G")

    world.sync(world.main)

    assert world.remote.writes == [("update", "g")]


def test_a_run_that_plans_more_than_once_keeps_to_the_limits(world: Full) -> None:
    """Deletions that turn up while it writes count together with those it has made."""
    for name in "abcde":
        delete_locally(name, world.clock())
    provider = world.provider(world.main)
    moved: list[str] = []

    def fault(call: str, moment: str) -> None:
        if (call, moment) == ("write", "before") and not moved:
            moved.append(call)
            edit_locally("h", world.clock(), title="H")
            world.remote.edit("h", location="Hall")
            for name in "fg":
                delete_locally(name, world.clock())
            raise Refusal(Remedy.REREAD, call="delete", status=412)

    provider.fault = fault

    run = world.sync(world.main, provider)

    assert run.operation.holds
    assert len([kind for kind, _ in world.remote.writes if kind == "delete"]) <= 5


@pytest.mark.parametrize("first", ["old", "new"])
def test_an_event_moved_between_calendars_lives_once(first: str) -> None:
    """Google keeps the id: whichever calendar is looked at first, nothing comes back or doubles."""
    world = World()
    old, new = world.collection("old"), world.collection("new")
    calendars = {"old": old, "new": new}
    world.calendars["old"].add("a", title="Moved")
    world.calendars["old"].add("b", title="Stays")
    world.sync(old)
    world.sync(new)
    world.calendars["old"].delete("a")
    world.calendars["new"].add("a", title="Moved")

    for name in sorted(calendars, key=lambda name: name != first) * 2:
        world.sync(calendars[name])

    assert local_titles() == ["Moved", "Stays"]
    assert Item.objects.get(event__title="Moved", deleted_at=None).home == new
    assert world.calendars["old"].writes == world.calendars["new"].writes == []


@pytest.mark.parametrize("direction", ["pull", "push"])
def test_one_way_writes_nothing_against_its_direction(direction: str) -> None:
    world = World()
    main = world.collection(direction=direction)
    world.calendars["main"].add("a", title="Theirs")
    world.sync(main)
    world.sync(main)

    assert local_titles() == (["Theirs"] if direction == "pull" else [])
    assert world.calendars["main"].writes == []
