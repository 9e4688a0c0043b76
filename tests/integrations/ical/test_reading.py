"""Events as calendars say them, and as Lockstep reads them."""

import pytest

from integrations.ical import BadCalendar, normalise, read_calendar
from integrations.ical.about import about
from sync.core.events import EMPTY
from tests.integrations.ical.texts import (
    BERLIN,
    by_slot,
    calendar,
    components,
    moment,
    read,
    vevent,
)

ME = frozenset({"me@example.com"})
BERLIN_START = "DTSTART;TZID=Europe/Berlin:20260505T090000"
DAILY = "RRULE:FREQ=DAILY"


def test_a_bare_event_has_every_field_at_its_default():
    found = read()
    start = {"at": "2026-05-05T07:00:00Z", "zone": "UTC"}
    assert found.fields == {**EMPTY, "start": start, "end": start}
    assert (found.uid, found.slot, found.mark, found.obstacle) == ("u1", "", "", "")
    assert found.facts == {"uid": "u1"}


def test_texts_are_unfolded_and_unescaped():
    found = read("SUMMARY:a\\, b\\; c\\\\ d\\ne\\N", "LOCATION:Gro\r\n ß", "DESCRIPTION:x\r\n\ty")
    assert found.fields["title"] == "a, b; c\\ d\ne\n"
    assert found.fields["location"] == "Groß"
    assert found.fields["description"] == "xy"


def test_a_character_that_a_fold_cuts_in_two_is_put_together():
    data = calendar(vevent("SUMMARY:Gruß")).replace("ß".encode(), b"\xc3\r\n \x9f")
    assert components(data)[0].fields["title"] == "Gruß"


def test_the_words_of_icalendar_are_those_of_the_canonical_form():
    found = read("STATUS:TENTATIVE", "CLASS:private", "TRANSP:TRANSPARENT").fields
    assert (found["status"], found["visibility"], found["transparency"]) == (
        "tentative",
        "private",
        "transparent",
    )
    assert read("CLASS:X-SECRET").fields["visibility"] == "x-secret"


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("DTSTART:20260505T070000Z", moment("2026-05-05T07:00:00Z", "UTC")),
        (BERLIN_START, moment("2026-05-05T07:00:00Z")),
        ('DTSTART;TZID="W. Europe Standard Time":20260505T090000', moment("2026-05-05T07:00:00Z")),
        ("DTSTART:20260505T090000", moment("2026-05-05T07:00:00Z")),
        ("DTSTART;VALUE=DATE:20260505", {"date": "2026-05-05"}),
        ("DTSTART:20260505", {"date": "2026-05-05"}),
        ("dtstart;tzid=europe/berlin:20260505t090000".upper(), moment("2026-05-05T07:00:00Z")),
        # 02:30 does not exist on 29 March, and exists twice on 25 October.
        ("DTSTART;TZID=Europe/Berlin:20260329T023000", moment("2026-03-29T01:30:00Z")),
        ("DTSTART;TZID=Europe/Berlin:20261025T023000", moment("2026-10-25T00:30:00Z")),
    ],
)
def test_a_start_is_an_instant_and_the_zone_it_was_said_in(start, expected):
    assert read(start=start, zone=BERLIN).fields["start"] == expected


