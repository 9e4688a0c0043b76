"""A person's list of calendars."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from integrations.caldav.client import Dav
from integrations.caldav.discovery import TYPE, Found, discover
from integrations.caldav.multistatus import Member
from integrations.caldav.urls import as_collection, origin
from integrations.caldav.xml import APPLE, CALDAV, DAV, propfind
from integrations.collection_list import Listed, Listing
from integrations.ical.zones import iana_name

OWNER: Final = "owner"
READER: Final = "reader"
_NAME: Final = f"{DAV}displayname"
_RIGHTS: Final = f"{DAV}current-user-privilege-set"
_COMPONENTS: Final = f"{CALDAV}supported-calendar-component-set"
_COLOUR: Final = f"{APPLE}calendar-color"
_ZONE: Final = f"{CALDAV}calendar-timezone"
_ZONE_ID: Final = f"{CALDAV}calendar-timezone-id"  # RFC 7809
_CALENDAR: Final = propfind([TYPE, _NAME, _RIGHTS, _COMPONENTS, _COLOUR, _ZONE, _ZONE_ID])
_WRITING: Final = frozenset({f"{DAV}all", f"{DAV}write", f"{DAV}write-content"})


def list_calendars(dav: Dav, url: str) -> Listing:
    """Return all calendars for events that the person at `url` has. Raises `NotCalDav`, `Refusal`.

    The list has no cursor: it is short, and always read whole.
    """
    found = discover(dav, url)
    members = {member.url: member for member in _calendars(dav, found)}
    own = [url for url, member in members.items() if _role(member) == OWNER]
    named = as_collection(found.calendar) if found.calendar else ""
    primary = named or (own[0] if len(own) == 1 else "")
    entries = [_listed(dav, members[url], url == primary) for url in sorted(members)]
    return Listing(entries, "", complete=True)


def remote_id(base: str, url: str) -> str:
    """Return the name of a collection: its path, or its whole address if it lives elsewhere."""
    return urlsplit(url).path if origin(url) == origin(base) else url


def _calendars(dav: Dav, found: Found) -> Iterator[Member]:
    places = [(home, "1") for home in found.homes]
    places += [(found.calendar, "0")] if found.calendar else []
    for place, depth in places:
        answer = dav.ask("collection", "PROPFIND", place, _CALENDAR, depth=depth)
        for member in answer.members:
            if member.status == 200 and _holds_events(member):
                yield Member(as_collection(member.url), 200, member.properties)


def _holds_events(member: Member) -> bool:
    """Say whether this is a calendar for events; one that does not say takes all (§5.2.3)."""
    types, components = member.properties.get(TYPE), member.properties.get(_COMPONENTS)
    if types is None or types.find(f"{CALDAV}calendar") is None:
        return False
    names = [comp.get("name", "").upper() for comp in components] if components is not None else []
    return not names or "VEVENT" in names


def _listed(dav: Dav, member: Member, primary: bool) -> Listed:
    path = urlsplit(member.url).path
    return Listed(
        remote_id=remote_id(dav.base, member.url),
        name=member.text(_NAME) or unquote(path.rstrip("/").rpartition("/")[2]),
        role=_role(member),
        time_zone=_zone(member),
        primary=primary,
        colour=_colour(member.text(_COLOUR)),
    )


def _role(member: Member) -> str:
    """Return what we may do there; a server that does not say is taken at its word later."""
    rights = member.properties.get(_RIGHTS)
    if rights is None:
        return OWNER
    held = {right.tag for privilege in rights for right in privilege}
    return OWNER if held & _WRITING else READER


def _zone(member: Member) -> str:
    """Return the zone of a calendar's floating times, as an IANA name; UTC if it names none."""
    said = _TZID.search(member.text(_ZONE))
    return iana_name(member.text(_ZONE_ID) or (said[1].strip() if said else "")) or "UTC"


_TZID: Final = re.compile(r"^TZID[^:\r\n]*:([^\r\n]+)", re.MULTILINE)


def _colour(said: str) -> str:
    """Return a colour as #rrggbb; Apple's property has a fourth, its opacity."""
    match = re.fullmatch(r"(#[0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?", said)
    return match[1].lower() if match else ""
