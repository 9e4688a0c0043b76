"""Attendees' copies: an invitation shows in the guest's calendar, the answer flows back.

The organizer's copy is the truth for shared fields. A guest's own edits of them stay on the
guest's copy until the organizer's next change overwrites them (or are refused: see OPTIONS).
"""

from __future__ import annotations

from typing import Any

from integrations.sandbox import series, writing
from integrations.sandbox.errors import ApiError
from integrations.sandbox.world import Call, World

OWN_FIELDS = ("reminders", "colorId", "transparency")
_ORGANIZER_ONLY = ("guestsCanModify", "guestsCanInviteOthers", "guestsCanSeeOtherGuests")
MOST_PROPAGATED = 200


def is_guest_copy(body: dict[str, Any], calendar: dict[str, Any]) -> bool:
    """Return whether this copy belongs to a guest, not to the organizer."""
    return bool(body["organizer"]["email"] != calendar["id"])


def flagged(body: dict[str, Any], calendar: dict[str, Any]) -> dict[str, Any]:
    """Return an event whose people carry `self` and `organizer` as seen from this calendar."""
    body = dict(body)
    for name in ("creator", "organizer"):
        person = {k: v for k, v in body[name].items() if k != "self"}
        body[name] = person | ({"self": True} if person["email"] == calendar["id"] else {})
    if body.get("attendees"):
        body["attendees"] = [_flagged(one, body, calendar) for one in body["attendees"]]
    return body


def _flagged(
    attendee: dict[str, Any], body: dict[str, Any], calendar: dict[str, Any]
) -> dict[str, Any]:
    kept = {k: v for k, v in attendee.items() if k not in ("self", "organizer")}
    own = {"self": True} if kept["email"] == calendar["id"] else {}
    leads = {"organizer": True} if kept["email"] == body["organizer"]["email"] else {}
    return kept | own | leads


