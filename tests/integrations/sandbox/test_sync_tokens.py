"""Listings: pages, sync tokens, tombstones, filters, and every way a token dies."""

import pytest

from integrations.sandbox import Sandbox
from tests.integrations.sandbox.caller import HOME, WORK, Caller, timed, whole

EVENTS = "calendars/primary/events"


@pytest.fixture
def five(work) -> Caller:
    for number in range(5):
        day = whole(f"2026-12-0{number + 1}", f"2026-12-0{number + 2}", id=f"event{number}")
        work.ok("POST", EVENTS, day | {"summary": f"Day {number}"})
    return work


def test_only_the_last_page_carries_a_sync_token(five):
    pages = five.pages(maxResults=2)
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert ["nextSyncToken" in page for page in pages] == [False, False, True]


def test_a_delta_holds_changes_and_bare_tombstones_and_a_full_listing_does_not(five):
    token = five.sync_token()
    five.ok("PATCH", f"{EVENTS}/event1", {"summary": "Changed"})
    five.ok("DELETE", f"{EVENTS}/event2")
    delta = five.delta(token)
    assert set(delta) == {"event1", "event2"}
    assert set(delta["event2"]) == {"kind", "etag", "id", "status"}
    assert set(five.events()) == {"event0", "event1", "event3", "event4"}
    assert five.events(showDeleted=True)["event2"]["status"] == "cancelled"


def test_a_delta_without_changes_still_gives_a_new_token(five):
    token = five.sync_token()
    answer = five.ok("GET", EVENTS, syncToken=token)
    assert answer["items"] == []
    assert five.delta(answer["nextSyncToken"]) == {}


def test_a_change_made_between_two_pages_is_not_lost(five):
    first = five.ok("GET", EVENTS, maxResults=2)
    five.ok("PATCH", f"{EVENTS}/event0", {"summary": "Changed behind the cursor"})
    last = five.ok("GET", EVENTS, maxResults=2, pageToken=first["nextPageToken"])
    last = five.ok("GET", EVENTS, maxResults=2, pageToken=last["nextPageToken"])
    assert "event0" in five.delta(last["nextSyncToken"])


def test_a_paged_delta_keeps_its_old_token_on_every_page(five):
    token = five.sync_token()
    for number in range(5):
        five.ok("PATCH", f"{EVENTS}/event{number}", {"summary": "Changed"})
    pages = five.pages(syncToken=token, maxResults=2)
    assert len(pages) == 3
    assert "nextSyncToken" in pages[-1]


@pytest.mark.parametrize(
    "query",
    [
        {"timeMin": "2026-12-01T00:00:00Z"},
        {"timeMax": "2026-12-01T00:00:00Z"},
        {"q": "Day"},
        {"iCalUID": "event0@google.com"},
        {"orderBy": "updated"},
        {"updatedMin": "2026-11-19T00:00:00Z"},
        {"privateExtendedProperty": "a=1"},
        {"showDeleted": "false"},
    ],
)
def test_a_sync_token_refuses_restrictions(five, query):
    token = five.sync_token()
    assert five.refused("GET", EVENTS, syncToken=token, **query) == (400, "invalid")


def test_a_sync_token_belongs_to_the_request_shape_it_came_from(five, sandbox):
    token = five.sync_token()
    assert five.refused("GET", EVENTS, syncToken=token, singleEvents=True) == (400, "invalid")
    sandbox.post("options", strict_tokens=False)
    five.ok("GET", EVENTS, syncToken=token, singleEvents=True)


def test_a_sync_token_belongs_to_one_account_and_one_calendar(five, home):
    token = five.sync_token()
    assert home.refused("GET", EVENTS, syncToken=token)[0] == 400
    other = five.ok("POST", "calendars", {"summary": "Other"})["id"]
    assert five.refused("GET", f"calendars/{other}/events", syncToken=token)[0] == 400
    assert five.refused("GET", EVENTS, syncToken="nonsense")[0] == 400


def test_a_bounded_first_listing_gives_a_token_and_a_search_does_not(five):
    assert "nextSyncToken" in five.ok("GET", EVENTS, timeMin="2026-12-03T00:00:00Z")
    for query in ({"q": "Day"}, {"orderBy": "updated"}, {"timeMax": "2026-12-03T00:00:00Z"}):
        assert "nextSyncToken" not in five.ok("GET", EVENTS, **query)


def test_killed_tokens_and_changed_roles_ask_for_a_full_sync(five, sandbox, home):
    token = five.sync_token()
    sandbox.post("tokens/kill_sync")
    assert five.refused("GET", EVENTS, syncToken=token) == (410, "fullSyncRequired")
    share(sandbox, "reader")
    token = home.sync_token(WORK)
    share(sandbox, "writer")
    path = f"calendars/{WORK}/events"
    assert home.refused("GET", path, syncToken=token) == (410, "fullSyncRequired")


def share(sandbox: Sandbox, role: str) -> None:
    sandbox.post("calendars/share", account=WORK, calendar=WORK, role=role, **{"with": HOME})


def test_a_token_does_not_survive_a_reset(five, sandbox):
    token = five.sync_token()
    sandbox.post("reset", seed_data="demo")
    caller = Caller(sandbox, WORK)
    assert caller.refused("GET", EVENTS, syncToken=token) == (410, "fullSyncRequired")
    caller.session.close()


def test_an_updated_min_too_far_back_is_gone(five):
    long_ago = "2020-01-01T00:00:00Z"
    assert five.refused("GET", EVENTS, updatedMin=long_ago) == (410, "updatedMinTooLongAgo")


