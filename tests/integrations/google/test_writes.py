"""Writing to Google, one write at a time, against the sandbox over HTTP."""

from typing import Any

import pytest

from sync.core.events import EMPTY
from sync.core.provider import Remedy, Write, WriteKind
from tests.integrations.google.conftest import Google
from tests.integrations.provider_contract import create, delete, exception, one, refused, update
from tests.integrations.samples import DAILY, HOUR_LATER, MOMENT, plain


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
