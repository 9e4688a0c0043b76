"""Two workers on the blocks of one rule: they take turns, and neither undoes the other."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from django.db import connection, transaction

from calendars import blocks
from calendars.models import BusyRule, Event
from calendars.services import refresh_busy_blocks, remove_busy_rule
from tests.calendars.world import World, at, block_of, content, counts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(transactional_db):
    return World()


def test_two_workers_at_once_make_each_block_once(world, monkeypatch):
    monkeypatch.setattr("calendars.blocks.BATCH", 10)
    rule = world.rule()
    events = [world.event() for _ in range(100)]

    def work(_):
        try:
            return counts(refresh_busy_blocks(now=world.now))
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as workers:
        done = list(workers.map(work, range(3)))
    assert sum(created for created, _, _ in done) == 100
    assert sum(updated + removed for _, updated, removed in done) == 0
    assert all(block_of(event, rule).item.revision == 1 for event in events)
    assert BusyRule.objects.get().applied == blocks.stamp(rule, world.now)


def test_a_meeting_never_falls_between_two_workers(world):
    """One loses the copy that makes the block while the other one takes in another copy."""
    club = world.calendar("club", world.work.account.workspace)
    older, newer = world.rule(), world.rule(club, world.home)
    mine = world.event()
    Event.objects.filter(pk=mine.pk).update(uid="meeting@example.com")
    world.refresh()

    def take_in_another_copy():
        try:
            theirs = world.event(club)
            Event.objects.filter(pk=theirs.pk).update(uid="meeting@example.com")
            world.refresh(theirs, source=club)
            return theirs
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as worker:
        with transaction.atomic():
            world.delete(mine)
            world.refresh(mine)
            other = worker.submit(take_in_another_copy)
            wait([other], timeout=0.5)
            assert not other.done(), "it takes its turn"
        theirs = other.result(timeout=30)
    assert block_of(mine, older) is None
    assert block_of(theirs, newer)


def test_two_workers_that_remove_and_draw_never_wait_for_each_other(world):
    """Removing a rule wakes the others with its target, which somebody may be applying."""
    sources = [world.calendar(f"calendar {n}", world.work.account.workspace) for n in range(6)]
    rules = [world.rule(source, world.home) for source in sources]
    for source in sources:
        world.event(source)

    def work(rule):
        try:
            refresh_busy_blocks(now=world.now)
            if rule:
                remove_busy_rule(rule=rule, now=world.now)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, [*rules[:5], None, None, None]))
    refresh_busy_blocks(now=world.now)
    alive = Event.objects.filter(busy_rule__isnull=False, item__deleted_at=None)
    assert set(alive.values_list("busy_rule", flat=True)) == {rules[5].pk}


def test_a_worker_that_waited_sees_what_the_other_one_changed(world):
    """One has changed an event but not committed; the other must not write the block as it was."""
    rule, lunch = world.rule(), world.event()
    world.refresh()
    BusyRule.objects.update(applied="")

    def apply_the_rule():
        try:
            refresh_busy_blocks(now=world.now)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as worker:
        with transaction.atomic():
            world.change(lunch, start=at("05-05", 8))
            world.refresh(lunch)
            other = worker.submit(apply_the_rule)
            wait([other], timeout=0.5)
            assert not other.done(), "it takes its turn"
        other.result(timeout=30)
    assert content(block_of(lunch, rule))["start"] == at("05-05", 8)
