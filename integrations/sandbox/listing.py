"""`events.list` and `events.instances`: pages, sync tokens, masks, and listings that misbehave.

Listings stay serialised: an event's JSON, as one kind of viewer and mask shows it, is kept with
the event and joined into pages, so that a calendar of 100,000 events lists in a few seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from integrations.sandbox import events, selection, series, tokens, views
from integrations.sandbox.book import Book, Event
from integrations.sandbox.errors import invalid
from integrations.sandbox.masks import Mask, apply, parse_mask
from integrations.sandbox.roles import find_calendar
from integrations.sandbox.times import parse
from integrations.sandbox.world import Call, Reply

_NOT_WITH_TOKEN = (
    "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin",
    "timeMax", "updatedMin",
)  # fmt: skip
_NO_TOKEN_AFTER = tuple(name for name in _NOT_WITH_TOKEN if name != "timeMin")
_SYNC_SHAPE = ("singleEvents", "eventTypes", "maxAttendees", "timeZone", "showHiddenInvitations")
_PAGE_SHAPE = (*_SYNC_SHAPE, *_NOT_WITH_TOKEN, "showDeleted", "syncToken", "originalStart")


@dataclass(slots=True)
class Listing:
    """One page request: what it is about, where it starts, and how far it may see."""

    call: Call
    calendar: dict[str, Any]
    eyes: views.Viewer
    wanted: selection.Filters
    mask: Mask
    since: int
    snapshot: int
    place: int
    size: int

    @property
    def book(self) -> Book:
        """Return the events of the listed calendar."""
        return self.call.world.store.book(self.calendar["id"])


def list_events(call: Call) -> Reply:
    """Return one page of a calendar's events."""
    calendar = find_calendar(call, call.args["calendarId"])
    listing = _open(call, calendar)
    order = call.query.choice("orderBy", ("startTime", "updated"))
    if order == "startTime" and not listing.wanted.expand:
        raise invalid("orderBy=startTime needs singleEvents=true.", "orderBy")
    if listing.wanted.expand or order:
        return _offset_page(listing, _sorted(listing, order))
    return _stored_page(listing)


def _open(call: Call, calendar: dict[str, Any]) -> Listing:
    eyes = views.viewer(call, calendar)
    expand = call.query.flag("singleEvents") or eyes.role == "freeBusyReader"
    since, snapshot, place = _position(call, calendar, eyes)
    return Listing(
        call=call,
        calendar=calendar,
        eyes=eyes,
        wanted=selection.filters(call, expand=expand),
        mask=parse_mask(call.query.text("fields") or "*", "Events"),
        since=since,
        snapshot=min(snapshot, call.play.get("visible_seq", snapshot)),
        place=place,
        size=min(call.query.number("maxResults", 250, 2500), call.play.get("size", 2500)),
    )


def _position(call: Call, calendar: dict[str, Any], eyes: views.Viewer) -> tuple[int, int, int]:
    """Return change number to start after, change number to reach, and place among pages."""
    since = 0
    if call.query.text("syncToken"):
        _check_token_alone(call)
        expected = _token(call, calendar, eyes, "sync", _SYNC_SHAPE)
        since = tokens.open_token(call, "syncToken", expected).seq
    if call.query.text("pageToken"):
        expected = _token(call, calendar, eyes, "page", _PAGE_SHAPE)
        page = tokens.open_token(call, "pageToken", expected)
        return page.seq, page.snapshot, page.place
    return since, call.world.store.seq, 0


def _check_token_alone(call: Call) -> None:
    for name in _NOT_WITH_TOKEN:
        if name in call.query:
            raise invalid(f"Sync token cannot be used together with {name}.", name)
    if not call.query.flag("showDeleted", True):
        raise invalid("showDeleted=false cannot be used with a sync token.", "showDeleted")


def _token(
    call: Call, calendar: dict[str, Any], eyes: views.Viewer, kind: str, names: tuple[str, ...]
) -> tokens.Token:
    return tokens.Token(
        life=tokens.life(call),
        kind=kind,
        collection=f"events {calendar['id']} {call.args.get('eventId', '')}",
        account=call.account,
        role=eyes.role,
        shape=tokens.shape_of(call, names),
        seq=0,
    )


def _candidates(listing: Listing) -> Iterator[Event]:
    """Yield the matching events of this page and all after it, as of the visible change."""
    book, zone = listing.book, listing.calendar["timeZone"]
    if listing.since:
        found: Iterable[Event] = book.changed_since(listing.since)
    else:
        found = book.after(0 if _by_offset(listing) else listing.place)
    for event in found:
        version = _visible(event, listing)
        if version is not None and selection.matches(version, listing.wanted, zone):
            yield version


def _by_offset(listing: Listing) -> bool:
    return listing.wanted.expand or "orderBy" in listing.call.query


def _visible(event: Event, listing: Listing) -> Event | None:
    """Return the version of an event that this listing shows; older ones where it lags."""
    lagging = "visible_seq" in listing.call.play and event.seq > listing.snapshot
    if not lagging:
        return None if event.dropped and not listing.since else event
    raw, seq = event.as_of(listing.snapshot), event.seq_as_of(listing.snapshot)
    if raw is None or seq <= listing.since:
        return None
    zone = listing.calendar["timeZone"]
    old = Event.read(event.id, raw, seq=seq, zone=zone, dropped=False)
    old.number = event.number
    return old


def _stored_page(listing: Listing) -> Reply:
    """Return a page of masters, exceptions and single events in the book's own order."""
    later = (e for e in _candidates(listing) if e.number > listing.place)
    page = list(islice(later, listing.size + 1))
    more = len(page) > listing.size
    page = page[: listing.size]
    kept = [e for e in page if not _missing(listing, e.id)]
    items = [_item(listing, event) for event in kept]
    return _answer(listing, items, page[-1].number if more else None)


