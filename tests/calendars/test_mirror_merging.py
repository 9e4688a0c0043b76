"""Blocks that overlap or touch made into one: by themselves, and kept so as events change."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from calendars.merging import merge
from calendars.models import BlockPart, BusyRule, Event
from calendars.services import change_busy_rule
from sync.core.events import EMPTY
from tests.calendars.world import World, at, counts

START = datetime(2026, 5, 5, 8, tzinfo=UTC)


def block(begin, end, **more):
    """A block from one quarter of an hour to another."""
    times = {"start": moment(begin), "end": moment(end)}
    return {**EMPTY, "title": "Busy", **times, **more}


def moment(quarter):
    text = (START + timedelta(minutes=15 * quarter)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"at": text, "zone": "Europe/Berlin"}


def day(first, last):
    dates = {"start": {"date": f"2026-05-{first:02}"}, "end": {"date": f"2026-05-{last:02}"}}
    return {**EMPTY, "title": "Busy", **dates}


def spells(*blocks, hosts=()):
    return merge(dict(enumerate(blocks)), hosts)


def test_blocks_that_overlap_or_touch_are_one():
    (one, two) = spells(block(0, 4), block(2, 6), block(6, 7), block(8, 9))
    assert (one.fields["start"], one.fields["end"]) == (moment(0), moment(7))
    assert one.parts == {0, 1, 2}
    assert two.parts == {3}


def test_a_block_within_another_does_not_shorten_it():
    (one,) = spells(block(0, 10), block(2, 3), block(9, 11))
    assert one.fields["end"] == moment(11)


def test_all_day_and_free_blocks_merge_only_among_themselves():
    free = block(0, 4, transparency="transparent")
    found = spells(block(0, 4), free, day(5, 6), day(6, 8))
    assert sorted(sorted(one.parts) for one in found) == [[0], [1], [2, 3]]
    assert next(one for one in found if 2 in one.parts).fields["end"] == {"date": "2026-05-08"}


def test_what_is_shown_of_the_whole_is_what_all_parts_say():
    same = {"title": "Away", "location": "Harbour", "colour": "7"}
    (one,) = spells(block(0, 4, **same), block(2, 6, **same))
    assert {name: one.fields[name] for name in same} == same
    (one,) = spells(block(0, 4, **same), block(2, 6, title="Lunch", description="x"))
    assert [one.fields[n] for n in ("title", "location", "colour", "description")] == [
        "Busy",
        "",
        "",
        "",
    ]


def test_what_is_partly_sure_is_sure():
    (one,) = spells(block(0, 4, status="tentative"), block(2, 6, status="confirmed"))
    assert one.fields["status"] == "confirmed"
    (one,) = spells(block(0, 4, status="tentative"), block(2, 6, status="tentative"))
    assert one.fields["status"] == "tentative"


def test_a_block_keeps_its_name_when_something_is_put_before_it():
    assert spells(block(0, 4), block(2, 6), hosts={1})[0].host == 1
    assert spells(block(0, 4), block(2, 6))[0].host == 0


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.booleans()), max_size=25))
def test_merged_blocks_take_up_the_same_time_and_never_touch(drawn):
    parts = {
        number: block(begin, begin + length, transparency="transparent" if free else "opaque")
        for number, (begin, length, free) in enumerate(drawn)
    }
    found = merge(parts, set())
    assert sorted(part for one in found for part in one.parts) == sorted(parts)
    for free in ("transparent", "opaque"):
        whole = sorted(_span(one.fields) for one in found if one.fields["transparency"] == free)
        single = [_span(one) for one in parts.values() if one["transparency"] == free]
        assert all(before[1] < after[0] for before, after in pairwise(whole))
        assert all(any(a <= begin and end <= b for a, b in whole) for begin, end in single)
        ends = {time for span in single for time in span}
        assert {time for span in whole for time in span} <= ends


def _span(fields):
    return fields["start"]["at"], fields["end"]["at"]


@pytest.fixture
def world(db):
    return World()


def shown(rule):
    alive = Event.objects.filter(busy_rule=rule, item__deleted_at=None).order_by("starts_at")
    return [(e.starts_at.strftime("%d %H:%M"), e.ends_at.strftime("%H:%M")) for e in alive]


@pytest.mark.django_db
def test_a_chain_of_events_is_one_block_and_falls_apart_with_its_middle(world):
    rule = world.rule(merge=True)
    world.event(start=at("05-05", 8), end=at("05-05", 9))
    middle = world.event(start=at("05-05", 9), end=at("05-05", 11))
    world.event(start=at("05-05", 10), end=at("05-05", 12))
    assert counts(world.refresh()) == (1, 0, 0)
    assert shown(rule) == [("05 08:00", "12:00")]
    world.delete(middle)
    world.refresh(middle)
    assert shown(rule) == [("05 08:00", "09:00"), ("05 10:00", "12:00")]
    BusyRule.objects.update(applied="")
    assert counts(world.refresh()) == (0, 0, 0)


@pytest.mark.django_db
def test_occurrences_merge_with_single_events(world):
    rule = world.rule(merge=True, future_days=20)
    world.event(recurrence=["RRULE:FREQ=WEEKLY"])
    lunch = world.event(start=at("05-12", 11), end=at("05-12", 12))
    world.refresh()
    assert shown(rule) == [("05 10:00", "11:00"), ("12 10:00", "12:00"), ("19 10:00", "11:00")]
    world.delete(lunch)
    assert counts(world.refresh(lunch)) == (0, 1, 0)
    assert shown(rule)[1] == ("12 10:00", "11:00")


@pytest.mark.django_db
def test_merging_is_switched_on_and_off(world):
    rule = world.rule()
    world.event(), world.event(start=at("05-05", 11), end=at("05-05", 12))
    assert counts(world.refresh()) == (2, 0, 0)
    change_busy_rule(rule=rule, merge=True)
    assert counts(world.refresh()) == (0, 1, 1)
    change_busy_rule(rule=rule, merge=False)
    assert counts(world.refresh()) == (0, 2, 0)
    assert not BlockPart.objects.exists()


@pytest.mark.django_db
def test_a_merged_block_outlives_the_window_with_all_its_parts(world):
    rule = world.rule(merge=True)
    world.event(), world.event(start=at("05-05", 11), end=at("05-05", 12))
    world.refresh()
    world.now += timedelta(days=60)
    BusyRule.objects.update(applied="")
    assert counts(world.refresh()) == (0, 0, 0)
    assert shown(rule) == [("05 10:00", "12:00")]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_however_events_change_the_blocks_are_those_of_a_fresh_start(world, seed):
    """After every change the blocks take up what the events take up, and none touches another."""
    dice = random.Random(seed)
    rule, alive = world.rule(merge=True, future_days=30), []
    for _ in range(25):
        deed = dice.choice(["add", "add", "add", "move", "delete", "series"])
        if deed in ("add", "series") or not alive:
            lines = ["RRULE:FREQ=DAILY;COUNT=4"] if deed == "series" else []
            changed = world.event(recurrence=lines, **times(dice))
            alive.append(changed)
        elif deed == "move":
            changed = dice.choice(alive)
            world.change(changed, **times(dice))
        else:
            changed = alive.pop(dice.randrange(len(alive)))
            world.delete(changed)
        world.refresh(changed)
        assert spans(rule) == expected(alive)
    before = shown(rule)
    BusyRule.objects.update(applied="")
    assert counts(world.refresh()) == (0, 0, 0)
    assert shown(rule) == before


def times(dice):
    day, hour = dice.randint(4, 8), dice.randint(6, 18)
    return {"start": at(f"05-{day:02}", hour), "end": at(f"05-{day:02}", hour + dice.randint(1, 3))}


def spans(rule):
    alive = Event.objects.filter(busy_rule=rule, item__deleted_at=None)
    return sorted(alive.values_list("starts_at", "ends_at"))


def expected(events):
    """Merge by hand: mark each busy hour, then read off the unbroken spells."""
    hours = set()
    for event in Event.objects.filter(pk__in=[one.pk for one in events]):
        for number in range(4 if event.recurrence else 1):
            begin = event.starts_at + timedelta(days=number)
            while begin < event.ends_at + timedelta(days=number):
                hours.add(begin)
                begin += timedelta(hours=1)
    found = []
    for hour in sorted(hours):
        if found and found[-1][1] == hour:
            found[-1] = (found[-1][0], hour + timedelta(hours=1))
        else:
            found.append((hour, hour + timedelta(hours=1)))
    return found


@pytest.mark.django_db
def test_a_change_costs_the_same_however_many_blocks_there_are(world):
    world.rule(merge=True)
    lunch = world.event()
    world.refresh()

    def cost(hour):
        world.change(lunch, start=at("05-05", hour))
        with CaptureQueriesContext(connection) as queries:
            world.refresh(lunch)
        return len(queries)

    small = cost(8)
    for number in range(60):
        world.event(start=at(f"05-{6 + number % 20:02}"), end=at(f"05-{6 + number % 20:02}", 11))
    world.refresh()
    assert cost(9) == small
