"""The rule book of busy blocks: filters, sorts of events, looks, seasons."""

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from calendars import filters
from calendars.mirror import Block, Rule, Skip, alone, mirror
from tests.calendars.sources import (
    BERLIN,
    NOW,
    days,
    drawn,
    event,
    mine,
)


class TestFilters:
    @pytest.mark.parametrize(
        ("include", "exclude", "passes"),
        [
            ([], [], True),
            (["title:*review*"], [], True),
            (["title:review"], [], False),
            (["title:re:^quarterly"], [], True),
            (["title:lunch", "title:*REVIEW*"], [], True),
            (["title:*review*", "organiser:*@other.example"], [], False),
            (["organiser:boss@*"], [], True),
            (["organiser:the boss"], [], True),
            (["colour:7"], [], True),
            (["colour:1", "colour:7"], [], True),
            ([], ["colour:7"], False),
            (["title:*review*"], ["title:re:review$"], False),
            ([], ["organiser:re:@other"], True),
        ],
    )
    def test_exclusions_go_before_and_each_field_included_has_to_fit(
        self, include, exclude, passes
    ):
        rule = Rule(include=tuple(include), exclude=tuple(exclude))
        source = replace(
            event(title="Quarterly Review", colour="7"), organiser=("boss@example.com", "The Boss")
        )
        found = alone(rule, source, NOW)
        assert found is Skip.FILTERED if not passes else isinstance(found, Block)

    def test_a_pattern_that_takes_too_long_shows_nothing(self):
        source = event(title="a" * 1900 + "!")
        for knobs in ({"include": ("title:re:(a+)+$",)}, {"exclude": ("title:re:(a+)+$",)}):
            assert alone(Rule(**knobs), source, NOW) is Skip.SLOW_FILTER
        rescued = Rule(include=("title:re:(a+)+$", "title:a*"))
        assert isinstance(alone(rescued, source, NOW), Block)

    def test_a_private_event_is_filtered_like_any_other_and_shows_nothing(self):
        found = drawn(Rule(include=("title:lunch",)), event(visibility="private"))
        assert found["title"] == "Busy"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("standup", "does not begin with what it looks at: title:, organiser:, colour:"),
            ("place:here", "does not begin with what it looks at"),
            ("title:", "must have a pattern"),
            ("title:re:", "must have a pattern"),
            ("title:" + "x" * 200, "at most 200 letters"),
            ("title:re:(", "is no regular expression"),
            ("title:re:x{999999999}", "repeats its parts more than 100 times"),
            ("title:re:((a{50}){50}){50}", "repeats its parts more than 100 times"),
            ("title:re:(a+)+$", "takes too long on some titles"),
            ("colour:99", "'colour:99' matches no colour; there are 1 to 11"),
            ("colour:red", "matches no colour"),
            ("colour:re:^[a-z]+$", "matches no colour"),
        ],
    )
    def test_a_bad_filter_is_refused_and_says_why(self, text, problem):
        for rule in (Rule(include=(text,)), Rule(exclude=(text,))):
            (said,) = rule.problems()
            assert problem in said

    @pytest.mark.parametrize("text", ["colour:11", "colour:1?", "colour:[2-4]", "colour:re:^$"])
    def test_a_filter_may_name_any_colours_or_none(self, text):
        assert Rule(include=(text,)).problems() == []

    def test_a_rule_has_no_end_of_filters(self):
        (said,) = Rule(include=("title:a",) * 51).problems()
        assert said == f"a rule has at most {filters.MOST_FILTERS} filters of a sort"


