"""A reader who sees little overwrites little."""

from dataclasses import dataclass, replace

import pytest

from calendars.models import Event
from conflicts.models import Conflict
from sync.core.provider import Copy, Write
from sync.explaining import standing
from sync.models import Mapping
from tests.sync.remote import RemoteProvider, Stored, at
from tests.sync.world import World, add_locally, delete_locally, edit_locally

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


@dataclass(slots=True)
class GuestsHidden(RemoteProvider):
    """The port of somebody who may write to an event, and does not see its guests."""

    def copy(self, stored: Stored, listed: bool = False) -> Copy:
        copy = RemoteProvider.copy(self, stored, listed)
        if copy.fields is None:
            return copy
        seen = {name: value for name, value in copy.fields.items() if name != "attendees"}
        return replace(copy, fields=seen, partial=True)


def guests(*names: str) -> list[dict[str, str]]:
    return [{"email": f"{name}@example.com"} for name in names]


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


def test_a_hidden_list_of_guests_is_never_overwritten(world: World) -> None:
    main, calendar = world.collection(), world.calendars["main"]
    calendar.add("a", title="Talk", attendees=guests("work"))
    world.sync(main)
    calendar.edit("a", attendees=guests("team", "work"))
    edit_locally("Talk", world.clock(), attendees=guests("home", "work"))

    world.sync(main, GuestsHidden(calendar))
    assert calendar.events["a"].fields["attendees"] == guests("team", "work")

    edit_locally("Talk", world.clock(), title="Long talk")
    world.sync(main, GuestsHidden(calendar))
    assert calendar.titles() == ["Long talk"]
    assert calendar.events["a"].fields["attendees"] == guests("team", "work")


def test_what_each_side_did_to_a_hidden_field_is_merged_once_it_is_seen(world: World) -> None:
    main, calendar = world.collection(), world.calendars["main"]
    calendar.add("a", title="Talk", attendees=guests("work"))
    world.sync(main)
    calendar.edit("a", title="Long talk", attendees=guests("team", "work"))
    edit_locally("Talk", world.clock(), attendees=guests("home", "work"), location="Room 1")
    world.sync(main, GuestsHidden(calendar))

    world.sync(main, complete=True)

    both = guests("home", "team", "work")
    assert calendar.events["a"].fields["attendees"] == both
    assert Event.objects.get().attendees == both
    assert not Conflict.objects.exists()
    assert world.sync(main).operation.counts == {}


def test_guests_whom_nobody_here_saw_are_kept_when_their_event_is_deleted(world: World) -> None:
    main, calendar = world.collection(), world.calendars["main"]
    calendar.add("a", title="Talk", attendees=guests("work"))
    world.sync(main, GuestsHidden(calendar))
    delete_locally("Talk", world.clock())

    world.sync(main, complete=True)

    assert calendar.titles() == []
    kept = Conflict.objects.get()
    assert (kept.outcome, kept.remote["attendees"]) == ("automatic", guests("work"))


def test_a_local_edit_of_a_hidden_field_is_sent_once_it_is_seen(world: World) -> None:
    main, calendar = world.collection(), world.calendars["main"]
    calendar.add("a", title="Talk", attendees=guests("work"))
    world.sync(main)
    calendar.edit("a", title="Long talk")
    world.sync(main, GuestsHidden(calendar))
    edit_locally("Long talk", world.clock(), attendees=[])
    world.sync(main, GuestsHidden(calendar))
    assert calendar.events["a"].fields["attendees"] == guests("work")

    world.sync(main, complete=True)

    assert calendar.events["a"].fields["attendees"] == []
    assert world.sync(main).operation.counts == {}


def test_an_answer_that_shows_what_was_hidden_brings_up_the_local_edit(world: World) -> None:
    main, calendar = world.collection(), world.calendars["main"]
    calendar.add("a", title="Talk", attendees=guests("work"))
    world.sync(main)
    calendar.edit("a", title="Long talk")
    world.sync(main, GuestsHidden(calendar))
    edit_locally("Long talk", world.clock(), attendees=guests("home"), location="Room 1")

    world.sync(main)
    assert calendar.events["a"].fields["attendees"] == guests("work")
    world.sync(main)

    assert calendar.events["a"].fields["attendees"] == guests("home")


def test_what_an_answer_hides_is_not_sent_again(world: World) -> None:
    main, calendar = world.collection(), world.calendars["main"]
    starts = {"starts_at": at(9)["at"], "ends_at": at(10)["at"]}
    add_locally(main, world.clock(), title="Talk", attendees=guests("work"), **starts)
    world.sync(main, GuestsHidden(calendar))
    edit_locally("Talk", world.clock(), location="Room 1")

    sent: list[frozenset[str]] = []

    def witness(write: Write, there: Stored | None) -> None:
        sent.append(write.changed)

    world.sync(main, GuestsHidden(calendar, witness=witness))

    assert sent == [{"location"}]
    assert standing(Mapping.objects.get()) == "in step"
