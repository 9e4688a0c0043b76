"""Circles: what happens in one calendar happens in all that hold the same events."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from calendars.models import Item
from conflicts.models import Conflict
from conflicts.services import ImpossibleRuling, Side, rule
from integrations.models import Collection
from sync.core.records import Direction
from sync.explaining import explain
from sync.models import SyncItem
from tests.sync.circle import GUESTS, Ring, one_item, places_of
from tests.sync.world import edit_locally, local_titles

pytestmark = pytest.mark.django_db


@pytest.fixture
def ring() -> Ring:
    ring = Ring()
    ring.join("a", "b", "c")
    return ring


def test_an_event_comes_to_every_calendar_in_one_sync(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Meeting", location="Hall")

    ring.sync_all()

    assert ring.same_everywhere() == ["Meeting"]
    assert places_of("Meeting") == ["a", "b", "c"]
    assert ring.writes() == 2


def test_a_circle_comes_to_rest(ring: Ring) -> None:
    """Rings cannot loop: an event is one item, wherever its copies are."""
    for name in "abc":
        ring.calendars[name].add(f"from-{name}", title=f"From {name}")

    ring.settle()

    assert ring.same_everywhere() == ["From a", "From b", "From c"]
    assert ring.writes() == 6
    assert Item.objects.count() == 3
    assert not Item.objects.filter(pending=True).exists()


def test_what_only_a_calendar_lacked_that_takes_no_more_rests(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Meeting")
    ring.sync_all("a", "b")
    assert Item.objects.filter(pending=True).count() == 1, "c lacks it"

    Collection.objects.filter(remote_id="c").update(direction=Direction.PULL)
    ring.sync_all("a", "b")

    assert not Item.objects.filter(pending=True).exists()


@pytest.mark.parametrize("where", ["a", "b", "c"])
def test_an_edit_anywhere_reaches_all(ring: Ring, where: str) -> None:
    ring.calendars["a"].add("meeting", title="Old")
    ring.settle()
    ring.calendars[where].edit(ring.copy_in(where, "Old"), title="New")

    ring.sync_all()

    assert ring.same_everywhere() == ["New"]
    assert local_titles() == ["New"]
    ring.settle()


@pytest.mark.parametrize("where", ["a", "b", "c"])
def test_a_deletion_anywhere_reaches_all(ring: Ring, where: str) -> None:
    for name in ("meeting", "other"):
        ring.calendars["a"].add(name, title=name)
    ring.settle()
    ring.calendars[where].delete(ring.copy_in(where, "meeting"))

    ring.sync_all()

    assert ring.same_everywhere() == ["other"]
    ring.settle()


def test_edits_of_different_fields_in_two_calendars_meet_in_all(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Old", location="Here")
    ring.settle()
    ring.calendars["a"].edit("meeting", title="New")
    ring.calendars["b"].edit(ring.copy_in("b", "Old"), location="There")

    ring.sync_all()

    assert ring.same_everywhere() == ["New"]
    places = {next(iter(c.alive().values()))["location"] for c in ring.calendars.values()}
    assert places == {"There"}


def test_the_same_field_edited_in_two_calendars_waits_for_a_person(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Old")
    ring.settle()
    ring.calendars["a"].edit("meeting", title="Word of A")
    ring.calendars["b"].edit(ring.copy_in("b", "Old"), title="Word of B")

    ring.sync_all()
    ring.sync_all()

    conflict = Conflict.objects.get(outcome="open")
    assert (conflict.local["title"], conflict.remote["title"]) == ("Word of A", "Word of B")
    assert ring.titles() == {"a": ["Word of A"], "b": ["Word of B"], "c": ["Word of A"]}


def test_a_ruling_on_a_clash_between_two_calendars_reaches_all(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Old")
    ring.settle()
    ring.calendars["a"].edit("meeting", title="Word of A")
    ring.calendars["b"].edit(ring.copy_in("b", "Old"), title="Word of B")
    ring.sync_all()
    conflict = Conflict.objects.get(outcome="open")

    with pytest.raises(ImpossibleRuling, match="attendees: kept where the event is at home"):
        rule(conflict_id=conflict.pk, by=None, now=ring.clock(), edits={"attendees": GUESTS})
    rule(conflict_id=conflict.pk, by=None, now=ring.clock(), keep=Side.REMOTE)
    ring.settle()

    assert ring.same_everywhere() == ["Word of B"]
    assert Conflict.objects.get(pk=conflict.pk).outcome == "settled"


def test_a_calendar_that_is_only_read_contributes_and_receives_nothing(ring: Ring) -> None:
    ring.join("d", direction="pull")
    ring.calendars["a"].add("ours", title="Ours")
    ring.calendars["d"].add("theirs", title="Theirs")

    ring.settle()

    assert ring.titles()["d"] == ["Theirs"]
    assert ring.calendars["d"].writes == []
    assert ring.titles()["a"] == ring.titles()["c"] == ["Ours", "Theirs"]


def test_a_calendar_that_is_only_written_receives_and_contributes_nothing(ring: Ring) -> None:
    ring.join("d", direction="push")
    ring.calendars["a"].add("ours", title="Ours")
    ring.calendars["d"].add("theirs", title="Theirs")
    ring.settle()
    ring.calendars["d"].edit(ring.copy_in("d", "Ours"), title="Scribble")

    ring.settle()

    assert ring.titles()["d"] == ["Ours", "Theirs"]
    assert ring.titles()["a"] == ["Ours"]


def test_a_calendar_that_became_read_only_still_contributes_and_destroys_nothing(
    ring: Ring,
) -> None:
    ring.calendars["a"].add("meeting", title="Old", location="Here")
    ring.settle()
    ring.members[1].direction = "pull"
    ring.members[1].save()
    ring.calendars["a"].edit("meeting", title="New")
    ring.sync_all()
    ring.calendars["b"].edit(ring.copy_in("b", "Old"), location="There")

    ring.settle()

    assert ring.titles() == {"a": ["New"], "b": ["Old"], "c": ["New"]}
    assert ring.calendars["a"].alive()["meeting"]["location"] == "There"


def test_a_calendar_that_becomes_writable_again_catches_up(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Old")
    ring.settle()
    for direction in ("pull", "two_way"):
        ring.members[1].direction = direction
        ring.members[1].save()
        ring.calendars["a"].edit("meeting", title=direction)
        ring.calendars["a"].add(direction, title=f"New in {direction}")
        ring.sync_all()

    ring.settle()

    assert ring.same_everywhere() == ["New in pull", "New in two_way", "two_way"]


def test_many_deletions_in_one_member_are_held_there_and_reach_nobody(ring: Ring) -> None:
    for number in range(20):
        ring.calendars["a"].add(f"e{number}", title=f"Event {number:02}")
    ring.settle()
    for remote_id in list(ring.calendars["b"].alive())[:15]:
        ring.calendars["b"].delete(remote_id)

    runs = ring.sync_all()

    assert runs["b"].operation.holds
    assert len(ring.titles()["a"]) == len(ring.titles()["c"]) == 20
    assert SyncItem.objects.filter(side="local", action="delete", state="held").count() == 15


def test_a_member_that_cannot_be_reached_waits_and_catches_up(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Old")
    ring.settle()
    ring.calendars["a"].edit("meeting", title="New")
    ring.calendars["a"].add("second", title="Second")
    ring.sync_all("a", "b")
    ring.sync_all("a", "b")
    assert Item.objects.filter(pending=True).count() == 2

    ring.settle()

    assert ring.same_everywhere() == ["New", "Second"]
    assert not Item.objects.filter(pending=True).exists()


def test_a_local_edit_reaches_every_calendar(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Old")
    ring.settle()
    edit_locally("Old", ring.clock(), title="New")

    ring.sync_all()

    assert ring.same_everywhere() == ["New"]


def test_an_event_is_explained_with_all_its_copies_and_those_that_are_still_to_come(
    ring: Ring,
) -> None:
    ring.calendars["a"].add("meeting", title="Meeting")
    ring.settle()
    ring.join("d")
    ring.join("e", direction="pull")

    (found,) = explain(str(one_item("Meeting").pk), ring.clock())

    standing = {place.calendar[0]: place.standing for place in found.places}
    assert standing == {
        **dict.fromkeys("abc", "in step"),
        "d": "not there yet: the next sync makes it",
        "e": "not there: the calendar is only read",
    }
    assert {moment.calendar[0] for moment in found.history} == {"a", "b", "c"}


def test_a_circle_at_rest_costs_the_same_however_many_events_it_holds() -> None:
    def queries(number: int) -> int:
        ring = Ring()
        ring.join("a", "b")
        for one in range(number):
            ring.calendars["a"].add(f"e{one}", title=f"Event {one}")
        ring.settle()
        with CaptureQueriesContext(connection) as captured:
            ring.sync_all()
        return len(captured)

    assert queries(3) == queries(30)


def test_one_change_costs_the_same_however_many_events_a_circle_holds() -> None:
    def queries(number: int) -> int:
        ring = Ring()
        ring.join("a", "b")
        for one in range(number):
            ring.calendars["a"].add(f"e{one}", title=f"Event {one}")
        ring.settle()
        ring.calendars["a"].add("new", title="New")
        ring.calendars["b"].edit(ring.copy_in("b", "Event 1"), title="Edited")
        with CaptureQueriesContext(connection) as captured:
            ring.sync_all()
        return len(captured)

    assert queries(3) == queries(30)
