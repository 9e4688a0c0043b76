"""What is Google's own about the provider, against the sandbox over HTTP."""

import json
import re
from datetime import timedelta
from typing import Any

import httplib2
import pytest

from integrations.google.events import MASK
from integrations.google.oauth import HttpLike
from integrations.google.provider import GoogleCalendar
from integrations.sandbox import Sandbox
from sync.core.events import EMPTY
from sync.core.marks import Marker
from sync.core.provider import Outcome, Refusal, Remedy, Write, WriteKind
from tests.integrations.google.conftest import HOME, KEY, NOW, WORK, Google
from tests.integrations.provider_contract import (
    DAILY,
    HOUR_LATER,
    MOMENT,
    create,
    delete,
    exception,
    listed,
    one,
    plain,
    refused,
    update,
)

MARKER = Marker([KEY], WORK)


def list_requests(google: Google) -> list[dict[str, Any]]:
    return [r for r in google.requests() if r["operation"] == "events.list"]


def batch(provider: GoogleCalendar, count: int) -> dict[str, Outcome]:
    """Create records in one go; return the outcomes by attempt."""
    writes = [create(provider.name(str(n)), plain(str(n)), attempt=f"a{n}") for n in range(count)]
    return {o.write.attempt: o for o in provider.write(writes)}


# Listings --------------------------------------------------------------------------------------


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
    api.http = Circle(api.http)
    provider = GoogleCalendar(api, WORK, MARKER, now=NOW, past_days=90)
    with pytest.raises(Refusal, match="again and again"):
        list(provider.changes(""))
    assert provider.calls < 10


def test_an_answer_that_is_no_text_is_a_refusal(google: Google) -> None:
    api = google.api()
    api.http = Garbled()
    provider = GoogleCalendar(api, WORK, MARKER, now=NOW, past_days=90)
    with pytest.raises(Refusal) as refusal:
        list(provider.changes(""))
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, False)


class Garbled:
    """Something in between that garbles every answer."""

    def request(self, *_: Any, **__: Any) -> Any:
        return httplib2.Response({"status": "200"}), b"{\xff}"


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


# Reading ---------------------------------------------------------------------------------------


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


# Writing ---------------------------------------------------------------------------------------


def test_nobody_is_mailed_unless_we_are_told_to(google: Google) -> None:
    provider = google.open()
    invited = {**plain(), "attendees": [{"email": "guest@example.com"}]}
    copy = one(provider, create(provider.name("x"), invited))
    copy = one(provider, update(copy, title="new"))
    one(provider, delete(copy))
    writes = [r for r in google.requests() if r["method"] in ("POST", "PATCH", "DELETE")]
    sent = [dict(r["query"]).get("sendUpdates") for r in writes if "/events" in r["path"]]
    assert sent
    assert {str(value).strip("[']") for value in sent} == {"none"}
    assert sum(r["mails"] for r in google.requests()) == 0


def test_an_update_leaves_alone_what_lockstep_does_not_model(google: Google) -> None:
    name = google.add_raw(
        {
            "summary": "x",
            "start": {"date": "2026-12-01"},
            "end": {"date": "2026-12-02"},
            "source": {"title": "t", "url": "https://example.com/"},
            "guestsCanInviteOthers": False,
        }
    )
    provider = google.open()
    one(provider, update(provider.read(name), title="new", metadata={"private": {"a": "1"}}))
    stored = google.stored(name)
    assert stored["source"] == {"title": "t", "url": "https://example.com/"}
    assert stored["guestsCanInviteOthers"] is False
    assert stored["extendedProperties"]["private"]["a"] == "1"


def test_conference_data_is_written_and_removed(google: Google) -> None:
    provider = google.open()
    made = google.add_raw(
        {
            "summary": "x",
            "start": {"date": "2026-12-01"},
            "end": {"date": "2026-12-02"},
            "conferenceData": {
                "createRequest": {
                    "requestId": "r1",
                    "conferenceSolutionKey": {"type": "hangoutsMeet"},
                }
            },
        }
    )
    copy = provider.read(made)
    assert (copy.fields or {})["conference"]
    copy = one(provider, update(copy, conference=None))
    assert (copy.fields or {})["conference"] is None


def test_a_kind_of_event_that_cannot_be_made_is_parked(google: Google) -> None:
    provider = google.open()
    write = create(provider.name("x"), {**plain(), "event_type": "outOfOffice"})
    assert refused(provider, write).remedy is Remedy.PARK
    copy = one(provider, create(provider.name("y"), plain()))
    assert refused(provider, update(copy, event_type="focusTime")).remedy is Remedy.PARK


