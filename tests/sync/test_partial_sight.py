"""A reader who sees little overwrites little."""

from dataclasses import dataclass, replace

import pytest

from calendars.models import Event
from sync.core.provider import Copy
from sync.models import Mapping
from tests.sync.remote import RemoteProvider, Stored, at
from tests.sync.world import World, edit_locally

pytestmark = pytest.mark.django_db

SEEN = ("start", "end", "status", "transparency")


@dataclass(slots=True)
class BusyReader(RemoteProvider):
    """The port of somebody who may see free and busy times only."""

    def copy(self, stored: Stored, listed: bool = False) -> Copy:
        copy = RemoteProvider.copy(self, stored, listed)
        if copy.fields is None:
            return copy
        seen = {name: copy.fields[name] for name in SEEN}
        return replace(copy, fields=seen, partial=True, obstacle="free/busy only")


@pytest.fixture
def world() -> World:
    return World()


def test_a_right_that_shrinks_blanks_nothing(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Talk", location="Room 1")
    world.sync(main)
    world.calendars["main"].edit("a", start=at(11), end=at(12))

    world.sync(main, BusyReader(world.calendars["main"]))

    event = Event.objects.get()
    assert (event.title, event.location) == ("Talk", "Room 1")
    assert event.starts_at is not None
    assert event.starts_at.hour == 11


def test_a_local_note_on_an_event_seen_as_busy_survives_its_move(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Secret")
    world.sync(main, BusyReader(world.calendars["main"]))
    edit_locally("", world.clock(), title="My own note")
    world.calendars["main"].edit("a", start=at(11), end=at(12))

    world.sync(main, BusyReader(world.calendars["main"]))

    event = Event.objects.get()
    assert event.title == "My own note"
    assert event.starts_at is not None
    assert event.starts_at.hour == 11
    assert world.calendars["main"].writes == []


def test_a_right_that_grows_fills_in_what_was_hidden(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Talk")
    world.sync(main, BusyReader(world.calendars["main"]))
    assert Event.objects.get().title == ""

    world.sync(main, complete=True)

    assert Event.objects.get().title == "Talk"
    assert "title" in (Mapping.objects.get().base or {})
    assert world.sync(main).operation.counts == {}
