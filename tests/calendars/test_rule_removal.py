"""Removing a rule: its blocks stay, or those to come go, or all of them."""

from datetime import timedelta

import pytest

from calendars.models import BusyRule, Event, Item
from calendars.services import add_busy_rule, remove_busy_rule
from integrations import registry
from integrations.models import Account
from sync.cleanup import cleanup_orphaned
from sync.explaining import explain
from sync.invariants import check_all
from sync.planning import CLEANUP
from sync.reset import reset_calendar
from sync.retention import purge
from sync.services import sync_collections
from tests.calendars.test_blocks_in_step import WEEKLY, Hub
from tests.calendars.world import at
from tests.sync.remote import RemoteProvider

pytestmark = pytest.mark.django_db

PAST, FUTURE = "04-29", "05-05"  # it is noon of the first of May


@pytest.fixture
def hub(db, monkeypatch):
    hub = Hub()
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: hub.engine.provider(c))
    yield hub
    assert not [finding for finding in check_all(hub.now) if finding.rows]


def drawn(hub, **knobs):
    """A rule with a block that is over, one that is to come and a weekly one; and a meeting."""
    rule = add_busy_rule(source=hub.work, target=hub.home, **knobs)
    hub.event(start=at(PAST), end=at(PAST, 11))
    hub.event(start=at(FUTURE), end=at(FUTURE, 11))
    hub.event(start=at("04-22", 8), end=at("04-22", 9), recurrence=WEEKLY)
    hub.remote.add("meeting", title="Meeting")
    assert len(hub.show()) == 4
    return rule


def shown(hub):
    return [(start[5:13], title, *lines) for start, title, lines in hub.show()]


SERIES = ("04-22T08", "Busy", "RRULE:FREQ=WEEKLY")
OVER, COMING = ("04-29T10", "Busy"), ("05-05T10", "Busy")
MEETING = ("05-05T09", "Meeting")


def test_all_takes_every_block_and_nothing_else(hub):
    remove_busy_rule(rule=drawn(hub), now=hub.now)
    assert shown(hub) == [MEETING]


def test_keep_leaves_every_block_as_an_ordinary_event(hub):
    left = remove_busy_rule(rule=drawn(hub), now=hub.now, removal="keep")
    assert (left.gone, left.cut, left.kept) == (0, 0, 3)
    writes = len(hub.remote.writes)
    assert shown(hub) == [SERIES, OVER, MEETING, COMING]
    assert len(hub.remote.writes) == writes


def test_future_leaves_what_has_begun_and_cuts_what_goes_on(hub):
    left = remove_busy_rule(rule=drawn(hub), now=hub.now, removal="future")
    assert (left.gone, left.cut, left.kept) == (1, 1, 2)
    ended = ("04-22T08", "Busy", "RRULE:FREQ=WEEKLY;UNTIL=20260501T120000Z")
    assert shown(hub) == [ended, OVER, MEETING]


def test_future_takes_the_exceptions_to_come_and_leaves_those_that_are_over(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home)
    series = hub.event(start=at("04-15"), end=at("04-15", 11), recurrence=WEEKLY)
    for slot, day in (("04-22", "04-23"), ("04-29", "05-20"), ("05-06", "05-07")):
        times = {"start": at(day), "end": at(day, 11)}
        hub.event(series=series, slot=f"2026-{slot}T10:00:00Z", **times)
    assert len(hub.show()) == 4
    remove_busy_rule(rule=rule, now=hub.now, removal="future")
    assert [start[5:10] for start, _, _ in hub.show()] == ["04-15", "04-23"]


def test_a_kept_block_is_its_owners_from_then_on(hub):
    rule = drawn(hub)
    lunch = Event.objects.get(busy_rule=None, starts_at__day=5, item__home=hub.work)
    remove_busy_rule(rule=rule, now=hub.now, removal="keep")
    hub.change(lunch, start=at("05-07"), end=at("05-07", 11))
    hub.refresh(lunch)
    kept = next(k for k, f in hub.remote.alive().items() if f["start"] == at(FUTURE))
    hub.remote.edit(kept, title="Mine")
    assert shown(hub)[-1] == ("05-05T10", "Mine")
    assert Event.objects.get(title="Mine").busy_rule == rule
    hub.remote.delete(kept)
    assert shown(hub) == [SERIES, OVER, MEETING]
    (found,) = explain(kept, hub.now)
    assert found.what == "what was a busy block, kept when its rule was removed"


