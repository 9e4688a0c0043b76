"""Whose an event is: a guest's copy holds little that is the guest's own (RFC 6638 §3.2.2.1).

What a guest changes of the rest is refused by servers that know of scheduling, and runs into the
organiser's next change everywhere else. It would look as if it had been kept, so it is parked.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from integrations.caldav.errors import refused
from integrations.ical import Component
from sync.core.provider import Remedy
from sync.core.records import Fields

# Each copy's own; so is the calendar's own answer.
_PER_COPY: Final = frozenset({"reminders", "colour", "transparency", "metadata"})


def check_ownership(fields: Fields, changed: Collection[str], current: Component) -> None:
    """Raise PARK if a guest's copy would change what belongs to the organiser."""
    organizer = current.facts.get("organizer")
    guests = current.fields.get("attendees") or []
    if not organizer or organizer.get("self") or not any(guest.get("self") for guest in guests):
        return
    shared = set(changed) - _PER_COPY
    if _others(fields.get("attendees")) == _others(guests):
        shared -= {"attendees"}
    if shared:
        names = ", ".join(sorted(shared))
        raise refused(Remedy.PARK, "update", f"belongs to the organiser: {names}")


def _others(guests: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """Return the guest list without the calendar's own response."""
    return [{**guest, "response": ""} if guest.get("self") else guest for guest in guests or ()]
