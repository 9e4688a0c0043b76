"""Leaving a circle and removing one: every copy stays, and whatever died half-way is finished."""

from collections.abc import Callable
from typing import Any

import pytest

from calendars.models import Event, Item
from integrations.models import Circle, Collection
from sync.circles import InvalidCircle, leave_circle, remove_circle
from sync.models import Mapping, SyncItem
from sync.parting import part_next
from tests.sync.circle import ABC, GUESTS, SLOT, Ring, join, sound, strangers
from tests.sync.world import edit_locally

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Ring:
    return strangers(monkeypatch)


def full(world: Ring) -> None:
    """A circle with events from everywhere, a series with exceptions among them."""
    join(world)
    for name in ABC:
        world.calendars[name].add(f"one-{name}", title=f"From {name}", attendees=GUESTS)
    world.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    world.calendars["a"].add("s_1", title="Later", parent="s", slot=SLOT)
    world.settle()
    series = world.copy_in("b", "Daily")
    slot = SLOT.replace("-06T", "-07T")
    world.calendars["b"].add("s_2", title="Much later", parent=series, slot=slot)
    world.settle()
    sound(world)


@pytest.mark.parametrize("who", ABC)
def test_leaving_keeps_every_copy_where_it_is(world: Ring, who: str) -> None:
    full(world)
    before, writes = world.titles(), world.writes()

    left = leave_circle(collection=Collection.objects.get(remote_id=who), clock=world.clock)
    world.settle()

    assert left.events == 4
    assert (world.titles(), world.writes()) == (before, writes)
    sound(world)


@pytest.mark.parametrize("who", ABC)
def test_after_leaving_each_side_goes_its_own_way(world: Ring, who: str) -> None:
    full(world)
    others = [name for name in ABC if name != who]
    leave_circle(collection=Collection.objects.get(remote_id=who), clock=world.clock)

    world.calendars[who].edit(world.copy_in(who, "From a"), title="Mine")
    world.calendars[others[0]].edit(world.copy_in(others[0], "Later"), title="Ours")
    world.calendars[others[1]].delete(world.copy_in(others[1], "From b"))
    world.settle()

    alone, first, second = (world.titles()[name] for name in (who, *others))
    assert alone == ["Daily", "From b", "From c", "Later", "Mine", "Much later"]
    assert first == second == ["Daily", "From a", "From c", "Much later", "Ours"]
    sound(world)


@pytest.mark.parametrize("who", ABC)
def test_rejoining_doubles_nothing(world: Ring, who: str) -> None:
    full(world)
    before, writes = world.titles(), world.writes()
    leave_circle(collection=Collection.objects.get(remote_id=who), clock=world.clock)
    world.settle()

    join(world, who)
    world.settle()

    assert world.titles() == before
    assert world.writes() == writes
    assert Item.objects.alive().count() == 6
    sound(world)


def test_guests_are_not_carried_to_the_side_that_never_had_them(world: Ring) -> None:
    full(world)

    leave_circle(collection=Collection.objects.get(remote_id="a"), clock=world.clock)

    own = {m.item.event.attendees == GUESTS for m in Mapping.objects.filter(remote_id="one-a")}
    copies = Event.objects.filter(title="From a", item__deleted_at=None)
    assert own == {True}
    assert sorted(len(copy.attendees) for copy in copies) == [0, 1]


def test_an_edit_that_was_not_sent_yet_is_still_sent_after_leaving(world: Ring) -> None:
    full(world)
    edit_locally("From a", world.clock(), title="Edited here")

    leave_circle(collection=Collection.objects.get(remote_id="b"), clock=world.clock)
    world.settle()

    assert all("Edited here" in titles for titles in world.titles().values())


def test_history_tells_where_an_event_came_from_after_leaving(world: Ring) -> None:
    full(world)
    leave_circle(collection=Collection.objects.get(remote_id="a"), clock=world.clock)

    lines = SyncItem.objects.filter(reason="its calendars go separate ways")
    assert lines.count() == 6
    assert all(line.evidence.startswith("continues ") for line in lines)


