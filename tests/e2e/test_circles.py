"""A calendar at Google and one on a CalDAV server hold the same events, as the documentation says.

The circle is that of HOME and the family's calendar.
"""

from typing import Any

import pytest

from tests.e2e.dav import FAMILY, Family, events_of
from tests.e2e.local import fingerprint, sync_at_once
from tests.e2e.lockstep import Lockstep, Reports
from tests.e2e.people import HOME, People, at
from tests.machine.sides import GoogleSide, Shown

GUEST = "guest@example.org"


def look_then_act(lockstep: Lockstep, people: People, family: Family) -> Reports:
    """Look and act; the two must agree, and the look must leave no trace on any side."""
    before, written, last = fingerprint(), family.gate.writes(), people.last_request()
    planned = lockstep.preview()
    assert (fingerprint(), family.gate.writes()) == (before, written)
    assert people.writes(after=last) == []
    done = lockstep.sync()
    assert done.changes == planned.changes
    return done


def at_google(people: People) -> Shown:
    """Everything that takes place in HOME, occurrence by occurrence."""
    return events_of(GoogleSide(people.sandbox, HOME))


def same_events(people: People, family: Family, number: int) -> None:
    """Both calendars show the same, so many occurrences, and three further syncs do nothing."""
    here, there = at_google(people), events_of(family)
    assert here == there, (here - there, there - here)
    assert here.total() == number
    quiet(people, family)


def quiet(people: People, family: Family) -> None:
    """Three further syncs change and write nothing."""
    written, last = family.gate.writes(), people.last_request()
    assert [sync_at_once() for _ in range(3)] == [0, 0, 0]
    assert (family.gate.writes(), people.writes(after=last)) == (written, [])


def linked(reports: Reports) -> int:
    """How many changes say that an event is linked with what is there."""
    return sum(action == "link" for _, _, action, _, _ in reports.changes)


def test_everything_travels_both_ways_with_commands_alone(
    both: Lockstep, people: People, family: Family
) -> None:
    yoga = people.add_series(HOME, "Yoga")
    people.edit(HOME, yoga, on=3, **at(3, "11:00"))
    people.delete(HOME, yoga, on=4)
    people.add(
        HOME,
        "Conference",
        start={"date": at(3, "09:00")["start"]["dateTime"][:10]},
        end={"date": at(5, "09:00")["start"]["dateTime"][:10]},
    )
    school = family.add("School", "Room 2", day=2, hour=8, repeats=True)
    family.change_occurrence(school, 2, "School trip", "Museum")
    family.cancel_occurrence(school, 4)
    family.add("Swimming", "Pool")
    both.run("circle", "add", "Home", "--collections", HOME, FAMILY)
    assert FAMILY.strip("/").rpartition("/")[2] in both.run("circle", "list").out

    look_then_act(both, people, family)

    same_events(people, family, 5 + 1 + 5 + 1)


def test_edits_and_occurrences_travel_from_either_side(
    circle: Lockstep, people: People, family: Family
) -> None:
    yoga = people.add_series(HOME, "Yoga")
    lunch = people.add(HOME, "Lunch")
    school = family.add("School", day=2, hour=9, repeats=True)
    family.add("Swimming", "Pool", hour=17)
    sync_at_once()
    same_events(people, family, 6 + 1 + 6 + 1)
    family.edit(family.find("Lunch"), location="Harbour")
    family.change_occurrence(family.find("Yoga"), 1, "Yoga in the park", "Park")
    family.cancel_occurrence(family.find("Yoga"), 3)
    theirs = GoogleSide(people.sandbox, HOME)
    copies = {seen.title: seen for seen in theirs.seen()}
    theirs.shift(copies["Swimming"], day=3, hour=19)
    theirs.change_occurrence(copies["School"], 2, "School trip", "Museum")
    theirs.cancel_occurrence(copies["School"], 5)

    look_then_act(circle, people, family)

    assert people.event(HOME, lunch)["location"] == "Harbour"
    assert "Yoga in the park" in people.titles(HOME)
    same_events(people, family, 5 + 1 + 5 + 1)
    # The same occurrences once more, each from its own home.
    people.edit(HOME, yoga, on=3, **at(3, "20:00"))
    family.shift(family.find("School trip"), day=4, hour=15)
    family.cancel_occurrence(school, 0)
    sync_at_once()
    same_events(people, family, 5 + 1 + 4 + 1)


def test_deletions_travel_both_ways_and_many_at_once_are_held(
    circle: Lockstep, people: People, family: Family
) -> None:
    names = [people.add(HOME, f"Lesson {number}", **at(number, "10:00")) for number in range(8)]
    family.add("Swimming")
    family.add("Parcel", hour=17)
    sync_at_once()
    family.delete(family.find("Lesson 0"))
    swimming = next(e["id"] for e in people.events(HOME) if e["summary"] == "Swimming")
    people.delete(HOME, swimming)
    assert look_then_act(circle, people, family).counts() == {"local.delete": 2, "remote.delete": 2}
    same_events(people, family, 8)

    for name in names[1:]:
        people.delete(HOME, name)
    circle.sync(code=3)

    assert len(family.titles()) == 8
    circle.sync("--allow-mass-delete")
    assert family.titles() == people.titles(HOME) == ["Parcel"]
    quiet(people, family)


