"""Events read from the text of a calendar."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

from integrations.ical.alarms import reminders_of
from integrations.ical.events import (
    MARK as MARK,
)
from integrations.ical.events import (
    OURS,
    Event,
    cancelled_slots,
    families_of,
    rules_of,
    start_of,
    too_many_dates,
)
from integrations.ical.guests import guests_of, organizer_of
from integrations.ical.lines import BadCalendar, Block, Line, parse
from integrations.ical.rules import rule_lines
from integrations.ical.times import (
    Malformed,
    Moment,
    default_end,
    duration,
    end_after,
    settled,
    slot_of,
    time_of,
    wall_of,
    zone_of,
)
from integrations.ical.words import unescaped, word_of
from integrations.ical.zones import Zones
from sync.core.events import EMPTY
from sync.core.records import Fields
from sync.core.rules import problem_of

_TWICE: Final = "it stands there twice"


@dataclass(frozen=True, slots=True)
class Component:
    """One VEVENT of a text, or an occurrence that Lockstep has cancelled in its series.

    `slot` is "" for a series or a single event, and the original start for an exception. `digest`
    moves if and only if this component did. `mark` is the text of our mark. `obstacle` says in a
    few words why the component cannot be written, "" if it can. `ranged` says that an exception
    speaks for all later occurrences too. A series or a single event with the status "cancelled" has
    been called off as a whole.
    """

    uid: str
    slot: str
    fields: Fields
    facts: Fields
    digest: str
    mark: str = ""
    obstacle: str = ""
    ranged: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """A VEVENT that could not be understood; the text names the part and quotes nothing."""

    uid: str
    slot: str
    problem: str


@dataclass(slots=True)
class Resource:
    """What a text holds."""

    components: list[Component] = field(default_factory=list)
    unreadable: list[Broken] = field(default_factory=list)


def read_calendar(
    data: bytes,
    *,
    zone: str = "UTC",
    me: frozenset[str] = frozenset(),
    calendars: Sequence[Block] | None = None,
) -> Resource:
    """Read the events of a text; raise `BadCalendar` if it cannot be used as a whole.

    `zone` is the zone in which times without one are read. `me` holds the e-mail addresses, in
    lower case, of the calendar's owner. `calendars` is what `parse` made of the text, if that is
    known. One event that cannot be understood costs only itself.
    """
    calendars = parse(data) if calendars is None else calendars
    zones = Zones.of(data, calendars, zone)
    resource = Resource()
    for events in families_of(data, calendars):
        _read_family(data, events, zones, me, resource)
    return resource


def _read_family(
    data: bytes, events: list[Event], zones: Zones, me: frozenset[str], into: Resource
) -> None:
    """Read the events that share a UID: a series or a single event, and exceptions."""
    start = start_of(events, zones)
    found: dict[str, Component] = {}
    for event in events:
        try:
            component = _component(data, event, start, zones, me)
            found[component.slot] = _latest(found.get(component.slot), component)
        except (Malformed, BadCalendar) as error:
            into.unreadable.append(Broken(event.uid, _slot(event, start, zones), str(error)))
    for event in events:
        for slot, line in cancelled_slots(event, start, zones):
            if slot not in found:
                found[slot] = _cancelled(data, event.uid, slot, line)
    _warn_of_ranges(events, found)
    if "" in found and found[""].obstacle == _TWICE:
        found.update({slot: replace(one, obstacle=_TWICE) for slot, one in found.items()})
    into.components += found.values()


def _slot(event: Event, start: Moment | None, zones: Zones) -> str:
    """Return the slot of an event that cannot be understood, "" if that cannot be either."""
    line = event.first("RECURRENCE-ID")
    try:
        return slot_of(line, zones, start) if line else ""
    except Malformed:
        return ""


def _cancelled(data: bytes, uid: str, slot: str, line: Line) -> Component:
    digest = _hash(data[line.start : line.end])
    return Component(uid, slot, {"status": "cancelled"}, {"uid": uid}, digest, line.parameter(OURS))


def _latest(one: Component | None, other: Component) -> Component:
    """Return the later of two components of one name; nobody can say which one a write means."""
    if one is None:
        return other
    later = other if _sequence(other) >= _sequence(one) else one
    digest = _hash(f"{one.digest} {other.digest}".encode())
    return replace(later, digest=digest, obstacle=_TWICE)


def _sequence(component: Component) -> int:
    sequence = component.facts.get("sequence", 0)
    return sequence if isinstance(sequence, int) else 0


def _warn_of_ranges(events: list[Event], found: dict[str, Component]) -> None:
    """Set an obstacle where one exception speaks for all later ones (RFC 5545, section 3.2.13)."""
    lines = (event.first("RECURRENCE-ID") for event in events)
    if any(line.parameter("RANGE") for line in lines if line):
        for slot, component in found.items():
            found[slot] = replace(component, obstacle="a change of all later occurrences")


def _component(
    data: bytes, event: Event, series: Moment | None, zones: Zones, me: frozenset[str]
) -> Component:
    if event.problem:
        raise Malformed(event.problem)
    line = event.first("RECURRENCE-ID")
    slot = slot_of(line, zones, series) if line else ""
    fields = fields_of(data, event, zones, me)
    mark = event.first(MARK)
    digest = _digest(data, event, fields)
    return Component(
        uid=event.uid or f"lockstep-{digest}",
        slot=slot,
        fields={"status": "cancelled"} if slot and fields["status"] == "cancelled" else fields,
        facts=_facts(event, me),
        digest=digest,
        mark=unescaped(mark.value) if mark else "",
        obstacle=_obstacle(event, fields, zones),
        ranged=bool(line and line.parameter("RANGE").upper() == "THISANDFUTURE"),
    )


def _digest(data: bytes, event: Event, fields: Fields) -> str:
    """Hash a component's bytes without our cancellations in it, which are components themselves."""
    block, parts, at = event.block, [], event.block.start
    for line in event.all("EXDATE"):
        if line.parameter(OURS):
            parts.append(data[at : line.start])
            at = line.end
    times = f"{fields['start']} {fields['end']}"
    return _hash(b"".join([*parts, data[at : block.end]]).rstrip() + times.encode())


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _obstacle(event: Event, fields: Fields, zones: Zones) -> str:
    if not event.uid:
        return "it has no UID"
    if event.damaged:
        return "its text is not UTF-8"
    if _ending(event, zones)[1]:
        return "its end cannot be understood"
    if too_many_dates(rules_of(event)):
        return "too many added or excluded dates"
    problem = problem_of(fields["recurrence"], fields["start"])
    return problem or _zone_problem(event, zones, repeats=bool(fields["recurrence"]))