class TestSortsOfEvents:
    @pytest.mark.parametrize(
        ("rule", "source", "look"),
        [
            (
                Rule(unanswered="tentative"),
                event(attendees=mine("needsAction")),
                ("opaque", "tentative"),
            ),
            (
                Rule(unanswered="free"),
                event(attendees=mine("needsAction")),
                ("transparent", "confirmed"),
            ),
            (Rule(unanswered="free"), event(attendees=mine("tentative")), ("opaque", "confirmed")),
            (
                Rule(tentative="tentative"),
                event(attendees=mine("tentative")),
                ("opaque", "tentative"),
            ),
            (Rule(tentative="tentative"), event(status="tentative"), ("opaque", "tentative")),
            (Rule(tentative="free"), event(status="tentative"), ("transparent", "confirmed")),
            (
                Rule(tentative="tentative"),
                event(attendees=mine("accepted")),
                ("opaque", "confirmed"),
            ),
            (Rule(all_day="free"), days("05", "06"), ("transparent", "confirmed")),
            (Rule(all_day="free"), event(), ("opaque", "confirmed")),
            (
                Rule(all_day="free", tentative="tentative"),
                days("05", "06", status="tentative"),
                ("transparent", "confirmed"),
            ),
            (
                Rule(skip_free=False),
                event(transparency="transparent"),
                ("transparent", "confirmed"),
            ),
        ],
    )
    def test_a_sort_of_event_looks_as_its_rule_says(self, rule, source, look):
        found = drawn(rule, source)
        assert (found["transparency"], found["status"]) == look

    @pytest.mark.parametrize(
        ("rule", "source", "why"),
        [
            (Rule(unanswered="skip"), event(attendees=mine("needsAction")), Skip.UNANSWERED),
            (Rule(tentative="skip"), event(attendees=mine("tentative")), Skip.TENTATIVE),
            (Rule(private_events="skip"), event(visibility="private"), Skip.PRIVATE),
            (Rule(private_events="skip"), event(visibility="confidential"), Skip.PRIVATE),
            (
                Rule(all_day="skip", tentative="free"),
                days("05", "06", status="tentative"),
                Skip.ALL_DAY,
            ),
        ],
    )
    def test_a_sort_of_event_that_is_skipped_says_which(self, rule, source, why):
        assert alone(rule, source, NOW) is why

    def test_a_target_that_is_invited_itself_gets_no_block_unless_it_declined(self):
        rule = Rule(addresses=frozenset({"home@example.com"}))
        guest = {"email": "Home@Example.com", "response": "needsAction"}
        assert alone(rule, event(attendees=[guest]), NOW) is Skip.INVITED
        declined = event(attendees=[{**guest, "response": "declined"}])
        assert isinstance(alone(rule, declined, NOW), Block)
        off = replace(rule, skip_invited=False)
        assert isinstance(alone(off, event(attendees=[guest]), NOW), Block)


class TestLooks:
    def test_visibility_and_colour_are_the_rules(self):
        found = drawn(
            Rule(visibility="public", colour="5"), event(colour="7", visibility="private")
        )
        assert (found["visibility"], found["colour"], found["title"]) == ("public", "5", "Busy")

    def test_a_block_leads_back_only_for_one_owner_and_only_where_it_is_private(self):
        source = replace(event(), link="https://calendar.example.com/event?eid=abc")
        mine = Rule(link_back=True, one_owner=True)
        assert drawn(mine, source)["metadata"] == {"private": {"source": source.link}}
        for other in (
            replace(mine, one_owner=False),
            replace(mine, visibility="default"),
            replace(mine, link_back=False),
        ):
            assert drawn(other, source)["metadata"] == {}
        assert drawn(mine, event())["metadata"] == {}


class TestSeasons:
    def test_outside_its_season_a_rule_has_no_blocks(self):
        rule = Rule(active_from=date(2026, 5, 1), active_until=date(2026, 5, 31), zone=BERLIN)
        for now, there in (
            (datetime(2026, 4, 30, 21, 59, tzinfo=UTC), False),
            (datetime(2026, 4, 30, 22, 0, tzinfo=UTC), True),
            (datetime(2026, 5, 31, 21, 59, tzinfo=UTC), True),
            (datetime(2026, 5, 31, 22, 0, tzinfo=UTC), False),
        ):
            (found,) = mirror(rule, replace(event(), has_block=True), [], now)
            assert (found is not Skip.RESTS) is there


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (Rule(hours_from=time(17), hours_to=time(9)), "must begin before they end"),
        (Rule(hours_to=time(0)), "must begin before they end"),
        (Rule(weekdays=frozenset({"someday"})), "'someday' is no weekday; there are: mon, tue"),
        (Rule(minimum_minutes=-1), "minimum minutes: 0 to 1440 minutes"),
        (Rule(buffer_before=1441), "buffer before: 0 to 1440 minutes"),
        (Rule(buffer_after=-5), "buffer after"),
        (Rule(travel_minutes=9999), "travel minutes"),
        (Rule(tentative="maybe"), "tentative: 'maybe' is not one of busy, tentative, free, skip"),
        (Rule(all_day="tentative"), "all day: 'tentative' is not one of busy, free, skip"),
        (Rule(private_events="free"), "private events: 'free' is not one of busy, skip"),
        (Rule(visibility="secret"), "'secret' is no visibility"),
        (Rule(colour="12"), "'12' is no colour; there are 1 to 11"),
        (Rule(colour="1", show=frozenset({"colour"})), "choose one"),
        (Rule(link_back=True), "one and the same owner"),
        (Rule(link_back=True, one_owner=True, visibility="public"), "needs private blocks"),
        (
            Rule(active_from=date(2026, 2, 1), active_until=date(2026, 1, 1)),
            "must begin before it ends",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_says_what_would(rule, problem):
    (said,) = rule.problems()
    assert problem in said