def test_an_update_without_a_known_version_is_not_sent(google: Google) -> None:
    provider = google.open()
    name = google.add(plain())
    write = Write(WriteKind.UPDATE, name, "a", "", plain("new"), frozenset({"title"}))
    assert refused(provider, write).remedy is Remedy.REREAD
    assert google.http.calls == 0
    assert google.stored(name)["summary"] == "Dentist"


@pytest.mark.parametrize(("status", "reason"), [(410, "deleted"), (404, "notFound")])
def test_a_deletion_of_what_is_gone_has_succeeded(google: Google, status: int, reason: str) -> None:
    provider = google.open()
    copy = one(provider, create(provider.name("x"), plain()))
    google.sandbox.fault("error", operation="events.delete", status=status, reason=reason)
    gone = one(provider, delete(copy))
    assert (gone.fields, gone.evidence) == (None, f"delete: {status}")


@pytest.mark.parametrize(
    ("status", "reason", "remedy"),
    [
        (403, "rateLimitExceeded", Remedy.RETRY),
        (429, "rateLimitExceeded", Remedy.RETRY),
        (403, "quotaExceeded", Remedy.HOLD),
        (403, "insufficientPermissions", Remedy.FREEZE),
        (503, "backendError", Remedy.RETRY),
    ],
)
def test_a_refusal_that_lasts_travels(
    google: Google, status: int, reason: str, remedy: Remedy
) -> None:
    google.sandbox.fault(
        "error", operation="events.insert", status=status, reason=reason, times=None
    )
    provider = google.open()
    refusal = refused(provider, create(provider.name("x"), plain()))
    assert (refusal.remedy, refusal.certain) == (remedy, status != 503)
    assert len(google.naps) == (2 if remedy is Remedy.RETRY and status != 503 else 0)


def test_a_failed_look_before_a_write_leaves_no_doubt_that_nothing_was_written(
    google: Google,
) -> None:
    provider = google.open()
    copy = provider.read(google.add(plain()))
    google.sandbox.fault("error", operation="events.get", status=503, times=None)
    refusal = refused(provider, update(copy, metadata={"private": {"a": "1"}}))
    assert (refusal.remedy, refusal.certain) == (Remedy.RETRY, True)


def test_a_rate_limit_is_waited_out_for_as_long_as_google_asks(google: Google) -> None:
    google.sandbox.fault(
        "error",
        operation="events.insert",
        status=429,
        reason="rateLimitExceeded",
        retry_after="3",
    )
    provider = google.open()
    one(provider, create(provider.name("x"), plain()))
    assert google.naps == [3.0]


def test_a_long_wait_is_not_sat_out(google: Google) -> None:
    google.sandbox.fault(
        "error",
        operation="events.insert",
        status=429,
        reason="rateLimitExceeded",
        retry_after="60",
    )
    provider = google.open()
    refusal = refused(provider, create(provider.name("x"), plain()))
    assert refusal.retry_after == 60
    assert google.naps == []


# Batches ---------------------------------------------------------------------------------------


def test_writes_go_in_batches_one_after_the_other(google: Google) -> None:
    provider = google.open(batch=3)
    listed(provider)
    before = google.http.calls
    outcomes = batch(provider, 7)
    assert all(outcome.copy for outcome in outcomes.values())
    assert google.http.calls - before == 3


def test_a_batch_counts_as_many_calls_as_it_has_parts(google: Google) -> None:
    provider = google.open()
    batch(provider, 5)
    assert provider.calls == 5


def test_a_part_that_collided_is_sent_again_alone(google: Google) -> None:
    google.sandbox.fault("conflict", operation="events.insert", nth=2, times=2)
    outcomes = batch(google.open(), 5)
    assert all(outcome.copy for outcome in outcomes.values())
    assert google.naps == []


def test_a_part_with_a_refused_token_is_sent_again_with_a_new_one(google: Google) -> None:
    provider = google.open()
    listed(provider)
    saved = google.purse.saved
    google.sandbox.fault(
        "error", operation="events.insert", part=True, nth=2, status=401, reason="authError"
    )
    outcomes = batch(provider, 3)
    assert all(outcome.copy for outcome in outcomes.values())
    assert google.purse.saved == saved


