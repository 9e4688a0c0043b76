"""One exception that speaks for all later occurrences, read for each of them."""

import pytest

from calendars.recurrence import starts_after
from integrations.ical import read_calendar, spell_out
from tests.integrations.ical.texts import BERLIN, calendar, vevent

NINE = f"DTSTART;TZID={BERLIN}:20261012T090000"  # a Monday; clocks change on 25 October
WEEKLY = vevent("RRULE:FREQ=WEEKLY;COUNT=5", "DURATION:PT1H", "SUMMARY:plan", start=NINE)
SLOTS = [
    *("2026-10-12T07:00:00Z", "2026-10-19T07:00:00Z"),
    *("2026-10-26T08:00:00Z", "2026-11-02T08:00:00Z", "2026-11-09T08:00:00Z"),
]
OBSTACLE = "a change of all later occurrences"


def change(day, start, *lines, ranged=True, hour="090000", summary="later"):
    """Return an exception of the weekly series; it speaks for all later ones if `ranged`."""
    name = f"RECURRENCE-ID{';RANGE=THISANDFUTURE' if ranged else ''};TZID={BERLIN}:{day}T{hour}"
    said = lines or ("DURATION:PT1H",)
    return vevent(name, f"SUMMARY:{summary}", *said, start=f"DTSTART;TZID={BERLIN}:{start}")


def spelled_out(*parts, zone="UTC"):
    """Return what is read, by UID and slot; no two have one name."""
    resource = read_calendar(calendar(*parts), zone=zone)
    spell_out(resource, starts_after)
    found = {(one.uid, one.slot): one for one in resource.components}
    assert len(found) == len(resource.components)
    return found


def by_slot(*parts, **more):
    return {slot: one for (_, slot), one in spelled_out(*parts, **more).items()}


def starts(found):
    """Return when the exceptions begin, by slot."""
    return {
        slot: one.fields["start"].get("at") or one.fields["start"]["date"]
        for slot, one in sorted(found.items())
        if slot and one.fields["status"] != "cancelled"
    }


def test_later_occurrences_move_as_far_on_the_wall_across_a_change_of_clocks():
    found = by_slot(WEEKLY, change("20261019", "20261020T143000", "DURATION:PT45M"))
    assert starts(found) == {
        SLOTS[1]: "2026-10-20T12:30:00Z",
        SLOTS[2]: "2026-10-27T13:30:00Z",
        SLOTS[3]: "2026-11-03T13:30:00Z",
        SLOTS[4]: "2026-11-10T13:30:00Z",
    }
    last = found[SLOTS[4]]
    assert last.fields["end"] == {"at": "2026-11-10T14:15:00Z", "zone": BERLIN}
    assert (last.fields["title"], last.fields["recurrence"]) == ("later", [])


def test_a_shift_over_the_change_itself_is_one_of_the_clock():
    sunday = change("20261019", "20261018T090000")
    assert starts(by_slot(WEEKLY, sunday))[SLOTS[2]] == "2026-10-25T08:00:00Z"


def test_a_change_that_is_said_in_another_zone_keeps_the_clock_of_the_series():
    said = vevent(
        f"RECURRENCE-ID;RANGE=THISANDFUTURE;TZID={BERLIN}:20261019T090000",
        start="DTSTART:20261019T080000Z",
    )
    found = by_slot(WEEKLY, said)
    assert found[SLOTS[2]].fields["start"] == {"at": "2026-10-26T09:00:00Z", "zone": "UTC"}


def test_all_day_occurrences_move_by_days():
    found = by_slot(
        vevent("RRULE:FREQ=DAILY;COUNT=4", start="DTSTART;VALUE=DATE:20261023"),
        vevent(
            "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20261024",
            "DTEND;VALUE=DATE:20261028",
            start="DTSTART;VALUE=DATE:20261026",
        ),
    )
    assert starts(found) == {
        "2026-10-24": "2026-10-26",
        "2026-10-25": "2026-10-27",
        "2026-10-26": "2026-10-28",
    }
    assert found["2026-10-26"].fields["end"] == {"date": "2026-10-30"}


def test_a_timed_series_becomes_one_of_days():
    found = by_slot(
        vevent(
            "RRULE:FREQ=DAILY;COUNT=3", "RDATE:20261026T210000Z", start="DTSTART:20261023T230000Z"
        ),
        vevent(
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20261024T230000Z",
            start="DTSTART;VALUE=DATE:20261025",
        ),
    )
    assert found["2026-10-25T23:00:00Z"].fields["start"] == {"date": "2026-10-26"}
    assert found["2026-10-25T23:00:00Z"].fields["end"] == {"date": "2026-10-27"}
    assert found["2026-10-26T21:00:00Z"].fields["start"] == {"date": "2026-10-27"}


