"""A feed over real HTTP: what is read of it, and what nothing is concluded from."""

from datetime import UTC, datetime

import pytest

from integrations.http import Http, verbatim
from integrations.ics.feed import IcsFeed, probe
from integrations.ics.fetching import MAX_BYTES
from sync.core.provider import Refusal, Remedy, Write, WriteKind
from tests.integrations.ical.texts import calendar, vevent
from tests.integrations.ics.server import start

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SOON = "DTSTART:20261201T090000Z"
TWO = calendar(vevent("SUMMARY:one", start=SOON), vevent("SUMMARY:two", uid="u2", start=SOON))
ONE = calendar(vevent("SUMMARY:one", start=SOON))
SERIES = calendar(
    vevent("SUMMARY:series", "RRULE:FREQ=DAILY", uid="s", start=SOON),
    vevent("SUMMARY:moved", "RECURRENCE-ID:20261202T090000Z", uid="s", start=SOON),
    vevent("RECURRENCE-ID:20261203T090000Z", "STATUS:CANCELLED", uid="s", start=SOON),
)


@pytest.fixture
def web():
    server, url = start()
    server.url = url
    yield server
    server.shutdown()
    server.server_close()


def opened(web, *, url="", past_days=90, zone="Europe/Berlin", max_bytes=MAX_BYTES):
    http = Http(clean=verbatim, max_bytes=max_bytes)
    return IcsFeed(
        http, url or web.url, now=NOW, past_days=past_days, zone=zone, sleep=lambda seconds: None
    )


def listed(provider, cursor=""):
    copies, pages = {}, list(provider.changes(cursor))
    for page in pages:
        copies |= {copy.remote_id: copy for copy in page.copies}
    assert all(page.cursor is None for page in pages[:-1])
    return copies, pages[-1].cursor


def refused(call):
    with pytest.raises(Refusal) as error:
        call()
    assert "canary" not in str(error.value)
    return error.value


def test_a_listing_shows_every_event_and_that_none_can_be_written(web):
    web.feed.serve(TWO)
    copies, cursor = listed(opened(web))
    assert {copy.fields["title"] for copy in copies.values()} == {"one", "two"}
    assert all(copy.obstacle and copy.version for copy in copies.values())
    assert copies["u1"].facts["uid"] == "u1"
    assert cursor


@pytest.mark.parametrize(
    "headers", [{"etag": '"1"'}, {"last_modified": "Fri, 20 Nov 2026 10:00:00 GMT"}]
)
def test_an_unchanged_feed_is_not_sent_again(web, headers):
    web.feed.serve(TWO, **headers)
    _, cursor = listed(opened(web))
    web.feed.asked.clear()
    copies, again = listed(opened(web), cursor)
    assert (copies, again) == ({}, cursor)
    assert len(web.feed.asked) == 1


def test_a_feed_without_validators_is_compared_by_its_content(web):
    web.feed.serve(TWO)
    _, cursor = listed(opened(web))
    copies, _ = listed(opened(web), cursor)
    assert copies == {}


def test_a_changed_feed_is_asked_for_as_a_whole_and_fetched_once(web):
    web.feed.serve(TWO, etag='"1"')
    _, cursor = listed(opened(web))
    web.feed.serve(ONE, etag='"2"')
    web.feed.asked.clear()
    provider = opened(web)
    assert refused(lambda: listed(provider, cursor)).remedy is Remedy.RESYNC
    copies, _ = listed(provider)
    assert copies.keys() == {"u1"}
    gone = provider.read("u2")
    assert gone.fields is None
    assert gone.evidence.startswith("read")
    assert len(web.feed.asked) == provider.calls == 1


def test_the_same_content_under_another_etag_is_no_change(web):
    web.feed.serve(TWO, etag='"1"')
    _, cursor = listed(opened(web))
    web.feed.serve(TWO, etag='"2"')
    copies, again = listed(opened(web), cursor)
    assert copies == {}
    assert again != cursor


@pytest.mark.parametrize("cursor", ["", "x", "[]", '{"other": 1}', "7"])
def test_a_cursor_that_is_none_asks_for_a_complete_listing(web, cursor):
    web.feed.serve(TWO)
    if cursor:
        assert refused(lambda: listed(opened(web), cursor)).remedy is Remedy.RESYNC
    assert listed(opened(web))[0].keys() == {"u1", "u2"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Please sign in</body></html>",
        TWO[: len(TWO) // 2],
        TWO.replace(b"END:VCALENDAR\r\n", b""),
        b"BEGIN:VCALENDAR\r\n",
        b'{"error": "BEGIN:VCALENDAR"}',
        TWO.decode().encode("utf-16"),
    ],
    ids=["empty", "html", "cut", "unfinished", "begun", "json", "utf-16"],
)
def test_what_is_no_whole_calendar_is_refused_and_nothing_is_gone(web, content):
    web.feed.serve(TWO, etag='"1"')
    _, cursor = listed(opened(web))
    web.feed.serve(content, etag='"2"')
    for ask in (
        lambda: listed(opened(web), cursor),
        lambda: listed(opened(web)),
        lambda: opened(web).read("u1"),
        lambda: probe(Http(clean=verbatim), web.url, sleep=lambda seconds: None),
    ):
        refusal = refused(ask)
        assert (refusal.remedy, refusal.status) == (Remedy.RETRY, 200)


