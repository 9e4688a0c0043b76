"""Sharing, settings and availability: `acl.*`, `settings.*` and `freebusy.query`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from integrations.sandbox import selection, tokens
from integrations.sandbox.calendars import add_entry, set_rule
from integrations.sandbox.errors import ApiError, invalid, not_found, required
from integrations.sandbox.roles import find_calendar
from integrations.sandbox.shapes import read_body, shape
from integrations.sandbox.times import parse, parse_moment, rfc3339
from integrations.sandbox.world import Call, Reply, World

_SETTINGS = {
    "autoAddHangouts": "true",
    "dateFieldOrder": "DMY",
    "defaultEventLength": "60",
    "format24HourTime": "true",
    "hideInvitations": "false",
    "hideWeekends": "false",
    "locale": "en_GB",
    "remindOnRespondedEventsOnly": "false",
    "showDeclinedEvents": "true",
    "useKeyboardShortcuts": "true",
    "weekStart": "1",
}


def _rule(world: World, scope: str, rule: dict[str, Any]) -> dict[str, Any]:
    kind, _, value = scope.partition(":")
    return {
        "kind": "calendar#aclRule",
        "etag": world.etag(rule["seq"]),
        "id": scope,
        "scope": {"type": kind} | ({"value": value} if value else {}),
        "role": rule["role"],
    }


def _page(
    call: Call, kind: str, collection: str, rows: list[tuple[int, dict[str, Any]]]
) -> dict[str, Any]:
    """Return a page of (change number, resource) rows with the token that continues it."""
    life = tokens.life(call)
    expected = tokens.Token(life, kind, collection, call.account, "", "", 0)
    since = tokens.open_token(call, "syncToken", expected).seq if "syncToken" in call.query else 0
    place = tokens.open_token(call, "pageToken", expected).place if "pageToken" in call.query else 0
    found = [resource for seq, resource in rows if seq > since]
    end = place + call.query.number("maxResults", 100, 250)
    token = replace(expected, seq=call.world.store.seq, place=end if end < len(found) else 0)
    return {
        "kind": kind,
        "etag": call.world.etag(max([seq for seq, _ in rows], default=0)),
        "items": found[place:end],
        "nextPageToken" if token.place else "nextSyncToken": token.text(),
    }


def list_rules(call: Call) -> Reply:
    """Return a calendar's rules; taken-away ones, as role `none`, only when asked or in deltas."""
    calendar = find_calendar(call, call.args["calendarId"], "writer")
    gone = call.query.flag("showDeleted") or "syncToken" in call.query
    rules = [(s, r) for s, r in calendar["acl"].items() if gone or r["role"] != "none"]
    rows = [(rule["seq"], _rule(call.world, scope, rule)) for scope, rule in rules]
    return Reply(_page(call, "calendar#acl", f"acl {calendar['id']}", rows))


def get_rule(call: Call) -> Reply:
    """Return one rule."""
    calendar = find_calendar(call, call.args["calendarId"], "writer")
    rule = calendar["acl"].get(call.args["ruleId"])
    if rule is None:
        raise not_found()
    return Reply(_rule(call.world, call.args["ruleId"], rule))


def insert_rule(call: Call) -> Reply:
    """Share a calendar; a user's calendar list gets the entry."""
    body = read_body(call.body, shape("AclRule"))
    scope = body.get("scope") or {}
    if scope.get("type") not in ("default", "user", "group", "domain"):
        raise invalid("Invalid scope type.", "scope")
    name = ":".join(part for part in (scope["type"], scope.get("value")) if part)
    return _set_rule(call, name, body.get("role"))


def write_rule(call: Call) -> Reply:
    """Change a rule's role (patch and update)."""
    return _set_rule(call, call.args["ruleId"], call.body.get("role"))


def _set_rule(call: Call, scope: str, role: str | None) -> Reply:
    calendar = find_calendar(call, call.args["calendarId"], "owner")
    if not role:
        raise required("Missing role.")
    set_rule(call.world, calendar, scope, role)
    share_entry(call.world, calendar, scope, role)
    return Reply(_rule(call.world, scope, calendar["acl"][scope]))


