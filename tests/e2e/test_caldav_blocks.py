"""Busy blocks between Google and a CalDAV server: at the right time, and telling nothing."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from calendars.models import BusyRule
from calendars.services import add_busy_rule
from tests.e2e.dav import FAMILY, HTML, USER, Family, block_hours
from tests.e2e.local import collection, fingerprint, sync_at_once
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import WORK, People, at, day, starts
from tests.machine.sides import GoogleSide

GUEST = "guest@example.org"
NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
WEEKS = 5
# Berlin's clock as an Outlook of some age describes it, under a name of its own.
OWN_ZONE = """BEGIN:VTIMEZONE
TZID:The office
BEGIN:STANDARD
DTSTART:16010101T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
"""


@pytest.fixture
def to_family(both: Lockstep) -> Lockstep:
    """WORK blocks the family's calendar."""
    add_busy_rule(source=collection(WORK), target=collection(FAMILY))
    return both


@pytest.fixture
def to_work(both: Lockstep) -> Lockstep:
    """The family's calendar blocks WORK."""
    add_busy_rule(source=collection(FAMILY), target=collection(WORK))
    return both


def rule() -> BusyRule:
    return BusyRule.objects.get()


def settles(people: People, family: Family) -> None:
    """Two further syncs change and write nothing."""
    written, last = family.gate.writes(), people.last_request()
    assert [sync_at_once() for _ in range(2)] == [0, 0]
    assert (family.gate.writes(), people.writes(after=last)) == (written, [])


def before_the_next_change(zone: str) -> datetime:
    """A noon of a zone's clock, twelve days before its clock is changed next."""
    noon = datetime.now(ZoneInfo(zone)).replace(hour=12, minute=0, second=0, microsecond=0)
    days = (noon + timedelta(days=number) for number in range(30, 400))
    return next(at for at in days if at.utcoffset() != (at + timedelta(days=12)).utcoffset())


def hours_of(first: datetime) -> Counter[str]:
    """Half an hour each week on a zone's clock, in UTC."""
    return half_hours(first + timedelta(weeks=number) for number in range(WEEKS))


def half_hours(starts: Iterable[datetime]) -> Counter[str]:
    """Half an hour from each of these, in UTC."""
    utc = [start.astimezone(UTC) for start in starts]
    return Counter(f"{s:%Y-%m-%dT%H:%M}/{s + timedelta(minutes=30):%H:%M}" for s in utc)


def span(first: datetime) -> tuple[datetime, datetime]:
    return first - timedelta(days=20), first + timedelta(days=80)


@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN])
def test_a_series_at_google_is_blocked_at_its_hours_when_clocks_change(
    to_family: Lockstep, people: People, family: Family, zone: str
) -> None:
    first = before_the_next_change(zone)
    end = first + timedelta(minutes=30)
    people.add(
        WORK,
        "Planning",
        start={"dateTime": first.replace(tzinfo=None).isoformat(), "timeZone": zone},
        end={"dateTime": end.replace(tzinfo=None).isoformat(), "timeZone": zone},
        recurrence=[f"RRULE:FREQ=WEEKLY;COUNT={WEEKS}"],
    )

    sync_at_once()

    wanted = hours_of(first)
    assert len({hours[11:] for hours in wanted}) == 2  # both offsets are met
    assert block_hours(family.calendar(), *span(first)) == wanted
    settles(people, family)


@pytest.mark.parametrize("zone", [NEW_YORK, BERLIN, "The office"])
def test_a_series_on_the_server_is_blocked_at_its_hours_when_clocks_change(
    to_work: Lockstep, people: People, family: Family, zone: str
) -> None:
    own = zone == "The office"
    first = before_the_next_change(BERLIN if own else zone)
    family.put(
        "planning",
        "SUMMARY:Planning",
        f"DTSTART;TZID={zone}:{first:%Y%m%dT%H%M%S}",
        "DURATION:PT30M",
        f"RRULE:FREQ=WEEKLY;COUNT={WEEKS}",
    )
    if own:
        definition = OWN_ZONE.replace("\n", "\r\n")
        family.rewrite("planning.ics", "BEGIN:VEVENT", f"{definition}BEGIN:VEVENT")

    sync_at_once()

    google = GoogleSide(people.sandbox, WORK)
    assert block_hours(google.calendar(), *span(first)) == hours_of(first)
    settles(people, family)


