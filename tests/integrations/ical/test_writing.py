"""Edits of a calendar's text: what is touched, and that nothing else is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ical import BadCalendar, normalise, put_event, remove_event
from tests.integrations.ical.texts import (
    BERLIN,
    NOW,
    by_slot,
    calendar,
    components,
    event,
    moment,
    put,
    vevent,
)

STAMPS = (b"DTSTAMP", b"LAST-MODIFIED", b"SEQUENCE")
BERLIN_START = "DTSTART;TZID=Europe/Berlin:20260505T090000"
DAILY = "RRULE:FREQ=DAILY"
# Everything that Lockstep does not model, oddly folded and in an odd order.
RICH = (
    'X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-TITLE="a;b":geo:1,\r\n 2',
    "SUMMARY;LANGUAGE=de;X-P=1:Al\r\n\tter Ti\r\n tel",
    "x-lower:Some\\thing",
    "CATEGORIES:A,B",
    "DTEND;TZID=Europe/Berlin:20260505T100000",
    "ATTACH;FMTTYPE=text/plain:https://files.example.com/1",
    "COMMENT:not a line of ours: ;,",
    "DESCRIPTION:first\\nsecond",
    "LOCATION:Room 1",
    "ATTENDEE;CN=Zoe;RSVP=TRUE;X-N=1;PARTSTAT=NEEDS-ACTION:MAILTO:Zoe@Example.com",
    "ATTENDEE:urn:uuid:1234",
    "this is no content line",
    "RRULE:BYDAY=TU;FREQ=WEEKLY",
    "EXDATE;TZID=Europe/Berlin:20260512T090000,20260519T090000",
    "BEGIN:VALARM\r\nX-WR-ALARMUID:A1\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM",
    "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT5M\r\nATTACH:Basso\r\nEND:VALARM",
    "GEO:1;2",
)
ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nX-ODD:1\r\nBEGIN:STANDARD\r\nDTSTART:19961027T030000"
    "\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE"
)
TASK = "BEGIN:VTODO\r\nUID:t\r\nSUMMARY:a task\r\nEND:VTODO"
DATA = calendar(
    "X-WR-CALNAME:Mine", ZONE, TASK, vevent(*RICH, start=BERLIN_START), vevent(uid="u2")
)


def changed_lines(before, after):
    """Return the content lines that an edit took out and brought in, without the stamps."""
    old, new = (
        data.replace(b"\r\n ", b"").replace(b"\r\n\t", b"").split(b"\r\n")
        for data in (before, after)
    )
    gone = [line for line in old if line not in new and not line.startswith(STAMPS)]
    came = [line for line in new if line not in old and not line.startswith(STAMPS)]
    return gone, came


def edited(**fields):
    """Return the rich calendar with some fields of its event changed."""
    whole = {**by_slot(DATA_ONE)[""].fields, **fields}
    return put(DATA, whole, *fields)


DATA_ONE = calendar(ZONE, vevent(*RICH, start=BERLIN_START))


def test_a_new_title_is_one_line_and_the_other_bytes_stay():
    after = edited(title="new")
    gone, came = changed_lines(DATA, after)
    assert gone == [b"SUMMARY;LANGUAGE=de;X-P=1:Alter Titel"]
    assert came == [b"SUMMARY;LANGUAGE=de;X-P=1:new"]
    head, tail = DATA.split(b"SUMMARY;LANGUAGE=de", 1)
    assert after.startswith(
        head.replace(b"DTSTAMP:20260101T000000Z", b"DTSTAMP:20261120T120000Z", 1)
    )
    rest = tail.split(b"tel\r\n", 1)[1]
    assert after.split(b":new\r\n", 1)[1].startswith(rest.split(b"BEGIN:VALARM")[0])
    assert after.endswith(rest[rest.index(b"BEGIN:VALARM") :])


@pytest.mark.parametrize(
    ("fields", "gone", "came"),
    [
        ({"description": ""}, [b"DESCRIPTION:first\\nsecond"], []),
        ({"location": "Room 2"}, [b"LOCATION:Room 1"], [b"LOCATION:Room 2"]),
        ({"visibility": "private"}, [], [b"CLASS:PRIVATE"]),
        ({"transparency": "transparent"}, [], [b"TRANSP:TRANSPARENT"]),
        ({"status": "tentative"}, [], [b"STATUS:TENTATIVE"]),
        (
            {"start": moment("2026-05-05T06:00:00Z")},
            [b"DTSTART;TZID=Europe/Berlin:20260505T090000"],
            [b"DTSTART;TZID=Europe/Berlin:20260505T080000"],
        ),
        (
            {"end": moment("2026-05-05T09:00:00Z")},
            [b"DTEND;TZID=Europe/Berlin:20260505T100000"],
            [b"DTEND;TZID=Europe/Berlin:20260505T110000"],
        ),
        (
            {"recurrence": ["RRULE:FREQ=DAILY", "EXDATE;TZID=Europe/Berlin:20260512T090000"]},
            [
                b"RRULE:BYDAY=TU;FREQ=WEEKLY",
                b"EXDATE;TZID=Europe/Berlin:20260512T090000,20260519T090000",
            ],
            [b"EXDATE;TZID=Europe/Berlin:20260512T090000", b"RRULE:FREQ=DAILY"],
        ),
        (
            {"reminders": {"default": True}},
            [b"X-WR-ALARMUID:A1", b"ACTION:DISPLAY", b"TRIGGER:-PT15M"],
            [],
        ),
    ],
)
def test_a_changed_field_changes_its_own_lines_only(fields, gone, came):
    assert changed_lines(DATA, edited(**fields)) == (gone, came)


def test_a_changed_guest_keeps_what_we_do_not_model_and_nobody_is_mailed():
    guest = {"email": "zoe@example.com", "name": "Zoe", "response": "accepted"}
    gone, came = changed_lines(DATA, edited(attendees=[guest]))
    assert len(gone) == 1
    assert came == [
        b"ATTENDEE;CN=Zoe;RSVP=TRUE;X-N=1;PARTSTAT=ACCEPTED;SCHEDULE-AGENT=NONE:MAILTO:Zoe@Example.com"
    ]
    gone, came = changed_lines(DATA, edited(attendees=[]))
    assert gone[0].startswith(b"ATTENDEE;CN=Zoe")
    assert b"ATTENDEE:urn:uuid:1234" in edited(attendees=[])


def test_a_new_guest_is_added_with_scheduling_switched_off():
    zoe = by_slot(DATA_ONE)[""].fields["attendees"]
    after = edited(attendees=[*zoe, {"email": "new@example.com", "resource": True}])
    gone, came = changed_lines(DATA, after)
    assert gone == []
    assert came == [
        b"ATTENDEE;PARTSTAT=NEEDS-ACTION;CUTYPE=RESOURCE;SCHEDULE-AGENT=NONE:mailto:new@example.com"
    ]


def test_a_reminder_is_added_before_the_end_and_after_all_properties():
    after = put(calendar(vevent()), event(reminders=one_reminder(10)), "reminders")
    lines = after.split(b"\r\n")
    assert lines.index(b"BEGIN:VALARM") > max(i for i, line in enumerate(lines) if b"STAMP" in line)
    assert b"TRIGGER:-PT10M" in lines


def one_reminder(minutes):
    return {"default": False, "overrides": [{"method": "popup", "minutes": minutes}]}


def test_writing_what_stands_there_changes_stamps_only():
    fields = by_slot(DATA_ONE)[""].fields
    assert changed_lines(DATA, put(DATA, fields)) == ([], [])


def test_the_html_of_an_old_description_goes_with_it():
    data = calendar(vevent("DESCRIPTION:old", "X-ALT-DESC;FMTTYPE=text/html:<b>old</b>"))
    assert b"X-ALT-DESC" in put(data, event(title="new"), "title")
    assert b"X-ALT-DESC" not in put(data, event(description="new"), "description")


@pytest.mark.parametrize(
    ("names", "raised"),
    [(["title"], False), (["start"], True), (["recurrence"], True), (["end"], True)],
)
def test_a_change_of_when_it_takes_place_raises_the_sequence(names, raised):
    data = calendar(vevent("SEQUENCE:4", start=BERLIN_START))
    after = put(data, event(), *names)
    assert components(after)[0].facts["sequence"] == (5 if raised else 4)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_new_lines_end_as_the_text_does(newline):
    data = calendar(vevent(newline=newline), newline=newline)
    after = put(data, event(title="long " * 40, reminders=one_reminder(5)), "title", "reminders")
    assert (b"\r" in after) == (newline == "\r\n")
    assert after.count(b"\n") == after.count(newline.encode())


def test_a_duration_stays_while_it_is_true():
    data = calendar(vevent("DURATION:PT1H", start=BERLIN_START))
    later = event(start=moment("2026-05-05T09:00:00Z"), end=moment("2026-05-05T10:00:00Z"))
    assert b"DURATION:PT1H" in put(data, later, "start", "end")
    longer = event(end=moment("2026-05-05T09:00:00Z"))
    after = put(data, longer, "end")
    assert b"DURATION" not in after
    assert by_slot(after)[""].fields["end"] == longer["end"]


def test_a_timed_event_becomes_an_all_day_one_and_back():
    days = event(start={"date": "2026-05-05"}, end={"date": "2026-05-07"})
    after = put(DATA, {**by_slot(DATA_ONE)[""].fields, **days}, "start", "end")
    assert by_slot(put(DATA_ONE, days))[""].fields == normalise(days)
    assert b"DTSTART;VALUE=DATE:20260505" in after
    back = put(put(DATA_ONE, days), event())
    assert by_slot(back)[""].fields == normalise(event())


def test_a_start_alone_takes_the_dates_of_its_series_along():
    """Excluded dates have the form of the start: moments become days."""
    fields = {**by_slot(DATA_ONE)[""].fields, "start": {"date": "2026-05-05"}}
    after = put(DATA_ONE, fields, "start")
    assert by_slot(after)[""].fields == normalise(fields)
    assert b"EXDATE;VALUE=DATE:20260512" in after


def test_a_series_becomes_a_single_event_and_back():
    single = event(recurrence=[])
    after = put(DATA_ONE, single, "recurrence")
    assert by_slot(after)[""].fields["recurrence"] == []
    again = put(after, event(recurrence=[DAILY]), "recurrence")
    assert by_slot(again)[""].fields["recurrence"] == [DAILY]


def test_a_zone_that_the_text_lacks_is_defined_in_it_once():
    data = calendar(vevent(), vevent(uid="u2"))
    after = put(data, event(), "start", "end")
    assert after.count(b"TZID:Europe/Berlin") == 1
    assert after.index(b"BEGIN:VTIMEZONE") < after.index(b"BEGIN:VEVENT")
    again = put(after, event(), uid="u2")
    assert again.count(b"TZID:Europe/Berlin") == 1


def test_a_zone_is_called_what_the_text_calls_it():
    zone = ZONE.replace("TZID:Europe/Berlin", "TZID:W. Europe Standard Time")
    data = calendar(zone, vevent(start="DTSTART;TZID=W. Europe Standard Time:20260505T090000"))
    after = put(data, event(start=moment("2026-05-05T06:00:00Z")), "start")
    assert b"DTSTART;TZID=W. Europe Standard Time:20260505T080000\r\n" in after
    assert after.count(b"BEGIN:VTIMEZONE") == 1


def test_a_floating_time_stays_floating():
    data = calendar(vevent("DTEND:20260505T100000", start="DTSTART:20260505T090000"))
    fields = event(start=moment("2026-05-05T06:00:00Z"), end=moment("2026-05-05T08:00:00Z"))
    after = put(data, fields, "start", zone=BERLIN)
    assert b"DTSTART:20260505T080000\r\nDTEND:20260505T100000\r\n" in after


def test_our_mark_is_written_and_replaced():
    first = put(None, event(), mark="1.a.0.x")
    assert components(first)[0].mark == "1.a.0.x"
    second = put(first, event(), "title", mark="1.b.0.y")
    assert components(second)[0].mark == "1.b.0.y"
    assert second.count(b"X-LOCKSTEP-MARK") == 1


SERIES = calendar(ZONE, vevent(DAILY, "SUMMARY:Standup", "X-KEEP:1", start=BERLIN_START))
SLOT = "2026-05-07T07:00:00Z"


def moved(**more):
    later = {"start": moment("2026-05-07T09:00:00Z"), "end": moment("2026-05-07T10:00:00Z")}
    return event(**later, **more)


def test_an_exception_takes_over_what_is_not_modelled_and_leaves_its_series_alone():
    after = put(SERIES, moved(title="later"), slot=SLOT, mark="m")
    found = by_slot(after)
    assert found[""].digest == by_slot(SERIES)[""].digest
    assert found[SLOT].fields == normalise(moved(title="later"))
    assert found[SLOT].mark == "m"
    assert b"RECURRENCE-ID;TZID=Europe/Berlin:20260507T090000" in after
    assert after.count(b"X-KEEP:1") == 2
    assert after.count(DAILY.encode()) == 1


def test_an_exception_can_be_changed_moved_onto_another_slot_and_taken_out():
    first = put(SERIES, moved(), slot=SLOT)
    onto = moment("2026-05-08T07:00:00Z")
    second = put(first, event(start=onto, end=onto), "start", "end", slot=SLOT)
    assert by_slot(second)[SLOT].fields["start"] == onto
    assert by_slot(second)[SLOT].facts["sequence"] == 1
    assert remove_event(second, "u1", SLOT) == SERIES


def test_a_cancelled_occurrence_is_left_out_of_its_series_with_our_mark():
    after = put(SERIES, {"status": "cancelled"}, slot=SLOT, mark="1.a.0.x")
    assert changed_lines(SERIES, after) == (
        [],
        [b'EXDATE;TZID=Europe/Berlin;X-LOCKSTEP="1.a.0.x":20260507T090000'],
    )
    found = by_slot(after)
    assert found[SLOT].fields == {"status": "cancelled"}
    assert found[SLOT].mark == "1.a.0.x"
    assert found[""].digest == by_slot(SERIES)[""].digest
    assert found[""].fields == by_slot(SERIES)[""].fields


def test_a_cancelled_occurrence_is_restored():
    cancelled = put(SERIES, {"status": "cancelled"}, slot=SLOT, mark="a")
    assert remove_event(cancelled, "u1", SLOT) == SERIES
    restored = put(cancelled, moved(), slot=SLOT)
    assert by_slot(restored)[SLOT].fields == normalise(moved())
    assert b"EXDATE" not in restored


def test_an_exception_is_cancelled_and_cancelled_again():
    first = put(put(SERIES, moved(), slot=SLOT), {"status": "cancelled"}, slot=SLOT, mark="a")
    again = put(first, {"status": "cancelled"}, slot=SLOT, mark="b")
    assert again.count(b"EXDATE") == 1
    assert by_slot(again)[SLOT].mark == "b"
    assert again.count(b"BEGIN:VEVENT") == 1


def test_somebody_else_s_excluded_date_is_a_line_of_the_series():
    data = calendar(vevent(DAILY, "EXDATE:20260507T070000Z"))
    assert by_slot(data).keys() == {""}
    assert by_slot(data)[""].fields["recurrence"] == ["EXDATE:20260507T070000Z", DAILY]


def test_the_exceptions_of_all_day_and_floating_series_are_named_as_these_are():
    days = calendar(vevent(DAILY, start="DTSTART;VALUE=DATE:20260505"))
    after = put(days, {"status": "cancelled"}, slot="2026-05-07", mark="a")
    assert b'EXDATE;VALUE=DATE;X-LOCKSTEP="a":20260507\r\n' in after
    assert by_slot(after).keys() == {"", "2026-05-07"}
    floating = calendar(vevent(DAILY, start="DTSTART:20260505T090000"))
    after = put(floating, moved(), slot=SLOT, zone=BERLIN)
    assert b"RECURRENCE-ID:20260507T090000\r\n" in after
    assert by_slot(after, zone=BERLIN).keys() == {"", SLOT}


def test_an_exception_without_its_series_can_be_written_and_cancelled():
    data = put(None, moved(), slot=SLOT)
    assert by_slot(data).keys() == {SLOT}
    after = put(data, {**moved(), "status": "cancelled"}, slot=SLOT)
    assert by_slot(after)[SLOT].fields == {"status": "cancelled"}


def test_with_a_series_go_its_exceptions_and_nothing_else():
    data = calendar(TASK, vevent(DAILY), vevent("RECURRENCE-ID:20260507T070000Z"), vevent(uid="u2"))
    left = remove_event(data, "u1", "")
    assert left == calendar(TASK, vevent(uid="u2"))
    assert remove_event(calendar(vevent()), "u1", "") is None
    assert remove_event(calendar(vevent()), "other", "") == calendar(vevent())
    assert remove_event(calendar(TASK, vevent()), "u1", "") == calendar(TASK)


def test_what_stands_there_twice_is_not_written():
    data = calendar(vevent(), vevent())
    with pytest.raises(BadCalendar):
        put(data, event(), "title")


def test_a_damaged_text_is_not_written():
    with pytest.raises(BadCalendar):
        put(b"BEGIN:VCALENDAR\r\n", event())


@given(st.text(max_size=40), st.sampled_from([NOW, datetime(2030, 1, 1, tzinfo=UTC)]))
def test_lines_of_other_fields_are_the_same_bytes_after_any_title(title, now):
    whole = {**by_slot(DATA_ONE)[""].fields, "title": title}
    after = put_event(DATA, "u1", "", whole, frozenset({"title"}), mark="m", now=now)
    touched = (b"DTSTAMP", b"SUMMARY", b"\tter", b" tel")
    position = 0
    for line in DATA.split(b"\r\n")[:-1]:
        if not line.startswith(touched):
            position = after.index(line + b"\r\n", position)
    found = {one.uid: one for one in components(after)}
    assert found["u1"].fields == normalise(whole)
    assert found["u2"].digest == {one.uid: one for one in components(DATA)}["u2"].digest
