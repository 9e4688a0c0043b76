"""What each access role sees and may do."""

import pytest

from tests.integrations.sandbox.caller import HOME, WORK, Caller, timed, whole

THEIRS = f"calendars/{WORK}/events"


@pytest.fixture
def shared(work, home):
    """Return a function that gives home a role on work's calendar and returns home's caller."""
    work.ok("POST", THEIRS, timed("2026-12-01T09:00", "2026-12-01T10:00", id="plain",
                                  summary="Plain", location="Here"))  # fmt: skip
    work.ok("POST", THEIRS, whole("2026-12-02", "2026-12-03", id="secret", summary="Secret",
                                  visibility="private", description="Hidden"))  # fmt: skip
    work.ok("POST", THEIRS, timed("2026-12-03T09:00", "2026-12-03T10:00", id="series",
                                  recurrence=["RRULE:FREQ=DAILY;COUNT=3"]))  # fmt: skip

    def give(role: str) -> Caller:
        rule = {"scope": {"type": "user", "value": HOME}, "role": role}
        work.ok("POST", f"calendars/{WORK}/acl", rule)
        return home

    return give


def test_without_a_role_there_is_nothing(shared, home):
    assert home.refused("GET", THEIRS) == (404, "notFound")
    assert home.refused("GET", f"calendars/{WORK}") == (404, "notFound")


def test_a_free_busy_reader_gets_stripped_and_expanded_events(shared):
    home = shared("freeBusyReader")
    page = home.ok("GET", THEIRS)
    assert page["accessRole"] == "freeBusyReader"
    assert len(page["items"]) == 5
    for event in page["items"]:
        assert not {"summary", "location", "description", "attendees"} & event.keys()
    assert home.refused("POST", THEIRS, whole("2026-12-01", "2026-12-02"))[0] == 403


def test_a_reader_sees_details_but_of_private_events_only_the_time(shared):
    home = shared("reader")
    events = home.events(WORK)
    assert events["plain"]["summary"] == "Plain"
    assert not {"summary", "description"} & events["secret"].keys()
    assert events["secret"]["start"] == {"date": "2026-12-02"}
    assert set(events) == {"plain", "secret", "series"}


def test_a_reader_may_not_write_and_a_writer_may(shared):
    home = shared("reader")
    new = whole("2026-12-01", "2026-12-02")
    assert home.refused("POST", THEIRS, new) == (403, "requiredAccessLevel")
    assert home.refused("DELETE", f"{THEIRS}/plain") == (403, "requiredAccessLevel")
    shared("writer")
    home.ok("POST", THEIRS, new)
    assert home.events(WORK)["secret"]["summary"] == "Secret"
    home.ok("PATCH", f"{THEIRS}/plain", {"summary": "Edited"})


def test_a_writer_without_private_access_writes_all_but_private_events(shared):
    home = shared("writerWithoutPrivateAccess")
    assert "summary" not in home.events(WORK)["secret"]
    home.ok("PATCH", f"{THEIRS}/plain", {"summary": "Edited"})
    refused = home.refused("PATCH", f"{THEIRS}/secret", {"summary": "Edited"})
    assert refused == (403, "forbidden")


def test_only_owners_share_and_rename(shared):
    home = shared("writer")
    rule = {"scope": {"type": "default"}, "role": "reader"}
    assert home.refused("POST", f"calendars/{WORK}/acl", rule)[0] == 403
    assert home.refused("PATCH", f"calendars/{WORK}", {"summary": "Mine"})[0] == 403
    assert home.ok("GET", f"calendars/{WORK}/acl")["items"]
    shared("owner")
    home.ok("PATCH", f"calendars/{WORK}", {"summary": "Ours"})


def test_sharing_puts_the_calendar_on_the_other_list(shared):
    home = shared("reader")
    roles = {e["id"]: e["accessRole"] for e in home.ok("GET", "users/me/calendarList")["items"]}
    assert roles == {HOME: "owner", WORK: "reader"}


def test_free_busy_merges_and_leaves_out_what_is_free(shared, work):
    free = timed("2026-12-05T09:00", "2026-12-05T10:00", transparency="transparent")
    work.ok("POST", THEIRS, free)
    work.ok("POST", THEIRS, timed("2026-12-01T09:30", "2026-12-01T11:00"))
    home = shared("freeBusyReader")
    body = {"timeMin": "2026-12-01T00:00:00Z", "timeMax": "2026-12-03T00:00:00Z"}
    names = [{"id": WORK}, {"id": "nobody@example.com"}]
    answer = home.ok("POST", "freeBusy", body | {"items": names})["calendars"]
    assert answer[WORK]["busy"] == [
        {"start": "2026-12-01T08:00:00Z", "end": "2026-12-01T10:00:00Z"},
        {"start": "2026-12-01T23:00:00Z", "end": "2026-12-02T23:00:00Z"},
    ]
    assert answer["nobody@example.com"]["errors"][0]["reason"] == "notFound"


def test_a_new_zone_of_the_calendar_is_the_zone_events_are_shown_in(work):
    work.ok("POST", THEIRS, timed("2026-12-01T09:00", "2026-12-01T10:00", id="abcde"))
    etag = work.events()["abcde"]["etag"]
    work.ok("PATCH", f"calendars/{WORK}", {"timeZone": "Asia/Tokyo"})
    event = work.events()["abcde"]
    assert event["start"]["dateTime"] == "2026-12-01T17:00:00+09:00"
    assert event["etag"] == etag