def test_a_change_of_all_later_occurrences_moves_their_blocks_until_it_is_taken_back(
    to_work: Lockstep, people: People, family: Family
) -> None:
    first = before_the_next_change(BERLIN)
    family.put(
        "planning",
        "SUMMARY:Planning",
        f"DTSTART;TZID={BERLIN}:{first:%Y%m%dT%H%M%S}",
        "DURATION:PT30M",
        f"RRULE:FREQ=WEEKLY;COUNT={WEEKS}",
    )
    sync_at_once()
    before = family.texts()["planning.ics"]
    google = GoogleSide(people.sandbox, WORK)

    second = first + timedelta(weeks=1)
    change = f"""BEGIN:VEVENT
UID:planning
DTSTAMP:20260101T000000Z
RECURRENCE-ID;RANGE=THISANDFUTURE;TZID={BERLIN}:{second:%Y%m%dT%H%M%S}
DTSTART;TZID={BERLIN}:{second + timedelta(hours=2):%Y%m%dT%H%M%S}
DURATION:PT30M
SUMMARY:Planning after lunch
END:VEVENT
END:VCALENDAR""".replace("\n", "\r\n")
    family.rewrite("planning.ics", "END:VCALENDAR", change)
    sync_at_once()

    moved = [first, *(first + timedelta(weeks=n, hours=2) for n in range(1, WEEKS))]
    assert block_hours(google.calendar(), *span(first)) == half_hours(moved)
    settles(people, family)

    family.radicale.put(USER, f"{FAMILY}planning.ics", before.encode())
    sync_at_once()

    assert block_hours(google.calendar(), *span(first)) == hours_of(first)
    settles(people, family)


def test_blocks_follow_moved_and_cancelled_occurrences_in_both_directions(
    both: Lockstep, people: People, family: Family
) -> None:
    """Two calendars of two services block each other, and never echo."""
    add_busy_rule(source=collection(WORK), target=collection(FAMILY))
    add_busy_rule(source=collection(FAMILY), target=collection(WORK))
    stand_up = people.add_series(WORK, "Stand-up")
    school = family.add("School", day=2, hour=14, repeats=True)
    sync_at_once()
    people.edit(WORK, stand_up, on=3, **at(3, "11:00"))
    people.delete(WORK, stand_up, on=4)
    family.change_occurrence(school, 1, "School trip", "Museum")
    family.cancel_occurrence(school, 2)

    sync_at_once()

    now = datetime.now(UTC)
    until = (now - timedelta(days=1), now + timedelta(days=20))
    daily = [f"{day(number)}T09:00" for number in (2, 5, 6, 7)] + [f"{day(3)}T11:00"]
    assert block_hours(family.calendar(), *until) == berlin(daily)
    trips = [f"{day(number)}T14:00" for number in (2, 5, 6, 7)] + [f"{day(3)}T16:00"]
    google = GoogleSide(people.sandbox, WORK)
    assert block_hours(google.calendar(), *until) == berlin(trips)
    settles(people, family)


def berlin(hours: list[str]) -> Counter[str]:
    """An hour from each of these on Berlin's clock, in UTC."""
    moments = [datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)) for text in hours]
    utc = [moment.astimezone(UTC) for moment in moments]
    return Counter(f"{s:%Y-%m-%dT%H:%M}/{s + timedelta(hours=1):%H:%M}" for s in utc)


