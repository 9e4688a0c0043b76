"""Busy blocks in the calendars themselves: at the right time, silent, and never an echo."""

import json

from calendars.models import BusyRule
from calendars.services import change_busy_rule
from tests.e2e.local import sync_at_once
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import HOME, WORK, Event, People, at, day, starts

GUEST = "guest@example.org"


def settles(people: People) -> None:
    """Three further syncs change and write nothing."""
    last = people.last_request()
    assert [sync_at_once() for _ in range(3)] == [0, 0, 0]
    assert people.writes(after=last) == []


def test_two_calendars_that_block_each_other_never_echo(blocking: Lockstep, people: People) -> None:
    people.add(WORK, "Lunch")
    people.add_series(WORK, "Stand-up")
    people.add(HOME, "Yoga", **at(2, "18:00"))

    blocking.sync()

    assert people.titles(WORK) == ["Busy", "Lunch", "Stand-up"]
    assert people.titles(HOME) == ["Busy", "Busy", "Yoga"]
    settles(people)
    blocking.sync("--force-full")
    settles(people)


def test_a_block_tells_its_time_and_nothing_else(blocking: Lockstep, people: People) -> None:
    secret = "Talk about the merger"
    people.add(
        WORK,
        secret,
        description="Confidential agenda",
        location="Harbour office",
        attendees=[{"email": WORK, "responseStatus": "accepted"}, {"email": GUEST}],
        colorId="5",
        reminders={"useDefault": False, "overrides": [{"method": "email", "minutes": 30}]},
    )

    blocking.sync()

    (block,) = people.blocks(HOME)
    told = {"summary", "start", "end", "status", "visibility", "reminders", "extendedProperties"}
    named = {"kind", "etag", "id", "iCalUID", "htmlLink", "created", "updated", "sequence"}
    assert block.keys() <= told | named | {"creator", "organizer", "eventType"}
    assert block["summary"] == "Busy"
    assert block["reminders"] == {"useDefault": False}
    assert block["visibility"] == "private"
    for word in (secret, "Confidential", "Harbour", GUEST, WORK):
        assert word not in json.dumps(block)
    assert starts(block) == starts(people.events(WORK)[0])


def test_a_block_follows_its_event_and_goes_with_it(blocking: Lockstep, people: People) -> None:
    lunch = people.add(WORK, "Lunch")
    sync_at_once()
    people.edit(WORK, lunch, **at(4, "13:00", 30))

    sync_at_once()

    assert [starts(block) for block in people.blocks(HOME)] == [starts(at(4, "13:00"))]
    people.delete(WORK, lunch)
    blocking.sync()
    assert people.events(HOME) == []
    settles(people)


def shape(event: Event) -> tuple[object, ...]:
    """An occurrence's place in its series, and where it went."""
    slot = event["originalStartTime"]["dateTime"]
    return (slot, event["status"], starts(event) if event["status"] != "cancelled" else None)


def exceptions(people: People, calendar: str) -> list[tuple[object, ...]]:
    events = people.events(calendar)
    return sorted((shape(e) for e in events if "recurringEventId" in e), key=str)


def test_a_series_is_blocked_as_a_series_with_its_exceptions(
    blocking: Lockstep, people: People
) -> None:
    series = people.add_series(WORK, "Stand-up")
    people.edit(WORK, series, on=3, **at(3, "11:00"))
    people.delete(WORK, series, on=4)

    blocking.sync()

    master = next(block for block in people.blocks(HOME) if "recurrence" in block)
    assert master["recurrence"] == people.event(WORK, series)["recurrence"]
    assert exceptions(people, HOME) == exceptions(people, WORK)
    settles(people)


def test_occurrences_that_move_again_or_are_cancelled_later_take_their_blocks_along(
    blocking: Lockstep, people: People
) -> None:
    series = people.add_series(WORK, "Stand-up")
    people.edit(WORK, series, on=3, **at(3, "11:00"))
    sync_at_once()
    people.edit(WORK, series, on=3, **at(3, "16:00"))
    people.edit(WORK, series, on=5, **at(5, "08:00"))
    people.delete(WORK, series, on=4)

    sync_at_once()

    assert len(exceptions(people, HOME)) == 3
    assert exceptions(people, HOME) == exceptions(people, WORK)
    settles(people)
    people.delete(WORK, series, on=3)
    blocking.sync()
    assert exceptions(people, HOME) == exceptions(people, WORK)
    settles(people)


def test_a_series_that_is_deleted_takes_its_whole_block_along(
    blocking: Lockstep, people: People
) -> None:
    series = people.add_series(WORK, "Stand-up")
    people.edit(WORK, series, on=3, **at(3, "11:00"))
    sync_at_once()
    people.delete(WORK, series)

    blocking.sync()

    assert people.events(HOME) == []
    settles(people)


