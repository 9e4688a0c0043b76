"""Storing one event: etag, `updated`, `sequence`, and the fate of a series' exceptions."""

from __future__ import annotations

import base64
from typing import Any

from integrations.sandbox import series
from integrations.sandbox.book import Event
from integrations.sandbox.errors import invalid
from integrations.sandbox.world import World

# Google's own part of an event; request bodies cannot set these.
SERVER_FIELDS = (
    "kind", "etag", "id", "htmlLink", "created", "updated", "creator", "organizer", "iCalUID",
    "sequence", "recurringEventId", "originalStartTime", "hangoutLink", "locked",
    "attendeesOmitted", "endTimeUnspecified",
)  # fmt: skip
_MOVES = ("start", "end", "recurrence", "status")


def html_link(calendar: str, name: str) -> str:
    """Return the address of an event's page."""
    code = base64.urlsafe_b64encode(f"{name} {calendar}".encode()).decode().rstrip("=")
    return f"https://www.google.com/calendar/event?eid={code}"


def save(
    world: World, calendar: dict[str, Any], body: dict[str, Any], *, touch: bool = True
) -> dict[str, Any]:
    """Store an event and return its resource; `touch=False` leaves `updated` as it was."""
    seq = world.store.next_seq()
    now = world.stamp()
    head = {
        "kind": "calendar#event",
        "etag": world.etag(seq),
        "id": body["id"],
        "status": body["status"],
        "htmlLink": html_link(calendar["id"], body["id"]),
        "created": body.get("created", now),
        "updated": now if touch else body.get("updated", now),
    }
    resource = head | {key: value for key, value in body.items() if key not in head}
    event = Event(resource, seq=seq, zone=calendar["timeZone"], dropped=False)
    world.store.put_event(calendar["id"], event)
    world.writes.append((world.clock.now().timestamp(), seq, calendar["id"]))
    world.changed("events", calendar["id"])
    return resource


def next_sequence(old: dict[str, Any], new: dict[str, Any], asked: int | None) -> int:
    """Return the iCalendar sequence after a write; a lower one than before is refused."""
    current = int(old.get("sequence", 0))
    if asked is not None and asked < current:
        raise invalid("Invalid sequence value. It is below the current one.", "sequence")
    moved = any(old.get(name) != new.get(name) for name in _MOVES)
    return max(current + moved, asked or 0)


def only_reminders_changed(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Return whether a write touched nothing but reminders, which leave `updated` alone."""
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    return changed == {"reminders"}


def drop_exceptions(world: World, calendar: dict[str, Any], master: dict[str, Any]) -> None:
    """Forget the exceptions of a series that its rule no longer makes, or all of a dead one.

    Those of a living series show once as cancelled in deltas; those of a deleted one just go.
    """
    alive = master["status"] != "cancelled"
    for event in world.store.book(calendar["id"]).living_exceptions(master["id"]):
        suffix = event.id.removeprefix(f"{master['id']}_")
        if not alive:
            event.dropped = True
            world.store.rewrite_event(calendar["id"], event)
        elif series.occurrence(master, suffix, calendar["timeZone"]) is None:
            seq = world.store.next_seq()
            body = event.body() | {"status": "cancelled", "etag": world.etag(seq)}
            gone = Event(body, seq=seq, zone=calendar["timeZone"], dropped=True)
            world.store.put_event(calendar["id"], gone)