def test_leaving_waits_while_a_run_is_busy_with_any_member(world: Ring) -> None:
    full(world)
    world.run(world.members[1])

    with pytest.raises(InvalidCircle, match="a run is busy"):
        leave_circle(collection=world.members[0], clock=world.clock)
    assert Collection.objects.get(remote_id="a").circle is not None


def dying_after(calls: int) -> Callable[..., int]:
    """Part as ever, but die with the call after so many; whoever goes on after that lives."""
    steps = iter(range(1_000))

    def part(*args: Any) -> int:
        if next(steps) == calls:
            raise KeyboardInterrupt
        return part_next(*args)

    return part


def test_leaving_that_died_half_way_is_finished_by_the_next_call(
    world: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(world)
    monkeypatch.setattr("sync.parting.BATCH", 1)
    monkeypatch.setattr("sync.circles.part_next", dying_after(2))
    with pytest.raises(KeyboardInterrupt):
        leave_circle(collection=world.members[0], clock=world.clock)
    before = world.titles()
    leave_circle(collection=world.members[0], clock=world.clock)
    world.settle()

    assert world.titles() == before
    sound(world)


def test_removing_a_circle_parts_all_of_its_calendars(world: Ring) -> None:
    full(world)
    before, writes = world.titles(), world.writes()

    remove_circle(circle=Circle.objects.get(), clock=world.clock)
    world.settle()

    assert not Circle.objects.exists()
    assert (world.titles(), world.writes()) == (before, writes)
    assert not Mapping.objects.filter(away=True).exists()
    sound(world)


def test_removing_that_died_twice_is_finished_by_the_next_call(
    world: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time when the last calendar was on its way out, which no member tells of."""
    full(world)
    circle, before = Circle.objects.get(), world.titles()
    for deaths in (2, 5):
        with monkeypatch.context() as patch:
            patch.setattr("sync.parting.BATCH", 1)
            patch.setattr("sync.circles.part_next", dying_after(deaths))
            with pytest.raises(KeyboardInterrupt):
                remove_circle(circle=circle, clock=world.clock)
    assert not circle.collections.exists()
    assert Mapping.objects.filter(away=True).exists()

    remove_circle(circle=circle, clock=world.clock)
    world.settle()

    assert not Circle.objects.exists()
    assert not Mapping.objects.filter(away=True).exists()
    assert world.titles() == before
    sound(world)


def test_a_circle_that_a_calendar_joins_while_it_is_removed_stays(
    world: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    circle = join(world, "a", "b")
    late = world.members[2]

    def leave_late(**how: Any) -> Any:
        Collection.objects.filter(pk=late.pk).update(circle=circle)
        return leave_circle(**how)

    monkeypatch.setattr("sync.circles.leave_circle", leave_late)

    with pytest.raises(InvalidCircle, match="meanwhile; remove it again"):
        remove_circle(circle=circle, clock=world.clock)
    assert list(circle.collections.all()) == [late]


def test_an_account_that_is_removed_leaves_its_events_to_the_others(world: Ring) -> None:
    """What they have is what was shared; nobody is invited by it."""
    full(world)
    Collection.objects.get(remote_id="a").delete()
    world.members = [m for m in world.members if m.remote_id != "a"]
    del world.calendars["a"]

    world.settle()

    assert "From a" in world.same_everywhere()
    event = Event.objects.get(title="From a", item__deleted_at=None)
    assert event.attendees == []
    assert event.item.home.remote_id in ("b", "c")
    assert all(not e["attendees"] for e in copies_of(world, "From a"))


def copies_of(world: Ring, title: str) -> list[dict[str, Any]]:
    calendars = world.calendars.values()
    return [e for calendar in calendars for e in calendar.alive().values() if e["title"] == title]
