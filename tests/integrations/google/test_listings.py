"""Google's listings and reads, against the sandbox over HTTP."""

import json
import re
from datetime import timedelta
from functools import partial
from typing import Any

import httplib2
import pytest

from integrations.ahead import AheadHttp
from integrations.google.events import MASK
from integrations.google.oauth import HttpLike
from integrations.google.provider import GoogleCalendar
from integrations.sandbox import Sandbox
from sync.core.events import EMPTY
from sync.core.marks import Marker
from sync.core.provider import Refusal, Remedy
from tests.integrations.google.conftest import HOME, KEY, NOW, WORK, Google
from tests.integrations.provider_contract import delete, listed, refused
from tests.integrations.samples import DAILY, plain
from tests.waiting import wait_until

MARKER = Marker([KEY], WORK)


def list_requests(google: Google) -> list[dict[str, Any]]:
    return [r for r in google.requests() if r["operation"] == "events.list"]


@pytest.mark.parametrize("kind", ["empty_page", "short_page"])
def test_an_empty_or_short_page_with_a_next_token_is_not_the_end(google: Google, kind: str) -> None:
    names = {google.add(plain(str(n))) for n in range(4)}
    google.sandbox.fault(kind, operation="events.list", page=1)
    pages = list(google.open().changes(""))
    assert len(pages) > 1
    assert {c.remote_id for page in pages for c in page.copies} == names


@pytest.mark.parametrize(
    "kind", ["html", "empty", "truncated_json", "gzip_cut", "no_sync_token", "lost_answer"]
)
def test_a_broken_page_is_a_refusal_and_never_an_empty_page(google: Google, kind: str) -> None:
    google.add(plain())
    google.sandbox.fault(kind, operation="events.list", times=None)
    with pytest.raises(Refusal) as refusal:
        list(google.open().changes(""))
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, False)


@pytest.mark.parametrize("kind", ["repeat_page", "duplicate_items"])
def test_what_is_shown_twice_harms_nothing(google: Google, kind: str) -> None:
    names = {google.add(plain(str(n))) for n in range(3)}
    google.sandbox.fault("short_page", operation="events.list", page=1)
    google.sandbox.fault(kind, operation="events.list", page=2)
    copies, _ = listed(google.open())
    assert copies.keys() == names


def test_a_listing_that_leads_in_a_circle_is_given_up(google: Google) -> None:
    google.add(plain())
    api = google.api()
    api.http = AheadHttp(Circle(api.http))
    provider = GoogleCalendar(api, WORK, MARKER, now=NOW, past_days=90)
    with pytest.raises(Refusal, match="again and again"):
        list(provider.changes(""))
    assert provider.calls < 10


def test_the_next_page_is_asked_for_while_one_is_worked_on(google: Google) -> None:
    names = {google.add(plain(str(n))) for n in range(2)}
    google.sandbox.fault("short_page", operation="events.list", page=1)
    pages = google.open().changes("")
    first = next(pages)
    wait_until(lambda: len(list_requests(google)) == 2)
    second = next(pages)
    assert {copy.remote_id for page in (first, second) for copy in page.copies} == names
    assert len(list_requests(google)) == 2


def test_what_was_read_by_id_in_between_is_older_than_the_next_page(google: Google) -> None:
    names = {google.add(plain(str(n))) for n in range(2)}
    google.sandbox.fault("short_page", operation="events.list", page=1, times=None)
    provider = google.open()
    pages = provider.changes("")
    (shown,) = next(pages).copies
    wait_until(lambda: len(list_requests(google)) == 2)
    (other,) = names - {shown.remote_id}
    google.change(other, plain("Changed"))
    assert (provider.read(other).fields or {})["title"] == "Changed"
    (late,) = next(pages).copies
    assert (late.remote_id, (late.fields or {})["title"]) == (other, "Changed")


def test_trouble_with_an_early_question_is_got_over_when_it_is_its_turn(google: Google) -> None:
    names = {google.add(plain(str(n))) for n in range(2)}
    google.sandbox.fault("short_page", operation="events.list", page=1)
    google.sandbox.fault("html", operation="events.list", page=2)
    copies, _ = listed(google.open())
    assert copies.keys() == names
    assert len(google.naps) == 1


