"""Rules that ask for too much: refused, or done with before anybody waits."""

import time
from datetime import UTC, datetime

import pytest

from calendars.occurrences import expand
from calendars.recurrence import at_slot, has_slot, reaches
from sync.core.rules import problem_of

HOURS = ",".join(map(str, range(24)))
MINUTES = ",".join(map(str, range(60)))
EVERY_DAY = "BYDAY=MO,TU,WE,TH,FR,SA,SU"
SECONDS_ALLOWED = 0.5


def series(*lines, start="2026-03-03T09:00:00Z"):
    moment = {"at": start, "zone": "Europe/Berlin"}
    return {"start": moment, "end": moment, "recurrence": [*lines]}


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("FREQ=SECONDLY", "it repeats within a day"),
        ("FREQ=MINUTELY;COUNT=3", "it repeats within a day"),
        ("FREQ=HOURLY;INTERVAL=3", "it repeats within a day"),
        ("FREQ=DAILY;INTERVAL=0", "its rule cannot be understood"),
        ("FREQ=DAILY;INTERVAL=-1", "its rule cannot be understood"),
        ("FREQ=DAILY;INTERVAL=" + "9" * 5000, "its rule cannot be understood"),
        ("FREQ=SOMETIMES", "its rule cannot be understood"),
        ("FREQ=MONTHLY;RSCALE=CHINESE", "its rule cannot be understood"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "its rule cannot be understood"),
        ("FREQ=WEEKLY;BYDAY=XX", "its rule cannot be understood"),
        ("FREQ=DAILY;UNTIL=tomorrow", "its rule cannot be understood"),
        ("FREQ=DAILY;COUNT=10001", "its rule counts too far"),
        ("FREQ=DAILY;COUNT=0", "its rule counts too far"),
        ("FREQ=DAILY;COUNT=" + "9" * 5000, "its rule counts too far"),
        (
            f"FREQ=DAILY;BYHOUR={HOURS};BYMINUTE={MINUTES};BYSECOND=0,1,2,3,4,5,6",
            "its rule names too many times",
        ),
        ("FREQ=YEARLY;BYWEEKNO=53;INTERVAL=5", "its rule counts years that begin with a week"),
        ("FREQ=WEEKLY;UNTIL=20260101T000000Z", "its rule ends before it starts"),
    ],
)
def test_a_rule_is_refused_with_a_reason(rule, problem):
    fields = series(f"RRULE:{rule}")
    assert problem_of(fields["recurrence"], fields["start"]) == problem


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY",
        "FREQ=DAILY;COUNT=10000",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;WKST=SU;UNTIL=20270101T080000Z",
        "FREQ=WEEKLY;UNTIL=20260303",
        "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9,17",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1",
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO",
        "freq=monthly;bysetpos=-1;byday=MO,TU,WE,TH,FR",
    ],
)
def test_a_rule_that_people_use_is_not_refused(rule):
    fields = series(f"RRULE:{rule}")
    assert problem_of(fields["recurrence"], fields["start"]) == ""


def test_too_many_rules_and_too_many_dates_are_refused():
    assert problem_of(["RRULE:FREQ=DAILY"] * 21) == "too many rules"
    dates = "EXDATE:" + ",".join(["20260303T090000Z"] * 10_001)
    assert problem_of([dates]) == "too many added or excluded dates"


@pytest.mark.parametrize(
    "start", ["0001-01-03T09:00:00Z", "1900-01-01T09:00:00Z", "2026-03-03T09:00:00Z"]
)
@pytest.mark.parametrize(
    "lines",
    [
        ["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"],
        ["RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"],
        ["RRULE:FREQ=DAILY;BYYEARDAY=1;BYMONTH=2"],
        ["RRULE:FREQ=DAILY;INTERVAL=7;BYDAY=SA"],
        ["RRULE:FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2"],
        ["RRULE:FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1"],
        ["RRULE:FREQ=DAILY;INTERVAL=99999"],
        ["RRULE:FREQ=DAILY", "EXRULE:FREQ=DAILY"],
        ["RRULE:FREQ=WEEKLY", "EXRULE:FREQ=DAILY"],
        [f"RRULE:FREQ=YEARLY;{EVERY_DAY};BYHOUR={HOURS};BYMINUTE={MINUTES[:-3]}"],
        [f"RRULE:FREQ=DAILY;BYHOUR={HOURS};BYMINUTE={MINUTES}"],
        ["RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;COUNT=10000"],
    ],
)
def test_the_search_for_the_next_occurrence_ends_soon(lines, start):
    fields = series(*lines, start=start)
    began = time.process_time()
    reaches(fields, day("2027-01-01"), day("2027-02-01"))
    has_slot(fields, "2031-05-05T07:00:00Z")
    expand(fields, day("2027-01-01"), day("2028-01-01"))
    assert time.process_time() - began < 3 * SECONDS_ALLOWED


