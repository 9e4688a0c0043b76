"""Calendars of many real programs, each read without a crash and none without a verdict."""

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from calendars.occurrences import expand
from calendars.recurrence import instant, is_series
from integrations.google.events import read_page
from integrations.ical import BadCalendar, normalise, put_event, read_calendar, remove_event
from integrations.ical.about import about
from sync.core.marks import Marker
from tests import recordings
from tests.integrations.ical.texts import NOW

AUCKLAND = "Pacific/Auckland"
CALENDARS = recordings.files(
    *("ics-*/*", "tz-*/*.ics", "recurrence-*/*.ics", "vcard-other/*.ics", "*/gcalcli-vv.txt")
)
EXPECTED = recordings.files("recurrence-confirmed/*.expected.json")

# A text that is refused as a whole, and why.
REFUSED = {
    "ics-ical4j/13-MoonPhase.ics": "the text ends within a component",
}
NO_EVENTS = "the text holds no calendar"

# Confirmed expansions that Lockstep reads otherwise, and why.
OTHERWISE = {
    "022": "a date has no zone in the canonical form; the calendar says one",
    "035": "a date has no zone in the canonical form; the calendar says one",
    "041": "the calendar defines the zone that both others overlook",
    "057": "a series takes place at its own start, also if its rule does not name that",
    "085": "no calendar but a lone alarm: refused",
    "221": "a date has no zone in the canonical form; the calendar says one",
}


# Expected texts whose starts name a zone and UTC at once, which RFC 5545 (section 3.2.19) forbids.
ODDLY_SPELLED = {"rdate-hackerpublicradio.in.ics"}


def read(path):
    return read_calendar(path.read_bytes(), zone=AUCKLAND)


@recordings.needed
@pytest.mark.parametrize("path", CALENDARS, ids=recordings.name_of)
def test_a_recorded_calendar_is_read_or_refused_with_a_reason(path):
    try:
        resource = read(path)
    except BadCalendar as error:
        refused_as_stated(path, str(error))
        return
    for found in resource.components:
        assert found.uid
        assert found.digest
        assert normalise(found.fields) == found.fields
    for broken in resource.unreadable:
        assert broken.problem


def refused_as_stated(path, problem):
    assert problem == REFUSED.get(recordings.name_of(path), NO_EVENTS)
    assert problem != NO_EVENTS or b"BEGIN:VEVENT" not in path.read_bytes()


@recordings.needed
def test_few_recorded_events_cannot_be_understood():
    read_well, broken = 0, 0
    for path in CALENDARS:
        try:
            resource = read(path)
        except BadCalendar:
            continue
        read_well += len(resource.components)
        broken += len(resource.unreadable)
    assert read_well > 1_000
    assert broken < read_well / 20


@recordings.needed
@pytest.mark.parametrize("path", CALENDARS, ids=recordings.name_of)
def test_a_new_title_changes_a_recorded_calendar_in_few_lines(path):
    """Also a title that is written and taken back leaves all other lines byte by byte."""
    data = path.read_bytes()
    try:
        found = read(path).components
    except BadCalendar:
        return
    for component in found[:3]:
        if component.obstacle or "start" not in component.fields:
            continue
        fields = {**component.fields, "title": "Something else entirely"}
        names = frozenset({"title"})
        edited = put_event(
            data, component.uid, component.slot, fields, names, mark="", now=NOW, zone=AUCKLAND
        )
        again = {(c.uid, c.slot): c for c in read_calendar(edited, zone=AUCKLAND).components}
        assert again[component.uid, component.slot].fields == fields
        gone = set(data.splitlines()) - set(edited.splitlines())
        heads = (b"SUMMARY", b"DTSTAMP", b"LAST-MODIFIED", b" ", b"\t")
        assert all(line.upper().startswith(heads) for line in gone if line)
        others = [c.digest for c in found if (c.uid, c.slot) != (component.uid, component.slot)]
        assert others == [
            c.digest for key, c in again.items() if key != (component.uid, component.slot)
        ] or len(found) != len(again)
        remove_event(data, component.uid, component.slot, zone=AUCKLAND)


def calendar_of(path):
    """Return the calendar that an expectation is about: beside it, or where the index says."""
    number = path.name[:3]
    beside = path.with_name(f"{number}.ics")
    if beside.is_file():
        return beside
    index = (recordings.ROOT / "INDEX.md").read_text()
    found = re.search(rf"recurrence-confirmed/{number}\.expected.*calendar is (\S+)", index)
    return recordings.ROOT / found[1]


def instants(fields):
    """Return start and end as instants; a date is a midnight in Auckland."""
    return tuple(
        datetime.fromisoformat(moment["at"])
        if "at" in moment
        else datetime.fromisoformat(moment["date"]).replace(tzinfo=ZoneInfo(AUCKLAND))
        for moment in (fields["start"], fields["end"])
    )


