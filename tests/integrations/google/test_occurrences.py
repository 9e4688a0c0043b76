"""Whether an occurrence of a series was changed, without any network."""

from typing import Any

import pytest

from integrations.google.occurrences import as_in_the_series

BERLIN = "Europe/Berlin"


def timed(start: str, end: str, **more: Any) -> dict[str, Any]:
    """An event as Google shows it."""
    return {
        "start": {"dateTime": start, "timeZone": BERLIN},
        "end": {"dateTime": end, "timeZone": BERLIN},
        "summary": "Night watch",
        **more,
    }


SERIES = timed(
    "2026-10-01T23:00:00+02:00", "2026-10-02T05:00:00+02:00", recurrence=["RRULE:FREQ=DAILY"]
)
SLOT = {"originalStartTime": {"dateTime": "2026-10-05T23:00:00+02:00"}}
UNTOUCHED = timed("2026-10-05T23:00:00+02:00", "2026-10-06T05:00:00+02:00", **SLOT)


def test_an_untouched_occurrence_is_as_in_the_series() -> None:
    assert as_in_the_series(UNTOUCHED, SERIES)


@pytest.mark.parametrize(
    "change",
    [
        {"summary": "Day watch"},
        {"status": "cancelled"},
        {"start": {"dateTime": "2026-10-05T22:00:00+02:00", "timeZone": BERLIN}},
        {"end": {"dateTime": "2026-10-06T05:30:00+02:00", "timeZone": BERLIN}},
        {"reminders": {"useDefault": False}},
    ],
)
def test_any_change_is_noticed(change: dict[str, Any]) -> None:
    assert not as_in_the_series({**UNTOUCHED, **change}, SERIES)


@pytest.mark.parametrize("end", ["2026-10-25T05:00:00+01:00", "2026-10-25T04:00:00+01:00"])
def test_a_night_with_an_hour_more_is_no_change_whichever_way_it_is_counted(end: str) -> None:
    start = "2026-10-24T23:00:00+02:00"
    night = timed(start, end, originalStartTime={"dateTime": start})
    assert as_in_the_series(night, SERIES)


def test_days_are_compared_as_days() -> None:
    days = {"start": {"date": "2026-10-01"}, "end": {"date": "2026-10-02"}}
    later = {"start": {"date": "2026-10-08"}, "end": {"date": "2026-10-09"}}
    original = {"originalStartTime": {"date": "2026-10-08"}}
    assert as_in_the_series({**later, **original}, days)
    assert not as_in_the_series({**later, **original, "end": {"date": "2026-10-10"}}, days)