def test_parts_over_the_rate_are_sent_again_after_a_while(google: Google) -> None:
    google.sandbox.fault(
        "error", operation="events.insert", nth=2, times=3, status=403, reason="rateLimitExceeded"
    )
    outcomes = batch(google.open(), 6)
    assert all(outcome.copy for outcome in outcomes.values())
    assert len(google.naps) == 1


def test_each_part_has_its_own_error(google: Google) -> None:
    google.sandbox.fault("error", operation="events.insert", nth=1, status=403, reason="forbidden")
    google.sandbox.fault("error", operation="events.insert", nth=2, status=500)
    outcomes = batch(google.open(), 4).values()
    remedies = sorted(o.refusal.remedy.value for o in outcomes if o.refusal)
    assert remedies == ["freeze", "retry"]
    assert sum(o.copy is not None for o in outcomes) == 2


def test_each_part_is_conditional(google: Google) -> None:
    provider = google.open()
    copies = [o.copy for o in batch(provider, 3).values() if o.copy]
    google.change(copies[1].remote_id, {"title": "theirs"})
    writes = [update(copy, f"u{n}", title="ours") for n, copy in enumerate(copies)]
    outcomes = {o.write.attempt: o for o in provider.write(writes)}
    assert outcomes["u1"].refusal is not None
    assert outcomes["u1"].refusal.remedy is Remedy.REREAD
    assert all(outcomes[name].copy for name in ("u0", "u2"))


def test_a_batch_without_an_answer_is_uncertain_in_every_part(google: Google) -> None:
    google.sandbox.fault("lost_answer", operation="batch")
    provider = google.open()
    refusals = [outcome.refusal for outcome in batch(provider, 3).values()]
    assert [(r.remedy, r.certain) for r in refusals if r] == [(Remedy.RETRY, False)] * 3
    copies, _ = listed(provider)
    assert len(copies) == 3


@pytest.mark.parametrize("kind", ["html", "truncated_json", "empty"])
def test_a_part_without_a_readable_answer_is_uncertain_and_the_others_are_not(
    google: Google, kind: str
) -> None:
    google.sandbox.fault(kind, operation="events.insert", nth=2)
    provider = google.open()
    outcomes = batch(provider, 3).values()
    (refusal,) = [outcome.refusal for outcome in outcomes if outcome.refusal]
    assert (refusal.remedy, refusal.certain) == (Remedy.RETRY, False)
    copies, _ = listed(provider)
    assert len(copies) == 3


def test_deletions_go_in_batches_too(google: Google) -> None:
    provider = google.open()
    copies = [o.copy for o in batch(provider, 3).values() if o.copy]
    outcomes = list(provider.write([delete(copy) for copy in copies]))
    assert [o.copy is not None and o.copy.fields for o in outcomes] == [None, None, None]


