"""Calendars and the list of them: what `calendars.*` and `calendarList.*` do.

A change of a list entry's own fields (colour, hidden, selected, reminders) shows in deltas of the
list. A change of the caller's role or of the calendar's title does not: Google's trap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.sandbox import tokens, views, writing
from integrations.sandbox.colors import CALENDAR_COLORS
from integrations.sandbox.errors import ApiError, forbidden, invalid, not_found, required
from integrations.sandbox.roles import ROLES, find_calendar, rank, role_of
from integrations.sandbox.shapes import read_body, shape
from integrations.sandbox.times import zone
from integrations.sandbox.world import Call, Reply, World, random_id

_CALENDAR_FIELDS = ("summary", "description", "location", "timeZone")
_ENTRY_FIELDS = ("colorId", "hidden", "selected", "summaryOverride", "defaultReminders",
                 "notificationSettings")  # fmt: skip
_LIST_SHAPE = ("minAccessRole", "showOwnOrganizationOnly", "syncToken")


def entry_key(account: str, calendar: str) -> str:
    """Return the key of an account's list entry for a calendar."""
    return f"{account}\n{calendar}"


def add_calendar(
    world: World, owner: str, fields: dict[str, Any], name: str = ""
) -> dict[str, Any]:
    """Create a calendar and put it on its owner's list."""
    seq = world.store.next_seq()
    name = name or f"{random_id()}@group.calendar.google.com"
    calendar = {"timeZone": "UTC", **fields, "id": name, "owner": owner, "seq": seq, "acl": {}}
    calendar["created"] = world.stamp()
    world.store.put("calendar", name, calendar)
    set_rule(world, calendar, f"user:{owner}", "owner")
    add_entry(world, owner, name)
    return calendar


def add_entry(world: World, account: str, name: str, **fields: Any) -> dict[str, Any]:
    """Put a calendar on an account's list, or change its entry there."""
    old = world.store["entry"].get(entry_key(account, name), {})
    base = {"account": account, "calendar": name, "selected": True, "colorId": "1"}
    if name == account:
        base |= {"defaultReminders": [{"method": "popup", "minutes": 10}]}
    row = base | old | {"deleted": False} | fields | {"seq": world.store.next_seq()}
    world.changed("calendarList", account)
    return world.store.put("entry", entry_key(account, name), row)


def set_rule(world: World, calendar: dict[str, Any], scope: str, role: str) -> None:
    """Give a role to a scope (`user:ada@example.com`, `default`); `none` takes it away."""
    if role not in ROLES:
        raise invalid(f"Invalid role; roles are {', '.join(ROLES)}.", "role")
    rules = calendar["acl"] | {scope: {"role": role, "seq": world.store.next_seq()}}
    world.store.put("calendar", calendar["id"], calendar | {"acl": rules})
    calendar["acl"] = rules
    world.changed("acl", calendar["id"])
    email = scope.removeprefix("user:")
    entry = world.store["entry"].get(entry_key(email, calendar["id"]))
    if entry and role_of(calendar, email) == "none":
        add_entry(world, email, calendar["id"], deleted=True)


def calendar_resource(world: World, calendar: dict[str, Any]) -> dict[str, Any]:
    """Return the Calendar resource."""
    secondary = calendar["id"] != calendar["owner"]
    return {
        "kind": "calendar#calendar",
        "etag": world.etag(calendar["seq"]),
        "id": calendar["id"],
        **{k: calendar[k] for k in _CALENDAR_FIELDS if calendar.get(k)},
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
        **({"dataOwner": calendar["owner"]} if secondary else {}),
    }


