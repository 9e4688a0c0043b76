"""Invitations between accounts: guests' copies, answers, and mails that would have been sent."""

import pytest

from tests.integrations.sandbox.caller import HOME, WORK, timed

EVENTS = "calendars/primary/events"
MEETING = timed("2026-12-01T09:00", "2026-12-01T10:00", id="abcde", summary="Meeting",
                attendees=[{"email": WORK, "responseStatus": "accepted"}, {"email": HOME},
                           {"email": "guest@example.org"}])  # fmt: skip


@pytest.fixture
def invited(work, home):
    work.ok("POST", EVENTS, MEETING | {"colorId": "4", "location": "Here"})
    return work, home


def response_of(event: dict, email: str) -> str:
    return next(a["responseStatus"] for a in event["attendees"] if a["email"] == email)


def test_an_invitation_shows_in_the_guests_calendar_with_the_same_identity(invited):
    work, home = invited
    own, copy = work.events()["abcde"], home.events()["abcde"]
    assert copy["iCalUID"] == own["iCalUID"]
    assert copy["organizer"] == {"email": WORK}
    assert [a["email"] for a in copy["attendees"] if a.get("self")] == [HOME]
    assert [a["email"] for a in own["attendees"] if a.get("self")] == [WORK]
    assert "colorId" not in copy
    assert copy["location"] == "Here"


def test_an_answer_flows_back_to_the_organizer(invited):
    work, home = invited
    token = work.sync_token()
    attendees = [{"email": HOME, "responseStatus": "accepted"}]
    answered = home.ok("PATCH", f"{EVENTS}/abcde", {"attendees": attendees})
    assert len(answered["attendees"]) == 3
    assert response_of(work.delta(token)["abcde"], HOME) == "accepted"


def test_the_organizers_changes_reach_the_guest_and_not_the_guests_own_fields(invited):
    work, home = invited
    own = {"colorId": "7", "reminders": {"useDefault": False}, "transparency": "transparent"}
    home.ok("PATCH", f"{EVENTS}/abcde", own)
    work.ok("PATCH", f"{EVENTS}/abcde", {"summary": "Renamed"})
    copy = home.events()["abcde"]
    assert copy["summary"] == "Renamed"
    assert {name: copy[name] for name in own} == own


def test_a_guests_edit_stays_local_until_the_organizer_writes(invited):
    work, home = invited
    home.ok("PATCH", f"{EVENTS}/abcde", {"summary": "My words"})
    assert work.events()["abcde"]["summary"] == "Meeting"
    work.ok("PATCH", f"{EVENTS}/abcde", {"location": "There"})
    assert home.events()["abcde"]["summary"] == "Meeting"


def test_a_guests_edit_may_be_refused_instead(invited, sandbox):
    _, home = invited
    sandbox.post("options", attendee_edits="refuse")
    refused = home.refused("PATCH", f"{EVENTS}/abcde", {"summary": "My words"})
    assert refused == (403, "forbiddenForNonOrganizer")
    home.ok("PATCH", f"{EVENTS}/abcde", {"colorId": "2"})


def test_organizer_only_properties_are_refused_also_when_an_update_omits_them(work, home):
    work.ok("POST", EVENTS, MEETING | {"guestsCanSeeOtherGuests": False})
    refused = (403, "forbiddenForNonOrganizer")
    assert home.refused("PATCH", f"{EVENTS}/abcde", {"guestsCanModify": True}) == refused
    assert home.refused("PUT", f"{EVENTS}/abcde", MEETING) == refused


def test_a_guest_who_may_modify_changes_it_for_all(work, home):
    work.ok("POST", EVENTS, MEETING | {"guestsCanModify": True})
    home.ok("PATCH", f"{EVENTS}/abcde", {"summary": "Better title"})
    assert work.events()["abcde"]["summary"] == "Better title"
    assert work.events()["abcde"]["organizer"]["self"] is True


def test_deleting_ones_copy_declines_and_the_organizers_deletion_cancels(invited):
    work, home = invited
    home.ok("DELETE", f"{EVENTS}/abcde")
    assert response_of(work.events()["abcde"], HOME) == "declined"
    work.ok("PATCH", f"{EVENTS}/abcde", {"summary": "Renamed"})
    assert home.events() == {}
    work.ok("DELETE", f"{EVENTS}/abcde")
    assert work.events() == {}


def test_an_uninvited_guest_loses_the_event(invited):
    work, home = invited
    work.ok("PATCH", f"{EVENTS}/abcde", {"attendees": [{"email": WORK}]})
    assert home.events() == {}


def test_an_occurrence_changed_by_the_organizer_changes_for_the_guest(work, home):
    work.ok("POST", EVENTS, MEETING | {"recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]})
    work.ok("PATCH", f"{EVENTS}/abcde_20261202T080000Z", {"summary": "Other"})
    work.ok("DELETE", f"{EVENTS}/abcde_20261203T080000Z")
    copies = home.events()
    assert copies["abcde_20261202T080000Z"]["summary"] == "Other"
    assert copies["abcde_20261203T080000Z"]["status"] == "cancelled"


def test_an_answer_to_one_occurrence_reaches_the_organizer(work, home):
    work.ok("POST", EVENTS, MEETING | {"recurrence": ["RRULE:FREQ=DAILY;COUNT=3"]})
    second, third = "abcde_20261202T080000Z", "abcde_20261203T080000Z"
    attendees = [{"email": HOME, "responseStatus": "tentative"}]
    home.ok("PATCH", f"{EVENTS}/{second}", {"attendees": attendees})
    home.ok("DELETE", f"{EVENTS}/{third}")
    events = work.events()
    assert response_of(events[second], HOME) == "tentative"
    assert response_of(events[third], HOME) == "declined"
    assert response_of(events["abcde"], HOME) == "needsAction"
    assert events[third]["status"] == "confirmed"


def test_of_an_import_nobody_hears(work, home, sandbox):
    event = {k: v for k, v in MEETING.items() if k != "id"} | {"iCalUID": "x@example.org"}
    for title in ("One", "Two"):
        work.ok("POST", f"{EVENTS}/import", event | {"summary": title}, sendUpdates="all")
    assert home.events() == {}
    assert sandbox.get("journal")["mails"] == 0


def test_the_journal_counts_the_mails_that_would_have_been_sent(work, sandbox):
    work.ok("POST", EVENTS, MEETING, sendUpdates="none")
    work.ok("PATCH", f"{EVENTS}/abcde", {"summary": "1"})
    assert sandbox.get("journal")["mails"] == 0
    work.ok("PATCH", f"{EVENTS}/abcde", {"summary": "2"}, sendUpdates="all")
    assert sandbox.journal()[-1]["mails"] == 2
    work.ok("PATCH", f"{EVENTS}/abcde", {"summary": "3"}, sendUpdates="externalOnly")
    assert sandbox.journal()[-1]["mails"] == 1
    work.ok("DELETE", f"{EVENTS}/abcde", sendNotifications=True)
    assert sandbox.get("journal")["mails"] == 5
    assert work.refused("DELETE", f"{EVENTS}/abcde", sendUpdates="some")[0] >= 400


def test_many_attendees_are_omitted_on_request(invited):
    work, _ = invited
    event = work.events(maxAttendees=1)["abcde"]
    assert event["attendeesOmitted"] is True
    assert [a["email"] for a in event["attendees"]] == [WORK]