@pytest.mark.parametrize("kind", ["html", "empty"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_deletion_is_believed_only_by_its_own_answer(
    google: Google, kind: str, count: int
) -> None:
    provider = google.open()
    copies = [o.copy for o in batch(provider, count).values() if o.copy]
    google.sandbox.fault(kind, operation="events.delete", times=None)
    for outcome in provider.write([delete(copy) for copy in copies]):
        assert outcome.refusal is not None
        assert (outcome.refusal.remedy, outcome.refusal.certain) == (Remedy.RETRY, False)


# Guests ----------------------------------------------------------------------------------------


@pytest.fixture
def invitation(sandbox: Sandbox, google: Google) -> tuple[Google, str]:
    """An event of home@example.com to which work@example.com is invited."""
    host = Google(sandbox, HOME)
    name = host.add({**plain("party"), "attendees": [{"email": WORK}, {"email": "x@example.com"}]})
    return google, name


def test_a_guest_answers_an_invitation(invitation: tuple[Google, str]) -> None:
    google, name = invitation
    provider = google.open()
    copy = provider.read(name)
    guests = [
        {**guest, "response": "accepted"} if guest.get("self") else guest
        for guest in (copy.fields or {})["attendees"]
    ]
    after = one(provider, update(copy, attendees=guests))
    own = next(g for g in (after.fields or {})["attendees"] if g.get("self"))
    assert own["response"] == "accepted"


def test_a_guest_changes_what_is_their_own(invitation: tuple[Google, str]) -> None:
    google, name = invitation
    provider = google.open()
    own = {
        "colour": "5",
        "reminders": {"default": False, "overrides": []},
        "metadata": {"private": {"seen": "yes"}},
    }
    after = one(provider, update(provider.read(name), **own))
    assert {key: (after.fields or {})[key] for key in own} == own


def test_a_guest_does_not_move_an_occurrence_of_the_organisers_series(
    sandbox: Sandbox, google: Google
) -> None:
    host = Google(sandbox, HOME)
    name = host.add({**DAILY, "attendees": [{"email": WORK}]})
    provider = google.open()
    series = provider.read(name)
    moved = {**(series.fields or {}), "title": "mine now", "recurrence": []}
    refusal = refused(provider, exception(series, "2026-12-02T09:00:00Z", moved))
    assert refusal.remedy is Remedy.PARK
    assert "organiser" in refusal.reason


@pytest.mark.parametrize(
    "change",
    [
        {"title": "mine now"},
        {"start": MOMENT, "end": {**HOUR_LATER, "at": "2026-12-01T12:00:00Z"}},
        {"attendees": []},
        {"metadata": {"shared": {"a": "1"}}},
    ],
)
def test_a_guest_does_not_change_what_is_the_organisers(
    invitation: tuple[Google, str], change: dict[str, Any]
) -> None:
    google, name = invitation
    provider = google.open()
    refusal = refused(provider, update(provider.read(name), **change))
    assert refusal.remedy is Remedy.PARK
    assert "organiser" in refusal.reason


def test_the_organiser_changes_everything(google: Google) -> None:
    provider = google.open()
    invited = {**plain(), "attendees": [{"email": WORK, "response": "accepted"}, {"email": HOME}]}
    copy = one(provider, create(provider.name("x"), invited))
    after = one(provider, update(copy, title="new"))
    assert (after.fields or {})["title"] == "new"


# Occurrences -----------------------------------------------------------------------------------


def test_an_occurrence_is_found_by_its_day_where_the_filter_finds_nothing(google: Google) -> None:
    provider = google.open()
    series = one(provider, create(provider.name("s"), {**EMPTY, **DAILY}))
    google.sandbox.fault("missing_items", operation="events.instances", every=1)
    write = exception(series, "2026-12-02T09:00:00Z", {"status": "cancelled"})
    assert one(provider, write).slot == "2026-12-02T09:00:00Z"


def test_an_occurrence_of_an_all_day_series_is_moved(google: Google) -> None:
    provider = google.open()
    days = {"start": {"date": "2026-12-01"}, "end": {"date": "2026-12-02"}}
    fields = {**EMPTY, "title": "x", **days, "recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]}
    series = one(provider, create(provider.name("s"), fields))
    moved = {**EMPTY, "title": "x", "start": {"date": "2026-12-24"}, "end": {"date": "2026-12-26"}}
    copy = one(provider, exception(series, "2026-12-02", moved))
    assert copy.slot == "2026-12-02"
    assert (copy.fields or {})["start"] == {"date": "2026-12-24"}


def test_a_cancelled_occurrence_is_brought_back(google: Google) -> None:
    provider = google.open()
    series = one(provider, create(provider.name("s"), {**EMPTY, **DAILY}))
    gone = one(provider, exception(series, "2026-12-02T09:00:00Z", {"status": "cancelled"}))
    back = {
        **EMPTY,
        **plain("Standup"),
        "start": {**MOMENT, "at": "2026-12-02T09:00:00Z"},
        "end": {**HOUR_LATER, "at": "2026-12-02T10:00:00Z"},
    }
    write = Write(
        WriteKind.UPDATE, gone.remote_id, "a", gone.version, back, frozenset({"status", "title"})
    )
    copy = one(provider, write)
    assert (copy.fields or {})["status"] == "confirmed"


# The window ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "broken",
    [{"start": {"canary": 1}}, {"attendees": [{}]}, {"reminders": {}}, {"metadata": "canary"}],
)
def test_a_record_that_makes_no_sense_costs_only_itself(
    google: Google, broken: dict[str, Any]
) -> None:
    provider = google.open()
    bad = create(provider.name("bad"), {**plain(), **broken}, attempt="bad")
    good = create(provider.name("good"), plain(), attempt="good")
    outcomes = {o.write.attempt: o for o in provider.write([bad, good])}
    assert outcomes["good"].copy is not None
    refusal = outcomes["bad"].refusal
    assert refusal is not None
    assert refusal.remedy is Remedy.PARK
    assert "canary" not in str(refusal)