def test_a_kept_block_makes_no_block_elsewhere(hub):
    third = hub.engine.collection("third", access_role="owner")
    rule = drawn(hub)
    add_busy_rule(source=hub.home, target=third)
    remove_busy_rule(rule=rule, now=hub.now, removal="keep")
    hub.show()
    hub.refresh()
    titles = Event.objects.filter(item__home=third).values_list("source__event__title", flat=True)
    assert set(titles) == {"Meeting"}


def test_a_cleanup_leaves_kept_blocks_alone_and_a_reset_does_not(hub):
    remove_busy_rule(rule=drawn(hub), now=hub.now, removal="keep")
    (errand,) = cleanup_orphaned(collections=[hub.home], clock=hub.engine.clock)
    assert (errand.trigger, errand.counts) == (CLEANUP, {})
    assert len(hub.show()) == 4
    reset_calendar(collection=hub.home, clock=hub.engine.clock)
    assert shown(hub) == [MEETING]


def test_removing_again_does_no_harm_and_may_go_further(hub):
    rule = drawn(hub)
    remove_busy_rule(rule=rule, now=hub.now, removal="keep")
    assert remove_busy_rule(rule=rule, now=hub.now, removal="keep").gone == 0
    hub.show()
    left = remove_busy_rule(rule=rule, now=hub.now, removal="all")
    assert (left.gone, left.kept) == (3, 0)
    assert shown(hub) == [MEETING]


def test_blocks_that_were_never_sent_are_not_kept(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home)
    hub.event()
    hub.refresh()
    assert remove_busy_rule(rule=rule, now=hub.now, removal="keep").gone == 1
    assert hub.show() == []


@pytest.mark.parametrize("removal", ["future", "all"])
def test_a_mass_of_blocks_goes_past_the_guard(hub, removal):
    rule = add_busy_rule(source=hub.work, target=hub.home)
    for day in range(2, 29):
        hub.event(start=at(f"05-{day:02}"), end=at(f"05-{day:02}", 11))
    hub.show()
    remove_busy_rule(rule=rule, now=hub.now, removal=removal)
    assert hub.engine.sync(hub.home).operation.holds == []
    assert hub.show() == []


@pytest.mark.parametrize("removal", ["future", "all"])
def test_it_works_while_the_source_is_out_of_reach_and_waits_for_the_target(hub, removal):
    rule = drawn(hub)
    Account.objects.update(state="needs_reconnect")
    hub.work.gone_at = hub.now
    hub.work.save()

    remove_busy_rule(rule=rule, now=hub.now, removal=removal)
    cleanup_orphaned(collections=[hub.work, hub.home], clock=hub.engine.clock)
    assert len(hub.remote.alive()) == 4

    Account.objects.update(state="active")
    (report,) = sync_collections(collections=[hub.home], clock=hub.engine.clock, trigger="test")
    assert report.state == "done"
    assert COMING not in shown(hub)
    assert (OVER in shown(hub)) == (removal == "future")


class Killed(BaseException):
    """The process died here."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_removal_that_was_killed_in_the_middle_is_finished_by_the_next_sync(hub, moment, number):
    rule = drawn(hub)
    remove_busy_rule(rule=rule, now=hub.now, removal="future")
    writes = []

    def kill(call, when):
        if (call, when) == ("write", moment):
            writes.append(call)
            if len(writes) == number + 1:
                raise Killed

    with pytest.raises(Killed):
        hub.engine.sync(hub.home, RemoteProvider(hub.remote, fault=kill))
    hub.engine.clock.advance(minutes=5)
    assert [start[5:10] for start, _, _ in hub.show()] == ["04-22", "04-29", "05-05"]
    assert COMING not in shown(hub)


def test_the_row_of_a_rule_stays_as_long_as_blocks_of_it_do(hub):
    remove_busy_rule(rule=drawn(hub), now=hub.now, removal="future")
    hub.show()
    Item.objects.filter(event__busy_rule__isnull=False).update(pending=False)
    purge(hub.home, hub.now + timedelta(days=4_000))
    assert BusyRule.objects.exists()
    left = Event.objects.filter(busy_rule__isnull=False)
    assert left.count() == 2


def test_the_guard_watches_over_kept_blocks_as_over_any_event(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home)
    for day in range(2, 29):
        hub.event(start=at(f"05-{day:02}"), end=at(f"05-{day:02}", 11))
    hub.show()
    remove_busy_rule(rule=rule, now=hub.now, removal="keep")
    for name in list(hub.remote.alive()):
        hub.remote.delete(name)
    run = hub.engine.sync(hub.home)
    assert run.operation.holds
    assert Item.objects.alive().filter(event__busy_rule=rule).count() == 27