def share_entry(world: World, calendar: dict[str, Any], scope: str, role: str) -> None:
    """Put a calendar that was newly shared with a user on that user's list."""
    email = scope.removeprefix("user:")
    known = world.store["entry"].get(f"{email}\n{calendar['id']}", {"deleted": True})
    if email in world.store["account"] and role != "none" and known["deleted"]:
        add_entry(world, email, calendar["id"])


def delete_rule(call: Call) -> Reply:
    """Stop sharing with a scope."""
    calendar = find_calendar(call, call.args["calendarId"], "owner")
    if call.args["ruleId"] == f"user:{calendar['owner']}":
        raise ApiError(403, "cannotChangeOwnAcl", "The data owner's rule cannot be removed.")
    set_rule(call.world, calendar, call.args["ruleId"], "none")
    return Reply(status=204)


def _setting(call: Call, name: str, value: str) -> dict[str, Any]:
    etag = call.world.etag(call.world.store["calendar"][call.account]["seq"])
    return {"kind": "calendar#setting", "etag": etag, "id": name, "value": value}


def _settings(call: Call) -> dict[str, str]:
    return _SETTINGS | {"timezone": call.world.store["calendar"][call.account]["timeZone"]}


def list_settings(call: Call) -> Reply:
    """Return the caller's settings."""
    seq = call.world.store["calendar"][call.account]["seq"]
    rows = [(seq, _setting(call, name, value)) for name, value in _settings(call).items()]
    return Reply(_page(call, "calendar#settings", "settings", rows))


def get_setting(call: Call) -> Reply:
    """Return one setting."""
    name = call.args["setting"]
    if name not in _settings(call):
        raise not_found()
    return Reply(_setting(call, name, _settings(call)[name]))


def free_busy(call: Call) -> Reply:
    """Return when calendars are busy; those out of reach answer inside the 200."""
    body = read_body(call.body, shape("FreeBusyRequest"))
    names = [str(item.get("id", "")) for item in body.get("items") or []]
    if len(names) > min(body.get("calendarExpansionMax", 50), 50):
        raise invalid("Too many calendars requested.", "items")
    bounds = {name: parse_moment(str(body.get(name, "")), name) for name in ("timeMin", "timeMax")}
    early, late = bounds["timeMin"], bounds["timeMax"]
    if late <= early:
        raise ApiError(400, "timeRangeEmpty", "The time range is empty.", domain="calendar")
    zone = body.get("timeZone") or "UTC"
    found = {name: _busy(call, name, early, late, zone) for name in names}
    times = {name: rfc3339(moment, "UTC") for name, moment in bounds.items()}
    return Reply({"kind": "calendar#freeBusy", **times, "calendars": found})


def _busy(call: Call, name: str, early: datetime, late: datetime, zone: str) -> dict[str, Any]:
    try:
        calendar = find_calendar(call, name)
    except ApiError:
        return {"errors": [{"domain": "global", "reason": "notFound"}], "busy": []}
    wanted = selection.Filters(early.timestamp(), late.timestamp(), expand=True)
    book, own_zone = call.world.store.book(calendar["id"]), calendar["timeZone"]
    events = (e for e in book if not e.dropped and selection.matches(e, wanted, own_zone))
    spans = []
    for event in selection.expanded(call, book, events, wanted, own_zone):
        if event.get("transparency") != "transparent" and not _declined(event):
            ends = [parse(event[k], own_zone, which=k).instant(own_zone) for k in ("start", "end")]
            spans.append((max(ends[0], early), min(ends[1], late)))
    return {"busy": [_period(start, end, zone) for start, end in _united(sorted(spans))]}


def _declined(event: dict[str, Any]) -> bool:
    own = (one for one in event.get("attendees", []) if one.get("self"))
    return any(one["responseStatus"] == "declined" for one in own)


def _united(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    united: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if united and start <= united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((start, end))
    return united


def _period(start: datetime, end: datetime, zone: str) -> dict[str, str]:
    return {"start": rfc3339(start.astimezone(UTC), zone), "end": rfc3339(end, zone)}