@pytest.mark.parametrize(
    ("start", "line", "end"),
    [
        (BERLIN_START, "", moment("2026-05-05T07:00:00Z")),
        (BERLIN_START, "DURATION:PT1H30M", moment("2026-05-05T08:30:00Z")),
        (BERLIN_START, "DURATION:P1W", moment("2026-05-12T07:00:00Z")),
        (BERLIN_START, "DTEND:20260505T060000Z", moment("2026-05-05T07:00:00Z")),
        (BERLIN_START, "DTEND;VALUE=DATE:20260506", moment("2026-05-05T22:00:00Z")),
        ("DTSTART;VALUE=DATE:20260505", "", {"date": "2026-05-06"}),
        ("DTSTART;VALUE=DATE:20260505", "DTEND;VALUE=DATE:20260505", {"date": "2026-05-06"}),
        ("DTSTART;VALUE=DATE:20260505", "DTEND;VALUE=DATE:20260501", {"date": "2026-05-06"}),
        ("DTSTART;VALUE=DATE:20260505", "DURATION:P3D", {"date": "2026-05-08"}),
        ("DTSTART;VALUE=DATE:20240229", "DTEND;VALUE=DATE:20250228", {"date": "2025-02-28"}),
        # A day by the clock on the wall, when that day has 23 hours.
        (
            "DTSTART;TZID=Europe/Berlin:20260328T120000",
            "DURATION:P1DT1H",
            moment("2026-03-29T11:00:00Z"),
        ),
    ],
)
def test_an_end_is_said_follows_or_is_put_right(start, line, end):
    found = read(line, start=start)
    assert found.fields["end"] == end
    assert found.obstacle == ""


@pytest.mark.parametrize("line", ["DTEND:soon", "DURATION:PT1W", "DURATION:P99999999999D"])
def test_an_end_that_makes_no_sense_is_an_obstacle_and_no_loss(line):
    found = read(line)
    assert found.fields["end"] == found.fields["start"]
    assert found.obstacle == "its end cannot be understood"


@pytest.mark.parametrize(
    "start", ["DTSTART:tomorrow", "DTSTART:20261301T000000Z", "DTSTART:20260505T250000Z", ""]
)
def test_an_event_without_a_start_costs_only_itself(start):
    resource = read_calendar(calendar(vevent(uid="bad", start=start), vevent()))
    assert [found.uid for found in resource.components] == ["u1"]
    assert [broken.uid for broken in resource.unreadable] == ["bad"]


def test_guests_are_read_with_what_they_answered():
    found = read(
        "ORGANIZER;CN=Boss:MAILTO:Boss@example.com",
        "ATTENDEE;CN=\"Doe, J^'J^'\";PARTSTAT=ACCEPTED;ROLE=OPT-PARTICIPANT:mailto:Me@example.com",
        "ATTENDEE;CUTYPE=ROOM;PARTSTAT=DELEGATED:mailto:room@example.com",
        "ATTENDEE;EMAIL=a@example.com:urn:uuid:1234",
        "ATTENDEE:urn:uuid:5678",
        "ATTENDEE:mailto:me@example.com",
        me=ME,
    )
    common = {"name": "", "response": "needsAction", "optional": False, "resource": False}
    assert found.fields["attendees"] == [
        {**common, "email": "a@example.com"},
        {
            "email": "me@example.com",
            "name": 'Doe, J"J"',
            "response": "accepted",
            "optional": True,
            "resource": False,
            "self": True,
        },
        {**common, "email": "room@example.com", "response": "declined", "resource": True},
    ]
    assert found.facts["organizer"] == {"email": "boss@example.com", "name": "Boss", "self": False}


def alarm(*lines):
    return "\r\n".join(["BEGIN:VALARM", *lines, "END:VALARM"])


def test_alarms_that_we_model_are_reminders_and_others_are_not():
    found = read(
        alarm("ACTION:DISPLAY", "TRIGGER:-PT30M"),
        alarm("ACTION:DISPLAY", "TRIGGER;RELATED=START:-P1D"),
        alarm("ACTION:EMAIL", "TRIGGER:PT0S"),
        alarm("ACTION:AUDIO", "TRIGGER:-PT5M"),
        alarm("ACTION:DISPLAY", "TRIGGER;VALUE=DATE-TIME:20260505T060000Z"),
        alarm("ACTION:DISPLAY", "TRIGGER;RELATED=END:-PT5M"),
        alarm("ACTION:DISPLAY", "TRIGGER:PT5M"),
        alarm("ACTION:DISPLAY", "TRIGGER:-PT30S"),
        alarm("ACTION:DISPLAY", "TRIGGER:-PT5M", "REPEAT:3", "DURATION:PT1M"),
        alarm("ACTION:DISPLAY"),
    )
    assert found.fields["reminders"] == {
        "default": False,
        "overrides": [
            {"method": "email", "minutes": 0},
            {"method": "popup", "minutes": 30},
            {"method": "popup", "minutes": 1440},
        ],
    }


