"""Faults on request: each kind does what it says, to the requests it was meant for, and no more."""

import json

import pytest
import requests

from integrations.sandbox.client import ControlRefused
from tests.integrations.sandbox.caller import WORK, Caller, refusal, whole

EVENTS = "calendars/primary/events"
DAY = whole("2026-12-01", "2026-12-02")


@pytest.fixture
def five(work) -> Caller:
    for number in range(5):
        work.ok("POST", EVENTS, DAY | {"id": f"event{number}"})
    return work


def test_a_lost_answer_has_been_applied(work, sandbox):
    sandbox.fault("lost_answer", operation="events.insert")
    with pytest.raises(requests.ConnectionError):
        work("POST", EVENTS, DAY | {"id": "abcde"})
    assert set(work.events()) == {"abcde"}
    assert work.refused("POST", EVENTS, DAY | {"id": "abcde"}) == (409, "duplicate")
    lost = next(e for e in sandbox.journal() if e["faults"])
    assert (lost["status"], lost["faults"]) == (0, ["lost_answer"])


def test_a_lost_request_has_not(work, sandbox):
    sandbox.fault("lost_request", operation="events.insert")
    with pytest.raises(requests.ConnectionError):
        work("POST", EVENTS, DAY | {"id": "abcde"})
    assert work.events() == {}


@pytest.mark.parametrize(
    ("status", "reason", "domain"),
    [
        (403, "rateLimitExceeded", "usageLimits"),
        (403, "userRateLimitExceeded", "usageLimits"),
        (403, "quotaExceeded", "usageLimits"),
        (429, "rateLimitExceeded", "usageLimits"),
        (410, "fullSyncRequired", "calendar"),
        (410, "updatedMinTooLongAgo", "calendar"),
        (410, "deleted", "global"),
        (401, "authError", "global"),
        (503, "backendError", "global"),
    ],
)
def test_refusals_of_every_reason(work, sandbox, status, reason, domain):
    sandbox.fault("error", status=status, reason=reason, operation="events.list")
    answer = work("GET", EVENTS)
    assert refusal(answer) == (status, reason)
    assert answer.json()["error"]["errors"][0]["domain"] == domain
    assert "Retry-After" not in answer.headers
    work.ok("GET", EVENTS)


def test_a_refusal_may_say_when_to_come_back_and_may_hide_a_success(work, sandbox):
    sandbox.fault("error", status=429, reason="rateLimitExceeded", retry_after="7")
    assert work("GET", EVENTS).headers["Retry-After"] == "7"
    sandbox.fault("error", applied=True, operation="events.insert")
    assert work.refused("POST", EVENTS, DAY) == (503, "backendError")
    assert len(work.events()) == 1


def test_a_sync_token_may_die_in_the_middle_of_an_incremental_run(five, sandbox):
    token = five.sync_token()
    for number in range(5):
        five.ok("PATCH", f"{EVENTS}/event{number}", {"summary": "Changed"})
    sandbox.fault("error", status=410, reason="fullSyncRequired", operation="events.list", page=3)
    query = {"syncToken": token, "maxResults": 2}
    first = five.ok("GET", EVENTS, **query)
    second = five.ok("GET", EVENTS, **query, pageToken=first["nextPageToken"])
    third = five.refused("GET", EVENTS, **query, pageToken=second["nextPageToken"])
    assert third == (410, "fullSyncRequired")


def test_answers_may_come_broken(work, sandbox):
    sandbox.fault("truncated_json", operation="colors.get")
    with pytest.raises(json.JSONDecodeError):
        json.loads(work("GET", "colors").content)
    sandbox.fault("html", operation="colors.get")
    answer = work("GET", "colors")
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (200, "text/html")
    sandbox.fault("empty", operation="colors.get")
    answer = work("GET", "colors")
    assert (answer.status_code, answer.content) == (200, b"")
    sandbox.fault("gzip_cut", operation="colors.get")
    with pytest.raises((requests.RequestException, json.JSONDecodeError)):
        work("GET", "colors").json()