def test_a_series_of_days_becomes_one_of_hours():
    found = by_slot(
        vevent("RRULE:FREQ=DAILY;COUNT=4", start="DTSTART;VALUE=DATE:20261023"),
        vevent(
            "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20261024",
            start=f"DTSTART;TZID={BERLIN}:20261024T090000",
        ),
    )
    assert starts(found) == {
        "2026-10-24": "2026-10-24T07:00:00Z",
        "2026-10-25": "2026-10-25T08:00:00Z",
        "2026-10-26": "2026-10-26T08:00:00Z",
    }


def test_a_floating_series_keeps_the_clock_of_its_calendar():
    found = by_slot(
        vevent("RRULE:FREQ=WEEKLY;COUNT=3", start="DTSTART:20261012T090000"),
        vevent(
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20261019T090000", start="DTSTART:20261019T100000"
        ),
        zone=BERLIN,
    )
    assert starts(found)[SLOTS[2]] == "2026-10-26T09:00:00Z"


def test_a_later_change_takes_over_from_an_earlier_one_wherever_it_stands():
    found = by_slot(
        WEEKLY,
        change("20261102", "20261102T120000", summary="second"),
        change("20261019", "20261019T100000", summary="first"),
    )
    titles = [found[slot].fields["title"] for slot in SLOTS[1:]]
    assert titles == ["first", "first", "second", "second"]
    assert starts(found)[SLOTS[4]] == "2026-11-09T11:00:00Z"


def test_an_occurrence_with_an_exception_of_its_own_keeps_it():
    own = change("20261026", "20261026T200000", ranged=False, summary="own")
    gone = change("20261102", "20261102T090000", "STATUS:CANCELLED", ranged=False)
    found = by_slot(WEEKLY, change("20261019", "20261019T100000"), own, gone)
    assert found[SLOTS[2]].fields["title"] == "own"
    assert found[SLOTS[3]].fields == {"status": "cancelled"}
    assert found[SLOTS[4]].fields["title"] == "later"


def test_an_occurrence_that_cannot_be_read_is_not_made_up():
    broken = change("20261026", "no time", ranged=False)
    data = calendar(WEEKLY, change("20261019", "20261019T100000"), broken)
    resource = read_calendar(data)
    spell_out(resource, starts_after)
    assert [one.slot for one in resource.unreadable] == [SLOTS[2]]
    assert {one.slot for one in resource.components} == {"", SLOTS[1], SLOTS[3], SLOTS[4]}


def test_occurrences_that_the_series_leaves_out_stay_out():
    series = WEEKLY.replace(
        "SUMMARY:plan",
        f"EXDATE;TZID={BERLIN}:20261026T090000\r\nEXDATE;X-LOCKSTEP=m:20261102T080000Z",
    )
    found = by_slot(series, change("20261019", "20261019T100000"))
    assert SLOTS[2] not in found
    assert found[SLOTS[3]].fields == {"status": "cancelled"}
    assert found[SLOTS[4]].fields["title"] == "later"


def test_a_cancelled_change_cancels_all_later_occurrences_up_to_the_next_change():
    found = by_slot(
        WEEKLY,
        change("20261019", "20261019T090000", "STATUS:CANCELLED"),
        change("20261109", "20261109T100000"),
    )
    cancelled = [slot for slot, one in found.items() if one.fields["status"] == "cancelled"]
    assert sorted(cancelled) == SLOTS[1:4]
    assert found[SLOTS[2]].fields == {"status": "cancelled"}
    assert found[SLOTS[4]].fields["title"] == "later"


def without_end(rule):
    return by_slot(
        vevent(rule, start="DTSTART:20260505T070000Z"),
        vevent(
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20260512T070000Z", start="DTSTART:20260512T080000Z"
        ),
    )


def test_a_series_without_end_is_followed_for_two_hundred_occurrences():
    found = starts(without_end("RRULE:FREQ=DAILY"))
    assert len(found) == 1 + 200
    assert max(found.items()) == ("2026-11-28T07:00:00Z", "2026-11-28T08:00:00Z")


def test_a_series_without_end_is_followed_for_four_hundred_days():
    found = starts(without_end("RRULE:FREQ=WEEKLY"))
    assert len(found) == 1 + 400 // 7
    assert max(found.items()) == ("2027-06-15T07:00:00Z", "2027-06-15T08:00:00Z")