def test_facts_are_read_and_a_strange_link_is_none():
    found = read("SEQUENCE:7", "URL:https://example.com/e")
    assert found.facts == {"uid": "u1", "sequence": 7, "link": "https://example.com/e"}
    assert read("SEQUENCE:x", "URL:javascript:alert(1)").facts == {"uid": "u1"}


def test_recurrence_lines_have_one_spelling_whoever_wrote_them():
    found = read(
        "RRULE:FREQ=weekly;UNTIL=20260601T090000;byday=TU",
        "EXDATE;TZID=Europe/Berlin:20260512T090000,20260519T090000",
        "EXDATE:20260526T070000Z",
        "RDATE;VALUE=PERIOD:20260506T090000/PT2H",
        start=BERLIN_START,
        zone=BERLIN,
    )
    assert found.fields["recurrence"] == [
        "EXDATE;TZID=Europe/Berlin:20260512T090000",
        "EXDATE;TZID=Europe/Berlin:20260519T090000",
        "EXDATE;TZID=Europe/Berlin:20260526T090000",
        "RDATE;VALUE=PERIOD:20260506T070000Z/20260506T090000Z",
        "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20260601T070000Z",
    ]


def test_a_server_that_sorts_the_parts_of_a_rule_has_changed_nothing():
    ours = "RRULE:FREQ=WEEKLY;WKST=MO;BYDAY=WE;COUNT=20"
    theirs = read("RRULE:COUNT=20;FREQ=WEEKLY;BYDAY=WE;WKST=MO", start=BERLIN_START)
    written = normalise({"recurrence": [ours], "start": theirs.fields["start"]})
    assert theirs.fields["recurrence"] == written["recurrence"]


@pytest.mark.parametrize(
    ("start", "until", "said"),
    [
        (BERLIN_START, "20260601", "20260601T215959Z"),
        (BERLIN_START, "20260601T090000Z", "20260601T090000Z"),
        ("DTSTART;VALUE=DATE:20260505", "20260601T220000Z", "20260601"),
        ("DTSTART;VALUE=DATE:20260505", "20260601", "20260601"),
    ],
)
def test_the_end_of_a_rule_has_the_form_of_its_start(start, until, said):
    found = read(f"RRULE:FREQ=DAILY;UNTIL={until}", start=start)
    assert found.fields["recurrence"] == [f"RRULE:FREQ=DAILY;UNTIL={said}"]


def test_an_excluded_day_of_a_timed_series_means_its_occurrence_of_that_day():
    found = read(DAILY, "EXDATE;VALUE=DATE:20260510", start=BERLIN_START)
    assert found.fields["recurrence"] == ["EXDATE;TZID=Europe/Berlin:20260510T090000", DAILY]


@pytest.mark.parametrize(
    ("rule", "obstacle"),
    [
        ("RRULE:FREQ=SECONDLY", "it repeats within a day"),
        ("RRULE:FREQ=DAILY;COUNT=99999", "its rule counts too far"),
        ("RRULE:FREQ=DAILY;INTERVAL=0", "its rule cannot be understood"),
        ("RRULE:FREQ=DAILY;UNTIL=20200101T000000Z", "its rule ends before it starts"),
    ],
)
def test_a_rule_that_is_refused_is_an_obstacle_and_the_event_is_still_read(rule, obstacle):
    found = read(rule, "SUMMARY:bomb")
    assert found.fields["title"] == "bomb"
    assert found.fields["start"]["at"] == "2026-05-05T07:00:00Z"
    assert found.fields["recurrence"] == [rule]
    assert found.obstacle == obstacle


