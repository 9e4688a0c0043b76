"""Texts that we write, read by programs that we did not: the same events at the same times."""

from datetime import UTC, date, datetime, timedelta

import recurring_ical_events
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from calendars.occurrences import expand
from sync.core.rules import problem_of
from tests.calendars.expansion import series
from tests.integrations.ical.texts import event, put

SINCE, UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)


def theirs(data):
    """Return when the events take place, as recurring-ical-events and icalendar see it."""
    found = recurring_ical_events.of(Calendar.from_ical(data)).between(SINCE, UNTIL)
    return sorted(tuple(map(_instant, (one.start, one.end))) for one in found)


def _instant(at):
    if isinstance(at, datetime):
        return at.astimezone(UTC)
    return datetime(at.year, at.month, at.day, tzinfo=UTC)


@settings(max_examples=40)
@given(series(), st.data())
def test_a_series_takes_place_at_the_same_times_elsewhere(fields, data):
    """But for rules that end before they start: nobody agrees what these mean."""
    ours = expand(fields, SINCE, UNTIL)
    assume(2 <= len(ours) <= 400 and not problem_of(fields["recurrence"], fields["start"]))
    text = put(None, fields)
    times = {one.slot: (one.start, one.end) for one in ours}
    moved = data.draw(st.sampled_from(sorted(times)[1:]))
    cancelled = data.draw(st.sampled_from(sorted(times)[1:]))
    text = put(text, {"status": "cancelled"}, slot=cancelled, mark="m")
    times.pop(cancelled)
    if moved != cancelled:
        text = put(text, {**fields, **_later(fields, times, moved), "recurrence": []}, slot=moved)
    assert theirs(text) == sorted(times.values())


def _later(fields, times, slot):
    """Return the times of an occurrence an hour or a day later, and note them down."""
    step = timedelta(days=1) if "date" in fields["start"] else timedelta(hours=1)
    start, end = (at + step for at in times[slot])
    times[slot] = (start, end)
    return {"start": _moment(fields["start"], start), "end": _moment(fields["end"], end)}


def _moment(like, at):
    if "date" in like:
        return {"date": at.date().isoformat()}
    return {**like, "at": at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_icalendar_reads_the_values_that_we_write():
    text = put(None, event(title="a; b, c\\d\ne", location="ä" * 60, visibility="private"))
    (found,) = Calendar.from_ical(text).events
    assert str(found["SUMMARY"]) == "a; b, c\\d\ne"
    assert str(found["LOCATION"]) == "ä" * 60
    assert found.start == datetime(2026, 5, 5, 7, tzinfo=UTC)
    assert not found.errors


def test_icalendar_reads_a_day_as_a_day():
    text = put(None, event(start={"date": "2026-05-05"}, end={"date": "2026-05-07"}))
    (found,) = Calendar.from_ical(text).events
    assert (found.start, found.end) == (date(2026, 5, 5), date(2026, 5, 7))