def test_updated_min_always_includes_deleted_events(five, sandbox):
    five.ok("DELETE", f"{EVENTS}/event2")
    since = sandbox.get("state")["now"][:11] + "00:00:00Z"
    assert five.events(updatedMin=since)["event2"]["status"] == "cancelled"


def test_time_bounds_are_on_the_end_and_on_the_start_and_exclusive(five):
    bounds = {"timeMin": "2026-12-02T00:00:00+01:00", "timeMax": "2026-12-04T00:00:00+01:00"}
    assert set(five.events(**bounds)) == {"event1", "event2"}
    backwards = {"timeMin": bounds["timeMax"], "timeMax": bounds["timeMin"]}
    assert five.refused("GET", EVENTS, **backwards) == (400, "timeRangeEmpty")
    assert five.refused("GET", EVENTS, timeMin="2026-12-02")[0] == 400


def test_filters_by_text_uid_type_and_properties(five):
    marked = {"extendedProperties": {"private": {"hub": "1", "kind": "block"}}}
    five.ok("PATCH", f"{EVENTS}/event3", marked)
    assert set(five.events(q="day 2")) == {"event2"}
    assert set(five.events(iCalUID="event4@google.com")) == {"event4"}
    assert set(five.events(privateExtendedProperty="hub=1")) == {"event3"}
    assert five.events(privateExtendedProperty=["hub=1", "kind=other"]) == {}
    five.sandbox.post("options", property_filter="any")
    assert set(five.events(privateExtendedProperty=["hub=1", "kind=other"])) == {"event3"}
    assert five.events(eventTypes="focusTime") == {}
    assert five.refused("GET", EVENTS, eventTypes="party") == (400, "invalid")


def test_order_by_start_time_needs_single_events(five):
    assert five.refused("GET", EVENTS, orderBy="startTime") == (400, "invalid")
    work = five.pages(orderBy="startTime", singleEvents=True, maxResults=2)
    assert [e["id"] for page in work for e in page["items"]] == [f"event{n}" for n in range(5)]


def test_pages_must_repeat_the_request(five):
    page = five.ok("GET", EVENTS, maxResults=2)["nextPageToken"]
    assert five.refused("GET", EVENTS, maxResults=2, pageToken=page, q="Day") == (400, "invalid")


def test_a_mask_keeps_exactly_what_it_names(five):
    mask = "nextSyncToken,items(id,start/date,creator(email))"
    answer = five.ok("GET", EVENTS, fields=mask)
    assert set(answer) == {"nextSyncToken", "items"}
    assert answer["items"][0] == {
        "id": "event0",
        "start": {"date": "2026-12-01"},
        "creator": {"email": WORK},
    }
    assert five.ok("GET", EVENTS, fields="items/id")["items"][0] == {"id": "event0"}
    assert five.ok("GET", EVENTS, fields="kind") == {"kind": "calendar#events"}
    assert set(five.ok("GET", f"{EVENTS}/event0", fields="*")) > {"id", "etag"}


@pytest.mark.parametrize("mask", ["items(id", "colour", "items/colour", "items(id)x", "items//id"])
def test_a_bad_mask_is_refused(five, mask):
    assert five.refused("GET", EVENTS, fields=mask) == (400, "invalidParameter")


def test_the_answer_is_shown_in_the_zone_asked_for(work):
    work.ok("POST", EVENTS, timed("2026-12-01T09:00", "2026-12-01T10:00", "America/New_York"))
    (event,) = work.events().values()
    assert event["start"] == {
        "dateTime": "2026-12-01T15:00:00+01:00",
        "timeZone": "America/New_York",
    }
    (event,) = work.events(timeZone="Asia/Tokyo").values()
    assert event["start"]["dateTime"] == "2026-12-01T23:00:00+09:00"


def test_a_calendar_list_delta_omits_role_and_title_changes(work, home, sandbox):
    share(sandbox, "reader")
    listed = home.ok("GET", "users/me/calendarList")
    assert {entry["id"] for entry in listed["items"]} == {HOME, WORK}
    token = listed["nextSyncToken"]
    share(sandbox, "owner")
    work.ok("PATCH", f"calendars/{WORK}", {"summary": "Renamed"})
    delta = home.ok("GET", "users/me/calendarList", syncToken=token)
    assert delta["items"] == []
    entry = home.ok("GET", f"users/me/calendarList/{WORK}")
    assert (entry["accessRole"], entry["summary"]) == ("owner", "Renamed")
    home.ok("PATCH", f"users/me/calendarList/{WORK}", {"colorId": "7"})
    delta = home.ok("GET", "users/me/calendarList", syncToken=token)
    assert [entry["id"] for entry in delta["items"]] == [WORK]
    with_role = {"syncToken": token, "minAccessRole": "owner"}
    assert home.refused("GET", "users/me/calendarList", **with_role) == (400, "invalid")


def test_an_unshared_calendar_leaves_the_list_and_is_not_found(home, sandbox):
    share(sandbox, "reader")
    token = home.ok("GET", "users/me/calendarList")["nextSyncToken"]
    share(sandbox, "none")
    (entry,) = home.ok("GET", "users/me/calendarList", syncToken=token)["items"]
    assert entry["deleted"] is True
    assert home.refused("GET", f"calendars/{WORK}/events") == (404, "notFound")


def test_an_unchanged_event_is_not_sent_again(five):
    etag = five.ok("GET", f"{EVENTS}/event0")["etag"]
    answer = five("GET", f"{EVENTS}/event0", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_answers_are_zipped_when_asked(five):
    answer = five("GET", EVENTS, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    answer = five("GET", EVENTS, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in answer.headers
