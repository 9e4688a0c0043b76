"""Which block an event makes: what it shows, what makes none, and how series are followed."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from calendars.mirror import Block, Rule, Skip, Source, alone, mirror
from sync.core.events import EMPTY, FIELDS

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DEFAULT = Rule()

LUNCH = {
    **EMPTY,
    "title": "Lunch with the bank",
    "description": "Bring the contract",
    "location": "Harbour Street 1",
    "start": {"at": "2026-05-05T10:00:00Z", "zone": "Europe/Berlin"},
    "end": {"at": "2026-05-05T11:00:00Z", "zone": "Europe/Berlin"},
    "attendees": [{"email": "guest@example.com", "name": "Guest", "response": "accepted"}],
    "reminders": {"default": False, "overrides": [{"method": "popup", "minutes": 5}]},
    "colour": "7",
    "conference": {"conferenceId": "abc"},
    "attachments": [{"fileUrl": "https://example.com/contract"}],
    "metadata": {"private": {"amount": "100"}},
}


def event(**changes):
    return Source({**LUNCH, **changes}, calendar="Work")


def at(day, hour=10, zone="Europe/Berlin"):
    return {"at": f"2026-{day}T{hour:02}:00:00Z", "zone": zone}


def when(start, end):
    return {"start": start, "end": end}


def answered(response):
    return [{"email": "work@example.com", "response": response, "self": True}]


def block(rule=DEFAULT, **changes):
    found = alone(rule, event(**changes), NOW)
    assert isinstance(found, Block), found
    return found.fields


def test_by_default_a_block_says_busy_and_nothing_else():
    assert block() == {
        **EMPTY,
        "title": "Busy",
        "start": LUNCH["start"],
        "end": LUNCH["end"],
        "visibility": "private",
        "transparency": "opaque",
        "status": "confirmed",
        "reminders": {"default": False, "overrides": []},
    }


def test_a_block_has_every_field_so_that_nothing_is_left_to_chance():
    assert block().keys() == FIELDS


@pytest.mark.parametrize("name", ["description", "location", "colour"])
def test_a_field_that_is_allowed_is_shown_and_no_other(name):
    shown = block(Rule(show=frozenset({name})))
    assert {n for n in FIELDS if shown[n] != block()[n]} == {name}
    assert shown[name] == LUNCH[name]


def test_the_title_template_is_filled_in_from_what_is_allowed():
    rule = Rule("{title} @ {location} ({calendar})", frozenset({"title", "location", "calendar"}))
    assert block(rule)["title"] == "Lunch with the bank @ Harbour Street 1 (Work)"
    assert block(rule, location="")["title"] == "Lunch with the bank @ (Work)"


def test_a_word_that_is_not_allowed_makes_the_whole_title_plain():
    assert block(Rule("{title}, {calendar}", frozenset({"calendar"})))["title"] == "Busy"


def test_an_event_without_a_title_is_called_busy():
    assert block(Rule("{title}", frozenset({"title"})), title=" ")["title"] == "Busy"


@pytest.mark.parametrize("visibility", ["private", "confidential"])
def test_a_private_event_shows_no_text_even_if_the_rule_allows_it(visibility):
    rule = Rule("{title}", frozenset({"title", "description", "location", "colour"}))
    shown = block(rule, visibility=visibility)
    assert (shown["title"], shown["description"], shown["location"]) == ("Busy", "", "")
    assert shown["colour"] == "7"


def test_braces_in_an_event_are_only_text():
    rule = Rule("{title}", frozenset({"title"}))
    assert block(rule, title="{location} {0.__class__}")["title"] == "{location} {0.__class__}"


@pytest.mark.parametrize(
    ("rule", "changes", "why"),
    [
        (DEFAULT, {"attendees": answered("declined")}, Skip.DECLINED),
        (DEFAULT, {"transparency": "transparent"}, Skip.FREE),
        (DEFAULT, {"status": "cancelled"}, Skip.CANCELLED),
        (DEFAULT, {"start": None, "end": None}, Skip.NO_TIMES),
        (Rule(tentative="skip"), {"attendees": answered("tentative")}, Skip.TENTATIVE),
        (Rule(unanswered="skip"), {"attendees": answered("needsAction")}, Skip.UNANSWERED),
        (Rule(tentative="skip"), {"status": "tentative"}, Skip.TENTATIVE),
        (
            Rule(all_day="skip"),
            when({"date": "2026-05-05"}, {"date": "2026-05-06"}),
            Skip.ALL_DAY,
        ),
        (
            Rule(skip_event_types=frozenset({"focusTime"})),
            {"event_type": "focusTime"},
            Skip.EVENT_TYPE,
        ),
        (DEFAULT, when(at("04-20"), at("04-20", 11)), Skip.OVER),
        (Rule(future_days=2), {}, Skip.NOT_YET),
    ],
)
def test_an_event_that_makes_no_block_says_why(rule, changes, why):
    assert alone(rule, event(**changes), NOW) is why


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        (Rule(skip_declined=False), {"attendees": answered("declined")}),
        (DEFAULT, {"attendees": answered("accepted")}),
        (DEFAULT, {"attendees": answered("tentative")}),
        (DEFAULT, {"attendees": answered("needsAction")}),
        (DEFAULT, {"status": "tentative"}),
        (DEFAULT, {"attendees": [{"email": "guest@example.com", "response": "declined"}]}),
        (DEFAULT, {"event_type": "outOfOffice"}),
        (DEFAULT, when({"date": "2026-05-05"}, {"date": "2026-05-06"})),
        (DEFAULT, {"transparency": "a word of tomorrow"}),
    ],
)
def test_an_event_that_keeps_its_owner_busy_makes_an_ordinary_block(rule, changes):
    found = block(rule, **changes)
    assert (found["transparency"], found["status"]) == ("opaque", "confirmed")
    assert (found["attendees"], found["event_type"]) == ([], "default")


def test_a_free_event_that_is_wanted_stays_free():
    assert block(Rule(skip_free=False), transparency="transparent")["transparency"] == "transparent"


def test_an_all_day_block_keeps_its_dates():
    dates = when({"date": "2026-05-05"}, {"date": "2026-05-07"})
    assert when(block(**dates)["start"], block(**dates)["end"]) == dates


def test_an_event_that_reaches_into_the_window_makes_a_block():
    assert block(**when(at("04-20"), at("04-24", 13)))
    assert alone(DEFAULT, event(**when(at("04-20"), at("04-24", 12))), NOW) is Skip.OVER


def test_a_block_that_exists_outlives_its_window_but_not_its_reason():
    over = replace(event(**when(at("04-20"), at("04-20", 11))), has_block=True)
    assert isinstance(alone(DEFAULT, over, NOW), Block)
    declined = replace(over, fields={**over.fields, "attendees": answered("declined")})
    assert alone(DEFAULT, declined, NOW) is Skip.DECLINED


def test_a_block_does_not_stay_where_its_event_left_for_beyond_the_window():
    moved = replace(event(**when(at("05-20"), at("05-20", 11))), has_block=True)
    assert alone(Rule(future_days=5), moved, NOW) is Skip.NOT_YET


def test_an_event_that_is_gone_makes_no_block():
    assert alone(DEFAULT, replace(event(), gone=True), NOW) is Skip.GONE


SLOT = "2026-05-12T10:00:00Z"
WEEKLY = event(recurrence=["RRULE:FREQ=WEEKLY", "EXDATE:20260519T100000Z"])


def exception(slot=SLOT, **changes):
    return Source({**LUNCH, **changes}, calendar="Work", slot=slot)


def blocks(head, *exceptions, rule=DEFAULT):
    return mirror(rule, head, exceptions, NOW)


def test_a_series_is_mirrored_as_a_series_with_its_rules():
    (series,) = blocks(WEEKLY)
    assert series.fields["recurrence"] == ["RRULE:FREQ=WEEKLY", "EXDATE:20260519T100000Z"]
    assert series.slot == ""


def test_a_recurrence_line_that_is_no_rule_does_not_get_through():
    (series,) = blocks(event(recurrence=["RRULE:FREQ=WEEKLY", "X-NOTE:Lunch with the bank"]))
    assert series.fields["recurrence"] == ["RRULE:FREQ=WEEKLY"]


def test_a_moved_occurrence_moves_its_block():
    moved = when(at("05-13", 14), at("05-13", 15))
    _, found = blocks(WEEKLY, exception(**moved))
    assert found.slot == SLOT
    assert when(found.fields["start"], found.fields["end"]) == moved
    assert found.fields["title"] == "Busy"


def test_a_cancelled_occurrence_is_cancelled_in_the_block_at_its_own_time():
    """Of a cancelled occurrence a service tells only which one it is."""
    cancelled = Source({**EMPTY, "status": "cancelled"}, slot=SLOT)
    series, found = blocks(WEEKLY, cancelled)
    assert found.slot == SLOT
    assert found.fields == {
        **series.fields,
        "status": "cancelled",
        "recurrence": [],
        "start": at("05-12"),
        "end": at("05-12", 11),
    }


@pytest.mark.parametrize(
    "changes", [{"attendees": answered("declined")}, {"transparency": "transparent"}]
)
def test_an_occurrence_that_is_skipped_is_cancelled_in_the_block(changes):
    _, found = blocks(WEEKLY, exception(**changes))
    assert (found.slot, found.fields["status"]) == (SLOT, "cancelled")


@pytest.mark.parametrize(
    ("skipped", "busy"),
    [
        ({"transparency": "transparent"}, {"transparency": "opaque"}),
        ({"attendees": answered("declined")}, {"attendees": answered("accepted")}),
    ],
)
def test_a_busy_occurrence_of_a_skipped_series_makes_a_block_of_its_own(skipped, busy):
    series = event(recurrence=["RRULE:FREQ=WEEKLY"], **skipped)
    why, found = blocks(series, exception(**busy))
    assert isinstance(why, Skip)
    assert (found.slot, found.fields["recurrence"]) == ("", [])


def test_a_block_of_its_own_stays_where_it_is_and_the_series_leaves_its_place_empty():
    """A copy that stands alone at a service cannot become an occurrence of another event there."""
    apart = replace(exception(), has_block=True, apart=True)
    series, found = blocks(WEEKLY, apart)
    assert series.fields["recurrence"][-1] == "EXDATE:20260512T100000Z"
    assert found.slot == ""
    declined = replace(apart, fields={**apart.fields, "attendees": answered("declined")})
    series, found = blocks(WEEKLY, declined)
    assert series.fields["recurrence"][-1] == "EXDATE:20260512T100000Z"
    assert found is Skip.DECLINED


def test_the_other_occurrences_of_a_skipped_series_make_none():
    series = event(recurrence=["RRULE:FREQ=WEEKLY"], transparency="transparent")
    assert blocks(series, exception(transparency="transparent")) == [Skip.FREE, Skip.FREE]


def test_an_exception_that_is_none_any_more_becomes_what_the_series_says():
    undone = replace(exception(title="Dinner"), gone=True, has_block=True)
    _, found = blocks(WEEKLY, undone)
    assert found.slot == SLOT
    assert found.fields["status"] == "confirmed"
    assert when(found.fields["start"], found.fields["end"]) == when(at("05-12"), at("05-12", 11))


def test_an_exception_that_its_series_has_outgrown_is_dropped():
    trimmed = event(recurrence=["RRULE:FREQ=WEEKLY;UNTIL=20260510T000000Z"])
    undone = replace(exception(), gone=True, has_block=True)
    assert blocks(trimmed, undone)[1] is Skip.GONE
    assert blocks(WEEKLY, replace(undone, has_block=False))[1] is Skip.GONE


def test_a_series_that_becomes_a_single_event_and_back_is_followed():
    single, orphan = blocks(event(), exception())
    assert single.fields["recurrence"] == []
    assert orphan is Skip.NO_SERIES
    series, part = blocks(WEEKLY, exception())
    assert (series.fields["recurrence"] != [], part.slot) == (True, SLOT)


def test_a_series_that_is_gone_takes_its_exceptions_along():
    assert blocks(replace(WEEKLY, gone=True), exception()) == [Skip.GONE, Skip.GONE]


def test_an_old_series_with_an_occurrence_in_the_window_is_mirrored_and_an_ended_one_is_not():
    start = when(
        {"at": "2020-01-07T10:00:00Z", "zone": "Europe/Berlin"},
        {"at": "2020-01-07T11:00:00Z", "zone": "Europe/Berlin"},
    )
    assert isinstance(blocks(event(recurrence=["RRULE:FREQ=WEEKLY"], **start))[0], Block)
    ended = ["RRULE:FREQ=WEEKLY;UNTIL=20210101T000000Z"]
    assert blocks(event(recurrence=ended, **start)) == [Skip.OVER]
    yearly = event(recurrence=["RRULE:FREQ=YEARLY"], **start)
    assert blocks(yearly, rule=Rule(future_days=30)) == [Skip.NOT_YET]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (Rule("{tittle}"), "knows only the words {title}, {location}, {calendar}"),
        (Rule("{title.__class__}", frozenset({"title"})), "knows only the words"),
        (Rule("{title!r}", frozenset({"title"})), "knows only the words"),
        (Rule("{title:>9}", frozenset({"title"})), "knows only the words"),
        (Rule("{}"), "knows only the words"),
        (Rule("Busy {"), "knows only the words"),
        (Rule("{title}"), "'title' must be shown too"),
        (Rule("  "), "must have 1 to 200 characters"),
        (Rule("x" * 201), "must have 1 to 200 characters"),
        (Rule(show=frozenset({"attendees"})), "what can: title, description, location, calendar"),
        (Rule(skip_event_types=frozenset({"focustime"})), "there are: default, outOfOffice"),
        (Rule(past_days=-1), "0 to 3650 days"),
        (Rule(future_days=4000), "0 to 3650 days"),
    ],
)
def test_a_rule_that_makes_no_sense_says_what_would(rule, problem):
    (said,) = rule.problems()
    assert problem in said


@pytest.mark.parametrize("rule", [DEFAULT, Rule("Busy {{{calendar}}}", frozenset({"calendar"}))])
def test_a_sensible_rule_has_no_problems(rule):
    assert rule.problems() == []


def test_a_broken_template_in_the_database_shows_nothing_rather_than_something():
    assert block(Rule("{title.upper}", frozenset({"title"})))["title"] == "Busy"


# Another value for every knob, and for every fact about the calendars.
OTHER = {
    "title": "Away",
    "show": frozenset({"location"}),
    "visibility": "default",
    "colour": "7",
    "link_back": True,
    "skip_declined": False,
    "skip_free": False,
    "skip_event_types": frozenset({"focusTime"}),
    "tentative": "free",
    "unanswered": "tentative",
    "all_day": "free",
    "private_events": "skip",
    "include": ("title:*",),
    "exclude": ("title:*",),
    "hours_from": time(9),
    "hours_to": time(17),
    "weekdays": frozenset({"mon"}),
    "minimum_minutes": 5,
    "skip_invited": False,
    "once_per_meeting": False,
    "buffer_before": 5,
    "buffer_after": 5,
    "travel_minutes": 5,
    "merge": True,
    "past_days": 8,
    "future_days": 366,
    "active_from": date(2026, 1, 1),
    "active_until": date(2026, 12, 31),
    "zone": "Europe/Berlin",
    "addresses": frozenset({"home@example.com"}),
    "one_owner": True,
}


def test_the_content_of_a_rule_changes_with_every_knob():
    assert OTHER.keys() == {knob.name for knob in fields(Rule)}
    changed = [replace(DEFAULT, **{name: value}) for name, value in OTHER.items()]
    assert len({rule.content("Work", NOW) for rule in [DEFAULT, *changed]}) == len(OTHER) + 1


def test_the_content_of_a_rule_changes_with_a_name_it_shows_and_with_its_season():
    assert DEFAULT.content("Work", NOW) == DEFAULT.content("Renamed", NOW)
    named = Rule("{calendar}", frozenset({"calendar"}))
    assert named.content("Work", NOW) != named.content("Renamed", NOW)
    project = Rule(active_until=date(2026, 5, 1))
    assert project.content("Work", NOW) != project.content("Work", NOW + timedelta(days=1))
