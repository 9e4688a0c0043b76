"""The operations on single events: get, insert, import, patch, update, delete, move."""

from __future__ import annotations

from typing import Any

from integrations.sandbox import conference, copies, eventbody, eventtypes, series, views, writing
from integrations.sandbox.errors import ApiError, forbidden, invalid, not_found, required
from integrations.sandbox.roles import find_calendar
from integrations.sandbox.shapes import read_body, shape
from integrations.sandbox.world import Call, Reply, random_id

WRITER = "writerWithoutPrivateAccess"
_SECRECY = {"public": 0, "default": 1, "private": 2, "confidential": 2}


def lookup(call: Call, calendar: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an event by id, also an occurrence of a series that nobody has changed yet."""
    body = series.find(call.world.store.book(calendar["id"]), name, calendar["timeZone"])
    if body is None:
        raise not_found()
    return body


def get(call: Call) -> Reply:
    """Return one event as the caller may see it; deleted ones come as cancelled."""
    calendar = find_calendar(call, call.args["calendarId"])
    body = lookup(call, calendar, call.args["eventId"])
    if call.unchanged(body["etag"]):
        return Reply(status=304, headers={"ETag": body["etag"]})
    return _reply(call, calendar, body)


def _reply(call: Call, calendar: dict[str, Any], body: dict[str, Any]) -> Reply:
    shown = views.shown(views.viewer(call, calendar), body)
    return Reply(shown, headers={"ETag": body["etag"]})


def _fields(call: Call) -> dict[str, Any]:
    """Return what the body may set; conference data and attachments only when announced."""
    body: dict[str, Any] = read_body(call.body, shape("Event"))
    if call.query.text("conferenceDataVersion", "0") != "1":
        body.pop("conferenceData", None)
    if not call.query.flag("supportsAttachments"):
        body.pop("attachments", None)
    return body


def _writable(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in writing.SERVER_FIELDS}


def insert(call: Call) -> Reply:
    """Create an event; the id may be the client's."""
    calendar = _writable_calendar(call)
    body = eventbody.without_nulls(_fields(call))
    if "id" in body and "iCalUID" in body:
        raise invalid("Only one of id and iCalUID may be given.")
    _check_free(call, calendar, body)
    primary = calendar["id"] == call.account
    eventtypes.check_create(body, primary=primary, batch=bool(call.note.get("batch")))
    return _create(call, calendar, body, organizer=_organizer(calendar))


def _check_free(call: Call, calendar: dict[str, Any], body: dict[str, Any]) -> None:
    book = call.world.store.book(calendar["id"])
    if "id" in body:
        eventbody.check_id(body["id"])
    known = _by_uid(call, calendar, body["iCalUID"]) if "iCalUID" in body else None
    if known or body.get("id") in book.by_id:
        raise ApiError(409, "duplicate", "The requested identifier already exists.")


def _organizer(calendar: dict[str, Any]) -> dict[str, Any]:
    secondary = {"displayName": calendar["summary"]} if calendar["id"] != calendar["owner"] else {}
    return {"email": calendar["id"]} | secondary


def _create(
    call: Call, calendar: dict[str, Any], body: dict[str, Any], organizer: dict[str, Any]
) -> Reply:
    name = body.get("id") or random_id()
    event = eventbody.canonical(_writable(body), calendar)
    event |= {
        "id": name,
        "creator": {"email": call.account},
        "organizer": organizer,
        "iCalUID": body.get("iCalUID") or f"{name}@google.com",
        "sequence": body.get("sequence") or 0,
    }
    conference.settle(event)
    saved = writing.save(call.world, calendar, copies.flagged(event, calendar))
    copies.announce(call, calendar, {}, saved)
    return _reply(call, calendar, saved)


def import_(call: Call) -> Reply:
    """Add a private copy of an event that lives elsewhere; a known iCalUID is updated."""
    calendar = _writable_calendar(call)
    body = eventbody.without_nulls(_fields(call))
    if not body.get("iCalUID"):
        raise required("Missing iCalUID.")
    if body.get("eventType", "default") != "default":
        raise eventtypes.refuse("Only events of type default can be imported.")
    known = _by_uid(call, calendar, body["iCalUID"])
    if known is None:
        organizer = {k: v for k, v in body.get("organizer", {}).items() if k != "self"}
        return _create(call, calendar, body, organizer or _organizer(calendar))
    if call.world.option("import_again") == "refuse":
        raise ApiError(409, "duplicate", "The requested identifier already exists.")
    return _store(call, calendar, known, _replacement(known, body), body.get("sequence"))


def _by_uid(call: Call, calendar: dict[str, Any], uid: str) -> dict[str, Any] | None:
    book = call.world.store.book(calendar["id"])
    same = (e for e in book if e.ical_uid == uid and not e.cancelled and not e.master)
    return next((event.body() for event in same), None)


def _writable_calendar(call: Call) -> dict[str, Any]:
    """Return the calendar of a write, having read every parameter that could be refused later."""
    calendar = find_calendar(call, call.args["calendarId"], WRITER)
    copies.audience(call)
    views.viewer(call, calendar)
    return calendar


def _target(call: Call) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the calendar and the event that a write addresses, all preconditions checked."""
    calendar = _writable_calendar(call)
    old = lookup(call, calendar, call.args["eventId"])
    if views.hides_details(views.viewer(call, calendar), old):
        raise forbidden("You may not change a private event of this calendar.")
    call.check_precondition(old["etag"])
    return calendar, old


def patch(call: Call) -> Reply:
    """Change some fields: objects merge, lists are replaced whole, null deletes."""
    calendar, old = _target(call)
    fields = _fields(call)
    new = eventbody.merged(_writable(old), _writable(fields))
    return _store(call, calendar, old, new, fields.get("sequence"))


def update(call: Call) -> Reply:
    """Replace an event: what the body omits is cleared or falls back to its default."""
    calendar, old = _target(call)
    fields = eventbody.without_nulls(_fields(call))
    return _store(call, calendar, old, _replacement(old, fields), fields.get("sequence"))


def _replacement(old: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    kept = {k: old[k] for k in ("conferenceData", "attachments") if k in old and k not in fields}
    return kept | {"eventType": old.get("eventType", "default")} | _writable(fields)


def _store(
    call: Call,
    calendar: dict[str, Any],
    old: dict[str, Any],
    fields: dict[str, Any],
    sequence: int | None,
) -> Reply:
    """Write an event's new fields over the old ones, with all that follows from it."""
    before = eventbody.canonical(_writable(old), calendar)
    after = eventbody.canonical(fields, calendar)
    _check_change(call, calendar, old, before, after)
    hides_series = _settle_visibility(old, after)
    body = {key: old[key] for key in writing.SERVER_FIELDS if key in old} | after
    if copies.is_guest_copy(old, calendar) and old.get("attendees"):
        body["attendees"] = copies.guest_attendees(old, after, calendar["id"])
    body["sequence"] = writing.next_sequence(old | before, body, sequence)
    conference.settle(body)
    touch = not writing.only_reminders_changed(before, after)
    body = copies.flagged(body, calendar)
    saved = writing.save(call.world, calendar, body, touch=touch)
    if hides_series:
        master = lookup(call, calendar, old["recurringEventId"])
        writing.save(call.world, calendar, master | {"visibility": after["visibility"]})
    if "recurrence" in before:
        writing.drop_exceptions(call.world, calendar, saved)
    copies.announce(call, calendar, old, saved)
    return _reply(call, calendar, saved)


def _settle_visibility(old: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether one occurrence hides its whole series; let none of them show more."""
    was, now = (_SECRECY[body.get("visibility", "default")] for body in (old, after))
    if "recurringEventId" not in old:
        return False
    if now < was:
        after["visibility"] = old["visibility"]
    return now > was


def _check_change(
    call: Call,
    calendar: dict[str, Any],
    old: dict[str, Any],
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    revived = after["status"] != "cancelled" and call.world.option("id_reuse") == "revive"
    if old["status"] == "cancelled" and not revived:
        raise forbidden("A deleted event cannot be changed.")
    if call.note.get("batch") and old.get("eventType") == "workingLocation":
        raise eventtypes.refuse("Working location events cannot be written in a batch.")
    if "recurringEventId" in old and "recurrence" in after:
        raise invalid("An instance of a recurring event cannot recur itself.", "recurrence")
    eventtypes.check_update(before, after)
    if copies.is_guest_copy(old, calendar):
        copies.check_guest_edit(call, before, after)


def delete(call: Call) -> Reply:
    """Cancel an event, an occurrence or a whole series."""
    calendar, old = _target(call)
    if old["status"] == "cancelled":
        raise ApiError(410, "deleted", "Resource has been deleted")
    saved = writing.save(call.world, calendar, old | {"status": "cancelled"})
    if "recurrence" in saved:
        writing.drop_exceptions(call.world, calendar, saved)
    copies.announce(call, calendar, old, saved)
    return Reply(status=204)


def move(call: Call) -> Reply:
    """Give an event to another calendar, its new organizer; a cancelled stub stays behind."""
    calendar, old = _target(call)
    target = find_calendar(call, call.query.text("destination"), WRITER)
    if old.get("eventType", "default") != "default" or "recurringEventId" in old:
        raise eventtypes.refuse("Only whole events of type default can be moved.")
    if old["status"] == "cancelled" or copies.is_guest_copy(old, calendar):
        raise forbidden("Only the organizer can move a living event.")
    there = call.world.store.book(target["id"]).get(old["id"])
    if there and not there.cancelled:
        raise ApiError(409, "duplicate", "The requested identifier already exists.")
    exceptions = call.world.store.book(calendar["id"]).living_exceptions(old["id"])
    bodies = [old, *(event.body() for event in exceptions)]
    gone = writing.save(call.world, calendar, old | {"status": "cancelled"})
    writing.drop_exceptions(call.world, calendar, gone)
    moved = [_moved(call, target, body) for body in bodies]
    return _reply(call, target, moved[0])


def _moved(call: Call, target: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    body = body | {"organizer": _organizer(target)}
    saved = writing.save(call.world, target, copies.flagged(body, target))
    copies.announce(call, target, {}, saved)
    return saved


def quick_add(call: Call) -> Reply:
    """Refuse: reading free text is beyond a sandbox and has no place in a sync."""
    raise ApiError(400, "notSupported", "The sandbox does not read free text; use events.insert.")
