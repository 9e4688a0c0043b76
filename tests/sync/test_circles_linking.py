"""Joining calendars that hold the same events already: linked, not doubled."""

import pytest

from calendars.models import Event, Item
from conflicts.models import Conflict
from integrations.models import Circle
from sync import engine
from sync.models import Mapping, SyncItem
from tests.sync.circle import Ring, one_item, places_of
from tests.sync.remote import at
from tests.sync.world import local_titles

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]
SLOT = "2026-05-06T09:00:00Z"
ABC = ["a", "b", "c"]


class Strangers(Ring):
    """Three calendars that know nothing of each other, until they meet."""

    def __init__(self) -> None:
        super().__init__()
        self.members = [self.collection(name) for name in ABC]

    def meet(self, *names: str) -> None:
        """From now on these calendars hold the same events."""
        circle, _ = Circle.objects.get_or_create(workspace=self.account.workspace, name="ours")
        for member in self.members:
            if not names or member.remote_id in names:
                member.circle, member.cursor, member.cursor_shape = circle, "", ""
                member.save(update_fields=["circle", "cursor", "cursor_shape"])


@pytest.fixture
def world() -> Strangers:
    return Strangers()


def add(world: Ring, where: str, name: str, **fields: object) -> None:
    world.calendars[where].add(f"{name}-{where}", **fields)


@pytest.mark.parametrize("known_before", [True, False])
def test_a_meeting_that_all_were_invited_to_stays_one(world: Strangers, known_before: bool) -> None:
    for where in ABC:
        add(world, where, "meeting", title="Meeting", uid="meeting@example.com")
    if known_before:
        world.sync_all()
        assert Item.objects.count() == 3
    world.meet()

    world.settle()

    assert Item.objects.alive().count() == 1
    assert [len(calendar.alive()) for calendar in world.calendars.values()] == [1, 1, 1]


@pytest.mark.parametrize("known_before", [True, False])
def test_a_copy_made_by_hand_is_linked(world: Strangers, known_before: bool) -> None:
    add(world, "a", "lunch", title="Team Lunch", location="Hall")
    add(world, "b", "lunch", title="team  lunch ")
    if known_before:
        world.sync_all()
    world.meet()

    world.settle()

    assert Item.objects.alive().count() == 1
    assert places_of(local_titles()[0]) == ABC


def test_copies_whose_titles_are_spelt_differently_ask_nobody_and_history_keeps_both(
    world: Strangers,
) -> None:
    add(world, "a", "lunch", title="Team Lunch")
    add(world, "b", "lunch", title="TEAM lunch")
    world.sync_all("a")
    world.sync_all("b")
    world.meet("a", "b")

    world.settle()

    assert world.titles() == {"a": ["Team Lunch"], "b": ["Team Lunch"], "c": []}
    conflict = Conflict.objects.get()
    assert conflict.outcome == "automatic"
    assert (conflict.local["title"], conflict.remote["title"]) == ("Team Lunch", "TEAM lunch")


def test_a_copy_that_goes_right_after_it_was_linked_is_not_made_again(world: Strangers) -> None:
    for where in "ab":
        add(world, where, "meeting", title="Meeting", uid="meeting@example.com")
    world.meet("a", "b")
    world.sync_all("a")
    dying = world.run(world.members[1])
    next(step for step in engine.pull(dying) if step.phase == "staged")
    engine.prepare(dying)
    assert places_of("Meeting") == ["a", "b"]
    world.close(dying)
    world.calendars["b"].delete("meeting-b")

    world.settle()

    assert world.same_everywhere() == []
    assert local_titles() == []


def test_copies_whose_times_were_said_in_different_zones_ask_nobody(world: Strangers) -> None:
    start, end = ({**at(hour), "zone": "UTC"} for hour in (9, 10))
    add(world, "a", "lunch", title="Lunch", start=at(9), end=at(10))
    add(world, "b", "lunch", title="Lunch", start=start, end=end)
    world.sync_all("a")
    world.sync_all("b")
    world.meet("a", "b")

    world.settle()

    assert not Conflict.objects.filter(outcome="open").exists()
    assert world.calendars["b"].alive()["lunch-b"]["start"] == at(9)