def _zone_problem(event: Event, zones: Zones, *, repeats: bool) -> str:
    """Say why the times of an event may not be what they look like; rules tell single ones."""
    for line in (*event.all("DTSTART"), *event.all("DTEND")):
        if line.parameter("TZID"):
            wall = wall_of(line.value)[0]
            zone = zone_of(line, zones, wall.year, event.last_year)
            if zone.problem and (repeats or zone.definition is None):
                return zone.problem
    return ""


def fields_of(data: bytes, event: Event, zones: Zones, me: frozenset[str]) -> dict[str, Any]:
    """Return the canonical fields of an event; raise `Malformed`."""
    start, end = _times(event, zones)
    rules = [] if event.first("RECURRENCE-ID") else rules_of(event)
    if too_many_dates(rules):
        rules = [line for line in rules if "DATE" not in line.name]
    return {
        **EMPTY,
        "title": event.text("SUMMARY"),
        "description": event.text("DESCRIPTION"),
        "location": event.text("LOCATION"),
        "start": start,
        "end": end,
        "recurrence": rule_lines(rules, start, zones) if rules else [],
        "status": _word(event, "STATUS", "confirmed"),
        "visibility": _word(event, "CLASS", "default"),
        "transparency": _word(event, "TRANSP", "opaque"),
        "attendees": guests_of(event.all("ATTENDEE"), me),
        "reminders": reminders_of(data, event.block),
    }


def _word(event: Event, name: str, default: str) -> str:
    line = event.first(name)
    return word_of(line.value, default) if line else default


def _times(event: Event, zones: Zones) -> tuple[dict[str, str], dict[str, str]]:
    """Return when an event begins and ends; an end that makes no sense is not said."""
    start = _start(event, zones)
    end, _ = _ending(event, zones)
    return start, settled(start, end) if end else default_end(start)


def _start(event: Event, zones: Zones) -> dict[str, str]:
    line = event.first("DTSTART")
    if line is None:
        raise Malformed("DTSTART: missing")
    return time_of(line, zones, event.last_year)


def _ending(event: Event, zones: Zones) -> tuple[dict[str, str] | None, bool]:
    """Return the end that an event says, if it does, and whether it makes no sense."""
    end, length = event.first("DTEND"), event.first("DURATION")
    try:
        if end:
            return time_of(end, zones, event.last_year), False
        if length:
            return end_after(_start(event, zones), duration(length.value), zones), False
    except (Malformed, OverflowError):
        return None, True
    return None, False


def _facts(event: Event, me: frozenset[str]) -> Fields:
    facts: dict[str, Any] = {"uid": event.uid}
    sequence, organizer, link = map(event.first, ("SEQUENCE", "ORGANIZER", "URL"))
    if sequence and sequence.value.strip().isdecimal():
        facts["sequence"] = int(sequence.value.strip()[:9])
    if organizer:
        facts["organizer"] = organizer_of(organizer, me)
    if link and link.value.lower().startswith(("https://", "http://")):
        facts["link"] = link.value.strip()
    return facts