def test_an_answer_that_is_no_text_is_a_refusal(google: Google) -> None:
    api = google.api()
    api.http = AheadHttp(Garbled())
    provider = GoogleCalendar(api, WORK, MARKER, now=NOW, past_days=90)
    with pytest.raises(Refusal) as refusal:
        list(provider.changes(""))
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, False)


class Garbled:
    """Something in between that garbles every answer."""

    def request(self, *_: Any, **__: Any) -> Any:
        return httplib2.Response({"status": "200"}), b"{\xff}"

    def begin(self, *_: Any, **__: Any) -> Any:
        return self.request


class Circle:
    """Google, except that every page of a listing is the first one, and names the same next one."""

    def __init__(self, http: HttpLike) -> None:
        self._http = http
        self._first: Any = None

    def request(self, *args: Any, **more: Any) -> Any:
        if self._first is None:
            head, content = self._http.request(*args, **more)
            page = {**json.loads(content), "nextPageToken": "again"}
            self._first = head, json.dumps(page).encode()
        return self._first

    def begin(self, *args: Any, **more: Any) -> Any:
        return partial(self.request, *args, **more)


def test_a_broken_page_is_asked_for_again_before_we_give_up(google: Google) -> None:
    name = google.add(plain())
    google.sandbox.fault("html", operation="events.list", times=2)
    copies, _ = listed(google.open())
    assert copies.keys() == {name}
    assert len(google.naps) == 2


@pytest.mark.parametrize("reason", ["fullSyncRequired", "updatedMinTooLongAgo"])
def test_each_word_for_a_dead_token_asks_for_a_complete_listing(
    google: Google, reason: str
) -> None:
    _, cursor = listed(google.open())
    google.sandbox.fault("error", operation="events.list", status=410, reason=reason)
    with pytest.raises(Refusal) as refusal:
        listed(google.open(), cursor)
    assert refusal.value.remedy is Remedy.RESYNC


def test_a_token_that_dies_on_a_later_page_is_noticed_there(google: Google) -> None:
    _, cursor = listed(google.open())
    for n in range(3):
        google.add(plain(str(n)))
    google.sandbox.fault("short_page", operation="events.list", page=1)
    google.sandbox.fault(
        "error", operation="events.list", page=2, status=410, reason="fullSyncRequired"
    )
    pages = google.open().changes(cursor)
    assert next(pages).cursor is None
    with pytest.raises(Refusal) as refusal:
        list(pages)
    assert refusal.value.remedy is Remedy.RESYNC


def test_a_complete_listing_reaches_back_as_far_as_the_window_and_a_delta_everywhere(
    google: Google,
) -> None:
    old = {"at": "2026-01-01T09:00:00Z", "zone": "UTC"}
    past = google.add({**plain("past"), "start": old, "end": old})
    recent = google.add(plain("recent"))
    copies, cursor = listed(google.open(past_days=90))
    assert copies.keys() == {recent}
    google.change(past, {"title": "changed"})
    copies, _ = listed(google.open(past_days=90), cursor)
    assert copies.keys() == {past}


def test_every_page_repeats_the_same_request(google: Google) -> None:
    for n in range(3):
        google.add(plain(str(n)))
    google.sandbox.fault("short_page", operation="events.list", page=1)
    listed(google.open())
    first, *others = [dict(r["query"]) for r in list_requests(google)]
    assert others
    for other in others:
        other.pop("pageToken")
        assert other == first


def test_the_shape_holds_what_binds_a_cursor(google: Google) -> None:
    shape = google.open().shape
    assert len(shape) < 400
    assert google.open(now=NOW + timedelta(days=1)).shape == shape
    assert google.open(past_days=91).shape != shape
    assert google.open(calendar="other@example.com").shape != shape


def test_one_request_is_made_for_a_delta_without_changes(google: Google) -> None:
    _, cursor = listed(google.open())
    before = len(google.requests())
    provider = google.open()
    listed(provider, cursor)
    assert len(google.requests()) - before == 1
    assert provider.calls == 1


def test_a_token_too_long_for_an_address_travels_in_a_body(google: Google) -> None:
    with pytest.raises(Refusal) as refusal:
        listed(google.open(), "x" * 5000)
    assert refusal.value.remedy is Remedy.RESYNC
    assert "syncToken" in list_requests(google)[-1]["query"]


