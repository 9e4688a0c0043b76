"""A series that is cut keeps exactly the occurrences that have begun."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from calendars.cutting import cut, goes_on, is_to_come
from calendars.recurrence import instant
from sync.core.events import EMPTY
from tests.calendars.expansion import moment, occurrences, parsed, series

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)


def lines(*recurrence, start="2026-05-01T09:00:00Z", zone="Europe/Berlin"):
    at = {"date": start} if "T" not in start else {"at": start, "zone": zone}
    return {**EMPTY, "start": at, "end": at, "recurrence": list(recurrence)}


@pytest.mark.parametrize(
    ("rule", "after"),
    [
        ("RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY;UNTIL=20260506T120000Z"),
        ("RRULE:FREQ=DAILY;COUNT=40", "RRULE:FREQ=DAILY;UNTIL=20260506T120000Z"),
        ("RRULE:FREQ=DAILY;UNTIL=20260504T090000Z", "RRULE:FREQ=DAILY;UNTIL=20260504T090000Z"),
        ("RRULE:UNTIL=20270101T000000Z;FREQ=DAILY", "RRULE:FREQ=DAILY;UNTIL=20260506T120000Z"),
        ("RDATE:20260505T090000Z,20260601T090000Z", "RDATE:20260505T090000Z"),
        ("EXDATE:20260701T090000Z", "EXDATE:20260701T090000Z"),
    ],
)
def test_each_line_ends_where_the_series_is_cut(rule, after):
    assert cut(lines(rule), NOW)["recurrence"] == [after]


def test_an_all_day_series_ends_with_a_date():
    days = lines("RRULE:FREQ=WEEKLY", "RDATE;VALUE=DATE:20260506,20260507", start="2026-04-01")
    assert cut(days, NOW)["recurrence"] == [
        "RRULE:FREQ=WEEKLY;UNTIL=20260506",
        "RDATE;VALUE=DATE:20260506",
    ]


def test_a_line_of_dates_that_are_all_to_come_goes():
    assert cut(lines("RDATE:20260601T090000Z"), NOW)["recurrence"] == []


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        ("RRULE:FREQ=DAILY", True),
        ("RRULE:FREQ=DAILY;COUNT=3", False),
        ("RRULE:FREQ=DAILY;UNTIL=20260506T110000Z", False),
        ("RDATE:20260601T090000Z", True),
    ],
)
def test_whether_a_series_goes_on(rule, more):
    assert goes_on(lines(rule), NOW) is more


def test_a_single_event_is_to_come_or_has_begun_and_never_goes_on():
    later = lines(start="2026-05-06T12:00:01Z")
    assert (is_to_come(later, NOW), goes_on(later, NOW)) == (True, False)
    assert not is_to_come(lines(start="2026-05-06T12:00:00Z"), NOW)


@given(series(), st.integers(0, 400))
def test_what_is_left_is_what_had_begun(fields, days):
    """Both sides are expanded by dateutil and compared start by start."""
    now = instant(fields["start"]) + timedelta(days=days, minutes=5)
    until = now + timedelta(days=400)
    before = [start for start, _ in occurrences(fields, until)]
    begun = [start for start in before if _instant(start) <= now]
    left = [start for start, _ in occurrences(cut(fields, now), until)]
    event("cut" if len(begun) < len(before) else "over")
    assert left == begun
    assert goes_on(fields, now) or len(before) == len(begun)


def _instant(start):
    return parsed(moment(start, "UTC"))
