"""Reading and writing events, without any network."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.google.bodies import new_body, patch_body, with_mark
from integrations.google.events import copy_of, read_page
from integrations.google.normal import normalise
from sync.core.events import EMPTY, FIELDS
from sync.core.marks import Marker
from sync.core.provider import Copy

MARKER = Marker([b"k" * 32], "calendar")
RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings" / "api-google-calendar"


def raw(**more: Any) -> dict[str, Any]:
    """An event as Google shows it."""
    return {
        "id": "event1",
        "etag": '"1"',
        "status": "confirmed",
        "updated": "2026-11-01T10:00:00.000Z",
        "start": {"dateTime": "2026-12-01T10:00:00+01:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-12-01T11:00:00+01:00", "timeZone": "Europe/Berlin"},
        **more,
    }


def read(event: dict[str, Any], role: str = "owner") -> Copy:
    return copy_of(event, marker=MARKER, role=role, evidence="tombstone in delta")


def test_a_bare_event_has_every_field_at_its_default() -> None:
    fields = read(raw()).fields or {}
    assert fields.keys() == FIELDS
    untouched = FIELDS - {"start", "end"}
    assert {n: fields[n] for n in untouched} == {n: EMPTY[n] for n in untouched}


def test_times_are_instants_whatever_offset_they_come_in() -> None:
    for text in (
        "2026-12-01T10:00:00+01:00",
        "2026-12-01T04:00:00.999-05:00",
        "2026-12-01T10:00:00",
    ):
        event = raw(start={"dateTime": text, "timeZone": "Europe/Berlin"})
        assert (read(event).fields or {})["start"] == {
            "at": "2026-12-01T09:00:00Z",
            "zone": "Europe/Berlin",
        }


def test_an_all_day_event_is_never_converted() -> None:
    event = raw(start={"date": "2026-05-05"}, end={"date": "2026-05-06"})
    fields = read(event).fields or {}
    assert (fields["start"], fields["end"]) == ({"date": "2026-05-05"}, {"date": "2026-05-06"})


@pytest.mark.parametrize(
    ("original", "slot"),
    [
        ({"dateTime": "2026-05-05T09:00:00+02:00"}, "2026-05-05T07:00:00Z"),
        ({"date": "2026-05-05"}, "2026-05-05"),
    ],
)
def test_an_exception_is_tied_to_its_series_by_its_original_start(
    original: dict[str, str], slot: str
) -> None:
    copy = read(raw(recurringEventId="series1", originalStartTime=original))
    assert (copy.parent, copy.slot) == ("series1", slot)


def test_a_cancelled_occurrence_is_no_tombstone() -> None:
    copy = read(
        {
            "id": "series1_x",
            "status": "cancelled",
            "recurringEventId": "series1",
            "originalStartTime": {"date": "2026-05-05"},
        }
    )
    assert (copy.fields, copy.partial) == ({"status": "cancelled"}, True)
    assert (copy.parent, copy.slot, copy.evidence) == ("series1", "2026-05-05", "")


def test_any_other_cancelled_item_is_a_tombstone_with_evidence() -> None:
    copy = read({"id": "event1", "status": "cancelled"})
    assert (copy.fields, copy.evidence) == (None, "tombstone in delta")


@pytest.mark.parametrize("key", ["status", "visibility", "transparency", "eventType"])
def test_a_word_we_do_not_know_passes_through(key: str) -> None:
    fields = read(raw(**{key: "brandNew"})).fields or {}
    assert "brandNew" in fields.values()


def test_a_word_we_do_not_know_for_a_response_or_a_reminder_passes_through() -> None:
    event = raw(
        attendees=[{"email": "a@example.com", "responseStatus": "maybe"}],
        reminders={"overrides": [{"method": "gong", "minutes": 5}]},
    )
    fields = read(event).fields or {}
    assert fields["attendees"][0]["response"] == "maybe"
    assert fields["reminders"]["overrides"] == [{"method": "gong", "minutes": 5}]
    assert normalise(fields) == fields


@pytest.mark.parametrize(
    "bad",
    [
        {"start": None},
        {"start": {}},
        {"start": {"dateTime": "canary"}},
        {"start": {"dateTime": "2026-12-01T10:00:00", "timeZone": "canary/Zone"}},
        {"end": {"date": "canary"}},
        {"attendees": ["canary"]},
        {"extendedProperties": "canary"},
        {"summary": 7},
        {"recurrence": 7},
    ],
)
def test_one_bad_event_costs_only_itself_and_is_not_quoted(bad: dict[str, Any]) -> None:
    page = [raw(id="good1"), raw(**bad), raw(id="good2")]
    copies, unreadable = read_page(page, marker=MARKER, role="owner", evidence="x")
    assert [copy.remote_id for copy in copies] == ["good1", "good2"]
    assert [record.remote_id for record in unreadable] == ["event1"]
    assert "canary" not in unreadable[0].problem


def test_what_is_no_event_at_all_costs_only_itself() -> None:
    page: list[Any] = [None, "x", {}, raw()]
    copies, unreadable = read_page(page, marker=MARKER, role="owner", evidence="x")
    assert (len(copies), len(unreadable)) == (1, 3)


def test_a_reader_of_busy_times_is_shown_times_only() -> None:
    event = raw(
        summary="Busy", recurringEventId="series1", originalStartTime={"date": "2026-05-05"}
    )
    copy = read(event, "freeBusyReader")
    assert copy.partial
    assert copy.obstacle
    assert (copy.fields or {}).keys() == {"start", "end", "status"}
    assert (copy.parent, copy.slot) == ("", "")  # the series is never shown


@pytest.mark.parametrize("role", ["reader", "writerWithoutPrivateAccess"])
@pytest.mark.parametrize("visibility", ["private", "confidential"])
def test_a_private_event_of_somebody_else_is_partial(role: str, visibility: str) -> None:
    copy = read(raw(summary="Busy", visibility=visibility), role)
    assert copy.partial
    assert copy.obstacle
    assert "title" not in (copy.fields or {})
    assert "attendees" not in (copy.fields or {})


def test_a_private_event_is_whole_to_its_writer() -> None:
    copy = read(raw(summary="Secret", visibility="private"), "writer")
    assert not copy.partial
    assert not copy.obstacle
    assert (copy.fields or {})["title"] == "Secret"


def test_left_out_guests_are_unknown_and_not_none() -> None:
    copy = read(raw(attendeesOmitted=True, attendees=[{"email": "me@example.com", "self": True}]))
    assert copy.partial
    assert "attendees" not in (copy.fields or {})


@pytest.mark.parametrize(
    ("event", "role"),
    [
        (raw(), "reader"),
        (raw(locked=True), "owner"),
        *[
            (raw(eventType=kind), "owner")
            for kind in (
                "outOfOffice",
                "focusTime",
                "workingLocation",
                "birthday",
                "fromGmail",
                "x",
            )
        ],
    ],
)
def test_what_cannot_be_written_says_why(event: dict[str, Any], role: str) -> None:
    assert read(event, role).obstacle


def test_facts_are_kept_apart_from_fields() -> None:
    organizer = {"email": "o@example.com", "displayName": "O", "self": True}
    copy = read(raw(iCalUID="u", sequence=0, htmlLink="l", organizer=organizer))
    assert copy.facts == {
        "uid": "u",
        "sequence": 0,
        "link": "l",
        "organizer": {"email": "o@example.com", "name": "O", "self": True},
    }


def test_our_mark_is_read_and_kept_out_of_the_metadata() -> None:
    event = raw(extendedProperties={"private": {"theirs": "1"}, "shared": {}})
    event = with_mark(event, MARKER.sign("event1", attempt="a", rule="r"), block=True)
    copy = read(event)
    assert copy.mark is not None
    assert (copy.mark.attempt, copy.mark.rule) == ("a", "r")
    assert (copy.fields or {})["metadata"] == {"private": {"theirs": "1"}}


def test_a_mark_pasted_to_another_event_is_none() -> None:
    event = with_mark(raw(id="pasted"), MARKER.sign("event1", attempt="a"), block=False)
    assert read(event).mark is None


def test_an_occurrence_inherits_the_mark_of_its_series() -> None:
    event = raw(recurringEventId="event0", originalStartTime={"date": "2026-05-05"})
    event = with_mark(event, MARKER.sign("event0", attempt="a"), block=False)
    mark = read(event).mark
    assert mark is not None
    assert mark.inherited


def test_a_creation_names_only_what_is_not_at_its_default() -> None:
    fields = {**EMPTY, "title": "x", "start": {"date": "2026-05-05"}, "end": {"date": "2026-05-06"}}
    assert new_body(fields) == {
        "summary": "x",
        "start": {"date": "2026-05-05"},
        "end": {"date": "2026-05-06"},
    }


def test_an_update_names_the_changed_fields_only() -> None:
    assert patch_body({**EMPTY, "title": "x", "location": "y"}, {"title"}, {}) == {"summary": "x"}


def test_clearing_says_so() -> None:
    assert patch_body(EMPTY, {"title", "colour", "recurrence", "conference"}, {}) == {
        "summary": None,
        "colorId": None,
        "recurrence": [],
        "conferenceData": None,
    }


def test_switching_between_timed_and_all_day_clears_the_other_form() -> None:
    day = patch_body({"start": {"date": "2026-05-05"}}, {"start"}, {})
    assert day == {"start": {"date": "2026-05-05", "dateTime": None, "timeZone": None}}
    timed = patch_body({"start": {"at": "2026-05-05T07:00:00Z", "zone": ""}}, {"start"}, {})
    assert timed == {"start": {"dateTime": "2026-05-05T07:00:00Z", "timeZone": "UTC", "date": None}}


def test_a_changed_guest_list_keeps_what_we_do_not_model() -> None:
    current = raw(attendees=[{"email": "A@example.com", "comment": "late", "additionalGuests": 2}])
    guest = {"email": "a@example.com", "response": "accepted"}
    body = patch_body({"attendees": [guest]}, {"attendees"}, current)
    assert body["attendees"][0]["comment"] == "late"
    assert body["attendees"][0]["additionalGuests"] == 2
    assert body["attendees"][0]["responseStatus"] == "accepted"


def test_removed_metadata_is_cleared_by_name_and_our_mark_stays() -> None:
    properties = {"private": {"lockstep": "m", "old": "1", "kept": "2"}, "shared": {"gone": "3"}}
    current = raw(extendedProperties=properties)
    body = patch_body({"metadata": {"private": {"kept": "2"}}}, {"metadata"}, current)
    assert body["extendedProperties"] == {
        "private": {"old": None, "kept": "2"},
        "shared": {"gone": None},
    }


def test_metadata_is_cut_as_google_cuts_it() -> None:
    said = {"private": {"k" * 44: "v" * 2000, "k" * 45: "dropped", "n": 12, "lockstep": "forged"}}
    assert normalise({"metadata": said}) == {
        "metadata": {"private": {"k" * 44: "v" * 1024, "n": "12"}}
    }


def test_metadata_beyond_the_limits_is_left_out() -> None:
    many = {"shared": {f"key{n:04}": "v" for n in range(400)}}
    assert len(normalise({"metadata": many})["metadata"]["shared"]) < 300
    long = {"private": {f"key{n:04}": "é" * 1024 for n in range(40)}}
    kept = normalise({"metadata": long})["metadata"]["private"]
    assert sum(len(k.encode()) + len(v.encode()) for k, v in kept.items()) <= 32 * 1024


words = st.text(max_size=8)
times = st.one_of(
    st.dates().map(lambda day: {"date": day.isoformat()}),
    st.builds(
        lambda at, zone: {"dateTime": at.isoformat() + "Z", **zone},
        st.datetimes(),
        st.sampled_from([{}, {"timeZone": "Europe/Berlin"}, {"timeZone": "Asia/Kolkata"}]),
    ),
)
guests = st.fixed_dictionaries(
    {"email": st.from_regex(r"[A-Za-z]{1,3}@example\.com", fullmatch=True)},
    optional={
        "displayName": words,
        "responseStatus": st.sampled_from(["accepted", "new word"]),
        "optional": st.booleans(),
        "self": st.booleans(),
        "comment": words,
    },
)
properties = st.dictionaries(st.text(max_size=44), st.text(max_size=20), max_size=5)
events = st.fixed_dictionaries(
    {"id": st.just("event1"), "start": times, "end": times},
    optional={
        "summary": words,
        "description": words,
        "status": st.sampled_from(["confirmed", "tentative", "new word"]),
        "visibility": words,
        "recurrence": st.lists(
            st.sampled_from(["RRULE:FREQ=DAILY", "EXDATE:20260101"]), unique=True
        ),
        "attendees": st.lists(guests, max_size=4, unique_by=lambda g: g["email"].lower()),
        "reminders": st.fixed_dictionaries(
            {"useDefault": st.booleans()},
            optional={
                "overrides": st.lists(
                    st.fixed_dictionaries(
                        {
                            "method": st.sampled_from(["popup", "email", "new word"]),
                            "minutes": st.integers(0, 40320),
                        }
                    ),
                    max_size=5,
                    unique_by=lambda r: (r["method"], r["minutes"]),
                )
            },
        ),
        "colorId": words,
        "extendedProperties": st.fixed_dictionaries(
            {}, optional={"private": properties, "shared": properties}
        ),
        "surprise": words,
    },
)


@given(events)
def test_whatever_google_hands_out_normalise_leaves_alone(event: dict[str, Any]) -> None:
    fields = read(event).fields or {}
    assert normalise(fields) == fields


@given(events)
def test_an_untouched_record_read_twice_is_the_same_record(event: dict[str, Any]) -> None:
    assert read(event).fields == read(json.loads(json.dumps(event))).fields


def recorded_events() -> list[dict[str, Any]]:
    """Events in real answers, if the recordings are there."""
    found: list[dict[str, Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("kind") == "calendar#event":
                found.append(value)
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    for path in sorted(RECORDINGS.glob("*.json")):
        walk(json.loads(path.read_text()))
    return found


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded answers are not at hand")
def test_recorded_answers_of_google_are_read_whole() -> None:
    recorded = recorded_events()
    copies, unreadable = read_page(recorded, marker=MARKER, role="owner", evidence="x")
    assert len(recorded) > 5
    assert not unreadable
    for copy in copies:
        assert copy.fields is None or copy.partial or normalise(copy.fields) == copy.fields
