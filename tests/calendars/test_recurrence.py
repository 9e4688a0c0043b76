"""When series take place, compared with dateutil's own expansion."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendars.recurrence import at_slot, has_slot, is_series, reaches, rule_lines
from tests.calendars.expansion import YEARS, occurrences, parsed, series, text_of

BERLIN = "Europe/Berlin"


def weekly(*lines, start="2026-03-03T09:00:00Z", end="2026-03-03T10:00:00Z", zone=BERLIN):
    return {
        "start": {"at": start, "zone": zone},
        "end": {"at": end, "zone": zone},
        "recurrence": [*lines],
    }


LONG_AGO = {"start": "2020-03-03T09:00:00Z", "end": "2020-03-03T10:00:00Z"}


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


instants = st.datetimes(*YEARS).map(
    lambda at: at.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
)


@given(series(), instants, st.integers(1, 400))
def test_a_series_reaches_a_window_exactly_if_an_occurrence_does(fields, since, days):
    until = since + timedelta(days=days)
    expected = any(
        _instant(start) < until and (_instant(end) > since or _instant(start) >= since)
        for start, end in occurrences(fields, until)
    )
    assert reaches(fields, since, until) == expected


def _instant(at):
    return at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=UTC)


@given(series(), st.integers(0, 30))
def test_a_series_has_the_slots_of_its_occurrences_and_no_others(fields, hours):
    until = parsed(fields["start"]) + timedelta(days=100)
    slots = {text_of(start) for start, _ in occurrences(fields, until)}
    tried = parsed(fields["start"]) + timedelta(hours=hours)
    tried = text_of(tried if "at" in fields["start"] else tried.date())
    assert has_slot(fields, tried) == (tried in slots)
    assert all(has_slot(fields, slot) for slot in sorted(slots)[:10])


@given(series(), st.integers(0, 5))
def test_an_occurrence_has_its_own_times_and_everything_else_of_the_series(fields, number):
    found = occurrences(fields, parsed(fields["start"]) + timedelta(days=100))
    if not found:
        return
    start, end = found[number % len(found)]
    one = at_slot(fields, text_of(start))
    assert (one["start"], one["end"]) == (
        {**fields["start"], **_said(start)},
        {**fields["end"], **_said(end)},
    )
    assert one["recurrence"] == []
    assert one.keys() == fields.keys()


def _said(at):
    return {"at" if isinstance(at, datetime) else "date": text_of(at)}


def test_a_series_keeps_its_hour_when_the_clocks_change():
    """09:00 UTC is 10:00 in Berlin in winter; in summer 10:00 in Berlin is 08:00 UTC."""
    fields = weekly("RRULE:FREQ=WEEKLY")
    assert has_slot(fields, "2026-03-31T08:00:00Z")
    assert not has_slot(fields, "2026-03-31T09:00:00Z")


def test_excluded_dates_are_read_in_the_zone_they_name():
    fields = weekly(
        "RRULE:FREQ=WEEKLY", "EXDATE;TZID=Europe/Berlin:20260310T100000,20260317T100000"
    )
    assert not has_slot(fields, "2026-03-10T09:00:00Z")
    assert not has_slot(fields, "2026-03-17T09:00:00Z")
    assert has_slot(fields, "2026-03-24T09:00:00Z")


def test_a_series_that_was_counted_out_long_ago_does_not_start_again():
    assert not reaches(weekly("RRULE:FREQ=WEEKLY;COUNT=3"), day("2026-05-01"), day("2026-06-01"))
    assert not has_slot(weekly("RRULE:FREQ=DAILY;COUNT=3"), "2026-03-06T09:00:00Z")


def test_every_other_week_stays_every_other_week_however_much_later():
    fields = weekly("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH", **LONG_AGO)
    assert has_slot(fields, "2026-03-10T09:00:00Z")
    assert not has_slot(fields, "2026-03-03T09:00:00Z")


def test_added_periods_count_with_their_start():
    fields = weekly("RDATE;VALUE=PERIOD:20260305T090000Z/20260305T110000Z")
    assert is_series(fields)
    assert has_slot(fields, "2026-03-05T09:00:00Z")


def test_a_rule_that_excludes_is_obeyed():
    fields = weekly("RRULE:FREQ=WEEKLY", "EXRULE:FREQ=WEEKLY;INTERVAL=2")
    assert has_slot(fields, "2026-03-10T09:00:00Z")
    assert not has_slot(fields, "2026-03-17T09:00:00Z")


def test_a_timed_series_may_end_with_a_date():
    """Some writers do that although the standard forbids it; the whole day still counts."""
    fields = weekly("RRULE:FREQ=WEEKLY;UNTIL=20260310")
    assert has_slot(fields, "2026-03-10T09:00:00Z")
    assert not has_slot(fields, "2026-03-17T09:00:00Z")


@pytest.mark.parametrize(
    "lines",
    [
        ["RRULE:FREQ=SOMETIMES"],
        ["RRULE:INTERVAL=1"],
        ["RRULE:FREQ=SECONDLY"],
        ["RRULE:FREQ=DAILY;INTERVAL=0"],
        ["RRULE:FREQ=WEEKLY", "EXDATE:some day"],
        ["RRULE:FREQ=WEEKLY", "EXDATE;TZID=Nowhere/At_All:20260310T100000"],
        ["RRULE:FREQ=WEEKLY;UNTIL=tomorrow"],
    ],
)
def test_what_cannot_be_expanded_counts_as_taking_place(lines):
    fields = weekly(*lines)
    assert reaches(fields, day("2027-01-01"), day("2027-02-01"))
    assert has_slot(fields, "2027-01-05T09:00:00Z")


def test_a_zone_that_nobody_knows_is_taken_for_utc():
    assert has_slot(weekly("RRULE:FREQ=WEEKLY", zone="Custom Zone 1"), "2026-03-31T09:00:00Z")


def test_a_single_event_reaches_a_window_only_by_itself():
    fields = weekly()
    assert reaches(fields, day("2026-03-03"), day("2026-03-04"))
    assert not reaches(fields, day("2026-03-04"), day("2026-04-04"))
    assert not reaches(fields, day("2026-03-01"), day("2026-03-03"))


def test_an_event_without_length_takes_place_at_its_moment():
    fields = weekly(end="2026-03-03T09:00:00Z")
    assert reaches(fields, datetime(2026, 3, 3, 9, tzinfo=UTC), day("2026-03-04"))


def test_only_lines_that_are_rules_count():
    fields = weekly("X-NOTE:secret", "EXDATE:20260310T090000Z")
    assert rule_lines(fields) == ["EXDATE:20260310T090000Z"]
    assert not is_series(fields)