def test_sign_in_addresses_and_batches_break_too(work, sandbox):
    form = {"grant_type": "refresh_token", "refresh_token": sandbox.refresh_token(WORK)}
    form |= {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    sandbox.fault("error", status=503, operation="oauth.token")
    assert requests.post(f"{sandbox.url}/token", data=form, timeout=10).status_code == 503
    sandbox.fault("lost_answer", operation="oauth.token")
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{sandbox.url}/token", data=form, timeout=10)
    sandbox.fault("html", operation="batch")
    answer = work.session.post(f"{sandbox.url}/batch/calendar/v3", timeout=10)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert sandbox.get("journal")["http"] == {"oauth.token": 3, "batch": 1}


def test_a_delay_delays(work, sandbox):
    sandbox.fault("delay", seconds=5, operation="colors.get")
    with pytest.raises(requests.Timeout):
        work.session.get(f"{sandbox.url}/calendar/v3/colors", timeout=0.2)


def test_short_and_empty_pages_are_not_the_end(five, sandbox):
    sandbox.fault("short_page", size=1, operation="events.list", page=1)
    sandbox.fault("empty_page", operation="events.list", page=2)
    pages = five.pages(maxResults=2)
    assert [len(page["items"]) for page in pages] == [1, 0, 2, 2]
    assert len({item["id"] for page in pages for item in page["items"]}) == 5


def test_a_page_may_come_twice_and_hold_an_item_twice(five, sandbox):
    sandbox.fault("repeat_page", operation="events.list")
    pages = five.pages(maxResults=3)
    assert [item["id"] for item in pages[0]["items"]] == [i["id"] for i in pages[1]["items"]]
    assert len(five.events()) == 5
    sandbox.fault("duplicate_items", count=2, operation="events.list")
    assert [len(page["items"]) for page in five.pages()] == [7]


def test_the_last_page_may_lack_its_sync_token(five, sandbox):
    sandbox.fault("no_sync_token", operation="events.list")
    assert "nextSyncToken" not in five.pages()[-1]
    assert "nextSyncToken" in five.pages()[-1]


def test_a_complete_listing_may_miss_items_that_a_read_finds(five, sandbox):
    sandbox.fault("missing_items", ids=["event2"], times=None)
    page = five.pages()[-1]
    assert "event2" not in {item["id"] for item in page["items"]}
    assert "nextSyncToken" in page
    five.ok("GET", f"{EVENTS}/event2")
    sandbox.post("faults/clear")
    sandbox.fault("missing_items", every=2)
    assert set(five.events()) == {"event1", "event3"}


def test_a_calendar_list_may_miss_a_calendar_and_its_token(work, sandbox):
    sandbox.fault("missing_items", ids=[WORK], operation="calendarList.list")
    sandbox.fault("no_sync_token", operation="calendarList.list")
    listed = work.ok("GET", "users/me/calendarList")
    assert (listed["items"], "nextSyncToken" in listed) == ([], False)


def test_a_lagging_listing_shows_older_versions_while_a_read_is_current(five, sandbox):
    token = five.sync_token()
    five.ok("PATCH", f"{EVENTS}/event0", {"summary": "New"})
    five.ok("DELETE", f"{EVENTS}/event1")
    five.ok("POST", EVENTS, DAY | {"id": "event5"})
    sandbox.fault("lag", writes=3, times=2, operation="events.list")
    listed = five.events()
    assert set(listed) == {f"event{number}" for number in range(5)}
    assert "summary" not in listed["event0"]
    lagging = five.ok("GET", EVENTS, syncToken=token)
    assert lagging["items"] == []
    assert five.ok("GET", f"{EVENTS}/event0")["summary"] == "New"
    later = five.delta(lagging["nextSyncToken"])
    assert set(later) == {"event0", "event1", "event5"}


def test_a_listing_may_lag_by_some_of_the_writes_or_by_time(five, sandbox):
    for title in ("One", "Two"):
        five.ok("PATCH", f"{EVENTS}/event0", {"summary": title})
    sandbox.fault("lag", writes=1)
    assert five.events()["event0"]["summary"] == "One"
    sandbox.fault("lag", seconds=3600)
    assert five.events() == {}


def test_rules_count_skip_and_leave_to_chance(work, sandbox):
    sandbox.fault("error", operation="colors.get", nth=2, times=2)
    assert [work("GET", "colors").ok for _ in range(5)] == [True, False, False, True, True]
    sandbox.post("faults/clear")
    sandbox.fault("error", operation="colors.get", times=None, probability=0.5, seed=7)
    hits = [work("GET", "colors").ok for _ in range(40)]
    assert 5 < hits.count(False) < 35
    (rule,) = sandbox.get("faults")["faults"]
    assert (rule["matched"], rule["hits"]) == (40, hits.count(False))


def test_rules_hit_only_what_they_match(work, home, sandbox):
    sandbox.fault("error", method="GET", path="events$", account=WORK, calendar=WORK, times=None)
    work.ok("POST", EVENTS, DAY)
    work.ok("GET", "colors")
    home.ok("GET", EVENTS)
    assert work.refused("GET", EVENTS) == (503, "backendError")


def test_a_wrong_rule_is_refused_in_words_that_help(sandbox):
    with pytest.raises(ControlRefused, match="kinds are lost_request"):
        sandbox.fault("earthquake")
    with pytest.raises(ControlRefused, match="Unknown field 'secs'"):
        sandbox.fault("delay", secs=1)
    with pytest.raises(ControlRefused, match="regular expression"):
        sandbox.fault("delay", path="(")


def test_quotas_refuse_what_goes_over_them(work, home, sandbox):
    sandbox.post("options", quota_per_minute_user=2, quota_status=429)
    answers = [work("GET", "settings") for _ in range(3)]
    answers = [work("GET", "colors") for _ in range(3)]
    assert refusal(answers[-1]) == (429, "rateLimitExceeded")
    home.ok("GET", "colors")


def test_the_journal_holds_no_tokens_and_no_texts(work, sandbox):
    work.ok("POST", EVENTS, DAY | {"summary": "Canary title"})
    work.ok("GET", EVENTS, q="Canary search")
    text = json.dumps(sandbox.journal())
    assert "Canary" not in text
    assert work.session.headers["Authorization"].split()[1] not in text
    assert "events.insert" in text
