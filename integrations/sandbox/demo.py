"""The `demo` seed: two accounts with five calendars and a month of believable events.

Everything is planted through the same operations that people and clients use, relative to the
sandbox's today, so that the seed obeys every rule of the API.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox import oauth, people
from integrations.sandbox.calendars import add_calendar
from integrations.sandbox.times import zone
from integrations.sandbox.world import World

WORK, HOME = "work@example.com", "home@example.com"
ZONE = "Europe/Berlin"
Event = dict[str, Any]


class Days:
    """Times relative to the Monday of the sandbox's present week."""

    def __init__(self, now: datetime) -> None:
        local = now.astimezone(zone(ZONE))
        self.monday = (local - timedelta(days=local.weekday())).date()

    def at(self, day: int, start: str, minutes: int, zone_name: str = ZONE, **fields: Any) -> Event:
        """Return a timed event `day` days after Monday; `start` is a wall-clock time."""
        begin = datetime.fromisoformat(f"{self.monday + timedelta(days=day)}T{start}:00")
        end = begin + timedelta(minutes=minutes)
        times = {
            key: {"dateTime": moment.isoformat(), "timeZone": zone_name}
            for key, moment in (("start", begin), ("end", end))
        }
        return {**times, **fields}

    def whole(self, day: int, days: int, **fields: Any) -> Event:
        """Return an event of whole days."""
        begin = self.monday + timedelta(days=day)
        end = begin + timedelta(days=days)
        return {"start": {"date": str(begin)}, "end": {"date": str(end)}, **fields}


def plant_demo(world: World) -> None:
    """Create both people, their calendars and their events."""
    for email, name in ((WORK, "Work"), (HOME, "Home")):
        oauth.add_account(world, email, name)
        add_calendar(world, email, {"summary": email, "timeZone": ZONE}, email)
    days = Days(world.clock.now())
    team = _calendar(world, WORK, "Team", "teamcalendar")
    travel = _calendar(world, WORK, "Travel", "travelcalendar")
    family = _calendar(world, HOME, "Family", "familycalendar")
    _add(world, WORK, WORK, _work(days))
    _add(world, WORK, team, _team(days))
    _add(world, WORK, travel, _travel(days))
    _add(world, HOME, HOME, _home(days))
    _add(world, HOME, family, _family(days))
    _answer_and_change(world, days, team)


def _calendar(world: World, owner: str, summary: str, name: str) -> str:
    full = f"{name}@group.calendar.google.com"
    add_calendar(world, owner, {"summary": summary, "timeZone": ZONE}, full)
    return full


def _add(world: World, account: str, calendar: str, events: list[Event]) -> None:
    for event in events:
        people.create(world, account, calendar, event)


def _guests(*emails: str) -> list[dict[str, str]]:
    own = {"email": WORK, "responseStatus": "accepted"}
    return [own, *({"email": email} for email in emails)]


def _work(days: Days) -> list[Event]:
    location = {"type": "customLocation", "customLocation": {"label": "Harbour office"}}
    return [
        days.at(0, "09:15", 15, id="demostandup", summary="Stand-up",
                recurrence=["RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"]),
        days.at(1, "14:00", 60, id="demodesign", summary="Design review", location="Room 2.14",
                description="<b>Agenda</b><ul><li>Prototype</li><li>Open points</li></ul>"),
        days.at(8, "10:00", 45, id="demonumbers", summary="Quarterly numbers",
                attendees=_guests(HOME, "guest@example.org")),
        days.at(9, "12:30", 60, id="demodeclined", summary="Vendor demo",
                attendees=_guests(HOME)),
        days.at(10, "16:00", 30, id="democoffee", summary="Coffee with the new colleague",
                status="tentative"),
        days.at(3, "13:00", 120, id="demofocus", summary="Focus time", eventType="focusTime",
                focusTimeProperties={"autoDeclineMode": "declineNone"}),
        days.at(17, "08:00", 600, id="demoabsence", summary="Away", eventType="outOfOffice",
                outOfOfficeProperties={"autoDeclineMode": "declineNone"}),
        days.whole(2, 1, id="demoplace", summary="Harbour office", eventType="workingLocation",
                   workingLocationProperties=location, visibility="public",
                   transparency="transparent"),
        days.at(4, "11:00", 30, id="demoprivate", summary="Appraisal", visibility="private"),
    ]  # fmt: skip


def _team(days: Days) -> list[Event]:
    return [
        days.at(2, "15:00", 60, id="demoretro", summary="Retrospective",
                recurrence=["RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=12"]),
        days.whole(11, 1, id="demorelease", summary="Release day 🚀"),
        days.at(8, "09:30", 60, "America/New_York", id="demoabroad",
                summary="Call with New York"),
    ]  # fmt: skip


def _travel(days: Days) -> list[Event]:
    return [
        days.whole(14, 3, id="demotrip", summary="Conference trip", location="Lisbon"),
        days.at(14, "07:10", 215, id="demoflight", summary="Flight to Lisbon",
                location="Berlin Airport"),
    ]  # fmt: skip


def _home(days: Days) -> list[Event]:
    return [
        days.at(1, "18:30", 60, id="demostretch", summary="Yoga",
                recurrence=["RRULE:FREQ=WEEKLY;BYDAY=TU"]),
        days.at(3, "08:00", 30, id="demodentist", summary="Dentist", location="Main Street 4"),
        days.whole(6, 1, id="demobirth", summary="Birthday of a friend", eventType="birthday",
                   visibility="private", transparency="transparent",
                   recurrence=["RRULE:FREQ=YEARLY"], birthdayProperties={"type": "birthday"}),
        days.at(7, "19:00", 90, id="demorehearsal", summary="חזרה של המקהלה"),
        days.at(9, "20:00", 60, id="demoscript", summary="<script>alert('hello')</script> evening"),
        days.whole(12, 1, id="demofree", summary="Flea market", transparency="transparent"),
        days.at(8, "17:00", 45, id="demoalarm", summary="Pick up the parcel 📦", colorId="5",
                reminders={"useDefault": False, "overrides": [{"method": "popup", "minutes": 30}]}),
    ]  # fmt: skip


def _family(days: Days) -> list[Event]:
    return [
        days.whole(18, 9, id="demovacation", summary="Winter holiday"),
        days.at(2, "16:30", 90, id="demofootball", summary="Football practice",
                recurrence=["RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=20"]),
        days.at(6, "12:30", 120, id="demobrunch", summary="Sunday lunch"),
    ]  # fmt: skip


def _answer_and_change(world: World, days: Days, team: str) -> None:
    """Answer the invitations, move one stand-up and cancel another."""
    people.respond(world, HOME, HOME, "demonumbers", "accepted")
    people.respond(world, HOME, HOME, "demodeclined", "declined")
    moved, cancelled = days.at(7, "09:15", 15), days.at(9, "09:15", 15)
    name = people.occurrence_id(world, WORK, WORK, "demostandup", moved["start"]["dateTime"])
    later = days.at(7, "11:00", 15, summary="Stand-up (later today)")
    people.edit(world, WORK, WORK, name, later)
    name = people.occurrence_id(world, WORK, WORK, "demostandup", cancelled["start"]["dateTime"])
    people.delete(world, WORK, WORK, name)
    people.share(world, WORK, team, HOME, "reader")