def test_each_later_change_is_followed_as_far():
    again = vevent(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20270504T070000Z", start="DTSTART:20270504T090000Z"
    )
    found = by_slot(
        vevent("RRULE:FREQ=WEEKLY"),
        vevent("RECURRENCE-ID;RANGE=THISANDFUTURE:20260512T070000Z"),
        again,
    )
    assert max(starts(found).items()) == ("2028-06-06T07:00:00Z", "2028-06-06T09:00:00Z")


def test_a_text_has_its_first_hundred_such_series_followed():
    change = "RECURRENCE-ID;RANGE=THISANDFUTURE:20260505T070000Z"
    parts = [
        vevent(line, uid=f"u{number}")
        for number in range(102)
        for line in ("RRULE:FREQ=DAILY;COUNT=2", change)
    ]
    found = spelled_out(*parts)
    followed = {uid for uid, slot in found if slot == "2026-05-06T07:00:00Z"}
    assert followed == {f"u{number}" for number in range(100)}


def test_a_series_of_dates_without_a_rule_is_followed():
    """So Lotus Notes writes what repeats."""
    dates = "20261019T090000,20261026T090000,20261104T110000"
    series = vevent(f"RDATE;TZID={BERLIN}:{dates}", "DURATION:PT1H", start=NINE)
    found = by_slot(series, change("20261019", "20261019T100000"))
    assert starts(found) == {
        SLOTS[1]: "2026-10-19T08:00:00Z",
        SLOTS[2]: "2026-10-26T09:00:00Z",
        "2026-11-04T10:00:00Z": "2026-11-04T11:00:00Z",
    }


@pytest.mark.parametrize(
    "rule",
    [
        "RRULE:FREQ=SECONDLY",
        "RRULE:FREQ=DAILY;COUNT=999999999",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "RRULE:FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=" + ",".join(map(str, range(60))) * 100,
        "RRULE:FREQ=DAILY\r\nEXRULE:FREQ=DAILY",
        "RRULE:nonsense",
        "",
    ],
)
def test_a_series_that_is_not_expanded_stays_as_it_is(rule):
    series = vevent(rule, start=NINE)
    found = by_slot(series, change("20261019", "20261019T100000"))
    assert found.keys() == {"", SLOTS[1]}
    assert {one.obstacle for one in found.values()} == {OBSTACLE}


def test_a_change_for_earlier_occurrences_is_read_for_its_own():
    past = change("20261019", "20261019T100000").replace("THISANDFUTURE", "THISANDPRIOR")
    assert by_slot(WEEKLY, past).keys() == {"", SLOTS[1]}


def test_a_change_without_its_series_is_read_for_its_own():
    assert by_slot(change("20261019", "20261019T100000")).keys() == {SLOTS[1]}


def test_near_the_end_of_time_nothing_breaks():
    series = vevent("RRULE:FREQ=YEARLY", start="DTSTART:99970101T000000Z")
    late = vevent(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:99970101T000000Z", start="DTSTART:99991231T235959Z"
    )
    assert by_slot(series, late).keys() == {"", "9997-01-01T00:00:00Z"}


def test_no_part_of_such_a_series_is_written():
    found = by_slot(WEEKLY, change("20261019", "20261019T100000"))
    assert found.keys() == {"", *SLOTS[1:]}
    assert {one.obstacle for one in found.values()} == {OBSTACLE}


def test_other_events_of_the_text_are_left_alone():
    other = WEEKLY.replace("UID:u1", "UID:u2")
    found = spelled_out(WEEKLY, other, change("20261019", "20261019T100000"))
    assert [slot for uid, slot in found if uid == "u2"] == [""]
    assert found["u2", ""].obstacle == ""


@pytest.mark.parametrize("what", ["SUMMARY:later", "SUMMARY:plan"])
def test_a_version_moves_with_the_change_and_with_the_series(what):
    parts = [WEEKLY, change("20261019", "20261019T100000")]
    before = by_slot(*parts)
    after = by_slot(*(part.replace(what, "SUMMARY:other") for part in parts))
    again = by_slot(*parts)
    assert before[SLOTS[3]].digest != after[SLOTS[3]].digest
    assert before[SLOTS[3]].digest == again[SLOTS[3]].digest
    assert len({one.digest for one in before.values()}) == len(before)


def test_a_mark_of_ours_is_not_handed_on():
    marked = change("20261019", "20261019T100000", "X-LOCKSTEP-MARK:ours")
    found = by_slot(WEEKLY, marked)
    assert (found[SLOTS[1]].mark, found[SLOTS[2]].mark) == ("ours", "")