def test_whole_days_stay_whole_days(blocking: Lockstep, people: People) -> None:
    days = {"start": {"date": day(3)}, "end": {"date": day(5)}}
    people.add(WORK, "Conference", **days)

    blocking.sync()

    (block,) = people.blocks(HOME)
    assert {"start": block["start"], "end": block["end"]} == days
    settles(people)


def test_what_is_declined_makes_no_block_until_it_is_accepted(
    blocking: Lockstep, people: People
) -> None:
    BusyRule.objects.update(skip_invited=False)  # both are invited, and only the answer shall count
    meeting = people.add(WORK, "Kick-off", attendees=[{"email": WORK}, {"email": HOME}])
    people.sandbox.post(
        "events/respond", account=HOME, calendar=HOME, id=meeting, response="declined"
    )
    sync_at_once()
    assert people.blocks(WORK) == []

    people.sandbox.post(
        "events/respond", account=HOME, calendar=HOME, id=meeting, response="accepted"
    )
    blocking.sync()

    assert len(people.blocks(WORK)) == 1
    settles(people)


def test_a_block_that_a_person_edits_or_deletes_comes_back_as_it_was(
    blocking: Lockstep, people: People
) -> None:
    people.add(WORK, "Lunch")
    people.add(WORK, "Dinner", **at(1, "19:00"))
    sync_at_once()
    lunch, dinner = people.blocks(HOME)
    people.edit(HOME, lunch["id"], summary="Lunch with whom?", **at(1, "11:00"))
    people.delete(HOME, dinner["id"])

    blocking.sync()

    found = people.blocks(HOME)
    assert [starts(block) for block in found] == [starts(lunch), starts(dinner)]
    assert people.titles(HOME) == ["Busy", "Busy"]
    assert people.titles(WORK) == ["Dinner", "Lunch"]
    settles(people)


def test_a_persons_copy_of_a_block_is_an_event_of_theirs(
    blocking: Lockstep, people: People
) -> None:
    """Duplicating in Google's calendar copies private properties, and so our mark."""
    people.add(WORK, "Lunch")
    sync_at_once()
    (block,) = people.blocks(HOME)
    kept = {k: block[k] for k in ("extendedProperties", "reminders")}
    copy = people.add(HOME, "Busy", **at(6, "15:00"), **kept)
    people.secrets.discard("Busy")

    blocking.sync()

    assert people.titles(WORK) == ["Busy", "Lunch"]
    assert [starts(block) for block in people.blocks(WORK)] == [starts(at(6, "15:00"))]
    settles(people)
    blocking.run("reset_calendar", "--calendar-id", HOME, "--confirm")
    assert [event["id"] for event in people.events(HOME)] == [copy]


def test_a_changed_rule_rewrites_the_blocks_there_are(blocking: Lockstep, people: People) -> None:
    people.add(WORK, "Lunch", location="Harbour")
    people.add_series(WORK, "Stand-up")
    blocking.sync()
    before = [block["id"] for block in people.blocks(HOME)]
    rule = BusyRule.objects.get(target__remote_id=HOME)

    change_busy_rule(rule=rule, title_template="Taken", fields=["location"])
    planned = blocking.preview()
    done = blocking.sync()

    assert planned.changes == done.changes
    assert done.counts() == {"remote.update": 2}
    assert people.titles(HOME) == ["Taken", "Taken"]
    assert [block["id"] for block in people.blocks(HOME)] == before
    assert sorted(b.get("location", "") for b in people.blocks(HOME)) == ["", "Harbour"]
    settles(people)


def test_a_removed_rule_takes_its_blocks_along_and_no_other(
    blocking: Lockstep, people: People
) -> None:
    for number in range(8):
        people.add(WORK, f"Meeting {number}")
    people.add(HOME, "Yoga", **at(2, "18:00"))
    blocking.sync()
    rule = BusyRule.objects.get(target__remote_id=HOME)

    blocking.run("busy_rule", "remove", str(rule.pk), "--yes")
    blocking.sync(code=0)

    assert people.titles(HOME) == ["Yoga"]
    assert people.titles(WORK).count("Busy") == 1
    settles(people)


def test_nobody_is_invited_and_nobody_gets_mail(blocking: Lockstep, people: People) -> None:
    guests = [{"email": WORK, "responseStatus": "accepted"}, {"email": GUEST}]
    lunch = people.add(WORK, "Lunch", attendees=guests)
    sync_at_once()
    people.edit(WORK, lunch, **at(2, "12:00"))
    sync_at_once()
    people.delete(WORK, lunch)
    blocking.sync()

    writes = [r for r in people.requests() if r["method"] != "GET"]
    assert len(writes) == 3
    assert {r["query"]["sendUpdates"] for r in writes} == {"none"}
    assert people.mails() == 0


def test_events_at_one_time_have_a_block_each(blocking: Lockstep, people: People) -> None:
    for number in range(3):
        people.add(WORK, f"Meeting {number}")

    blocking.sync()

    assert people.titles(HOME) == ["Busy"] * 3
    settles(people)