def test_an_empty_rule_is_no_rule():
    assert read("RRULE:").fields["recurrence"] == []


def test_exceptions_are_named_by_their_original_start_in_the_form_of_their_series():
    data = calendar(
        vevent(DAILY, start=BERLIN_START),
        vevent("RECURRENCE-ID;TZID=Europe/Berlin:20260506T090000", "SUMMARY:moved"),
        vevent("RECURRENCE-ID:20260507T070000Z", "STATUS:CANCELLED"),
        vevent("RECURRENCE-ID;VALUE=DATE:20260508", "SUMMARY:by its day"),
    )
    found = by_slot(data)
    assert found["2026-05-06T07:00:00Z"].fields["title"] == "moved"
    assert found["2026-05-07T07:00:00Z"].fields == {"status": "cancelled"}
    assert found["2026-05-08T07:00:00Z"].fields["title"] == "by its day"
    assert found["2026-05-08T07:00:00Z"].fields["recurrence"] == []


def test_an_all_day_series_names_its_exceptions_by_days():
    data = calendar(
        vevent(DAILY, start="DTSTART;VALUE=DATE:20260505"),
        vevent("RECURRENCE-ID:20260506T000000", start="DTSTART;VALUE=DATE:20260507"),
    )
    assert by_slot(data).keys() == {"", "2026-05-06"}


def test_the_exceptions_of_a_floating_series_are_named_in_the_calendar_s_zone():
    data = calendar(
        vevent(DAILY, start="DTSTART:20260505T090000"),
        vevent("RECURRENCE-ID:20260506T090000", start="DTSTART:20260506T100000"),
    )
    assert by_slot(data, zone=BERLIN).keys() == {"", "2026-05-06T07:00:00Z"}


def test_a_change_of_all_later_occurrences_is_read_and_never_overwritten():
    data = calendar(
        vevent(DAILY), vevent("RECURRENCE-ID;RANGE=THISANDFUTURE:20260507T070000Z", "SUMMARY:x")
    )
    found = by_slot(data)
    assert found["2026-05-07T07:00:00Z"].fields["title"] == "x"
    assert {one.obstacle for one in found.values()} == {"a change of all later occurrences"}


def test_an_exception_without_its_series_is_read():
    found = by_slot(calendar(vevent("RECURRENCE-ID:20260506T070000Z", "SUMMARY:lone")))
    assert found["2026-05-06T07:00:00Z"].fields["title"] == "lone"


def test_of_two_events_of_one_name_the_later_counts_and_neither_is_written():
    data = calendar(vevent("SUMMARY:new", "SEQUENCE:3"), vevent("SUMMARY:old", "SEQUENCE:2"))
    (found,) = components(data)
    assert (found.fields["title"], found.obstacle) == ("new", "it stands there twice")


def test_events_of_several_uids_keep_to_themselves():
    data = calendar(
        vevent(DAILY, uid="a"),
        vevent(DAILY, uid="b", start="DTSTART;VALUE=DATE:20260505"),
        vevent("RECURRENCE-ID;VALUE=DATE:20260506", uid="b"),
        vevent("RECURRENCE-ID:20260506T070000Z", uid="a"),
    )
    found = {(one.uid, one.slot) for one in components(data)}
    assert found == {("a", ""), ("b", ""), ("b", "2026-05-06"), ("a", "2026-05-06T07:00:00Z")}


@pytest.mark.parametrize("spelled", ["uid:u1", "U\r\n ID:u1", "UID;X-A=b:u1"])
def test_however_a_uid_is_spelled_its_events_are_one_family(spelled):
    exception = vevent("RECURRENCE-ID;RANGE=THISANDFUTURE:20260506T070000Z")
    data = calendar(vevent(DAILY), exception.replace("UID:u1", spelled))
    assert {(one.uid, one.slot, one.obstacle) for one in components(data)} == {
        ("u1", "", "a change of all later occurrences"),
        ("u1", "2026-05-06T07:00:00Z", "a change of all later occurrences"),
    }


