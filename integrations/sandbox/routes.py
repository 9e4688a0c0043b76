"""The addresses of the API: which operation a method and path mean, and which scopes it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from integrations.sandbox import calendars, channels, colors, events, listing, sharing
from integrations.sandbox.world import Call, Reply

Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: `name` as in the discovery document, `resource` the shape of its answer."""

    name: str
    method: str
    path: str
    handler: Handler
    resource: str
    scopes: frozenset[str]


def _scopes(text: str) -> frozenset[str]:
    return frozenset(["calendar", *(f"calendar.{name}" for name in text.split())])


_ACL_WRITE = _scopes("acls")
_ACL_READ = _scopes("acls acls.readonly")
_LIST_WRITE = _scopes("app.created calendarlist")
_LIST_READ = _scopes("calendarlist calendarlist.readonly readonly")
_CALENDAR_WRITE = _scopes("app.created calendars")
_CALENDAR_READ = _scopes("app.created calendars calendars.readonly readonly")
_EVENT_WRITE = _scopes("app.created events events.owned")
_EVENT_READ = _scopes(
    "app.created events events.freebusy events.owned events.owned.readonly "
    "events.public.readonly events.readonly readonly"
)
_COLORS = _scopes(
    "app.created calendarlist calendarlist.readonly events.freebusy events.owned "
    "events.owned.readonly events.public.readonly readonly"
)
_SETTINGS = _scopes("readonly settings settings.readonly")
_FREE_BUSY = _scopes("events.freebusy freebusy readonly")
_STOP = _scopes(
    "acls acls.readonly app.created calendarlist calendarlist.readonly events events.freebusy "
    "events.owned events.owned.readonly events.public.readonly events.readonly readonly settings "
    "settings.readonly"
)
_EVENTS = "calendars/{calendarId}/events"
_EVENT = "calendars/{calendarId}/events/{eventId}"
_CALENDAR = "calendars/{calendarId}"
_ENTRY = "users/me/calendarList/{calendarId}"
_RULE = "calendars/{calendarId}/acl/{ruleId}"
_LIST = "users/me/calendarList"

ROUTES = [
    Route("acl.delete", "DELETE", _RULE, sharing.delete_rule, "", _ACL_WRITE),
    Route("acl.get", "GET", _RULE, sharing.get_rule, "AclRule", _ACL_READ | _scopes("readonly")),
    Route("acl.insert", "POST", f"{_CALENDAR}/acl", sharing.insert_rule, "AclRule", _ACL_WRITE),
    Route("acl.list", "GET", f"{_CALENDAR}/acl", sharing.list_rules, "Acl", _ACL_READ),
    Route("acl.patch", "PATCH", _RULE, sharing.write_rule, "AclRule", _ACL_WRITE),
    Route("acl.update", "PUT", _RULE, sharing.write_rule, "AclRule", _ACL_WRITE),
    Route("acl.watch", "POST", f"{_CALENDAR}/acl/watch", channels.watch, "Channel", _ACL_READ),
    Route("calendarList.delete", "DELETE", _ENTRY, calendars.delete_entry, "", _LIST_WRITE),
    Route("calendarList.get", "GET", _ENTRY, calendars.get_entry, "CalendarListEntry",
          _LIST_READ | _LIST_WRITE),
    Route("calendarList.insert", "POST", _LIST, calendars.insert_entry, "CalendarListEntry",
          _scopes("calendarlist")),
    Route("calendarList.list", "GET", _LIST, calendars.list_entries, "CalendarList", _LIST_READ),
    Route("calendarList.patch", "PATCH", _ENTRY, calendars.write_entry, "CalendarListEntry",
          _LIST_WRITE),
    Route("calendarList.update", "PUT", _ENTRY, calendars.write_entry, "CalendarListEntry",
          _LIST_WRITE),
    Route("calendarList.watch", "POST", f"{_LIST}/watch", channels.watch, "Channel", _LIST_READ),
    Route("calendars.clear", "POST", f"{_CALENDAR}/clear", calendars.clear, "",
          _scopes("calendars")),
    Route("calendars.delete", "DELETE", _CALENDAR, calendars.delete_calendar, "", _CALENDAR_WRITE),
    Route("calendars.get", "GET", _CALENDAR, calendars.get_calendar, "Calendar", _CALENDAR_READ),
    Route("calendars.insert", "POST", "calendars", calendars.insert_calendar, "Calendar",
          _CALENDAR_WRITE),
    Route("calendars.patch", "PATCH", _CALENDAR, calendars.write_calendar, "Calendar",
          _CALENDAR_WRITE),
    Route("calendars.update", "PUT", _CALENDAR, calendars.write_calendar, "Calendar",
          _CALENDAR_WRITE),
    Route("channels.stop", "POST", "channels/stop", channels.stop, "", _STOP),
    Route("colors.get", "GET", "colors", colors.get, "Colors", _COLORS),
    Route("events.delete", "DELETE", _EVENT, events.delete, "", _EVENT_WRITE),
    Route("events.get", "GET", _EVENT, events.get, "Event", _EVENT_READ),
    Route("events.import", "POST", f"{_EVENTS}/import", events.import_, "Event", _EVENT_WRITE),
    Route("events.insert", "POST", _EVENTS, events.insert, "Event", _EVENT_WRITE),
    Route("events.instances", "GET", f"{_EVENT}/instances", listing.instances, "Events",
          _EVENT_READ),
    Route("events.list", "GET", _EVENTS, listing.list_events, "Events", _EVENT_READ),
    Route("events.move", "POST", f"{_EVENT}/move", events.move, "Event",
          _scopes("events events.owned")),
    Route("events.patch", "PATCH", _EVENT, events.patch, "Event", _EVENT_WRITE),
    Route("events.quickAdd", "POST", f"{_EVENTS}/quickAdd", events.quick_add, "Event",
          _EVENT_WRITE),
    Route("events.update", "PUT", _EVENT, events.update, "Event", _EVENT_WRITE),
    Route("events.watch", "POST", f"{_EVENTS}/watch", channels.watch, "Channel", _EVENT_READ),
    Route("freebusy.query", "POST", "freeBusy", sharing.free_busy, "FreeBusyResponse", _FREE_BUSY),
    Route("settings.get", "GET", "users/me/settings/{setting}", sharing.get_setting, "Setting",
          _SETTINGS),
    Route("settings.list", "GET", "users/me/settings", sharing.list_settings, "Settings",
          _SETTINGS),
    Route("settings.watch", "POST", "users/me/settings/watch", channels.watch, "Channel",
          _SETTINGS),
]  # fmt: skip

PREFIX = "/calendar/v3/"
_PATTERNS = [
    (route, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path))) for route in ROUTES
]


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the operation and the unquoted parts of its path, None for an unknown address."""
    if not path.startswith(PREFIX):
        return None
    rest = path.removeprefix(PREFIX)
    for route, pattern in _PATTERNS:
        match = pattern.fullmatch(rest) if route.method == method else None
        if match:
            return route, {name: unquote(part) for name, part in match.groupdict().items()}
    return None
