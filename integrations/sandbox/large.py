"""The `large:N` seed: N believable events on one calendar, written straight into its book."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox import oauth
from integrations.sandbox.book import Event
from integrations.sandbox.calendars import add_calendar
from integrations.sandbox.clock import stamp
from integrations.sandbox.times import rfc3339, zone
from integrations.sandbox.world import World
from integrations.sandbox.writing import html_link

ACCOUNT = "work@example.com"
OTHER = "home@example.com"
_ZONE = "Europe/Berlin"
_ABOUT = ("Budget", "Roadmap", "Hiring", "Release", "Design", "Support", "Lunch", "Review")
_KINDS = ("call", "meeting", "workshop", "check-in", "planning", "retrospective")
_PLACES = ("", "", "", "Room 2.14", "Harbour room", "Online", "Café at the corner")


def plant_large(world: World, count: int) -> None:
    """Create two accounts, and `count` events spread over four years on the first one's calendar.

    One event in 50 is a weekly series, one in 20 lasts whole days, one in 10 has guests from
    outside. The same count always makes the same events around the same day.
    """
    for email in (ACCOUNT, OTHER):
        oauth.add_account(world, email)
        add_calendar(world, email, {"summary": email, "timeZone": _ZONE}, email)
    chance = random.Random(count)
    today = world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=730)
    created = stamp(first)
    for number in range(count):
        day = first + timedelta(days=1460 * number / max(count, 1))
        body = _event(world, number, day, created, chance)
        event = Event(body, seq=world.store.next_seq(), zone=_ZONE)
        world.store.put_event(ACCOUNT, event)


def _event(
    world: World, number: int, day: datetime, created: str, chance: random.Random
) -> dict[str, Any]:
    name = f"seed{number:08d}"
    about, kind = chance.choice(_ABOUT), chance.choice(_KINDS)
    body = {
        "kind": "calendar#event",
        "etag": world.etag(world.store.seq + 1),
        "id": name,
        "status": "confirmed",
        "htmlLink": html_link(ACCOUNT, name),
        "created": created,
        "updated": created,
        "summary": f"{about} {kind} {number}",
        "creator": {"email": ACCOUNT, "self": True},
        "organizer": {"email": ACCOUNT, "self": True},
        **_times(number, day, chance),
        "iCalUID": f"{name}@google.com",
        "sequence": 0,
        "reminders": {"useDefault": True},
        "eventType": "default",
    }
    if place := chance.choice(_PLACES):
        body["location"] = place
    if number % 3 == 0:
        body["description"] = f"Notes and agenda for the {about.lower()} {kind}.\n" * 2
    if number % 10 == 0:
        body["attendees"] = _guests(chance)
    return body


def _times(number: int, day: datetime, chance: random.Random) -> dict[str, Any]:
    if number % 20 == 0:
        end = day + timedelta(days=chance.randint(1, 4))
        return {"start": {"date": f"{day:%Y-%m-%d}"}, "end": {"date": f"{end:%Y-%m-%d}"}}
    local = day.replace(hour=chance.randint(7, 18), minute=chance.choice((0, 15, 30, 45)), second=0)
    start = local.replace(microsecond=0, tzinfo=zone(_ZONE))
    end = start + timedelta(minutes=chance.choice((15, 30, 45, 60, 90)))
    times: dict[str, Any] = {
        key: {"dateTime": rfc3339(moment, _ZONE), "timeZone": _ZONE}
        for key, moment in (("start", start), ("end", end))
    }
    if number % 50 == 7:
        times["recurrence"] = [f"RRULE:FREQ=WEEKLY;COUNT={chance.randint(4, 30)}"]
    return times


def _guests(chance: random.Random) -> list[dict[str, Any]]:
    answers = ("accepted", "declined", "tentative", "needsAction")
    own = {"email": ACCOUNT, "organizer": True, "self": True, "responseStatus": "accepted"}
    guests = [
        {"email": f"guest{chance.randint(1, 400)}@example.org", "responseStatus": answer}
        for answer in chance.sample(answers, chance.randint(1, 3))
    ]
    return [own, *{guest["email"]: guest for guest in guests}.values()]
