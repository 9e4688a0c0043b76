"""One meeting in several calendars: it blocks a target once, and not where that has it itself."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from calendars.models import BusyRule, Event
from calendars.services import change_busy_rule, refresh_busy_blocks, remove_busy_rule
from tests.calendars.world import World, at, block_of, counts, expected_id

pytestmark = pytest.mark.django_db

WEEKLY = ["RRULE:FREQ=WEEKLY"]
SLOT = "2026-05-12T10:00:00Z"
UID = "meeting@example.com"


class Meetings(World):
    """Two sources, "work" and "club", and one target, "home"; copies of a meeting share its UID."""

    def __post_init__(self):
        super().__post_init__()
        self.club = self.calendar("club", self.work.account.workspace)

    def copy(self, calendar, uid=UID, **fields):
        event = self.event(calendar, **fields)
        Event.objects.filter(pk=event.pk).update(uid=uid)
        event.refresh_from_db()
        return event

    def rules(self, **knobs):
        first = self.rule(self.work, self.home, **knobs)
        return first, self.rule(self.club, self.home, **knobs)

    def at_rest(self):
        """Look at everything once more; nothing may change."""
        BusyRule.objects.update(applied="")
        return counts(self.refresh()) == (0, 0, 0)


@pytest.fixture
def world(db):
    return Meetings()


def blocks():
    alive = Event.objects.filter(busy_rule__isnull=False, item__deleted_at=None)
    return alive.exclude(status="cancelled")


def test_a_meeting_that_two_calendars_have_blocks_a_third_once(world):
    older, newer = world.rules()
    mine, theirs = world.copy(world.work), world.copy(world.club)
    assert counts(world.refresh()) == (1, 0, 0)
    assert block_of(mine, older)
    assert block_of(theirs, newer) is None
    assert world.at_rest()


def test_a_rule_may_count_every_copy(world):
    world.rules(once_per_meeting=False)
    world.copy(world.work), world.copy(world.club)
    assert counts(world.refresh()) == (2, 0, 0)


def test_two_copies_in_one_calendar_block_once_and_always_the_same_one_does(world):
    rule = world.rule()
    first, second = world.copy(world.work), world.copy(world.work)
    assert counts(world.refresh()) == (1, 0, 0)
    assert block_of(first, rule)
    for changed in (second, first):
        world.change(changed, title="Renamed")
        assert counts(world.refresh(changed)) == (0, 0, 0)
    world.delete(first)
    assert counts(world.refresh(first)) == (1, 0, 1)
    assert block_of(second, rule)


def test_a_rule_that_minds_nobody_is_minded_by_others(world):
    world.rule(world.work, world.home, once_per_meeting=False, skip_invited=False)
    newer = world.rule(world.club, world.home)
    theirs = world.copy(world.club)
    world.refresh()
    assert block_of(theirs, newer)
    mine = world.copy(world.work)
    assert counts(world.refresh(mine)) == (1, 0, 1)
    assert block_of(theirs, newer) is None


def test_events_that_only_look_alike_are_no_meeting(world):
    world.rules()
    world.copy(world.work, uid="one@example.com"), world.copy(world.club, uid="two@example.com")
    world.event(world.work), world.event(world.club)
    assert counts(world.refresh()) == (4, 0, 0)


def test_copies_at_different_times_both_block(world):
    """One of the copies has not heard of the move yet: rather one block too many."""
    world.rules()
    mine, theirs = world.copy(world.work), world.copy(world.club)
    world.refresh()
    world.change(theirs, start=at("05-06"), end=at("05-06", 11))
    assert counts(world.refresh(theirs, source=world.club)) == (1, 0, 0)
    world.change(mine, start=at("05-06"), end=at("05-06", 11))
    assert counts(world.refresh(mine)) == (0, 1, 1)
    assert world.at_rest()


def test_the_block_passes_on_when_its_owners_copy_goes_and_returns_with_it(world):
    older, newer = world.rules()
    mine, theirs = world.copy(world.work), world.copy(world.club)
    world.refresh()
    world.delete(mine)
    assert counts(world.refresh(mine)) == (1, 0, 1)
    assert block_of(theirs, newer)
    mine.item.deleted_at = None
    mine.item.save()
    assert counts(world.refresh(mine)) == (0, 1, 1)
    assert block_of(mine, older)
    assert world.at_rest()


def test_an_answer_in_one_account_lets_the_other_one_block(world):
    _, newer = world.rules()
    mine, theirs = world.copy(world.work), world.copy(world.club)
    world.refresh()
    no = [{"email": "work@example.com", "self": True, "response": "declined"}]
    world.change(mine, attendees=no)
    assert counts(world.refresh(mine)) == (1, 0, 1)
    assert block_of(theirs, newer)


def test_a_copy_that_only_looks_free_does_not_hide_a_busy_one(world):
    older, newer = world.rule(world.work, world.home, unanswered="free"), None
    newer = world.rule(world.club, world.home)
    open_invitation = [{"email": "work@example.com", "self": True, "response": "needsAction"}]
    mine = world.copy(world.work, attendees=open_invitation)
    theirs = world.copy(world.club)
    assert counts(world.refresh()) == (2, 0, 0)
    assert block_of(mine, older).transparency == "transparent"
    assert block_of(theirs, newer).transparency == "opaque"


def test_a_removed_rule_leaves_its_meetings_to_the_others(world):
    older, newer = world.rules()
    world.copy(world.work)
    theirs = world.copy(world.club)
    world.refresh()
    remove_busy_rule(rule=older, now=world.now)
    assert counts(world.refresh()) == (1, 0, 0)
    assert block_of(theirs, newer)


def test_a_rule_that_skips_more_leaves_meetings_to_the_others(world):
    older, newer = world.rules()
    world.copy(world.work, title="Secret")
    theirs = world.copy(world.club, title="Secret")
    world.refresh()
    change_busy_rule(rule=older, exclude=["title:secret"])
    assert counts(world.refresh()) == (1, 0, 1)
    assert block_of(theirs, newer)


def test_a_resting_rule_keeps_its_block_and_the_meeting_is_not_doubled(world):
    older, _ = world.rules()
    world.copy(world.work)
    theirs = world.copy(world.club)
    world.refresh()
    change_busy_rule(rule=older, enabled=False)
    world.change(theirs, title="Renamed")
    assert counts(world.refresh(theirs, source=world.club)) == (0, 0, 0)
    assert blocks().count() == 1


def test_series_are_met_as_series_and_their_exceptions_one_by_one(world):
    older, newer = world.rules()
    mine = world.copy(world.work, recurrence=WEEKLY)
    theirs = world.copy(world.club, recurrence=WEEKLY)
    moved = {"start": at("05-13"), "end": at("05-13", 11)}
    world.copy(world.work, series=mine, slot=SLOT, **moved)
    same = world.copy(world.club, series=theirs, slot=SLOT, **moved)
    assert counts(world.refresh()) == (2, 0, 0)
    world.change(same, start=at("05-14"), end=at("05-14", 11))
    assert counts(world.refresh(same, source=world.club)) == (1, 0, 0)
    assert block_of(same, newer).series_id is None
    assert block_of(mine, older)
    world.change(same, **moved)
    assert counts(world.refresh(same, source=world.club)) == (0, 0, 1)
    assert world.at_rest()


def test_an_occurrence_of_a_shown_series_is_met_where_it_is_no_exception(world):
    """The other calendar knows only one occurrence by itself, as guests of one do."""
    world.rules()
    mine = world.copy(world.work, recurrence=WEEKLY)
    theirs = world.copy(world.club, recurrence=WEEKLY, transparency="transparent")
    world.copy(world.club, series=theirs, slot=SLOT, start=at("05-12"), end=at("05-12", 11))
    assert counts(world.refresh()) == (1, 0, 0)
    assert blocks().get().source_id == mine.pk


def test_a_series_and_a_single_event_are_no_pair(world):
    world.rules()
    world.copy(world.work), world.copy(world.club, recurrence=WEEKLY)
    assert counts(world.refresh()) == (2, 0, 0)


def test_series_drawn_by_occurrences_are_met_by_rules_that_read_alike(world):
    daily = {"recurrence": ["RRULE:FREQ=DAILY;COUNT=7"]}
    hours = {"weekdays": ["mon", "tue", "wed", "thu", "fri"]}
    world.rules(**hours)
    world.copy(world.work, **daily), world.copy(world.club, **daily)
    assert counts(world.refresh()) == (5, 0, 0)
    other = world.calendar("band", world.work.account.workspace)
    world.rule(other, world.home)
    world.copy(other, **daily)
    assert counts(world.refresh()) == (1, 0, 0), "this one has no hours: it shows the week-end too"


def test_a_target_that_has_the_meeting_itself_gets_no_block(world):
    rule = world.rule()
    mine = world.copy(world.work)
    world.refresh()
    own = world.copy(world.home)
    assert counts(world.refresh(own, source=world.home)) == (0, 0, 1)
    assert block_of(mine, rule) is None
    assert world.at_rest()
    world.delete(own)
    assert counts(world.refresh(own, source=world.home)) == (0, 1, 0)
    assert block_of(mine, rule).pk == expected_id(rule, mine)


@pytest.mark.parametrize(
    "fields",
    [
        {"transparency": "transparent"},
        {"status": "cancelled"},
        {"attendees": [{"email": "home@example.com", "self": True, "response": "declined"}]},
        {"start": at("05-06"), "end": at("05-06", 11)},
    ],
)
def test_a_copy_in_the_target_that_takes_up_no_such_time_is_no_reason(world, fields):
    world.rule()
    world.copy(world.home, **fields)
    world.copy(world.work)
    assert counts(world.refresh()) == (1, 0, 0)


def test_a_target_that_is_among_the_guests_gets_no_block_before_its_own_copy_comes(world):
    rule = world.rule()
    guest = {"email": "home@example.com", "response": "needsAction"}
    lunch = world.event(attendees=[guest])
    assert counts(world.refresh()) == (0, 0, 0)
    change_busy_rule(rule=rule, skip_invited=False)
    assert counts(world.refresh()) == (1, 0, 0)
    assert block_of(lunch, rule)


def test_a_change_in_a_large_mesh_looks_only_at_what_it_touches(world):
    """Each of ten calendars blocks all others, and they share meetings."""
    workspace = world.work.account.workspace
    calendars = [world.work, world.home, world.club]
    calendars += [world.calendar(f"calendar {n}", workspace) for n in range(7)]
    for source in calendars:
        for target in calendars:
            if source != target:
                world.rule(source, target)
    for calendar in calendars[:3]:
        world.copy(calendar)
    lunch = world.copy(world.work, uid="lunch@example.com")
    world.refresh()

    def cost(hour):
        world.change(lunch, start=at("05-05", hour))
        with CaptureQueriesContext(connection) as queries:
            refreshed = world.refresh(lunch)
        assert counts(refreshed) == (0, 9, 0)
        return len(queries)

    small = cost(8)
    for number in range(40):
        for calendar in calendars:
            world.copy(calendar, uid=f"{number % 20}@example.com")
    refresh_busy_blocks(now=world.now)
    assert cost(9) == small
    assert small <= 5 + 9 * 12, "a few for the calendar, and no more than a dozen for each rule"


def test_an_old_block_passes_on_like_a_new_one(world):
    older, newer = world.rules()
    mine, theirs = world.copy(world.work), world.copy(world.club)
    world.refresh()
    world.now += timedelta(days=100)
    assert counts(world.refresh()) == (0, 0, 0)
    assert block_of(mine, older)
    assert block_of(theirs, newer) is None