def test_an_answer_that_breaks_off_is_refused(web):
    web.feed.serve(ONE)
    web.feed.cut = 10
    assert refused(lambda: listed(opened(web))).remedy is Remedy.RETRY


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, Remedy.FREEZE),
        (403, Remedy.FREEZE),
        (404, Remedy.FREEZE),
        (410, Remedy.FREEZE),
        (408, Remedy.RETRY),
        (425, Remedy.RETRY),
        (429, Remedy.RETRY),
        (500, Remedy.RETRY),
        (503, Remedy.RETRY),
        (418, Remedy.PARK),
        (204, Remedy.RETRY),
    ],
)
def test_no_refusal_says_that_anything_is_gone(web, status, remedy):
    web.feed.serve(TWO if status != 204 else b"")
    web.feed.status = status
    assert refused(lambda: listed(opened(web))).remedy is remedy
    assert refused(lambda: opened(web).read("u1")).remedy is remedy


def test_a_server_that_is_busy_says_how_long(web):
    web.feed.serve(b"", retry_after="600")
    web.feed.status = 429
    assert refused(lambda: listed(opened(web))).retry_after == 600


def test_a_packed_feed_counts_by_its_unpacked_size(web):
    web.feed.serve(calendar(vevent("X-PAD:" + "x" * 3_000_000, start=SOON)))
    web.feed.zipped = True
    assert listed(opened(web))[0]
    refusal = refused(lambda: listed(opened(web, max_bytes=1_000_000)))
    assert refusal.remedy is Remedy.PARK


def test_a_redirect_is_followed_a_few_times_and_not_for_ever(web):
    web.feed.serve(b"", location=web.url)
    web.feed.status = 302
    assert refused(lambda: listed(opened(web))).reason == "the feed leads on and on"
    web.feed.headers = {"location": "file:///etc/passwd"}
    assert refused(lambda: listed(opened(web))).remedy is Remedy.FREEZE


def test_a_redirect_to_no_address_is_refused(web):
    web.feed.serve(b"", location="http://[canary/x.ics")
    web.feed.status = 302
    assert refused(lambda: listed(opened(web))).remedy is Remedy.FREEZE


@pytest.mark.parametrize(
    "url",
    [
        *("", "calendar.ics", "ftp://example.com/x", "https://", "webcal:"),
        *("https://[canary/x", "https://example.com:99999/canary"),
    ],
)
def test_an_address_that_is_none_is_refused(web, url):
    refusal = refused(lambda: probe(Http(), url))
    assert refusal.remedy is Remedy.FREEZE


def test_webcal_means_https():
    refusal = refused(
        lambda: probe(Http(), "webcal://127.0.0.1:1/x.ics", sleep=lambda seconds: None)
    )
    assert refusal.remedy is Remedy.RETRY


def test_a_series_comes_with_all_its_exceptions(web):
    web.feed.serve(SERIES)
    copies, _ = listed(opened(web))
    moved, cancelled = (f"s#2026-12-0{day}T09:00:00Z" for day in (2, 3))
    assert copies.keys() == {"s", moved, cancelled}
    assert copies["s"].occurrences == {moved, cancelled}
    assert (copies[moved].parent, copies[moved].slot) == ("s", "2026-12-02T09:00:00Z")
    assert copies[cancelled].fields == {"status": "cancelled"}
    assert copies[cancelled].partial


def test_an_occurrence_without_its_series_is_an_event_of_its_own(web):
    lone = calendar(vevent("RECURRENCE-ID:20261202T090000Z", "SUMMARY:lone", start=SOON))
    web.feed.serve(lone)
    copies, _ = listed(opened(web))
    assert copies["u1#2026-12-02T09:00:00Z"].parent == ""


def test_an_event_that_was_called_off_is_gone(web):
    web.feed.serve(calendar(vevent("STATUS:CANCELLED", start=SOON)))
    copies, _ = listed(opened(web))
    assert copies["u1"].fields is None
    assert copies["u1"].evidence == "called off"


