"""The other side: what people do in their calendars, and what they see there."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from integrations.sandbox import Sandbox

WORK, HOME = "work@example.com", "home@example.com"
Event = dict[str, Any]

# What a busy block may consist of, beside its times; everything else would tell something.
_SAYS_NOTHING = {
    *("kind", "etag", "id", "iCalUID", "htmlLink", "created", "updated", "sequence", "eventType"),
    *("creator", "organizer", "reminders", "visibility", "status", "summary", "extendedProperties"),
    *("start", "end", "recurrence", "recurringEventId", "originalStartTime"),
}


class OtherSide:
    """Both people's main calendars in the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def events(self, calendar: str) -> dict[str, Event]:
        """Return the events of a calendar by id: series, exceptions and single ones.

        Deleted events are left out; cancelled occurrences of a series are not.
        """
        stored: list[Event] = self._sandbox.get("events", calendar=calendar)["events"]
        there = (e for e in stored if e["status"] != "cancelled" or "recurringEventId" in e)
        return {event["id"]: event for event in there}

    def edit(self, calendar: str, name: str, changes: Event, occurrence: str = "") -> None:
        """Let the calendar's person change an event, or one occurrence of a series."""
        self._act("events/edit", calendar, name, occurrence, changes=changes)

    def delete(self, calendar: str, name: str, occurrence: str = "") -> None:
        """Let the calendar's person delete an event, or cancel one occurrence of a series."""
        self._act("events/delete", calendar, name, occurrence)

    def _act(self, action: str, calendar: str, name: str, occurrence: str, **more: Any) -> None:
        where = {"account": calendar, "calendar": calendar, "id": name}
        self._sandbox.post(action, **where, original_start=occurrence, **more)

    def requests(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the requests that Lockstep made since one with this number."""
        return self._sandbox.journal(after)

    def last_request(self) -> int:
        """Return the number of the latest request."""
        return max((request["number"] for request in self.requests()), default=0)

    def writes(self, after: int = 0) -> list[str]:
        """Return what Lockstep wrote since then, as "operation calendar"."""
        writes = [r for r in self.requests(after) if r["method"] != "GET"]
        return [f"{request['operation']} {request['calendar']}" for request in writes]

    def mails(self) -> int:
        """Return how many mails Google would have sent for what Lockstep wrote."""
        return sum(request["mails"] for request in self.requests())


def takes_time(event: Event) -> bool:
    """Say whether an event of a person's own is one that the other calendar has to know of."""
    ours = "extendedProperties" in event
    free = event.get("transparency") == "transparent"
    own = (guest for guest in event.get("attendees", ()) if guest.get("self"))
    declined = any(guest["responseStatus"] == "declined" for guest in own)
    return not (ours or free or declined or event["status"] == "cancelled")


def gossip(block: Event, words: set[str]) -> Iterator[str]:
    """Name whatever a busy block tells beside its times and the word "Busy"."""
    if block["status"] == "cancelled":
        return
    if block.get("summary") != "Busy":
        yield "its title"
    yield from sorted(block.keys() - _SAYS_NOTHING)
    text = json.dumps(block, ensure_ascii=False)
    if any(word in text for word in words):
        yield "words of its event"


def words_of(events: dict[str, Event]) -> set[str]:
    """Return the titles, places and descriptions of events: what no block may show."""
    telling = ("summary", "location", "description")
    texts = (event.get(name, "") for event in events.values() for name in telling)
    return {text for text in texts if text and text != "Busy"}


def place_in_time(event: Event) -> tuple[object, ...]:
    """Return when an event takes place, in a form that can be compared across calendars."""
    if event["status"] == "cancelled":
        return ("cancelled", _moment(event["originalStartTime"]))
    rules = tuple(event.get("recurrence", ()))
    return (_moment(event["start"]), _moment(event["end"]), rules, _slot(event))


def starts_at(event: Event) -> datetime:
    """Return when an event starts, on its own clock; midnight if it takes whole days."""
    start = event.get("start") or event["originalStartTime"]
    return datetime.fromisoformat(start.get("dateTime") or start["date"]).replace(tzinfo=None)


def instant_of(event: Event) -> str:
    """Return when an event starts: an instant in UTC, or a date."""
    return as_instant(_moment(event["start"]))


def as_instant(moment: datetime | date) -> str:
    """Return a moment as an instant in UTC, a date as it is."""
    return str(moment.astimezone(UTC) if isinstance(moment, datetime) else moment)


def _slot(event: Event) -> object:
    return _moment(event["originalStartTime"]) if "originalStartTime" in event else None


def _moment(time: dict[str, str]) -> datetime | date:
    if "date" in time:
        return date.fromisoformat(time["date"])
    return datetime.fromisoformat(time["dateTime"])


def day_after(series: Event, days: int, clock: str) -> str:
    """Return a wall-clock time so many days after the first occurrence of a series."""
    first = datetime.fromisoformat(series["start"]["dateTime"])
    return f"{(first + timedelta(days=days)).date()}T{clock}"