def test_events_without_a_uid_are_read_each_under_a_name_of_its_own():
    found = components(calendar(vevent("SUMMARY:a", uid=""), vevent("SUMMARY:b", uid="")))
    assert len({one.uid for one in found}) == 2
    assert {one.obstacle for one in found} == {"it has no UID"}


def test_tasks_and_journals_are_passed_over():
    task = "BEGIN:VTODO\r\nUID:t\r\nSUMMARY:task\r\nEND:VTODO"
    assert [one.uid for one in components(calendar(task, vevent()))] == ["u1"]


def test_a_version_moves_exactly_if_its_own_event_does():
    before = by_slot(calendar(vevent(DAILY), vevent("RECURRENCE-ID:20260506T070000Z")))
    after = by_slot(calendar(vevent(DAILY), vevent("RECURRENCE-ID:20260506T070000Z", "X-A:1")))
    assert before[""].digest == after[""].digest
    assert before["2026-05-06T07:00:00Z"].digest != after["2026-05-06T07:00:00Z"].digest


def test_text_that_is_not_utf_8_is_read_and_never_overwritten():
    data = calendar(vevent("SUMMARY:Gruß"), vevent(uid="u2")).replace("ß".encode(), b"\xdf")
    found = {one.uid: one for one in components(data)}
    assert found["u1"].obstacle == "its text is not UTF-8"
    assert found["u2"].obstacle == ""


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"  \r\n\t ", b"\r\n\r\n"])
def test_what_stands_before_a_calendar_is_passed_over(start):
    assert components(start + calendar(vevent()))[0].uid == "u1"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_either_line_end_is_read(newline):
    data = calendar(vevent("SUMMARY:x", newline=newline), newline=newline)
    assert components(data)[0].fields["title"] == "x"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the text holds no calendar"),
        (b"<html>BEGIN:VCALENDAR</html>", "the text holds no calendar"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n", "a component does not end"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n", "the text ends within a component"),
        (b"END:VCALENDAR\r\n", "a component does not end"),
        (b"BEGIN:VCALENDAR\n" + b"BEGIN:X\n" * 20, "nested too deeply"),
        (b"BEGIN:VCALENDAR\n" + b"A:\n" * 250_001, "too many lines"),
        (b"BEGIN:VCALENDAR\n" + b"BEGIN:X\nEND:X\n" * 20_001, "too many lines or components"),
        (b"x" * (20 * 2**20 + 1), "too large"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_with_a_reason(data, problem):
    with pytest.raises(BadCalendar, match=problem):
        read_calendar(data)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([f"SUMMARY:{'x' * (2**20 + 1)}"], "a line is too long"),
        (["X-A:1"] * 10_001, "it has too many lines"),
    ],
)
def test_an_event_that_is_too_large_costs_only_itself(lines, problem):
    resource = read_calendar(calendar(vevent(*lines, uid="huge"), vevent()))
    assert [found.uid for found in resource.components] == ["u1"]
    assert [broken.problem for broken in resource.unreadable] == [problem]


def test_an_attachment_within_the_text_may_be_long():
    found = read(f"ATTACH;ENCODING=BASE64;VALUE=BINARY:{'QUFB' * 400_000}", "SUMMARY:x")
    assert (found.fields["title"], found.obstacle) == ("x", "")


def test_too_many_excluded_dates_are_not_kept():
    dates = ",".join(["20260506T070000Z"] * 10_001)
    found = read(DAILY, f"EXDATE:{dates}")
    assert found.fields["recurrence"] == [DAILY]
    assert found.obstacle == "too many added or excluded dates"


def test_a_calendar_says_its_name_and_zone():
    data = calendar("X-WR-CALNAME:Work\\, mostly", "X-WR-TIMEZONE:Europe/Berlin", vevent())
    assert (about(data).name, about(data).zone) == ("Work, mostly", BERLIN)
    assert (about(calendar()).name, about(calendar()).zone) == ("", "")