def test_linked_copies_follow_each_other_from_then_on(world: Strangers) -> None:
    for where in ABC:
        add(world, where, "meeting", title="Meeting", uid="meeting@example.com")
    world.sync_all()
    world.meet()
    world.settle()
    assert world.writes() == 0

    world.calendars["b"].edit("meeting-b", title="Moved", start=at(11), end=at(12))
    world.settle()

    assert world.same_everywhere() == ["Moved"]
    assert world.calendars["c"].alive()["meeting-c"]["start"] == at(11)


def test_what_differs_between_linked_copies_is_merged_and_nothing_is_lost(
    world: Strangers,
) -> None:
    add(world, "a", "m", title="Meeting", uid="u", location="Hall")
    add(world, "b", "m", title="Meeting", uid="u", description="Bring cake")
    world.sync_all()
    world.meet("a", "b")

    world.settle()

    for where in "ab":
        (event,) = world.calendars[where].alive().values()
        assert (event["location"], event["description"]) == ("Hall", "Bring cake")


def test_a_contradiction_between_linked_copies_waits_for_a_person(world: Strangers) -> None:
    add(world, "a", "m", title="Word of A", uid="u")
    add(world, "b", "m", title="Word of B", uid="u")
    world.sync_all()
    world.meet("a", "b")

    world.settle()

    conflict = Conflict.objects.get(outcome="open")
    assert conflict.fields == ["title"]
    assert {conflict.local["title"], conflict.remote["title"]} == {"Word of A", "Word of B"}
    assert world.titles() == {"a": ["Word of A"], "b": ["Word of B"], "c": []}


def test_each_candidate_is_used_once(world: Strangers) -> None:
    """Two events of the same name at the same time in one calendar are two."""
    add(world, "a", "one", title="Call")
    add(world, "a", "two", title="Call")
    add(world, "b", "one", title="Call")
    world.sync_all()
    world.meet("a", "b")

    world.settle()

    assert world.titles()["a"] == world.titles()["b"] == ["Call", "Call"]
    assert Item.objects.alive().count() == 2
    assert len(world.calendars["b"].writes) == 1


def test_events_at_another_time_or_of_another_name_are_not_linked(world: Strangers) -> None:
    add(world, "a", "one", title="Call")
    add(world, "b", "one", title="Call", start=at(13), end=at(14))
    add(world, "b", "two", title="Call back")
    world.meet("a", "b")

    world.settle()

    assert world.titles()["a"] == world.titles()["b"] == ["Call", "Call", "Call back"]


def test_an_icaluid_shared_by_calendars_outside_a_circle_stays_two_events(
    world: Strangers,
) -> None:
    for where in "ab":
        add(world, where, "meeting", title="Meeting", uid="meeting@example.com")

    world.settle()

    assert Item.objects.alive().count() == 2


def test_an_organisers_move_seen_by_a_guest_is_an_ordinary_change(world: Strangers) -> None:
    """The guest's copy may move before the organiser's calendar was looked at, or after."""
    for where in "ab":
        add(world, where, "meeting", title="Meeting", uid="meeting@example.com")
    world.meet("a", "b")
    world.settle()
    for where in "ba":
        world.calendars[where].edit(f"meeting-{where}", start=at(14), end=at(15))
        world.sync_all(where)

    world.settle()

    assert world.writes() == 0
    assert Conflict.objects.count() == 0
    assert one_item("Meeting").event.starts_at.hour == 14


def test_an_icaluid_that_is_ambiguous_links_only_what_looks_the_same(world: Strangers) -> None:
    add(world, "a", "one", title="First", uid="u")
    add(world, "a", "two", title="Second", uid="u", start=at(13), end=at(14))
    add(world, "b", "two", title="Second", uid="u", start=at(13), end=at(14))
    world.sync_all()
    world.meet("a", "b")

    world.settle()

    assert world.titles()["a"] == world.titles()["b"] == ["First", "Second"]
    assert Item.objects.alive().count() == 2


@pytest.mark.parametrize("known_before", [True, False])
def test_series_are_linked_with_their_exceptions(world: Strangers, known_before: bool) -> None:
    for where in "ab":
        add(world, where, "s", title="Daily", uid="u", recurrence=DAILY)
        parent = {"parent": f"s-{where}", "uid": "u"}
        add(world, where, "s_6", title="Later", slot=SLOT, **parent)
    add(world, "b", "s_7", title="Only in b", slot="2026-05-07T09:00:00Z", parent="s-b", uid="u")
    if known_before:
        world.sync_all()
    world.meet()

    world.settle()

    assert world.same_everywhere() == ["Daily", "Later", "Only in b"]
    assert Item.objects.alive().count() == 3
    parts = Event.objects.filter(item__deleted_at=None).exclude(slot="")
    assert {part.series_id for part in parts} == {one_item("Daily").pk}