def test_a_block_on_the_server_tells_its_time_and_nothing_else(
    to_family: Lockstep, people: People, family: Family
) -> None:
    people.add(
        WORK,
        "Talk about the merger",
        description="Confidential agenda",
        location="Harbour office",
        attendees=[{"email": WORK, "responseStatus": "accepted"}, {"email": GUEST}],
        colorId="5",
        reminders={"useDefault": False, "overrides": [{"method": "email", "minutes": 30}]},
    )

    sync_at_once()

    (block,) = family.blocks()
    told = {"UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "CLASS", "STATUS", "TRANSP"}
    noted = {"CREATED", "LAST-MODIFIED", "SEQUENCE", "X-LOCKSTEP-MARK"}
    assert set(block) <= told | noted, set(block)
    assert block["CLASS"] == "PRIVATE"
    assert block.subcomponents == []
    (text,) = family.texts().values()
    for word in ("merger", "Confidential", "Harbour", GUEST, WORK, "VALARM"):
        assert word not in text
    assert block.start.astimezone(UTC) == starts(people.events(WORK)[0])


def test_a_block_at_google_tells_nothing_of_an_event_on_the_server(
    to_work: Lockstep, people: People, family: Family
) -> None:
    family.put(
        "secret",
        "SUMMARY:Talk about the merger",
        "DESCRIPTION:Confidential agenda",
        "LOCATION:Harbour office",
        f"ATTENDEE;CN=A guest:mailto:{GUEST}",
        "CATEGORIES:Acquisitions",
        "X-PHONE-NOTE:lawyers",
    )

    sync_at_once()

    (block,) = people.blocks(WORK)
    assert (block["summary"], block["visibility"]) == ("Busy", "private")
    for word in ("merger", "Confidential", "Harbour", GUEST, "Acquisitions", "lawyers"):
        assert word not in json.dumps(block)


@pytest.mark.parametrize("removal", ["keep", "future", "all"])
def test_a_rule_that_goes_leaves_what_was_asked_for(
    to_family: Lockstep, people: People, family: Family, removal: str
) -> None:
    people.add(WORK, "Breakfast", **at(-2, "08:00"))
    people.add(WORK, "Lunch")
    family.add("Swimming", hour=17)
    sync_at_once()

    to_family.run("busy_rule", "remove", str(rule().pk), "--yes", "--blocks", removal)
    sync_at_once()

    left = {"keep": [at(-2, "08:00"), at(1, "10:00")], "future": [at(-2, "08:00")], "all": []}
    found = [block.start.astimezone(UTC) for block in family.blocks()]
    assert found == [starts(event) for event in left[removal]]
    assert "Swimming" in family.titles()
    settles(people, family)


def test_a_preview_shows_the_blocks_and_writes_nothing(
    both: Lockstep, people: People, family: Family
) -> None:
    people.add(WORK, "Lunch")
    family.add("Swimming")
    sync_at_once()
    before, asked, last = fingerprint(), len(family.gate.passed), people.last_request()
    ends = ("--source", WORK, "--target", FAMILY)

    seen = json.loads(both.run("busy_rule", "preview", *ends, "--json").out)

    assert [line["what"] for line in seen["lines"]] == ["new"]
    assert "Lunch" not in both.run("busy_rule", "preview", *ends).out
    assert fingerprint() == before
    assert (len(family.gate.passed), people.last_request()) == (asked, last)


def test_the_audit_finds_a_word_that_leaked_onto_the_server(
    to_family: Lockstep, people: People, family: Family
) -> None:
    people.add(WORK, "Merger talks", location="Harbour office")
    to_family.sync()
    assert "nothing leaked" in to_family.run("audit_privacy").out
    (name,) = family.texts()
    family.rewrite(name, "SUMMARY:Busy", "SUMMARY:Busy\r\nDESCRIPTION:about the harbour")

    said = to_family.run("audit_privacy", "--json", code=1)

    (found,) = [one for c in json.loads(said.out)["calendars"] for one in c["findings"]]
    assert (found["field"], found["from"], found["ours"]) == ("description", "location", False)
    assert "harbour" not in said.out.casefold()
    to_family.sync()
    assert "harbour" not in family.texts()[name]
    to_family.run("audit_privacy")


def test_what_the_audit_cannot_read_it_does_not_call_clean(
    to_family: Lockstep, people: People, family: Family
) -> None:
    people.add(WORK, "Merger talks")
    sync_at_once()
    family.gate.instead = lambda request: HTML

    said = to_family.run("audit_privacy", "--json", code=1)

    document = json.loads(said.out)
    assert (document["clean"], document["calendars"][0]["findings"]) == (False, [])
    assert document["calendars"][0]["error"]


def test_what_people_do_to_blocks_on_the_server_is_taken_back(
    to_family: Lockstep, people: People, family: Family
) -> None:
    people.add(WORK, "Lunch")
    people.add(WORK, "Dinner", **at(1, "19:00"))
    sync_at_once()
    lunch, dinner = sorted(family.texts(), key=lambda name: _starts(family, name))
    family.rewrite(lunch, "SUMMARY:Busy", "SUMMARY:Lunch with whom?")
    family.radicale.delete("home", FAMILY + dinner)

    sync_at_once()

    found = [block.start.astimezone(UTC) for block in family.blocks()]
    assert found == [starts(at(1, "10:00")), starts(at(1, "19:00"))]
    assert family.titles() == ["Busy", "Busy"]
    settles(people, family)


def _starts(family: Family, name: str) -> str:
    return next(line for line in family.texts()[name].splitlines() if line.startswith("DTSTART"))
