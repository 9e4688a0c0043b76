"""The rule book in the database: pauses, seasons, occurrences, owners, circles, commands."""

import io
import json
import logging
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from calendars.models import BusyRule, Calendar, Event
from calendars.services import InvalidRule, add_busy_rule, change_busy_rule
from integrations.models import Account, Circle, Collection
from tests.calendars.world import World, at, block_of, content, counts

pytestmark = pytest.mark.django_db

DAILY = {"recurrence": ["RRULE:FREQ=DAILY"]}
OFFICE = {"weekdays": ["mon", "tue", "wed", "thu", "fri"]}


@pytest.fixture
def world(db):
    return World()


def anew(world):
    """Look at everything again."""
    BusyRule.objects.update(applied="")
    return counts(world.refresh())


def starts(rule):
    alive = Event.objects.filter(busy_rule=rule, item__deleted_at=None)
    return list(alive.order_by("starts_at").values_list("starts_at__date", flat=True))


class TestOccurrences:
    def test_a_series_is_drawn_by_its_working_days_and_goes_on_every_day(self, world):
        rule = world.rule(future_days=6, **OFFICE)
        series = world.event(**DAILY)
        assert counts(world.refresh()) == (3, 0, 0)
        assert starts(rule) == [date(2026, 5, 5), date(2026, 5, 6), date(2026, 5, 7)]
        assert anew(world) == (0, 0, 0)
        world.now += timedelta(days=4)
        assert counts(world.refresh()) == (2, 0, 0)
        assert starts(rule)[-2:] == [date(2026, 5, 8), date(2026, 5, 11)]
        assert counts(world.refresh(series)) == (0, 0, 0)

    def test_blocks_of_occurrences_follow_their_series(self, world):
        rule = world.rule(future_days=8, **OFFICE)
        series = world.event(**DAILY)
        world.refresh()
        world.change(series, end=at("05-05", 12))
        assert counts(world.refresh(series)) == (0, 4, 0)
        world.delete(series)
        assert counts(world.refresh(series)) == (0, 0, 4)
        assert starts(rule) == []

    def test_an_occurrence_that_moves_to_another_hour_gets_a_block_of_its_own(self, world):
        rule = world.rule(future_days=8, **OFFICE)
        series = world.event(**DAILY)
        world.refresh()
        part = world.event(
            series=series, slot="2026-05-06T10:00:00Z", start=at("05-09"), end=at("05-09", 11)
        )
        assert counts(world.refresh(part)) == (0, 0, 1), "the ninth is a Saturday"
        world.change(part, start=at("05-08", 14), end=at("05-08", 15))
        assert counts(world.refresh(part)) == (1, 0, 0)
        assert block_of(part, rule).series_id is None
        world.delete(part)
        assert counts(world.refresh(part)) == (0, 1, 1), "the sixth is back"
        assert anew(world) == (0, 0, 0)

    def test_a_series_is_drawn_whole_again_once_the_rule_allows_it(self, world):
        rule = world.rule(future_days=8, **OFFICE)
        series = world.event(**DAILY)
        world.refresh()
        change_busy_rule(rule=rule, weekdays=[])
        assert counts(world.refresh()) == (1, 0, 4)
        assert block_of(series, rule).recurrence == DAILY["recurrence"]
        change_busy_rule(rule=rule, **OFFICE)
        assert counts(world.refresh()) == (0, 4, 1)
        assert anew(world) == (0, 0, 0)

    def test_a_block_of_an_occurrence_stays_when_its_day_has_passed(self, world):
        rule = world.rule(past_days=0, future_days=6, **OFFICE)
        world.event(**DAILY)
        world.refresh()
        world.now += timedelta(days=10)
        world.refresh()
        assert starts(rule)[0] == date(2026, 5, 5)
        assert anew(world) == (0, 0, 0)


class TestHours:
    def test_hours_are_meant_in_the_zone_of_the_target(self, world):
        """Ten in UTC is noon in Berlin, and half past three in Kolkata."""
        rule = world.rule(hours_from=time(9), hours_to=time(11))
        world.event()
        Calendar.objects.create(collection=world.home, time_zone="Europe/Berlin")
        assert counts(world.refresh()) == (0, 0, 0)
        Calendar.objects.update(time_zone="America/Sao_Paulo")
        assert counts(world.refresh()) == (0, 0, 0)
        change_busy_rule(rule=rule, hours_from=time(7))
        assert counts(world.refresh()) == (1, 0, 0)

    def test_a_calendar_that_changes_its_zone_has_its_blocks_looked_at(self, world):
        Calendar.objects.create(collection=world.home, time_zone="Europe/Berlin")
        world.rule(hours_from=time(11), hours_to=time(14))
        world.event()
        assert counts(world.refresh()) == (1, 0, 0)
        Calendar.objects.update(time_zone="Asia/Tokyo")
        assert counts(world.refresh()) == (0, 0, 1)