def test_the_plan_shows_what_will_be_linked_and_history_tells_it(world: Strangers) -> None:
    for where in "ab":
        add(world, where, "meeting", title="Meeting", uid="meeting@example.com")
    world.sync_all()
    before = set(Item.objects.values_list("pk", flat=True))
    world.meet("a", "b")

    world.settle()

    line = SyncItem.objects.get(action="link")
    kept = one_item("Meeting").pk
    assert line.item_id in before - {kept}
    assert line.reason == f"the same event as {kept}"
    assert line.evidence == "the same iCalUID"
    assert line.before["title"] == "Meeting"
    assert line.mapping.item_id == kept


def test_copies_in_a_calendar_that_only_receives_are_linked(world: Strangers) -> None:
    world.members[1].direction = "push"
    world.members[1].save()
    add(world, "a", "meeting", title="Meeting", uid="u", location="Hall")
    add(world, "b", "meeting", title="Meeting", uid="u")
    add(world, "b", "own", title="Own")
    world.meet("a", "b")

    world.settle()

    assert world.titles()["b"] == ["Meeting", "Own"]
    assert world.calendars["b"].alive()["meeting-b"]["location"] == "Hall"
    assert Item.objects.count() == 1


@pytest.mark.parametrize("first", ["a", "c"])
def test_copies_in_a_calendar_that_only_contributes_are_linked(
    world: Strangers, first: str
) -> None:
    world.members[2].direction = "pull"
    world.members[2].save()
    for where in "abc":
        add(world, where, "meeting", title="Meeting", uid="u")
    world.sync_all(first)
    world.sync_all()
    world.meet()

    world.settle()

    assert world.same_everywhere() == ["Meeting"]
    assert Item.objects.alive().count() == 1
    assert not Item.objects.filter(pending=True).exists()


def test_an_invitation_that_arrives_in_several_calendars_later_is_linked_too(
    world: Strangers,
) -> None:
    world.meet()
    world.settle()
    for where in ABC:
        add(world, where, "meeting", title="Meeting", uid="u")

    world.settle()

    assert world.same_everywhere() == ["Meeting"]
    assert world.writes() == 0


@pytest.mark.parametrize(("known_as_one", "left"), [(True, []), (False, ["Meeting"])])
def test_deleting_one_invitation_of_two_deletes_both_once_they_are_known_as_one(
    world: Strangers, known_as_one: bool, left: list[str]
) -> None:
    """Before that it is a deletion of something that was never seen here."""
    world.meet()
    for where in "ab":
        add(world, where, "meeting", title="Meeting", uid="u")
    if known_as_one:
        world.settle()
    world.calendars["b"].delete("meeting-b")

    world.settle()

    assert world.same_everywhere() == left


def test_a_link_waits_until_what_is_under_way_has_been_agreed_on(world: Strangers) -> None:
    """A local edit that was not sent yet is not lost by it."""
    for where in "ab":
        add(world, where, "meeting", title="Meeting", uid="u")
        world.sync_all(where)
    younger = Event.objects.get(item__mappings__collection=world.members[1])
    Event.objects.filter(pk=younger.pk).update(location="Noted here")
    Item.objects.filter(pk=younger.pk).touch()
    world.meet("a", "b")

    world.settle()

    assert Item.objects.alive().count() == 1
    assert world.calendars["a"].alive()["meeting-a"]["location"] == "Noted here"


def test_an_event_that_two_calendars_hold_comes_to_the_third_once(world: Strangers) -> None:
    """Even if that one is looked at before the two were linked with each other."""
    for where in "ab":
        add(world, where, "meeting", title="Meeting", uid="u")
    world.sync_all()
    world.meet()

    world.sync_all("c")
    world.settle()

    assert world.same_everywhere() == ["Meeting"]
    assert world.writes() == 1


def test_linking_comes_to_rest_with_every_copy_known_once(world: Strangers) -> None:
    for where in ABC:
        for number in range(7):
            add(world, where, f"m{number}", title=f"Meeting {number}", uid=f"u{number}")
    world.sync_all()
    world.meet()

    world.settle()

    assert world.writes() == 0
    assert Mapping.objects.filter(item__deleted_at=None).count() == 21
    assert Item.objects.alive().count() == 7