def _missing(listing: Listing, name: str) -> bool:
    return name in listing.call.play.get("missing", ())


def _item(listing: Listing, event: Event) -> bytes:
    """Return an event's JSON for this viewer and mask, from its own memory if it is there."""
    mask = _item_mask(listing.mask)
    if event.cancelled:
        return _dumps(apply(mask, views.tombstone(event.body())))
    if not mask and listing.eyes.plain:
        return event.raw
    key = (listing.eyes, listing.call.query.text("fields"))
    if event.view is None or event.view[0] != key:
        event.view = key, _dumps(apply(mask, views.shown(listing.eyes, event.body())))
    return event.view[1]


def _item_mask(mask: Mask) -> Mask:
    return dict(mask.get("items") or mask.get("*") or {})


def _dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _sorted(listing: Listing, order: str) -> list[dict[str, Any]]:
    zone = listing.calendar["timeZone"]
    found: Iterable[dict[str, Any]]
    if listing.wanted.expand:
        args = listing.call, listing.book, _candidates(listing), listing.wanted, zone
        found = selection.expanded(*args)
    else:
        found = (event.body() for event in _candidates(listing))
    if order == "updated":
        return sorted(found, key=lambda body: (body["updated"], body["id"]))
    return sorted(found, key=lambda body: (_start(body, zone), body["id"]))


def _start(body: dict[str, Any], zone: str) -> float:
    return parse(body["start"], zone, which="start").instant(zone).timestamp()


def _offset_page(listing: Listing, found: list[dict[str, Any]]) -> Reply:
    """Return a page of a listing that has an order of its own."""
    end = listing.place + listing.size
    page = [body for body in found[listing.place : end] if not _missing(listing, body["id"])]
    mask = _item_mask(listing.mask)
    items = [_dumps(apply(mask, _seen(listing, body))) for body in page]
    return _answer(listing, items, end if len(found) > end else None)


def _seen(listing: Listing, body: dict[str, Any]) -> dict[str, Any]:
    if body["status"] == "cancelled":
        return views.tombstone(body)
    return views.shown(listing.eyes, body)


def _answer(listing: Listing, items: list[bytes], next_place: int | None) -> Reply:
    """Return the page as bytes: envelope, the one token that applies, items."""
    play = listing.call.play
    if play.get("empty"):
        items, next_place = [], listing.place
    elif play.get("repeat"):
        next_place = listing.place
    if play.get("duplicate"):
        items = items + items[: play["duplicate"]]
    envelope = _envelope(listing) | _next(listing, next_place)
    listing.call.note["items"] = len(items)
    if not {"items", "*"} & listing.mask.keys():
        return Reply(_dumps(apply(listing.mask, envelope)))
    head = _dumps(apply(listing.mask, envelope))
    comma = b"," if head != b"{}" else b""
    return Reply(head[:-1] + comma + b'"items":[' + b",".join(items) + b"]}")


def _next(listing: Listing, place: int | None) -> dict[str, str]:
    call, calendar, eyes = listing.call, listing.calendar, listing.eyes
    if place is not None:
        page = _token(call, calendar, eyes, "page", _PAGE_SHAPE)
        page = replace(page, seq=listing.since, snapshot=listing.snapshot, place=place)
        return {"nextPageToken": page.text()}
    if call.play.get("no_sync_token") or any(name in call.query for name in _NO_TOKEN_AFTER):
        return {}
    sync = _token(call, calendar, eyes, "sync", _SYNC_SHAPE)
    return {"nextSyncToken": replace(sync, seq=listing.snapshot).text()}


def _envelope(listing: Listing) -> dict[str, Any]:
    calendar, call = listing.calendar, listing.call
    entry = call.world.store["entry"].get(f"{call.account}\n{calendar['id']}", {})
    return {
        "kind": "calendar#events",
        "etag": call.world.etag(max(listing.book.last_seq(), calendar["seq"])),
        "summary": calendar["summary"],
        "description": calendar.get("description", ""),
        "updated": listing.book.updated or calendar["created"],
        "timeZone": listing.eyes.zone,
        "accessRole": listing.eyes.role,
        "defaultReminders": entry.get("defaultReminders", []),
    }


def instances(call: Call) -> Reply:
    """Return one page of a series' occurrences, changed ones included."""
    calendar = find_calendar(call, call.args["calendarId"])
    master = events.lookup(call, calendar, call.args["eventId"])
    if "recurrence" not in master:
        raise invalid("Only recurring events have instances.")
    listing = _open(call, calendar)
    found = _instances(listing, master)
    call.play = call.play | {"no_sync_token": True}
    return _offset_page(listing, found)


def _instances(listing: Listing, master: dict[str, Any]) -> list[dict[str, Any]]:
    zone, call = listing.calendar["timeZone"], listing.call
    early, late = selection.window(call, listing.wanted)
    changed = {e.id: e for e in listing.book.living_exceptions(master["id"])}
    plain = (
        series.instance(master, start, zone)
        for start in series.starts_between(master, zone, early, late)
    )
    wanted = call.query.flag("showDeleted")
    found = [body for body in plain if body["id"] not in changed]
    found += [
        event.body()
        for event in changed.values()
        if (wanted or not event.cancelled) and selection.matches(event, listing.wanted, zone)
    ]
    original = call.query.text("originalStart")
    if original:
        found = [body for body in found if original in body["originalStartTime"].values()]
    return sorted(found, key=lambda body: (_start(body, zone), body["id"]))