class TestLife:
    def test_a_paused_rule_keeps_its_blocks_and_catches_up(self, world):
        rule, lunch = world.rule(), world.event()
        world.refresh()
        change_busy_rule(rule=rule, paused_until=world.now + timedelta(hours=1))
        world.delete(lunch)
        dinner = world.event()
        assert counts(world.refresh(lunch, dinner)) == (0, 0, 0)
        assert counts(world.refresh()) == (0, 0, 0)
        world.now += timedelta(hours=1)
        assert counts(world.refresh()) == (1, 0, 1)

    def test_outside_its_season_a_rule_has_no_blocks(self, world):
        world.rule(active_from=date(2026, 5, 2), active_until=date(2026, 5, 10))
        lunch = world.event()
        assert counts(world.refresh()) == (0, 0, 0)
        world.now += timedelta(days=1)
        assert counts(world.refresh()) == (1, 0, 0)
        world.now += timedelta(days=8)
        assert counts(world.refresh()) == (0, 0, 0)
        world.now += timedelta(days=1)
        assert counts(world.refresh()) == (0, 0, 1)
        assert counts(world.refresh(lunch)) == (0, 0, 0)


class TestLooks:
    @pytest.fixture
    def owner(self, world):
        owner = get_user_model().objects.create_user("owner")
        Account.objects.update(owner=owner)
        world.work.account.refresh_from_db()
        world.home.account.refresh_from_db()
        return owner

    def test_only_one_owners_blocks_lead_back(self, world, owner):
        rule, lunch = world.rule(link_back=True), world.event()
        Event.objects.filter(pk=lunch.pk).update(link="https://example.com/event")
        world.refresh()
        leads = {"private": {"source": "https://example.com/event"}}
        assert content(block_of(lunch, rule))["metadata"] == leads
        other = get_user_model().objects.create_user("other")
        Account.objects.filter(pk=world.home.account_id).update(owner=other)
        assert counts(world.refresh()) == (0, 1, 0)
        assert content(block_of(lunch, rule))["metadata"] == {}

    def test_a_link_back_between_strangers_is_refused(self, world):
        with pytest.raises(InvalidRule, match="one and the same owner"):
            world.rule(link_back=True)

    def test_a_filter_looks_at_who_organises(self, world):
        rule, lunch = world.rule(include=["organiser:boss@*"]), world.event()
        world.event()
        Event.objects.filter(pk=lunch.pk).update(organizer={"email": "boss@example.com"})
        assert counts(world.refresh()) == (1, 0, 0)
        assert block_of(lunch, rule)

    def test_a_slow_filter_is_reported_once_by_its_rule_and_never_by_text(self, world, caplog):
        rule = world.rule()
        BusyRule.objects.update(exclude=["title:re:(a+)+$"])
        for _ in range(3):
            world.event(title="a" * 1900 + "!")
        with caplog.at_level(logging.WARNING, logger="calendars"):
            assert counts(world.refresh()) == (0, 0, 0)
        (record,) = caplog.records
        assert record.getMessage() == f"busy rule {rule.pk}: a filter took too long for some events"


class TestCircles:
    @pytest.fixture
    def away(self, world):
        """Another calendar that holds the same events as "work"."""
        workspace = world.work.account.workspace
        circle = Circle.objects.create(workspace=workspace, name="Band")
        away = world.calendar("away", workspace)
        Collection.objects.filter(pk__in=[world.work.pk, away.pk]).update(circle=circle)
        world.work.refresh_from_db()
        away.refresh_from_db()
        return away

    def test_members_of_a_circle_do_not_block_each_other(self, world, away):
        with pytest.raises(InvalidRule, match="in one circle"):
            world.rule(world.work, away)

    def test_a_rule_sees_the_events_of_the_whole_circle_and_each_once(self, world, away):
        rule = world.rule()
        here, there = world.event(), world.event(away, start=at("05-06"), end=at("05-06", 11))
        assert counts(world.refresh()) == (2, 0, 0)
        assert block_of(here, rule)
        assert block_of(there, rule)
        world.change(there, start=at("05-07"), end=at("05-07", 11))
        assert counts(world.refresh(there, source=away)) == (0, 1, 0)
        world.delete(there)
        assert counts(world.refresh(there, source=away)) == (0, 0, 1)
        assert anew(world) == (0, 0, 0)

    def test_a_target_shows_the_meetings_of_its_circle_itself(self, world, away):
        rule = world.rule(world.home, world.work)
        mine, own = world.event(world.home), world.event(away)
        Event.objects.filter(pk__in=[mine.pk, own.pk]).update(uid="meeting@example.com")
        assert counts(world.refresh()) == (0, 0, 0)
        world.delete(own)
        assert counts(world.refresh(own, source=away)) == (1, 0, 0)
        assert block_of(mine, rule)

    def test_an_event_that_leaves_the_circle_loses_its_block(self, world, away):
        rule, there = world.rule(), world.event(away)
        world.refresh()
        Collection.objects.filter(pk=away.pk).update(circle=None)
        assert anew(world) == (0, 0, 1)
        assert block_of(there, rule) is None


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"hours_from": time(17), "hours_to": time(9)}, "working_hours_begin_before_they_end"),
        (
            {"active_from": date(2026, 2, 1), "active_until": date(2026, 1, 1)},
            "a_rule_begins_before_it_ends",
        ),
        ({"buffer_before": 2000}, "what_is_added_to_a_block_fits_into_a_day"),
        ({"tentative": "maybe"}, "a_sort_of_event_is_shown_in_a_known_way"),
        ({"on_edit": "ask"}, "a_touched_block_is_restored_or_respected"),
        ({"link_back": True, "visibility": "public"}, "only_a_private_block_links_back"),
    ],
)
def test_the_database_holds_what_it_can_of_the_rules_about_rules(world, fields, constraint):
    world.rule()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        BusyRule.objects.update(**fields)


