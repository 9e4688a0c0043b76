"""What is written is what `normalise` says will be read, whatever the fields hold."""

from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ical import BadCalendar, normalise, put_event, read_calendar
from integrations.ical.normal import LOSSY
from sync.core.events import EMPTY
from tests.integrations.ical.texts import NOW, by_slot, calendar, event, put, vevent
from tests.integrations.samples import SAMPLES, plain

ZONES = ("", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
NASTY = st.sampled_from(
    [
        *("\r\nEND:VEVENT\r\n", "BEGIN:VALARM", "a\\nb", "^n", "^^", "\n ", "\ufffd", "\ud800"),
        *'\\;,:" \t\r\x00\x0b\x85\u2028',
        *("🎉" * 40, "ß" * 80),
    ]
)
texts = st.lists(st.one_of(st.text(max_size=60), NASTY), max_size=6).map("".join)
# A wide span of years, also those before time zones.
instants = st.datetimes(min_value=NOW.replace(year=1850, tzinfo=None)).map(
    lambda at: at.isoformat(timespec="seconds") + "Z"
)
moments = st.builds(lambda at, zone: {"at": at, "zone": zone}, instants, st.sampled_from(ZONES))
days = st.dates().map(lambda at: {"date": at.isoformat()})
times = st.one_of(st.tuples(moments, moments), st.tuples(days, days), st.tuples(days, moments))
words = st.sampled_from(["", "private", "public", "tentative", "X-Word", "two words", "ä"])
guests = st.fixed_dictionaries(
    {"email": st.one_of(texts, st.emails())},
    optional={
        "name": texts,
        "response": st.sampled_from(["needsAction", "accepted", "tentative", "declined", "odd"]),
        "optional": st.booleans(),
        "resource": st.booleans(),
    },
)
overrides = st.fixed_dictionaries(
    {"method": st.sampled_from(["popup", "email", "sms"]), "minutes": st.integers(-5, 10**6)}
)
reminders = st.one_of(
    st.just({"default": True}),
    st.builds(lambda said: {"default": False, "overrides": said}, st.lists(overrides, max_size=7)),
)


@st.composite
def records(draw):
    """Draw the fields of a single event."""
    start, end = draw(times)
    return {
        **EMPTY,
        "title": draw(texts),
        "description": draw(texts),
        "location": draw(texts),
        "start": start,
        "end": end,
        "status": draw(st.sampled_from(["confirmed", "tentative"])),
        "visibility": draw(words),
        "transparency": draw(st.sampled_from(["opaque", "transparent"])),
        "attendees": draw(st.lists(guests, max_size=4)),
        "reminders": draw(reminders),
        "colour": draw(st.sampled_from(["", "7"])),
        "metadata": draw(st.sampled_from([{}, {"private": {"a": "b"}}])),
    }


@given(records())
def test_what_is_written_is_read_as_normalise_says(fields):
    (found,) = by_slot(put(None, fields)).values()
    assert found.fields == normalise(fields)
    assert not found.obstacle


@given(records())
def test_normalise_leaves_alone_what_it_returns(fields):
    assert normalise(normalise(fields)) == normalise(fields)


@given(records(), records())
def test_an_event_can_become_any_other(before, after):
    data = put(put(None, before), after)
    assert by_slot(data)[""].fields == normalise(after)


@given(records(), records(), st.sets(st.sampled_from(sorted(EMPTY)), max_size=4))
def test_a_change_of_some_fields_changes_those(before, after, names):
    fields = {**before, **{name: after[name] for name in names}}
    data = put_event(put(None, before), "u1", "", fields, frozenset(names), mark="", now=NOW)
    assert by_slot(data)[""].fields == normalise(fields)


@given(texts)
def test_no_text_breaks_out_of_its_line(text):
    data = put(None, event(title=text, location=text), mark=text)
    resource = read_calendar(data)
    assert len(resource.components) == 1
    assert data.count(b"BEGIN:VEVENT\r\n") == data.count(b"END:VEVENT\r\n") == 1
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))


@given(texts, st.sampled_from(["SUMMARY", "X-OTHER", "ATTENDEE;CN=x"]))
def test_what_was_written_elsewhere_is_left_alone_by_normalise(text, name):
    said = text.encode("utf-8", "replace").decode().replace("\r", "").replace("\n", "")
    resource = read_calendar(calendar(vevent(f"{name}:{said}")))
    for found in resource.components:
        assert normalise(found.fields) == found.fields


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_of_every_field_come_back_as_normalise_says(sample):
    fields = {**EMPTY, **plain(), **SAMPLES[sample]}
    data = put(None, fields)
    assert by_slot(data)[""].fields == normalise(fields)
    changed = put(put(None, {**EMPTY, **plain()}), fields, *SAMPLES[sample])
    assert by_slot(changed)[""].fields == normalise(fields)


def test_a_text_of_64_kilobytes_comes_back_whole():
    long = "a, b; c\\ \n" * 6554
    assert by_slot(put(None, event(description=long)))[""].fields["description"] == long


@pytest.mark.parametrize("field", sorted(LOSSY))
def test_a_lossy_field_comes_back_empty(field):
    full = {
        "event_type": "focusTime",
        "colour": "7",
        "conference": {"conferenceId": "x"},
        "attachments": [{"fileUrl": "https://files.example.com/1"}],
        "metadata": {"private": {"a": "b"}},
    }
    fields = event(**{field: full[field]})
    assert normalise(fields)[field] == EMPTY[field]
    assert by_slot(put(None, fields))[""].fields[field] == EMPTY[field]


def test_a_missing_field_stays_missing_and_an_unknown_one_goes():
    assert normalise({"title": "x", "strange": 1}) == {"title": "x"}
    assert normalise({"title": None}) == {"title": ""}


def test_a_moment_in_any_zone_is_the_same_moment_afterwards():
    for zone in sorted(available_timezones()):
        winter = {"at": "2026-01-15T03:30:00Z", "zone": zone}
        summer = {"at": "2026-07-15T22:10:00Z", "zone": zone}
        found = by_slot(put(None, event(start=winter, end=summer)))[""].fields
        assert (found["start"], found["end"]) == (winter, summer)


def test_the_second_pass_of_an_hour_that_comes_twice_is_said_in_utc():
    second = {"at": "2026-10-25T01:30:00Z", "zone": "Europe/Berlin"}
    fields = event(start=second, end=second)
    assert by_slot(put(None, fields))[""].fields["start"] == {**second, "zone": "UTC"}
    with pytest.raises(BadCalendar):
        put(None, {**fields, "recurrence": ["RRULE:FREQ=DAILY"]})


@pytest.mark.parametrize(
    "bad",
    [
        {"start": None},
        {"end": None},
        {"start": {"at": "soon", "zone": ""}},
        {"start": {}},
        {"attendees": ["x"]},
        {"title": 7},
        {"reminders": {"default": False, "overrides": [{"method": "popup"}]}},
    ],
)
def test_fields_that_are_not_canonical_are_refused_without_a_word_of_them(bad):
    with pytest.raises(BadCalendar) as error:
        put(None, event(title="canary") | bad)
    assert "canary" not in str(error.value)
    assert "soon" not in str(error.value)