def test_a_rule_without_a_day_leaves_the_start():
    fields = series("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")
    assert [one.slot for one in expand(fields, day("2026-01-01"), day("2099-01-01"))] == [
        "2026-03-03T09:00:00Z"
    ]


def test_the_29th_of_february_comes_in_leap_years_only():
    moment = {"date": "2024-02-29"}
    fields = {"start": moment, "end": {"date": "2024-03-01"}, "recurrence": ["RRULE:FREQ=YEARLY"]}
    found = [one.slot for one in expand(fields, day("2024-01-01"), day("2037-01-01"))]
    assert found == ["2024-02-29", "2028-02-29", "2032-02-29", "2036-02-29"]
    assert has_slot(fields, "2096-02-29")
    assert not has_slot(fields, "2100-03-01")


def test_a_month_without_a_31st_is_passed_over_however_late_one_looks():
    fields = series("RRULE:FREQ=MONTHLY;INTERVAL=2", start="2020-01-31T09:00:00Z")
    found = [one.slot[:10] for one in expand(fields, day("2030-01-01"), day("2031-01-01"))]
    assert found == ["2030-01-31", "2030-03-31", "2030-05-31", "2030-07-31"]


def test_a_series_of_added_dates_only_takes_place_on_them():
    fields = series("RDATE:20260310T090000Z,20260401T080000Z")
    found = [one.slot for one in expand(fields, day("2026-01-01"), day("2027-01-01"))]
    assert found == ["2026-03-03T09:00:00Z", "2026-03-10T09:00:00Z", "2026-04-01T08:00:00Z"]


def test_an_added_period_has_its_own_length():
    fields = series("RDATE;VALUE=PERIOD:20260310T090000Z/20260310T120000Z")
    assert at_slot(fields, "2026-03-10T09:00:00Z")["end"]["at"] == "2026-03-10T12:00:00Z"
    assert at_slot(fields, "2026-03-03T09:00:00Z")["end"]["at"] == "2026-03-03T09:00:00Z"
    assert reaches(fields, day("2026-03-10").replace(hour=11), day("2026-03-11"))


def test_an_occurrence_in_an_hour_that_the_clocks_skip_takes_place_after_it():
    """02:30 is skipped on 29 March: the offset before the gap holds, so it is 03:30 in summer."""
    fields = series("RRULE:FREQ=DAILY", start="2026-03-27T01:30:00Z")
    found = [one.slot for one in expand(fields, day("2026-03-28"), day("2026-03-31"))]
    assert found == ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]


def test_an_occurrence_in_an_hour_that_comes_twice_takes_place_the_first_time():
    fields = series("RRULE:FREQ=DAILY", start="2026-10-24T00:30:00Z")
    found = [one.slot for one in expand(fields, day("2026-10-25"), day("2026-10-27"))]
    assert found == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]


def test_a_zone_that_changed_its_rules_is_followed_through_the_change():
    """America/New_York went to summer time in April until 2006, in March from 2007 on."""
    moment = {"at": "2006-03-14T14:00:00Z", "zone": "America/New_York"}
    fields = {"start": moment, "end": moment, "recurrence": ["RRULE:FREQ=YEARLY"]}
    found = [one.slot for one in expand(fields, day("2006-01-01"), day("2008-01-01"))]
    assert found == ["2006-03-14T14:00:00Z", "2007-03-14T13:00:00Z"]


def test_a_year_long_event_reaches_every_day_of_its_year():
    fields = {"start": {"date": "2026-01-01"}, "end": {"date": "2027-01-01"}, "recurrence": []}
    assert reaches(fields, day("2026-12-31"), day("2027-06-01"))
    assert not reaches(fields, day("2027-01-01"), day("2027-06-01"))
    yearly = {**fields, "recurrence": ["RRULE:FREQ=YEARLY"]}
    assert reaches(yearly, day("2030-07-01"), day("2030-07-02"))
