"""iCalendar (RFC 5545): the text of a calendar, and events in canonical form.

Nothing here knows of DAV, HTTP, Django or the engine; `docs/fidelity.md` says what gets lost.
"""

from integrations.ical.events import MARK
from integrations.ical.lines import BadCalendar
from integrations.ical.normal import normalise
from integrations.ical.ranges import Starts, spell_out
from integrations.ical.reading import Broken, Component, Resource, read_calendar
from integrations.ical.writing import put_event, remove_event

__all__ = [
    "MARK",
    "BadCalendar",
    "Broken",
    "Component",
    "Resource",
    "Starts",
    "normalise",
    "put_event",
    "read_calendar",
    "remove_event",
    "spell_out",
]
