"""Whose an event is: a guest's copy holds little that is the guest's own.

Facts from developers.google.com/workspace/calendar/api/concepts/inviting-attendees-to-events: what
a guest changes of the shared fields stays on the guest's copy, until the organiser's next change
runs over it. Such a change would look as if it had been kept, so it is parked instead.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from integrations.google.events import Raw, attendees_of, metadata_of
from sync.core.provider import Refusal, Remedy
from sync.core.records import Fields

# Each copy's own; so are the private part of the metadata and the calendar's own response.
_PER_COPY: Final = frozenset({"reminders", "colour", "transparency"})


def may_be_a_guests(fields: Fields, changed: Collection[str]) -> bool:
    """Say whether a change touches shared fields of an event to which the calendar is invited."""
    invited = any(guest.get("self") for guest in fields.get("attendees") or ())
    return invited and not _PER_COPY.issuperset(changed)


def check_ownership(fields: Fields, changed: Collection[str], current: Raw) -> None:
    """Raise PARK if a guest's copy would change what belongs to the organiser."""
    organizer = current.get("organizer")
    if not organizer or organizer.get("self") or current.get("guestsCanModify"):
        return
    shared = set(changed) - _PER_COPY
    if _others(fields.get("attendees")) == _others(attendees_of(current.get("attendees", ()))):
        shared -= {"attendees"}
    before = metadata_of(current.get("extendedProperties", {}))
    if (fields.get("metadata") or {}).get("shared") == before.get("shared"):
        shared -= {"metadata"}
    if shared:
        names = ", ".join(sorted(shared))
        raise Refusal(
            Remedy.PARK, call="calendar.events.patch", reason=f"belongs to the organiser: {names}"
        )


def _others(guests: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """Return the guest list without the calendar's own response."""
    return [{**guest, "response": ""} if guest.get("self") else guest for guest in guests or ()]