def taking_place(components, until):
    """Yield when the events of one UID take place: a series with its exceptions, or single."""
    exceptions = {c.slot: c.fields for c in components if c.slot}
    for fields in exceptions.values():
        if fields["status"] != "cancelled":
            yield instants(fields)
    for fields in (c.fields for c in components if not c.slot):
        if not is_series(fields):
            yield instants(fields)
            continue
        since = instant(fields["start"]) - timedelta(days=2)
        for one in expand(fields, since, min(until, since + timedelta(days=22_000))):
            start, end = one.start, one.end
            if "date" in fields["start"]:
                start, end = (at.replace(tzinfo=ZoneInfo(AUCKLAND)) for at in (start, end))
            if one.slot not in exceptions:
                yield start, end


def confirmed(path):
    """Return when the events take place, as Lockstep reads it and as is expected."""
    said = json.loads(path.read_text())
    until = datetime.fromisoformat(said["window_end_exclusive"] or "2100-01-01T00:00:00+00:00")
    families = defaultdict(list)
    for component in read(calendar_of(path)).components:
        families[component.uid].append(component)
    found = [times for family in families.values() for times in taking_place(family, until)]
    size = 2 if said["agree_on"] == "start+end" else 1
    wanted = [(one["start"], one.get("end"))[:size] for one in said["instances"]]
    return sorted(times[:size] for times in found if times[0] < until), sorted(
        tuple(map(datetime.fromisoformat, times)) for times in wanted
    )


@recordings.needed
@pytest.mark.parametrize(
    "path", [path for path in EXPECTED if path.name[:3] not in OTHERWISE], ids=lambda p: p.name[:3]
)
def test_events_take_place_when_two_other_programs_agree_that_they_do(path):
    found, wanted = confirmed(path)
    assert [tuple(at.astimezone(UTC) for at in times) for times in found] == wanted


@recordings.needed
@pytest.mark.parametrize("number", ["022", "035", "221"])
def test_dates_said_in_a_zone_are_the_same_days(number):
    path = recordings.ROOT / "recurrence-confirmed" / f"{number}.expected.json"
    found, wanted = confirmed(path)
    assert len(found) == len(wanted)
    for (start, end), (first, last) in zip(found, wanted, strict=True):
        assert abs(start - first) < timedelta(days=1)
        assert end - start == last - first or abs(end - start - (last - first)) <= timedelta(
            hours=1
        )


@recordings.needed
def test_the_stated_exceptions_are_no_more_than_that():
    for number in OTHERWISE:
        path = recordings.ROOT / "recurrence-confirmed" / f"{number}.expected.json"
        try:
            found, wanted = confirmed(path)
        except BadCalendar:
            continue
        assert abs(len(found) - len(wanted)) <= 1


@recordings.needed
def test_the_answers_of_google_are_read_and_keep_their_times_in_icalendar():
    """Every recorded Google event that has details, written as iCalendar and read again."""
    marker, told = Marker([b"k" * 32], "calendar"), 0
    for path in recordings.files("api-google-calendar/*.json", "api-google-calendar/*.txt"):
        copies, unreadable = read_page(
            google_events(path), marker=marker, role="owner", evidence=""
        )
        assert not unreadable
        for copy in copies:
            if copy.fields and copy.fields.get("start"):
                fields = copy.fields
                data = put_event(None, "u1", "", fields, None, mark="", now=NOW)
                (again,) = read_calendar(data).components
                assert again.fields == normalise(fields)
                assert instant(again.fields["start"]) == instant(fields["start"])
                told += 1
    assert told > 5


def google_events(path):
    """Return the events within a recorded exchange, however deep they lie."""
    text = path.read_text(errors="replace")
    found = []

    def walk(value):
        if isinstance(value, dict):
            if value.get("kind") == "calendar#event" and "id" in value:  # without: a request
                found.append(value)
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                walk(part)

    start = text.find("{")
    try:
        walk(json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else None)
    except ValueError:
        return []
    return found


@recordings.needed
@pytest.mark.parametrize(
    "path", recordings.files("tz-x-wr-timezone/*.in.ics"), ids=recordings.name_of
)
def test_a_calendar_that_names_its_zone_has_the_same_instants_as_one_that_spells_it_out(path):
    """One that says UTC is left in UTC; when it takes place is the same."""
    spelled_out = path.with_name(path.name.replace(".in.", ".out."))
    zone = about(path.read_bytes()).zone
    assert zone
    found, wanted = (
        [(instant(c.fields["start"]), instant(c.fields["end"])) for c in components]
        for components in (
            read_calendar(path.read_bytes(), zone=zone).components,
            read_calendar(spelled_out.read_bytes()).components,
        )
    )
    if path.name in ODDLY_SPELLED:
        found, wanted = ([end for _, end in times] for times in (found, wanted))
    assert found == wanted