def test_events_that_share_a_uid_or_have_none_are_safe(web):
    web.feed.serve(
        calendar(
            vevent("SUMMARY:old", "SEQUENCE:1", start=SOON),
            vevent("SUMMARY:new", "SEQUENCE:2", start=SOON),
            vevent("SUMMARY:other", uid="u#1", start=SOON),
            vevent("SUMMARY:nameless", uid="", start=SOON),
            vevent("SUMMARY:long", uid="x" * 5_000, start=SOON),
        )
    )
    copies, _ = listed(opened(web))
    assert copies["u1"].fields["title"] == "new"
    assert "u%231" in copies
    assert len(copies) == 4
    assert all(len(name) < 1024 for name in copies)


def test_a_bad_event_costs_only_itself_and_is_not_gone(web):
    web.feed.serve(
        calendar(vevent("SUMMARY:good", start=SOON), vevent(uid="bad", start="DTSTART:x"))
    )
    provider = opened(web)
    pages = list(provider.changes(""))
    assert [copy.remote_id for page in pages for copy in page.copies] == ["u1"]
    assert [broken.remote_id for page in pages for broken in page.unreadable] == ["bad"]
    assert refused(lambda: provider.read("bad")).remedy is Remedy.PARK


def test_an_exception_that_cannot_be_read_is_not_taken_for_gone(web):
    broken = vevent("RECURRENCE-ID:20261202T090000Z", uid="s", start="DTSTART:x")
    web.feed.serve(calendar(vevent("RRULE:FREQ=DAILY", uid="s", start=SOON), broken))
    provider = opened(web)
    (page,) = provider.changes("")
    assert [copy.occurrences for copy in page.copies] == [None]
    assert page.unreadable[0].remote_id == "s#2026-12-02T09:00:00Z"
    assert refused(lambda: provider.read("s#2026-12-02T09:00:00Z")).remedy is Remedy.PARK
    assert provider.read("s").fields is not None


def test_what_is_long_over_is_not_listed_and_not_gone_either(web):
    web.feed.serve(
        calendar(
            vevent("SUMMARY:old", start="DTSTART:20200101T090000Z"),
            vevent("RRULE:FREQ=YEARLY", uid="yearly", start="DTSTART:20200101T090000Z"),
            vevent("SUMMARY:edge", uid="edge", start="DTSTART;VALUE=DATE:20260822"),
        )
    )
    provider = opened(web)
    copies, _ = listed(provider)
    assert copies.keys() == {"yearly", "edge"}
    old = provider.read("u1")
    assert old.fields is not None
    assert not provider.covers(old.fields)
    assert provider.covers(copies["yearly"].fields)
    assert not provider.covers(copies["edge"].fields)


def test_times_without_a_zone_are_read_in_the_feed_s_zone_or_in_ours(web):
    floating = vevent(start="DTSTART:20261201T090000")
    web.feed.serve(calendar(floating))
    assert listed(opened(web))[0]["u1"].fields["start"]["at"] == "2026-12-01T08:00:00Z"
    web.feed.serve(calendar("X-WR-TIMEZONE:America/New_York", floating))
    assert listed(opened(web))[0]["u1"].fields["start"] == {
        "at": "2026-12-01T14:00:00Z",
        "zone": "America/New_York",
    }


def test_a_probe_tells_name_and_zone(web):
    web.feed.serve(
        calendar("X-WR-CALNAME:Waste\\, collected", "X-WR-TIMEZONE:W. Europe Standard Time")
    )
    said = probe(Http(clean=verbatim), web.url)
    assert (said.name, said.zone) == ("Waste, collected", "Europe/Berlin")


def test_a_large_feed_comes_in_pages(web):
    web.feed.serve(calendar(*(vevent(uid=f"u{n}", start=SOON) for n in range(1_201))))
    pages = list(opened(web).changes(""))
    assert [len(page.copies) for page in pages] == [500, 500, 201]
    assert [page.cursor is None for page in pages] == [True, True, False]


def test_an_empty_calendar_is_a_calendar(web):
    web.feed.serve(calendar())
    copies, cursor = listed(opened(web))
    assert copies == {}
    assert cursor


def test_nothing_is_ever_written_or_found_as_ours(web):
    web.feed.serve(TWO)
    provider = opened(web)
    write = Write(WriteKind.DELETE, "u1", "a1")
    (outcome,) = provider.write([write])
    assert outcome.refusal.remedy is Remedy.PARK
    assert list(provider.marked()) == []
    assert web.feed.asked == []
    assert provider.traits.conditional is False
    assert provider.name("a", "b") == provider.name("a", "b") != provider.name("ab")
    assert opened(web).shape == provider.shape != opened(web, past_days=1).shape
