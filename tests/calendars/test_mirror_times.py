"""When a busy rule blocks, and for how long: hours, weekdays, series, lengths, buffers."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from calendars.mirror import Block, Occurrences, Rule, Skip, alone, mirror
from tests.calendars.sources import (
    BERLIN,
    NOW,
    OFFICE,
    WEEKDAYS,
    at,
    days,
    drawn,
    event,
    head,
)


class TestWorkingHours:
    """Berlin is two hours ahead of UTC in May."""

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("05T07:00", "05T15:00"),
            ("05T06:30", "05T07:30"),
            ("05T14:59", "05T19:00"),
            ("04T20:00", "06T03:00"),
            ("05T07:00", "05T07:00"),
        ],
    )
    def test_an_event_that_is_partly_inside_makes_a_block_as_long_as_itself(self, start, end):
        found = drawn(OFFICE, event(start, end))
        assert (found["start"], found["end"]) == (at(start), at(end))

    @pytest.mark.parametrize(
        ("start", "end"),
        [("05T05:00", "05T07:00"), ("05T15:00", "05T18:00"), ("05T15:00", "06T07:00")],
    )
    def test_an_event_that_is_wholly_outside_makes_none(self, start, end):
        assert alone(OFFICE, event(start, end), NOW) is Skip.OFF_HOURS

    def test_the_clock_is_that_of_the_target(self):
        early = event("05T05:00", "05T06:00")
        assert alone(OFFICE, early, NOW) is Skip.OFF_HOURS
        assert isinstance(alone(replace(OFFICE, zone="Asia/Kolkata"), early, NOW), Block)

    def test_hours_follow_the_clocks_into_winter(self):
        """At 16:00 UTC Berlin works in winter no more, and neither in summer; at 15:30 it does."""
        winter = [
            event(
                **{
                    "start": {"at": f"2026-12-01T{t}Z", "zone": ""},
                    "end": {"at": f"2026-12-01T{u}Z", "zone": ""},
                }
            )
            for t, u in (("15:30:00", "16:30:00"), ("16:00:00", "17:00:00"))
        ]
        assert isinstance(alone(OFFICE, winter[0], NOW), Block)
        assert alone(OFFICE, winter[1], NOW) is Skip.OFF_HOURS

    def test_one_end_of_the_day_may_be_left_open(self):
        evening = Rule(hours_from=time(18), zone=BERLIN)
        assert isinstance(alone(evening, event("05T21:00", "05T21:30"), NOW), Block)
        assert alone(evening, event("05T10:00", "05T11:00"), NOW) is Skip.OFF_HOURS

    def test_weekdays_count_all_day_events_and_others(self):
        """The ninth of May 2026 is a Saturday."""
        assert alone(WEEKDAYS, days("09", "11"), NOW) is Skip.OFF_HOURS
        assert isinstance(alone(WEEKDAYS, days("09", "12"), NOW), Block)
        assert alone(WEEKDAYS, event("09T10:00", "09T11:00"), NOW) is Skip.OFF_HOURS
        late_on_sunday = event("10T21:59", "10T22:01")
        assert isinstance(alone(WEEKDAYS, late_on_sunday, NOW), Block)

    def test_a_long_event_has_working_time_in_it(self):
        assert isinstance(
            alone(replace(WEEKDAYS, weekdays=frozenset({"wed"})), days("02", "20"), NOW), Block
        )


class TestSeriesAndHours:
    def test_a_series_within_the_hours_stays_a_series(self):
        found = head(OFFICE, event(recurrence=["RRULE:FREQ=WEEKLY"]))
        assert found.fields["recurrence"] == ["RRULE:FREQ=WEEKLY"]

    def test_a_series_outside_makes_nothing(self):
        night = event("05T21:00", "05T22:00", recurrence=["RRULE:FREQ=WEEKLY"])
        assert head(OFFICE, night) is Skip.OFF_HOURS

    def test_a_series_on_several_days_is_drawn_by_its_occurrences(self):
        daily = event("04T10:00", "04T11:00", recurrence=["RRULE:FREQ=DAILY;COUNT=9"])
        found = head(WEEKDAYS, daily)
        assert isinstance(found, Occurrences)
        assert [b.occurrence[8:10] for b in found.blocks] == [
            "04",
            "05",
            "06",
            "07",
            "08",
            "11",
            "12",
        ]
        assert all(b.fields["recurrence"] == [] and b.slot == "" for b in found.blocks)
        assert found.blocks[1].fields["start"] == at("05T10:00")

    def test_a_series_that_the_change_of_clocks_moves_out_of_the_hours_is_drawn_by_occurrences(
        self,
    ):
        """14:30 in UTC is 16:30 in Berlin in summer, and 15:30 in winter."""
        rule = replace(OFFICE, hours_to=time(16))
        fixed = event(
            recurrence=["RRULE:FREQ=WEEKLY"],
            start=at("05T14:30", "UTC"),
            end=at("05T15:00", "UTC"),
        )
        found = head(rule, fixed)
        starts = [block.occurrence for block in found.blocks]
        assert starts[0] == "2026-10-27T14:30:00Z"
        assert starts[-1] == "2027-03-23T14:30:00Z"
        assert len(starts) == 22

    def test_what_is_decided_does_not_depend_on_the_length_of_the_window(self):
        rule = replace(OFFICE, hours_to=time(16), future_days=30)
        fixed = event(
            recurrence=["RRULE:FREQ=WEEKLY"], start=at("05T14:30", "UTC"), end=at("05T15:00", "UTC")
        )
        assert head(rule, fixed) == Occurrences(())

    def test_an_exception_of_a_series_drawn_by_occurrences_is_an_event_of_its_own(self):
        daily = event("04T10:00", "04T11:00", recurrence=["RRULE:FREQ=DAILY;COUNT=9"])
        moved = replace(event("09T10:00", "09T11:00"), slot="2026-05-05T10:00:00Z")
        late = replace(event("07T10:00", "07T11:00"), slot="2026-05-06T10:00:00Z")
        series, first, second = mirror(WEEKDAYS, daily, [moved, late], NOW)
        assert [b.occurrence[8:10] for b in series.blocks] == ["04", "07", "08", "11", "12"]
        assert first is Skip.OFF_HOURS
        assert (second.slot, second.fields["start"]) == ("", at("07T10:00"))

    def test_an_occurrence_that_was_moved_out_of_the_hours_is_cancelled_in_a_drawn_series(self):
        series = event(recurrence=["RRULE:FREQ=WEEKLY"])
        moved = replace(event("12T21:00", "12T22:00"), slot="2026-05-12T10:00:00Z")
        _, found = mirror(OFFICE, series, [moved], NOW)
        assert (found.slot, found.fields["status"]) == ("2026-05-12T10:00:00Z", "cancelled")

    def test_a_block_of_an_occurrence_outlives_the_window(self):
        daily = event("04T10:00", "04T11:00", recurrence=["RRULE:FREQ=DAILY;COUNT=40"])
        later = NOW + timedelta(days=30)
        drawn_before = replace(daily, drawn=frozenset({"2026-05-05T10:00:00Z"}), has_block=True)
        (found,) = mirror(WEEKDAYS, drawn_before, [], later)
        assert found.blocks[0].occurrence == "2026-05-05T10:00:00Z"
        assert found.blocks[1].occurrence > "2026-05-24"

    def test_a_series_that_nobody_can_expand_is_drawn_whole(self):
        odd = event(recurrence=["RRULE:FREQ=HOURLY;BYDAY=SA"])
        assert isinstance(head(WEEKDAYS, odd), Block)


class TestLengthAndBuffers:
    def test_a_short_event_makes_no_block(self):
        rule = Rule(minimum_minutes=30)
        assert alone(rule, event("05T10:00", "05T10:29"), NOW) is Skip.SHORT
        assert isinstance(alone(rule, event("05T10:00", "05T10:30"), NOW), Block)

    def test_a_buffer_makes_a_block_longer(self):
        found = drawn(Rule(buffer_before=15, buffer_after=10), event())
        assert (found["start"], found["end"]) == (at("05T09:45"), at("05T11:10"))

    def test_the_way_there_counts_only_for_events_that_have_a_place(self):
        rule = Rule(buffer_before=5, travel_minutes=30)
        assert drawn(rule, event())["start"] == at("05T09:55")
        there = drawn(rule, event(location="Harbour Street 1"))
        assert (there["start"], there["end"]) == (at("05T09:25"), at("05T11:30"))
        assert there["location"] == ""
        assert drawn(rule, event(location="  "))["start"] == at("05T09:55")

    def test_an_all_day_block_has_its_whole_days_already(self):
        found = drawn(Rule(buffer_before=60, buffer_after=60), days("05", "06"))
        assert (found["start"], found["end"]) == ({"date": "2026-05-05"}, {"date": "2026-05-06"})

    def test_a_series_begins_earlier_as_a_whole_and_so_do_the_dates_it_leaves_out(self):
        lines = ["RRULE:FREQ=WEEKLY;UNTIL=20260630T100000Z", "EXDATE:20260512T100000Z"]
        found = head(Rule(buffer_before=30, buffer_after=5), event(recurrence=lines))
        assert (found.fields["start"], found.fields["end"]) == (at("05T09:30"), at("05T11:05"))
        assert found.fields["recurrence"] == [
            "RRULE:FREQ=WEEKLY;UNTIL=20260630T093000Z",
            "EXDATE:20260512T093000Z",
        ]

    def test_an_exception_has_the_place_that_the_earlier_series_gives_it(self):
        rule = Rule(buffer_before=30)
        series = event(recurrence=["RRULE:FREQ=WEEKLY"])
        moved = replace(event("13T10:00", "13T11:00"), slot="2026-05-12T10:00:00Z")
        gone = replace(event(status="cancelled"), slot="2026-05-19T10:00:00Z")
        undone = replace(event(), slot="2026-05-26T10:00:00Z", gone=True, has_block=True)
        _, first, second, third = mirror(rule, series, [moved, gone, undone], NOW)
        assert (first.slot, first.fields["start"]) == ("2026-05-12T09:30:00Z", at("13T09:30"))
        assert (second.slot, second.fields["start"]) == ("2026-05-19T09:30:00Z", at("19T09:30"))
        assert second.fields["end"] == at("19T11:00")
        assert (third.slot, third.fields["end"]) == ("2026-05-26T09:30:00Z", at("26T11:00"))

    def test_a_series_that_cannot_begin_earlier_as_a_whole_is_drawn_by_its_occurrences(self):
        """Half an hour before Monday 00:15 is Sunday, and BYDAY=MO would not follow."""
        monday = event("03T22:15", "03T23:00", recurrence=["RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3"])
        found = head(Rule(buffer_before=30), monday)
        assert [block.fields["start"] for block in found.blocks] == [
            at("03T21:45"),
            at("10T21:45"),
            at("17T21:45"),
        ]

    def test_a_series_at_an_hour_that_the_clocks_skip_is_never_late(self):
        """Wall-clock rules an hour earlier would miss the day on which the clocks go forward."""
        night = event(
            recurrence=["RRULE:FREQ=WEEKLY;BYDAY=SU"],
            start={"at": "2026-05-03T01:10:00Z", "zone": BERLIN},
            end={"at": "2026-05-03T02:00:00Z", "zone": BERLIN},
        )
        found = head(Rule(buffer_before=30), night)
        assert isinstance(found, Occurrences)
        spring = next(b for b in found.blocks if b.occurrence.startswith("2027-03-28"))
        assert spring.occurrence == "2027-03-28T01:10:00Z"
        assert spring.fields["start"]["at"] == "2027-03-28T00:40:00Z"
