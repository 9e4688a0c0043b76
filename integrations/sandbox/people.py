"""Acting as a person on Google's side: what people do in Google Calendar, by the same rules.

Each action is one or two ordinary operations under the person's name, so that etags, deltas,
guests' copies and channel messages follow. None of it enters the journal of requests.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from integrations.sandbox import calendars, events, selection, series, sharing
from integrations.sandbox.errors import ApiError, invalid
from integrations.sandbox.roles import find_calendar
from integrations.sandbox.times import EventTime, parse
from integrations.sandbox.world import Call, Query, World

_EVERYTHING = {"conferenceDataVersion": ["1"], "supportsAttachments": ["true"]}


def _call(world: World, account: str, args: dict[str, str], **given: Any) -> Call:
    if account not in world.store["account"]:
        known = ", ".join(world.store["account"]) or "none yet"
        raise invalid(f"Unknown account {account!r}; accounts are {known}.")
    query = Query(_EVERYTHING | given.get("query", {}))
    return Call(world, account, args, query, body=given.get("body", {}))


def create(world: World, account: str, calendar: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add an event and return it."""
    return _body(events.insert(_call(world, account, {"calendarId": calendar}, body=event)))


def edit(
    world: World, account: str, calendar: str, name: str, changes: dict[str, Any]
) -> dict[str, Any]:
    """Change an event, a series or (by its id) one occurrence; return it."""
    args = {"calendarId": calendar, "eventId": name}
    return _body(events.patch(_call(world, account, args, body=changes)))


def delete(world: World, account: str, calendar: str, name: str) -> None:
    """Delete an event or a series, or cancel one occurrence by its id."""
    events.delete(_call(world, account, {"calendarId": calendar, "eventId": name}))


def move(world: World, account: str, calendar: str, name: str, destination: str) -> dict[str, Any]:
    """Move an event to another calendar of the person's."""
    args = {"calendarId": calendar, "eventId": name}
    query = {"destination": [destination]}
    return _body(events.move(_call(world, account, args, query=query)))


def respond(world: World, account: str, calendar: str, name: str, response: str) -> dict[str, Any]:
    """Answer an invitation: `accepted`, `declined`, `tentative` or `needsAction`."""
    event = read(world, account, calendar, name)
    attendees = event.get("attendees", [])
    own = [one for one in attendees if one.get("self")]
    if not own:
        raise invalid("This calendar's person is not invited to the event.")
    own[0]["responseStatus"] = response
    return edit(world, account, calendar, name, {"attendees": attendees})


def read(world: World, account: str, calendar: str, name: str) -> dict[str, Any]:
    """Return an event as the person sees it."""
    args = {"calendarId": calendar, "eventId": name}
    return _body(events.get(_call(world, account, args)))


def _body(reply: Any) -> dict[str, Any]:
    body: dict[str, Any] = reply.body
    return body


def occurrence_id(
    world: World, account: str, calendar: str, series_id: str, original_start: str
) -> str:
    """Return the id of the occurrence that starts, or did before it was moved, at that time.

    `original_start` is a date, or a date-time with offset or on the series' own wall clock.
    """
    call = _call(world, account, {})
    found = find_calendar(call, calendar)
    master = events.lookup(call, found, series_id)
    start = _original(master, original_start, found["timeZone"])
    name = f"{series_id}_{start.suffix()}"
    events.lookup(call, found, name)
    return name


def _original(master: dict[str, Any], text: str, calendar_zone: str) -> EventTime:
    if "recurrence" not in master:
        raise invalid("The event is no series.")
    if "date" in master["start"]:
        return parse({"date": text}, calendar_zone, which="original start")
    own = {"dateTime": text, "timeZone": master["start"]["timeZone"]}
    return parse(own, calendar_zone, which="original start")


def split(
    world: World,
    account: str,
    calendar: str,
    series_id: str,
    original_start: str,
    changes: dict[str, Any],
) -> dict[str, Any]:
    """Change "this and following": end the series before an occurrence, start a new one there.

    Returns the new series. The old one loses its exceptions from there on.
    """
    call = _call(world, account, {})
    found = find_calendar(call, calendar)
    zone = found["timeZone"]
    master = events.lookup(call, found, series_id)
    start = _original(master, original_start, zone)
    if series.occurrence(master, start.suffix(), zone) is None:
        raise ApiError(404, "notFound", "The series has no such occurrence.")
    first = parse(master["start"], zone, which="start")
    end = start.shifted(series.duration(master, zone))
    new = {k: v for k, v in master.items() if k not in ("id", "iCalUID", "sequence", "etag")}
    new |= {"start": start.shown(zone), "end": end.shown(zone)}
    new["recurrence"] = series.remaining(master["recurrence"], first, start)
    created = create(world, account, calendar, new | changes)
    shortened = series.ended_before(master["recurrence"], start)
    edit(world, account, calendar, series_id, {"recurrence": shortened})
    return created


def share(world: World, account: str, calendar: str, scope: str, role: str) -> None:
    """Give an email address (or `default`: everybody) a role on the person's calendar."""
    call = _call(world, account, {})
    found = find_calendar(call, calendar, "owner")
    scope = f"user:{scope}" if "@" in scope and ":" not in scope else scope
    calendars.set_rule(world, found, scope, role)
    sharing.share_entry(world, found, scope, role)


def change_calendar(
    world: World, account: str, calendar: str, fields: dict[str, Any]
) -> dict[str, Any]:
    """Rename a calendar or change its zone."""
    args = {"calendarId": calendar}
    return _body(calendars.write_calendar(_call(world, account, args, body=fields)))


def change_entry(
    world: World, account: str, calendar: str, fields: dict[str, Any]
) -> dict[str, Any]:
    """Hide, colour or rename a calendar on the person's own list."""
    args = {"calendarId": calendar}
    return _body(calendars.write_entry(_call(world, account, args, body=fields)))


def agenda(world: World, account: str, calendar: str, days: int) -> list[dict[str, Any]]:
    """Return the events of the coming days as single events, in order of their start."""
    call = _call(world, account, {})
    found = find_calendar(call, calendar)
    zone, book = found["timeZone"], world.store.book(found["id"])
    now = world.clock.now()
    early, late = now - timedelta(days=1), now + timedelta(days=days)
    wanted = selection.Filters(early.timestamp(), late.timestamp(), expand=True)
    living = (e for e in book if not e.dropped and selection.matches(e, wanted, zone))
    shown = list(selection.expanded(call, book, living, wanted, zone))
    return sorted(shown, key=lambda body: _start(body, zone))


def _start(body: dict[str, Any], zone: str) -> float:
    return parse(body["start"], zone, which="start").instant(zone).timestamp()