def entry_resource(world: World, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the CalendarListEntry resource; little is left of a deleted one."""
    head = {
        "kind": "calendar#calendarListEntry",
        "etag": world.etag(entry["seq"]),
        "id": entry["calendar"],
    }
    calendar = world.store["calendar"].get(entry["calendar"])
    if entry["deleted"] or calendar is None:
        return head | {"deleted": True}
    color = CALENDAR_COLORS[entry["colorId"]]
    body = calendar_resource(world, calendar) | head | {k: entry.get(k) for k in _ENTRY_FIELDS}
    body |= {
        "backgroundColor": color["background"],
        "foregroundColor": color["foreground"],
        "accessRole": role_of(calendar, entry["account"]),
        "defaultReminders": entry.get("defaultReminders", []),
        "primary": calendar["id"] == entry["account"],
    }
    return {key: value for key, value in body.items() if value not in (None, False)}


def list_entries(call: Call) -> Reply:
    """Return one page of the caller's calendar list, complete or since a sync token."""
    query, store = call.query, call.world.store
    expected = _list_token(call)
    since = _since(call, expected)
    mine = [e for e in store["entry"].values() if e["account"] == call.account]
    least = query.choice("minAccessRole", ROLES[1:])
    found = [e for e in mine if e["seq"] > since and _listed(call, e, bool(since), least)]
    found = [e for e in found if e["calendar"] not in call.play.get("missing", ())]
    place = tokens.open_token(call, "pageToken", expected).place if "pageToken" in query else 0
    end = place + query.number("maxResults", 100, 250)
    body: dict[str, Any] = {
        "kind": "calendar#calendarList",
        "etag": call.world.etag(max([e["seq"] for e in mine], default=0)),
        "items": [entry_resource(call.world, entry) for entry in found[place:end]],
    }
    token = replace(expected, seq=store.seq, place=end if end < len(found) else 0)
    if token.place or not call.play.get("no_sync_token"):
        body["nextPageToken" if token.place else "nextSyncToken"] = token.text()
    return Reply(body)


def _list_token(call: Call) -> tokens.Token:
    shape = tokens.shape_of(call, _LIST_SHAPE[:-1])
    return tokens.Token(tokens.life(call), "list", "calendarList", call.account, "", shape, 0)


def _since(call: Call, expected: tokens.Token) -> int:
    if "syncToken" not in call.query:
        return 0
    for name in ("minAccessRole", "showOwnOrganizationOnly"):
        if name in call.query:
            raise invalid(f"Sync token cannot be used together with {name}.", name)
    for name in ("showDeleted", "showHidden"):
        if not call.query.flag(name, True):
            raise invalid(f"{name}=false cannot be used with a sync token.", name)
    return tokens.open_token(call, "syncToken", expected).seq


def _listed(call: Call, entry: dict[str, Any], delta: bool, least: str) -> bool:
    calendar = call.world.store["calendar"].get(entry["calendar"])
    deleted = entry["deleted"] or calendar is None
    if deleted and not (delta or call.query.flag("showDeleted")):
        return False
    if entry.get("hidden") and not (delta or call.query.flag("showHidden")):
        return False
    weak = least and calendar and rank(role_of(calendar, call.account)) < rank(least)
    return not weak


def _entry(call: Call) -> dict[str, Any]:
    name = call.args["calendarId"]
    name = call.account if name == "primary" else name
    entry = call.world.store["entry"].get(entry_key(call.account, name))
    if entry is None or entry["deleted"]:
        raise not_found()
    return entry


def get_entry(call: Call) -> Reply:
    """Return one entry of the caller's list."""
    body = entry_resource(call.world, _entry(call))
    if call.unchanged(body["etag"]):
        return Reply(status=304, headers={"ETag": body["etag"]})
    return Reply(body, headers={"ETag": body["etag"]})


def insert_entry(call: Call) -> Reply:
    """Put an existing calendar that the caller may see on the list."""
    body = read_body(call.body, shape("CalendarListEntry"))
    calendar = find_calendar(call, body.get("id") or "")
    entry = add_entry(call.world, call.account, calendar["id"], **_entry_fields(body))
    return Reply(entry_resource(call.world, entry))


def _entry_fields(body: dict[str, Any]) -> dict[str, Any]:
    if body.get("colorId", "1") not in CALENDAR_COLORS:
        raise invalid("Invalid color id.", "colorId")
    return {key: body[key] for key in _ENTRY_FIELDS if key in body}


def write_entry(call: Call) -> Reply:
    """Change an entry's own fields (patch and update)."""
    entry = _entry(call)
    call.check_precondition(call.world.etag(entry["seq"]))
    fields = _entry_fields(read_body(call.body, shape("CalendarListEntry")))
    entry = add_entry(call.world, call.account, entry["calendar"], **fields)
    return Reply(entry_resource(call.world, entry))


def delete_entry(call: Call) -> Reply:
    """Take a calendar off the caller's list; a data owner cannot drop an own one."""
    entry = _entry(call)
    if call.world.store["calendar"][entry["calendar"]]["owner"] == call.account:
        raise forbidden("The data owner cannot remove the calendar from the list.")
    add_entry(call.world, call.account, entry["calendar"], deleted=True)
    return Reply(status=204)


def get_calendar(call: Call) -> Reply:
    """Return a calendar's own data."""
    calendar = find_calendar(call, call.args["calendarId"])
    body = calendar_resource(call.world, calendar)
    if call.unchanged(body["etag"]):
        return Reply(status=304, headers={"ETag": body["etag"]})
    return Reply(body, headers={"ETag": body["etag"]})


def _calendar_fields(call: Call) -> dict[str, Any]:
    body = read_body(call.body, shape("Calendar"))
    fields = {key: body[key] for key in _CALENDAR_FIELDS if body.get(key)}
    zone(fields.get("timeZone", "UTC"))
    return fields


def insert_calendar(call: Call) -> Reply:
    """Create a secondary calendar of the caller's."""
    fields = _calendar_fields(call)
    if "summary" not in fields:
        raise required("Missing summary.")
    own = call.world.store["calendar"][call.account]
    calendar = add_calendar(call.world, call.account, {"timeZone": own["timeZone"]} | fields)
    return Reply(calendar_resource(call.world, calendar))


def write_calendar(call: Call) -> Reply:
    """Change a calendar's title, description, place or zone (patch and update)."""
    calendar = find_calendar(call, call.args["calendarId"], "owner")
    call.check_precondition(call.world.etag(calendar["seq"]))
    changed = change_calendar(call.world, calendar, _calendar_fields(call))
    return Reply(calendar_resource(call.world, changed))


def change_calendar(
    world: World, calendar: dict[str, Any], fields: dict[str, Any]
) -> dict[str, Any]:
    """Store a calendar's new data; a new zone is the zone in which its events are shown."""
    changed = calendar | fields | {"seq": world.store.next_seq()}
    world.store.put("calendar", calendar["id"], changed)
    if changed["timeZone"] != calendar["timeZone"]:
        _show_in_zone(world, changed, calendar["timeZone"])
    return changed


def _show_in_zone(world: World, calendar: dict[str, Any], old_zone: str) -> None:
    eyes = views.Viewer("owner", old_zone, calendar["timeZone"])
    for event in world.store.book(calendar["id"]):
        event.rewrite(views.shown(eyes, event.body()), calendar["timeZone"])
        world.store.rewrite_event(calendar["id"], event)


def delete_calendar(call: Call) -> Reply:
    """Remove a secondary calendar with all its events; only its data owner may."""
    calendar = find_calendar(call, call.args["calendarId"], "owner")
    if calendar["owner"] != call.account or calendar["id"] == call.account:
        raise ApiError(
            403, "cannotDeletePrimaryCalendar" if calendar["id"] == call.account else "forbidden",
            "Only the data owner can delete a calendar, and never the primary one.",
        )  # fmt: skip
    remove_calendar(call.world, calendar["id"])
    return Reply(status=204)


def remove_calendar(world: World, name: str) -> None:
    """Remove a calendar from the world; list entries that pointed to it turn deleted."""
    for entry in list(world.store["entry"].values()):
        if entry["calendar"] == name:
            add_entry(world, entry["account"], name, deleted=True)
    world.store.drop("calendar", name)
    world.store.drop_book(name)


def clear(call: Call) -> Reply:
    """Delete every event of the caller's primary calendar."""
    calendar = find_calendar(call, call.args["calendarId"], "owner")
    if calendar["id"] != call.account:
        raise invalid("Only a primary calendar can be cleared.")
    for event in list(call.world.store.book(calendar["id"])):
        if not event.cancelled and not event.dropped:
            writing.save(call.world, calendar, event.body() | {"status": "cancelled"})
    return Reply(status=204)