def test_a_busy_only_reader_gets_times_and_never_titles(sandbox: Sandbox, google: Google) -> None:
    google.add({**EMPTY, **DAILY})
    sandbox.post(
        "calendars/share", account=WORK, calendar=WORK, **{"with": HOME, "role": "freeBusyReader"}
    )
    guest = Google(sandbox, HOME)
    guest.calendar = WORK
    copies, _ = listed(guest.open())
    assert len(copies) == 5  # each occurrence on its own
    for copy in copies.values():
        assert copy.partial
        assert copy.obstacle
        assert "title" not in (copy.fields or {})


def test_a_reader_does_not_see_into_private_events(sandbox: Sandbox, google: Google) -> None:
    private = google.add({**plain("secret"), "visibility": "private"})
    public = google.add(plain("open"))
    sandbox.post("calendars/share", account=WORK, calendar=WORK, **{"with": HOME, "role": "reader"})
    guest = Google(sandbox, HOME)
    guest.calendar = WORK
    copies, _ = listed(guest.open())
    assert copies[private].partial
    assert "title" not in (copies[private].fields or {})
    assert not copies[public].partial
    assert copies[public].obstacle


@pytest.mark.parametrize(("status", "reason"), [(403, "forbidden"), (403, "rateLimitExceeded")])
def test_a_403_is_never_evidence(google: Google, status: int, reason: str) -> None:
    name = google.add(plain())
    google.sandbox.fault("error", operation="events.get", status=status, reason=reason, times=None)
    with pytest.raises(Refusal):
        google.open().read(name)


def test_a_404_page_of_somebody_in_between_is_never_evidence(google: Google) -> None:
    name = google.add(plain())
    google.sandbox.fault("html", operation="events.get", status=404)
    with pytest.raises(Refusal) as refusal:
        google.open().read(name)
    assert refusal.value.remedy is Remedy.PARK


def test_a_calendar_taken_from_us_is_no_evidence_of_deleted_events(
    sandbox: Sandbox, google: Google
) -> None:
    name = google.add(plain())
    sandbox.post("calendars/share", account=WORK, calendar=WORK, **{"with": HOME, "role": "writer"})
    guest = Google(sandbox, HOME)
    guest.calendar = WORK
    provider = guest.open(role="writer")
    copy = provider.read(name)
    assert copy.fields is not None
    sandbox.post("calendars/share", account=WORK, calendar=WORK, **{"with": HOME, "role": "none"})
    with pytest.raises(Refusal) as refusal:
        provider.read(name)
    assert refusal.value.remedy is Remedy.FREEZE
    assert refused(provider, delete(copy)).remedy is Remedy.FREEZE


def test_covers_is_true_only_of_what_a_listing_surely_shows(google: Google) -> None:
    provider = google.open(past_days=10)
    old = {"at": "2026-11-01T09:00:00Z", "zone": "UTC"}
    ended = {"start": old, "end": old}
    assert provider.covers(plain())
    assert not provider.covers(ended)
    assert provider.covers({**ended, "recurrence": ["RRULE:FREQ=DAILY"]})
    assert not provider.covers({**ended, "recurrence": ["RRULE:FREQ=DAILY;COUNT=2"]})
    assert not provider.covers({**ended, "recurrence": ["RRULE:FREQ=DAILY;UNTIL=20261102"]})
    assert not provider.covers({"status": "cancelled"})
    assert provider.covers({"start": {"date": "2026-11-19"}, "end": {"date": "2026-11-20"}})
    # In Kiritimati this day ends before the listing begins.
    assert not provider.covers({"start": {"date": "2026-11-10"}, "end": {"date": "2026-11-11"}})


def test_names_are_event_ids_as_google_wants_them(google: Google) -> None:
    assert re.fullmatch(r"[a-v0-9]{5,1024}", google.open().name("a", "b", ""))


def test_the_mask_names_fields_that_google_has(google: Google) -> None:
    schema = google.api().events._rootDesc["schemas"]["Event"]["properties"]
    assert set(MASK.split(",")) <= schema.keys()
