"""Single writes: ids, etags, merge rules, limits, and what Google refuses."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations.sandbox.shapes import shape
from tests.integrations.sandbox.caller import WORK, Caller, timed, whole

EVENTS = "calendars/primary/events"
DAY = whole("2026-12-01", "2026-12-02")


def test_a_clients_id_is_kept_and_never_given_twice_not_even_after_deletion(work):
    work.ok("POST", EVENTS, DAY | {"id": "abcde01"})
    assert work.refused("POST", EVENTS, DAY | {"id": "abcde01"}) == (409, "duplicate")
    work.ok("DELETE", f"{EVENTS}/abcde01")
    assert work.refused("POST", EVENTS, DAY | {"id": "abcde01"}) == (409, "duplicate")


@pytest.mark.parametrize("name", ["abcd", "ABCDE", "wxyz1", "a-b-c-d", "a" * 1025])
def test_ids_are_base32hex_of_5_to_1024_characters(work, name):
    assert work.refused("POST", EVENTS, DAY | {"id": name}) == (400, "invalid")


def test_id_and_ical_uid_do_not_go_together_and_a_uid_is_unique(work):
    both = DAY | {"id": "abcde", "iCalUID": "one@example.org"}
    assert work.refused("POST", EVENTS, both) == (400, "invalid")
    work.ok("POST", EVENTS, DAY | {"iCalUID": "one@example.org"})
    again = DAY | {"iCalUID": "one@example.org"}
    assert work.refused("POST", EVENTS, again) == (409, "duplicate")


def test_every_write_changes_the_etag_and_a_stale_one_is_refused(work):
    first = work.ok("POST", EVENTS, DAY | {"id": "abcde"})["etag"]
    second = work.ok("PATCH", f"{EVENTS}/abcde", {"summary": "New"})["etag"]
    assert first != second
    for method in ("PATCH", "PUT", "DELETE"):
        answer = work(method, f"{EVENTS}/abcde", DAY, headers={"If-Match": first})
        error = answer.json()["error"]["errors"][0]
        assert (answer.status_code, error["reason"]) == (412, "conditionNotMet")
        assert (error["locationType"], error["location"]) == ("header", "If-Match")
    for etag in ("*", second):
        assert work("PATCH", f"{EVENTS}/abcde", {}, headers={"If-Match": etag}).ok or etag == second


def test_a_deleted_event_is_gone_on_the_second_delete_but_can_be_read(work):
    work.ok("POST", EVENTS, DAY | {"id": "abcde", "summary": "Title"})
    assert work("DELETE", f"{EVENTS}/abcde").status_code == 204
    assert work.refused("DELETE", f"{EVENTS}/abcde") == (410, "deleted")
    read = work.ok("GET", f"{EVENTS}/abcde")
    assert (read["status"], read["summary"]) == ("cancelled", "Title")
    assert work.refused("DELETE", f"{EVENTS}/never") == (404, "notFound")


def test_a_deleted_event_takes_no_edit_but_may_be_revived_or_not(work, sandbox):
    work.ok("POST", EVENTS, DAY | {"id": "abcde"})
    work.ok("DELETE", f"{EVENTS}/abcde")
    assert work.refused("PATCH", f"{EVENTS}/abcde", {"summary": "x"}) == (403, "forbidden")
    revive = {"status": "confirmed"}
    sandbox.post("options", id_reuse="refuse")
    assert work.refused("PATCH", f"{EVENTS}/abcde", revive) == (403, "forbidden")
    sandbox.post("options", id_reuse="revive")
    assert work.ok("PATCH", f"{EVENTS}/abcde", revive)["status"] == "confirmed"


def test_a_patch_merges_objects_replaces_lists_and_deletes_with_null(work):
    event = DAY | {
        "id": "abcde",
        "location": "Here",
        "extendedProperties": {"private": {"a": "1", "b": "2"}},
        "attendees": [{"email": "one@example.org"}, {"email": "two@example.org"}],
    }
    work.ok("POST", EVENTS, event)
    patch = {
        "location": None,
        "extendedProperties": {"private": {"a": None, "c": "3"}},
        "attendees": [{"email": "two@example.org"}],
    }
    read = work.ok("PATCH", f"{EVENTS}/abcde", patch)
    assert "location" not in read
    assert read["extendedProperties"] == {"private": {"b": "2", "c": "3"}}
    assert [one["email"] for one in read["attendees"]] == ["two@example.org"]


def test_an_update_clears_what_it_omits(work):
    work.ok("POST", EVENTS, DAY | {"id": "abcde", "location": "Here", "colorId": "4"})
    read = work.ok("PUT", f"{EVENTS}/abcde", DAY | {"summary": "Only this"})
    assert not {"location", "colorId"} & read.keys()
    assert read["summary"] == "Only this"


def test_switching_to_all_day_needs_the_old_kind_set_to_null(work):
    work.ok("POST", EVENTS, timed("2026-12-01T09:00", "2026-12-01T10:00", id="abcde"))
    assert work.refused("PATCH", f"{EVENTS}/abcde", DAY)[0] == 400
    null = {"dateTime": None, "timeZone": None}
    patch = {name: value | null for name, value in DAY.items()}
    assert work.ok("PATCH", f"{EVENTS}/abcde", patch)["start"] == {"date": "2026-12-01"}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"start": {"date": "2026-12-01"}}, "required"),
        (timed("2026-12-01T10:00", "2026-12-01T09:00"), "timeRangeEmpty"),
        (whole("2026-12-01", "2026-12-01"), "timeRangeEmpty"),
        (DAY | {"end": timed("2026-12-01T09:00", "2026-12-01T10:00")["end"]}, "invalid"),
        (timed("2026-12-01T09:00", "2026-12-01T10:00", "Mars/Olympus"), "invalid"),
        (DAY | {"start": {"dateTime": "2026-12-01T09:00:00"}}, "required"),
        (DAY | {"recurrence": ["RRULE:FREQ=MINUTELY"]}, "invalid"),
        (DAY | {"recurrence": ["RRULE:FREQ=DAILY;INTERVAL=0"]}, "invalid"),
        (DAY | {"recurrence": ["every day"]}, "invalid"),
        (DAY | {"visibility": "secret"}, "invalid"),
        (DAY | {"colorId": "99"}, "invalid"),
        (DAY | {"attendees": [{"email": "nobody"}]}, "invalid"),
        (DAY | {"reminders": {"useDefault": False, "overrides": [{"method": "fax"}]}}, "invalid"),
        (DAY | {"summary": ["not", "text"]}, "parseError"),
        (DAY | {"eventType": "outOfOffice"}, "eventTypeRestriction"),
        (DAY | {"eventType": "fromGmail"}, "eventTypeRestriction"),
        (DAY | {"eventType": "workingLocation"}, "eventTypeRestriction"),
    ],
)
def test_what_google_would_refuse_is_refused(work, event, reason):
    assert work.refused("POST", EVENTS, event) == (400, reason)
    assert work.events() == {}


ODD = [None, "", 0, -1, True, [], {}, [None], {"a": None}, "2026-13-45", "9999-12-31T23:59:59Z",
       {"date": "0001-01-01"}, {"dateTime": "9999-12-31T23:59:59-14:00"},
       ["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"], ["EXDATE:20261301"]]  # fmt: skip


@pytest.mark.parametrize("field", sorted(shape("Event")))
def test_odd_values_are_taken_or_refused_but_never_break_it(work, field):
    for value in ODD:
        answer = work("POST", EVENTS, DAY | {field: value})
        assert answer.status_code in (200, 400, 409), (value, answer.text)
        answer = work("GET", EVENTS, **{field: str(value), "timeMin": str(value)})
        assert answer.status_code in (200, 400), (value, answer.text)
    work.ok("GET", EVENTS, singleEvents=True)


def test_extended_properties_are_cut_and_dropped_silently(work):
    private = {"k" * 45: "dropped", "long": "v" * 2000}
    read = work.ok("POST", EVENTS, DAY | {"extendedProperties": {"private": private}})
    assert read["extendedProperties"] == {"private": {"long": "v" * 1024}}
    many = {f"k{number}": "v" for number in range(301)}
    event = DAY | {"extendedProperties": {"private": many}}
    assert work.refused("POST", EVENTS, event) == (400, "invalid")


def test_conference_data_and_attachments_are_ignored_unless_announced(work):
    extra = {
        "conferenceData": {"createRequest": {"requestId": "one"}},
        "attachments": [{"fileUrl": "https://example.com/file"}],
    }
    plain = work.ok("POST", EVENTS, DAY | extra)
    assert not {"conferenceData", "attachments", "hangoutLink"} & plain.keys()
    announced = {"conferenceDataVersion": 1, "supportsAttachments": True}
    full = work.ok("POST", EVENTS, DAY | extra, **announced)
    assert full["hangoutLink"].startswith("https://meet.google.com/")
    kept = work.ok("PUT", f"{EVENTS}/{full['id']}", DAY)
    assert {"conferenceData", "attachments"} <= kept.keys()


def test_defaults_and_empty_texts_are_not_sent_back(work):
    event = DAY | {"summary": "", "transparency": "opaque", "visibility": "default"}
    read = work.ok("POST", EVENTS, event)
    assert not {"summary", "transparency", "visibility"} & read.keys()
    assert (read["reminders"], read["eventType"]) == ({"useDefault": True}, "default")


def test_descriptions_lose_scripts_and_keep_their_other_tags(work):
    text = "<b>bold</b><script>alert(1)</script>\r\nline<!-- hidden -->"
    assert (
        work.ok("POST", EVENTS, DAY | {"description": text})["description"] == "<b>bold</b>\nline"
    )


def test_reminders_alone_leave_updated_and_change_the_etag(work):
    old = work.ok("POST", EVENTS, DAY | {"id": "abcde"})
    new = work.ok("PATCH", f"{EVENTS}/abcde", {"reminders": {"useDefault": False}})
    assert new["updated"] == old["updated"]
    assert new["etag"] != old["etag"]


def test_the_sequence_grows_with_the_times_and_never_falls(work):
    work.ok("POST", EVENTS, DAY | {"id": "abcde"})
    assert work.ok("PATCH", f"{EVENTS}/abcde", {"summary": "x"})["sequence"] == 0
    moved = whole("2026-12-03", "2026-12-04")
    assert work.ok("PATCH", f"{EVENTS}/abcde", moved)["sequence"] == 1
    assert work.refused("PATCH", f"{EVENTS}/abcde", {"sequence": 0}) == (400, "invalid")


def test_an_import_keeps_a_foreign_organizer_and_a_second_one_updates(work, sandbox):
    foreign = DAY | {"iCalUID": "one@example.org", "organizer": {"email": "boss@example.org"}}
    first = work.ok("POST", f"{EVENTS}/import", foreign)
    assert first["organizer"] == {"email": "boss@example.org"}
    second = work.ok("POST", f"{EVENTS}/import", foreign | {"summary": "Again"})
    assert (second["id"], second["summary"]) == (first["id"], "Again")
    sandbox.post("options", import_again="refuse")
    assert work.refused("POST", f"{EVENTS}/import", foreign) == (409, "duplicate")
    assert work.refused("POST", f"{EVENTS}/import", DAY) == (400, "required")


def test_a_move_leaves_a_cancelled_stub_and_keeps_the_id(work):
    target = work.ok("POST", "calendars", {"summary": "Other"})["id"]
    work.ok("POST", EVENTS, DAY | {"id": "abcde"})
    token = work.sync_token()
    moved = work.ok("POST", f"{EVENTS}/abcde/move", destination=target)
    assert moved["organizer"]["email"] == target
    assert work.delta(token)["abcde"]["status"] == "cancelled"
    assert set(work.events(target)) == {"abcde"}
    work.ok("POST", f"calendars/{target}/events/abcde/move", destination="primary")
    assert (set(work.events()), work.events(target)) == ({"abcde"}, {})


def test_only_default_events_can_be_moved(work):
    target = work.ok("POST", "calendars", {"summary": "Other"})["id"]
    focus = timed("2026-12-01T09:00", "2026-12-01T10:00", eventType="focusTime", id="abcde")
    work.ok("POST", EVENTS, focus)
    refused = work.refused("POST", f"{EVENTS}/abcde/move", destination=target)
    assert refused == (400, "eventTypeRestriction")


def test_event_types_are_for_ever_and_some_fields_with_them(work):
    away = timed("2026-12-01T09:00", "2026-12-01T10:00", eventType="outOfOffice", id="abcde")
    work.ok("POST", EVENTS, away)
    assert work.refused("PATCH", f"{EVENTS}/abcde", {"eventType": "default"})[0] == 400
    birthday = DAY | {"id": "fghij", "eventType": "birthday", "visibility": "private"}
    birthday |= {"transparency": "transparent", "recurrence": ["RRULE:FREQ=YEARLY"]}
    work.ok("POST", EVENTS, birthday)
    work.ok("PATCH", f"{EVENTS}/fghij", {"summary": "New name"})
    refused = work.refused("PATCH", f"{EVENTS}/fghij", {"location": "Here"})
    assert refused == (400, "eventTypeRestriction")


def test_status_events_live_on_primary_calendars_only(work):
    other = work.ok("POST", "calendars", {"summary": "Other"})["id"]
    focus = timed("2026-12-01T09:00", "2026-12-01T10:00", eventType="focusTime")
    refused = work.refused("POST", f"calendars/{other}/events", focus)
    assert refused == (400, "eventTypeRestriction")


def test_creator_and_organizer_are_seen_from_the_calendar(work):
    own = work.ok("POST", EVENTS, DAY)
    assert own["creator"] == own["organizer"] == {"email": WORK, "self": True}
    other = work.ok("POST", "calendars", {"summary": "Other"})["id"]
    there = work.ok("POST", f"calendars/{other}/events", DAY)
    assert there["creator"] == {"email": WORK}
    assert there["organizer"] == {"email": other, "displayName": "Other", "self": True}


def test_of_many_writers_with_the_same_etag_one_wins(work, sandbox):
    etag = work.ok("POST", EVENTS, DAY | {"id": "abcde"})["etag"]
    callers = [Caller(sandbox, WORK) for _ in range(8)]

    def write(number: int) -> int:
        patch, condition = {"summary": f"Writer {number}"}, {"If-Match": etag}
        return callers[number]("PATCH", f"{EVENTS}/abcde", patch, headers=condition).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(write, range(8)))
    assert sorted(statuses) == [200] + [412] * 7
    assert work.events()["abcde"]["summary"] == f"Writer {statuses.index(200)}"
    for caller in callers:
        caller.session.close()


@pytest.mark.parametrize(
    "query", [{"sendUpdates": "some"}, {"maxAttendees": "few"}, {"timeZone": "Mars/Olympus"},
              {"fields": "colour"}]
)  # fmt: skip
def test_a_bad_parameter_is_refused_before_anything_is_written(work, query):
    old = work.ok("POST", EVENTS, DAY | {"id": "abcde"})
    assert work.refused("POST", EVENTS, DAY, **query)[0] == 400
    assert work.refused("PATCH", f"{EVENTS}/abcde", {"summary": "New"}, **query)[0] == 400
    assert work.events() == {"abcde": old}


def test_broken_json_is_a_parse_error(work):
    url = f"{work.sandbox.url}/calendar/v3/{EVENTS}"
    answer = work.session.post(url, data=b'{"summary": ')
    assert answer.json()["error"]["errors"][0]["reason"] == "parseError"


def test_quick_add_is_refused_in_clear_words(work):
    assert work.refused("POST", f"{EVENTS}/quickAdd", text="Lunch")[0] == 400
