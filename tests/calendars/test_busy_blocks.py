"""Local busy blocks follow their sources, cost what changed, and are made once."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from calendars import blocks
from calendars.models import BusyRule, Event, Item
from calendars.services import change_busy_rule, refresh_busy_blocks, remove_busy_rule
from sync.core.events import EMPTY
from tests.calendars.world import World, at, block_of, content, counts, expected_id

pytestmark = pytest.mark.django_db

SLOT = "2026-05-12T10:00:00Z"
WEEKLY = ["RRULE:FREQ=WEEKLY"]
FREE = {"transparency": "transparent"}


@pytest.fixture
def world(db):
    return World()


def test_a_new_rule_makes_a_block_for_each_event_in_its_window(world):
    lunch = world.event(title="Lunch")
    world.event(start=at("01-05"), end=at("01-05", 11))
    rule = world.rule()
    refreshed = world.refresh()
    assert counts(refreshed) == (1, 0, 0)
    assert refreshed.targets == {world.home.pk}
    block = block_of(lunch, rule)
    assert block.pk == expected_id(rule, lunch)
    assert (block.title, block.item.home_id, block.item.pending) == ("Busy", world.home.pk, True)
    assert block.item.workspace_id == world.home.account.workspace_id


def test_nothing_due_costs_one_query(world):
    world.event()
    world.rule()
    world.refresh()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert counts(world.refresh()) == (0, 0, 0)
    assert len(queries) == 1


def test_a_changed_event_costs_the_same_however_large_the_calendar(world):
    world.rule()
    lunch = world.event()
    world.refresh()

    def cost(hour):
        world.change(lunch, start=at("05-05", hour))
        with CaptureQueriesContext(connection) as queries:
            world.refresh(lunch)
        return len(queries)

    small = cost(8)
    for _ in range(50):
        world.event()
    world.refresh()
    assert cost(9) == small


def test_a_changed_event_changes_its_block_and_sends_it(world):
    rule, lunch = world.rule(), world.event()
    world.refresh()
    world.settle()
    world.change(lunch, start=at("05-06"), end=at("05-06", 11))
    assert counts(world.refresh(lunch)) == (0, 1, 0)
    block = block_of(lunch, rule)
    assert content(block)["start"] == at("05-06")
    assert (block.item.revision, block.item.pending) == (2, True)


def test_a_change_that_the_block_does_not_show_touches_nothing(world):
    rule, lunch = world.rule(), world.event()
    world.refresh()
    world.settle()
    world.change(lunch, title="Dinner", description="secret")
    refreshed = world.refresh(lunch)
    assert counts(refreshed) == (0, 0, 0)
    assert refreshed.targets == frozenset()
    block = block_of(lunch, rule)
    assert (block.item.revision, block.item.pending) == (1, False)


def test_a_deleted_event_takes_its_block_along(world):
    rule, lunch = world.rule(), world.event()
    world.refresh()
    world.delete(lunch)
    assert counts(world.refresh(lunch)) == (0, 0, 1)
    assert block_of(lunch, rule) is None
    buried = Item.objects.get(pk=expected_id(rule, lunch))
    assert (buried.revision, buried.pending, buried.deleted_at) == (2, True, world.now)


def test_a_block_that_was_deleted_comes_back_as_itself(world):
    rule, lunch = world.rule(), world.event()
    world.refresh()
    world.change(lunch, **FREE)
    assert counts(world.refresh(lunch)) == (0, 0, 1)
    world.change(lunch, transparency="opaque")
    assert counts(world.refresh(lunch)) == (0, 1, 0)
    assert block_of(lunch, rule).pk == expected_id(rule, lunch)
    assert Event.objects.filter(busy_rule=rule).count() == 1


def test_refreshing_twice_changes_nothing(world):
    world.rule()
    series = world.event(recurrence=WEEKLY)
    part = world.event(series=series, slot=SLOT, start=at("05-13"), end=at("05-13", 11))
    world.refresh()
    assert counts(world.refresh(series, part)) == (0, 0, 0)


def test_two_calendars_that_block_each_other_never_echo(world):
    world.rule()
    world.rule(world.home, world.work)
    lunch, dinner = world.event(), world.event(world.home)
    assert counts(world.refresh()) == (2, 0, 0)
    BusyRule.objects.update(applied="")
    assert counts(world.refresh()) == (0, 0, 0)
    every_block = Event.objects.exclude(busy_rule=None)
    assert counts(world.refresh(*every_block, source=world.home)) == (0, 0, 0)
    assert {block.source_id for block in every_block} == {lunch.pk, dinner.pk}


def test_a_ring_of_three_calendars_never_echoes(world):
    third = world.calendar("club", world.work.account.workspace)
    for source, target in ((world.work, world.home), (world.home, third), (third, world.work)):
        world.rule(source, target)
    world.event()
    assert counts(world.refresh()) == (1, 0, 0)
    BusyRule.objects.update(applied="")
    assert counts(world.refresh()) == (0, 0, 0)


def test_an_exception_is_mirrored_into_the_block_of_its_series(world):
    rule, series = world.rule(), world.event(recurrence=WEEKLY)
    part = world.event(series=series, slot=SLOT, start=at("05-13"), end=at("05-13", 11))
    assert counts(world.refresh()) == (2, 0, 0)
    block = block_of(part, rule)
    assert (block.series_id, block.slot) == (expected_id(rule, series), SLOT)
    assert content(block)["start"] == at("05-13")


def test_an_exception_alone_finds_its_series(world):
    rule, series = world.rule(), world.event(recurrence=WEEKLY)
    world.refresh()
    part = world.event(**{**EMPTY, "status": "cancelled"}, series=series, slot=SLOT)
    world.change(part, start=None, end=None)
    assert counts(world.refresh(part)) == (1, 0, 0)
    block = block_of(part, rule)
    assert (block.status, content(block)["start"]) == ("cancelled", at("05-12"))


def test_an_exception_that_is_deleted_leaves_what_the_series_says(world):
    rule, series = world.rule(), world.event(recurrence=WEEKLY)
    part = world.event(series=series, slot=SLOT, start=at("05-13"), end=at("05-13", 11))
    world.refresh()
    world.delete(part)
    assert counts(world.refresh(part)) == (0, 1, 0)
    assert content(block_of(part, rule))["start"] == at("05-12")


def test_a_series_that_is_skipped_leaves_its_busy_occurrences_as_blocks_of_their_own(world):
    rule, series = world.rule(), world.event(recurrence=WEEKLY)
    part = world.event(series=series, slot=SLOT, start=at("05-12"), end=at("05-12", 11))
    world.refresh()
    assert block_of(part, rule).series_id == expected_id(rule, series)

    world.change(series, **FREE)
    assert counts(world.refresh(series)) == (0, 1, 1)
    assert block_of(series, rule) is None
    assert (block_of(part, rule).series_id, block_of(part, rule).slot) == (None, "")

    world.change(series, transparency="opaque")
    assert counts(world.refresh(series)) == (0, 1, 0)
    assert block_of(part, rule).series_id is None
    assert block_of(series, rule).recurrence == [*WEEKLY, "EXDATE:20260512T100000Z"]
    assert counts(world.refresh(series, part)) == (0, 0, 0)

    world.delete(part)
    assert counts(world.refresh(part)) == (0, 1, 1)
    assert block_of(series, rule).recurrence == WEEKLY


def test_a_deleted_series_takes_all_its_blocks_along(world):
    rule, series = world.rule(), world.event(recurrence=WEEKLY)
    world.event(series=series, slot=SLOT)
    world.refresh()
    world.delete(series)
    assert counts(world.refresh(series)) == (0, 0, 2)
    assert not Item.objects.alive().filter(event__busy_rule=rule).exists()


def test_a_series_becomes_a_single_event_and_back(world):
    rule, series = world.rule(), world.event(recurrence=WEEKLY)
    part = world.event(series=series, slot=SLOT)
    world.refresh()
    world.change(series, recurrence=[])
    assert counts(world.refresh(series)) == (0, 1, 1)
    assert (block_of(series, rule).recurrence, block_of(part, rule)) == ([], None)
    world.change(series, recurrence=WEEKLY)
    assert counts(world.refresh(series)) == (0, 2, 0)
    assert block_of(series, rule).recurrence == WEEKLY


def test_a_changed_rule_rewrites_its_blocks_old_ones_too(world):
    rule, lunch = world.rule(title="{title}", fields=["title"]), world.event(title="Lunch")
    world.refresh()
    assert block_of(lunch, rule).title == "Lunch"
    world.now += timedelta(days=60)
    change_busy_rule(rule=rule, title_template="Busy", fields=[])
    assert counts(world.refresh()) == (0, 1, 0)
    assert block_of(lunch, rule).title == "Busy"


def test_a_rule_that_skips_more_takes_blocks_away(world):
    rule, holiday = (
        world.rule(),
        world.event(start={"date": "2026-05-05"}, end={"date": "2026-05-06"}),
    )
    world.refresh()
    change_busy_rule(rule=rule, all_day="skip")
    assert counts(world.refresh()) == (0, 0, 1)
    assert block_of(holiday, rule) is None


def test_a_renamed_calendar_rewrites_blocks_that_show_its_name_and_no_others(world):
    rule, lunch = world.rule(title="{calendar}", fields=["calendar"]), world.event()
    world.refresh()
    world.work.name = "office"
    world.work.save()
    assert counts(world.refresh()) == (0, 1, 0)
    assert block_of(lunch, rule).title == "office"


def test_a_block_stays_when_only_time_passes(world):
    rule, lunch = world.rule(), world.event()
    world.refresh()
    world.now += timedelta(days=100)
    assert counts(world.refresh()) == (0, 0, 0)
    assert block_of(lunch, rule) is not None


def test_the_window_moves_on_with_the_days(world):
    rule = world.rule(future_days=10)
    soon = world.event(start=at("05-13"), end=at("05-13", 11))
    all_day = world.event(start={"date": "2026-05-13"}, end={"date": "2026-05-14"})
    series = world.event(recurrence=WEEKLY, start=at("05-13"), end=at("05-13", 11))
    yearly = ["RRULE:FREQ=YEARLY"]
    old = {"at": "2020-05-13T10:00:00Z", "zone": "UTC"}
    birthday = world.event(recurrence=yearly, start=old, end=old)
    later = world.event(start=at("05-20"), end=at("05-20", 11))
    assert counts(world.refresh()) == (0, 0, 0)
    world.now += timedelta(days=3)
    assert counts(world.refresh()) == (4, 0, 0)
    assert all(block_of(event, rule) for event in (soon, all_day, series, birthday))
    assert block_of(later, rule) is None


def test_a_window_that_moved_on_looks_only_at_what_it_newly_reaches(world):
    world.rule()
    for _ in range(20):
        world.event()
    world.refresh()
    world.now += timedelta(days=1)
    with CaptureQueriesContext(connection) as queries:
        assert counts(world.refresh()) == (0, 0, 0)
    assert len(queries) == 3, "the rule, what the window newly reaches, the new stamp"


def test_an_event_that_left_for_another_calendar_loses_its_block(world):
    rule, lunch = world.rule(), world.event()
    world.refresh()
    Item.objects.filter(pk=lunch.pk).update(home=world.home)
    assert counts(world.refresh(lunch)) == (0, 0, 1)
    Item.objects.filter(pk=lunch.pk).update(home=world.work)
    world.refresh(lunch)
    Item.objects.filter(pk=lunch.pk).update(home=None)
    change_busy_rule(rule=rule)
    assert counts(world.refresh()) == (0, 0, 1)


def test_a_rule_that_is_off_keeps_its_blocks_and_catches_up_once_it_is_on(world):
    rule, lunch = world.rule(), world.event()
    world.refresh()
    BusyRule.objects.update(enabled=False)
    world.refresh()
    world.delete(lunch)
    dinner = world.event()
    assert counts(world.refresh(lunch, dinner)) == (0, 0, 0)
    assert block_of(lunch, rule) is not None
    BusyRule.objects.update(enabled=True)
    assert counts(world.refresh()) == (1, 0, 1)


def test_a_removed_rule_takes_its_blocks_away_and_makes_no_new_ones(world):
    rule, lunch = world.rule(), world.event()
    world.refresh()
    world.settle()
    assert remove_busy_rule(rule=rule, now=world.now).gone == 1
    assert block_of(lunch, rule) is None
    assert Item.objects.get(pk=expected_id(rule, lunch)).pending
    assert counts(world.refresh(world.event())) == (0, 0, 0)
    assert BusyRule.objects.get(pk=rule.pk).removed_at == world.now
    assert remove_busy_rule(rule=rule, now=world.now).gone == 0


def test_a_rule_that_was_removed_can_be_made_again(world):
    lunch = world.event()
    old = world.rule()
    world.refresh()
    remove_busy_rule(rule=old, now=world.now)
    new = world.rule()
    assert counts(world.refresh()) == (1, 0, 0)
    assert block_of(lunch, new).pk == expected_id(new, lunch)


def test_only_the_rules_of_a_calendar_look_at_its_events(world):
    third = world.calendar("club", world.work.account.workspace)
    world.rule(third, world.home)
    lunch = world.event()
    assert counts(world.refresh(lunch)) == (0, 0, 0)
    assert refresh_busy_blocks(now=world.now, source=world.work).targets == frozenset()


def test_many_events_are_walked_in_batches(world, monkeypatch):
    monkeypatch.setattr("calendars.blocks.BATCH", 7)
    rule = world.rule()
    events = [world.event(start=at("05-05"), end=at("05-05", 12)) for _ in range(30)]
    assert counts(world.refresh()) == (30, 0, 0)
    for event in events[:10]:
        world.delete(event)
    change_busy_rule(rule=rule, title_template="Away")
    assert counts(world.refresh()) == (0, 20, 10)


def test_a_rule_that_is_changed_while_it_is_applied_is_applied_again(world, monkeypatch):
    """The second batch meets another rule: what is written from then on is the new rule's."""
    monkeypatch.setattr("calendars.blocks.BATCH", 5)
    rule = world.rule()
    for _ in range(10):
        world.event(title="Lunch")
    genuine, calls = blocks.refresh, []

    def refresh_and_change(seen, heads, now):
        done = genuine(seen, heads, now)
        if not calls:
            change_busy_rule(
                rule=BusyRule.objects.get(pk=rule.pk), title_template="{title}", fields=["title"]
            )
        calls.append(done)
        return done

    monkeypatch.setattr(blocks, "refresh", refresh_and_change)
    world.refresh()
    assert calls[1] is None
    world.refresh()
    assert set(Event.objects.filter(busy_rule=rule).values_list("title", flat=True)) == {"Lunch"}