def check_guest_edit(call: Call, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Raise the 403 for what only the organizer may change."""
    changed = {k for k in old.keys() | new.keys() if old.get(k) != new.get(k)}
    local = {*OWN_FIELDS, "extendedProperties", "attendees", "status", "sequence"}
    strict = call.world.option("attendee_edits") == "refuse" and not old.get("guestsCanModify")
    if changed & set(_ORGANIZER_ONLY) or (strict and changed - local):
        raise ApiError(
            403,
            "forbiddenForNonOrganizer",
            "Shared properties can only be changed by the organizer of the event.",
            domain="calendar",
        )


def guest_attendees(old: dict[str, Any], new: dict[str, Any], email: str) -> list[dict[str, Any]]:
    """Return the attendees after a guest's write: only the guest's own entry may change."""
    own = [one for one in new.get("attendees", []) if one["email"] == email]
    entries = [own[0] if own and one["email"] == email else one for one in old["attendees"]]
    return entries if any(one["email"] == email for one in entries) else entries + own


def announce(
    call: Call, calendar: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
) -> None:
    """Carry a write to the other copies and count its mails; of an import nobody hears."""
    if call.note.get("operation") != "events.import":
        _propagate(call, calendar, old, new)
        _count_mails(call, new, calendar)


def _propagate(
    call: Call, calendar: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
) -> None:
    if not is_guest_copy(new, calendar):
        _to_guests(call.world, calendar, old, new)
        return
    organizer = call.world.store["calendar"].get(new["organizer"]["email"])
    if organizer is None:
        return
    if old.get("guestsCanModify"):
        _to_organizer(call.world, organizer, new)
    _answer(call.world, organizer, calendar["id"], new)


def _to_guests(
    world: World, calendar: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
) -> None:
    before = {one["email"] for one in old.get("attendees", [])}
    now = {one["email"] for one in new.get("attendees", [])}
    for email in sorted(before | now):
        guest = world.store["calendar"].get(email)
        if guest is not None and email != calendar["id"] and email in world.store["account"]:
            _store_copy(world, guest, new, invited=email in now)


def _store_copy(world: World, guest: dict[str, Any], event: dict[str, Any], invited: bool) -> None:
    known = world.store.book(guest["id"]).get(event["id"])
    old = known.body() if known else {}
    knows_series = world.store.book(guest["id"]).get(event.get("recurringEventId", ""))
    if not old and (not invited or (event["status"] == "cancelled" and not knows_series)):
        return
    copy = {k: v for k, v in event.items() if k not in (*OWN_FIELDS, "hangoutLink", "created")}
    copy |= {k: old[k] for k in (*OWN_FIELDS, "created") if k in old}
    copy["reminders"] = old.get("reminders", {"useDefault": True})
    _keep_private_properties(copy, old)
    gave_up = old.get("status") == "cancelled" and _response(event, guest["id"]) == "declined"
    if not invited or gave_up:
        copy["status"] = "cancelled"
    writing.save(world, guest, flagged(copy, guest))
    if "recurrence" in old:
        writing.drop_exceptions(world, guest, copy)


def _keep_private_properties(copy: dict[str, Any], old: dict[str, Any]) -> None:
    own = old.get("extendedProperties", {}).get("private")
    shared = copy.pop("extendedProperties", {}).get("shared")
    groups = {"private": own, "shared": shared}
    if kept := {group: pairs for group, pairs in groups.items() if pairs}:
        copy["extendedProperties"] = kept


def _response(event: dict[str, Any], email: str) -> str:
    found = (one["responseStatus"] for one in event.get("attendees", []) if one["email"] == email)
    return next(found, "")


def _to_organizer(world: World, organizer: dict[str, Any], new: dict[str, Any]) -> None:
    known = world.store.book(organizer["id"]).get(new["id"])
    if known is None:
        return
    old = known.body()
    kept = {k: old[k] for k in (*OWN_FIELDS, "created", "status") if k in old}
    body = {k: v for k, v in new.items() if k not in (*OWN_FIELDS, "created")} | kept
    _keep_private_properties(body, old)
    writing.save(world, organizer, flagged(body, organizer))


def _answer(world: World, organizer: dict[str, Any], guest: str, copy: dict[str, Any]) -> None:
    """Write a guest's answer into the organizer's copy and from there into all others."""
    body = series.find(world.store.book(organizer["id"]), copy["id"], organizer["timeZone"])
    if body is None or body["status"] == "cancelled":
        return
    if len(copy.get("attendees", [])) > MOST_PROPAGATED:
        return
    mine = next((one for one in copy.get("attendees", []) if one["email"] == guest), None)
    if mine is None or copy["status"] == "cancelled":
        mine = {"email": guest, "responseStatus": "declined"}
    before = dict(body)
    others = [one for one in body.get("attendees", []) if one["email"] != guest]
    if len(others) == len(body.get("attendees", [])):
        return
    body["attendees"] = [mine if one["email"] == guest else one for one in body["attendees"]]
    answered = flagged(body, organizer)
    if answered != before:
        saved = writing.save(world, organizer, answered)
        _to_guests(world, organizer, saved, saved)


def audience(call: Call) -> str:
    """Return who should get mail about a write; raise the 400 for an unknown word."""
    default = "all" if call.query.flag("sendNotifications") else "none"
    return call.query.choice("sendUpdates", ("all", "externalOnly", "none"), default)


def _count_mails(call: Call, body: dict[str, Any], calendar: dict[str, Any]) -> None:
    """Note for the journal how many mails Google would have sent for this write."""
    wanted = audience(call)
    people = {one["email"] for one in body.get("attendees", [])} - {calendar["id"]}
    if is_guest_copy(body, calendar):
        people = {body["organizer"]["email"]}
    if wanted == "externalOnly":
        people -= set(call.world.store["account"])
    mails = 0 if wanted == "none" else len(people)
    call.note["mails"] = call.note.get("mails", 0) + mails