@pytest.mark.parametrize("same", ["the UID", "time and title"])
def test_what_both_have_already_is_linked_and_not_doubled(
    both: Lockstep, people: People, family: Family, same: str
) -> None:
    own: dict[str, Any] = {"iCalUID": "planning@example.org"} if same == "the UID" else {}
    start = at(1, "10:00")["start"]["dateTime"].replace("-", "").replace(":", "")
    people.add(HOME, "Planning", **own, location="Harbour")
    uid = own.get("iCalUID", "somebody-else@example.org")
    family.put(
        uid,
        "SUMMARY:Planning",
        f"DTSTART;TZID=Europe/Berlin:{start}",
        "DURATION:PT1H",
    )
    sync_at_once()
    both.run("circle", "add", "Home", "--collections", HOME, FAMILY)

    done = look_then_act(both, people, family)

    assert linked(done) == 1, done.changes
    assert done.counts().get("remote.create", 0) == 0
    assert len(people.titles(HOME)) == len(family.titles()) == 1
    assert "Harbour" in "".join(family.texts().values())
    quiet(people, family)


def test_awkward_words_arrive_as_they_are(circle: Lockstep, people: People, family: Family) -> None:
    title = "Lunch; with cheese, \\n and “more” 🧀 " + "très long " * 12
    place = 'Café "Zur Post", 2nd floor; left\\right'
    people.add(HOME, title.strip(), location=place, description="one\ntwo\n\nthree; four, five")
    family.add(f"{title}too", place, hour=17)

    look_then_act(circle, people, family)

    same_events(people, family, 2)
    copy = next(text for text in family.texts().values() if "DESCRIPTION" in text)
    assert "DESCRIPTION:one\\ntwo\\n\\nthree\\; four\\, five" in copy
    event = next(e for e in people.events(HOME) if e["summary"].endswith("too"))
    assert (event["summary"], event["location"]) == (f"{title}too", place)


def test_guests_stay_where_they_are_and_nobody_is_mailed(
    circle: Lockstep, people: People, family: Family
) -> None:
    """That nobody is mailed is asserted after every test."""
    guests = [{"email": HOME, "responseStatus": "accepted"}, {"email": GUEST}]
    kick_off = people.add(HOME, "Kick-off", attendees=guests)
    family.put("party", "SUMMARY:Party", f"ORGANIZER:mailto:{GUEST}", f"ATTENDEE:mailto:{GUEST}")
    sync_at_once()

    copy = next(text for text in family.texts().values() if "Kick-off" in text)
    assert "ATTENDEE" not in copy
    assert "ORGANIZER" not in copy
    party = next(e for e in people.events(HOME) if e["summary"] == "Party")
    assert not party.get("attendees")
    family.edit(family.find("Kick-off"), title="Kick-off, again")
    sync_at_once()

    assert [g["email"] for g in people.event(HOME, kick_off)["attendees"]] == [HOME, GUEST]
    assert f"ATTENDEE:mailto:{GUEST}" in family.texts()["party.ics"]
    quiet(people, family)


def test_who_leaves_loses_nothing_and_who_returns_doubles_nothing(
    circle: Lockstep, people: People, family: Family
) -> None:
    lunch = people.add(HOME, "Lunch")
    people.add_series(HOME, "Yoga")
    family.add("Swimming", hour=17)
    sync_at_once()

    circle.run("circle", "leave", FAMILY)
    sync_at_once()

    assert family.titles() == people.titles(HOME) == ["Lunch", "Swimming", "Yoga"]
    quiet(people, family)
    people.edit(HOME, lunch, location="Harbour")
    family.add("Only here", day=3)
    sync_at_once()
    assert "Harbour" not in "".join(family.texts().values())
    assert "Only here" not in people.titles(HOME)

    circle.run("circle", "add", "Home", "--collections", FAMILY)
    done = look_then_act(circle, people, family)

    assert linked(done) == 3, done.changes
    same_events(people, family, 1 + 6 + 1 + 1)


def test_an_account_that_was_at_rest_catches_up_and_doubles_nothing(
    circle: Lockstep, people: People, family: Family
) -> None:
    lunch = people.add(HOME, "Lunch")
    yoga = people.add_series(HOME, "Yoga")
    family.add("Swimming", hour=17)
    sync_at_once()
    circle.run("disconnect_account", "home@127.0.0.1", "--blocks", "all", "--yes")
    people.edit(HOME, lunch, location="Harbour")
    people.edit(HOME, yoga, on=3, **at(3, "11:00"))
    people.add(HOME, "Dinner", **at(1, "19:00"))
    family.edit(family.find("Swimming"), location="Lake")
    family.cancel_occurrence(family.find("Yoga"), 4)
    sync_at_once()
    assert "Dinner" not in family.titles()

    family.connect(circle)
    assert "takes no part; select it" in circle.run("circle", "list").out
    circle.run("list_calendars", "--account-id", "home@127.0.0.1", "--select", FAMILY)
    look_then_act(circle, people, family)

    same_events(people, family, 1 + 5 + 1 + 1)


def test_an_account_that_is_removed_leaves_the_others_what_was_shared(
    circle: Lockstep, people: People, family: Family
) -> None:
    people.add(HOME, "Lunch")
    family.add("Swimming", hour=17)
    sync_at_once()

    account = "home@127.0.0.1"
    options = ("--blocks", "all", "--data", "delete", "--yes")
    circle.run("disconnect_account", account, *options)
    sync_at_once()

    assert family.titles() == people.titles(HOME) == ["Lunch", "Swimming"]
    swimming = next(e["id"] for e in people.events(HOME) if e["summary"] == "Swimming")
    people.edit(HOME, swimming, location="Lake")
    sync_at_once()
    assert "Lake" not in "".join(family.texts().values())