class TestCommand:
    def command(self, *arguments):
        out = io.StringIO()
        call_command("busy_rule", *arguments, "--json", stdout=out)
        return json.loads(out.getvalue())

    def add(self, *arguments):
        ends = ("--source", "work@example.com", "--target", "home@example.com")
        return self.command("add", *ends, *arguments)

    def test_every_knob_is_an_option(self, world):
        said = self.add(
            *("--visibility", "default", "--colour", "5", "--tentative", "tentative"),
            *("--unanswered", "free", "--all-day", "free", "--private", "skip"),
            *("--include", "title:*review*", "--exclude", "organiser:re:^boss", "colour:7"),
            *("--hours", "9-17:30", "--weekdays", "mon", "fri", "--minimum-minutes", "10"),
            *("--buffer-before", "5", "--buffer-after", "6", "--travel-minutes", "20", "--merge"),
            *("--no-skip-invited", "--no-once-per-meeting", "--on-edit", "respect"),
            *("--on-delete", "respect", "--no-adopt", "--active-from", "2026-05-01"),
            *("--active-until", "2026-12-31"),
        )
        wanted = {
            "visibility": "default",
            "colour": "5",
            "tentative": "tentative",
            "unanswered": "free",
            "all_day": "free",
            "private_events": "skip",
            "include": ["title:*review*"],
            "exclude": ["organiser:re:^boss", "colour:7"],
            "hours_from": "09:00:00",
            "hours_to": "17:30:00",
            "weekdays": ["mon", "fri"],
            "minimum_minutes": 10,
            "buffer_before": 5,
            "buffer_after": 6,
            "travel_minutes": 20,
            "merge": True,
            "skip_invited": False,
            "once_per_meeting": False,
            "on_edit": "respect",
            "on_delete": "respect",
            "adopts": False,
            "active_from": "2026-05-01",
            "active_until": "2026-12-31",
        }
        assert {name: said[name] for name in wanted} == wanted

    def test_change_changes_what_is_said_and_nothing_else(self, world):
        rule = self.add("--hours", "9-17", "--title", "Away", "--weekdays", "mon")["id"]
        changed = self.command("change", rule, "--hours", "any", "--weekdays", "--colour", "3")
        assert (changed["hours_from"], changed["weekdays"], changed["colour"]) == (None, [], "3")
        assert changed["title"] == "Away"
        shown = self.command("change", rule, "--title", "{title}", "--show", "title")
        assert (shown["title"], shown["show"]) == ("{title}", ["title"])
        assert self.command("change", rule, "--colour", "any")["colour"] == ""

    def test_a_rule_is_paused_and_resumed(self, world):
        rule = self.add()["id"]
        assert self.command("change", rule, "--pause")["enabled"] is False
        until = self.command("change", rule, "--pause", "2999-01-01T08:00+00:00")
        assert (until["enabled"], until["rests"]) == (True, True)
        assert BusyRule.objects.get().paused_until == datetime(2999, 1, 1, 8, tzinfo=UTC)
        resumed = self.command("change", rule, "--resume")
        assert (resumed["enabled"], resumed["rests"], resumed["paused_until"]) == (
            True,
            False,
            None,
        )

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (("--hours", "nine to five"), "is not like 9-17:30"),
            (("--hours", "17-9"), "must begin before they end"),
            (("--weekdays", "someday"), "invalid choice: 'someday'"),
            (("--include", "standup"), "does not begin with what it looks at"),
            (("--exclude", "title:re:("), "is no regular expression"),
            (("--active-from", "soon"), "is no date such as 2026-05-31"),
            (("--buffer-before", "-5"), "0 to 1440 minutes"),
            (("--link-back",), "one and the same owner"),
        ],
    )
    def test_wrong_usage_says_what_would_be_right(self, world, arguments, problem):
        with pytest.raises(CommandError, match=problem):
            self.add(*arguments)
        assert not BusyRule.objects.exists()

    def test_a_change_of_nothing_says_what_can_be_changed(self, world):
        rule = self.add()["id"]
        with pytest.raises(CommandError, match="busy_rule change --help"):
            self.command("change", rule)


def test_a_rule_takes_lists_and_words_as_they_are_said(world):
    rule = add_busy_rule(source=world.work, target=world.home, weekdays=["mon"], tentative="free")
    rule.refresh_from_db()
    assert (rule.weekdays, rule.tentative) == (["mon"], "free")
