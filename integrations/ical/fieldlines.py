"""Canonical fields written as content lines, each field by itself."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from integrations.ical.alarms import alarm_lines, reminder_of, wanted
from integrations.ical.draft import Draft
from integrations.ical.events import rules_of
from integrations.ical.guests import Guest, address_of, guests_of, normal_guests, parameters_of
from integrations.ical.lines import Line
from integrations.ical.rules import rule_lines
from integrations.ical.spelling import Speller
from integrations.ical.times import (
    Malformed,
    Moment,
    default_end,
    duration,
    end_after,
    time_of,
)
from integrations.ical.words import escaped
from integrations.ical.zones import Zones
from sync.core.events import EMPTY
from sync.core.records import Fields
from sync.core.rules import parts_of

_NOBODY: Final[frozenset[str]] = frozenset()
# What another line says in place of a text, or how the text was encoded: it holds no longer.
_STALE: Final = frozenset({"ALTREP", "ENCODING", "CHARSET"})
_OTHER_WORDS: Final = {"DESCRIPTION": "X-ALT-DESC"}  # the same text as HTML


def write_fields(
    draft: Draft, fields: Fields, names: Collection[str], speller: Speller, *, exception: bool
) -> None:
    """Write the named fields; `fields` is the whole event as `normalise` leaves it."""
    for name in sorted(names & _WRITE.keys()):
        _WRITE[name](draft, fields[name])
    _write_times(draft, fields, names, speller)
    if not exception and {"recurrence", "start"} & set(names):
        _write_rules(draft, fields, speller)


def _text(name: str) -> Callable[[Draft, str], None]:
    def write(draft: Draft, value: str) -> None:
        line = draft.event.first(name)
        if name in _OTHER_WORDS:
            draft.drop(_OTHER_WORDS[name])
        if not value:
            draft.drop(name)
        elif line is None or draft.event.text(name) != value:
            kept = [pair for pair in (line.parameters if line else ()) if pair[0] not in _STALE]
            draft.set(name, escaped(value), kept)

    return write


def _word(field: str, name: str) -> Callable[[Draft, str], None]:
    def write(draft: Draft, value: str) -> None:
        line = draft.event.first(name)
        if value == EMPTY[field] and (line is None or value == "default"):
            draft.drop(name)
        elif line is None or line.value.strip().lower() != value:
            draft.set(name, value.upper())

    return write


def _guests(draft: Draft, guests: Sequence[Guest]) -> None:
    """Write the guests; a line that says what it should stays, and one that names no address."""
    lines: dict[str, Line] = {}
    for line in draft.event.all("ATTENDEE"):
        if address := address_of(line):
            lines.setdefault(address, line)
    for guest in guests:
        known = lines.pop(guest["email"], None)
        if known is None:
            draft.add("ATTENDEE", f"mailto:{guest['email']}", parameters_of(guest, None))
        elif _without_self(guests_of([known], _NOBODY)) != _without_self([guest]):
            draft.replace(known, known.value, parameters_of(guest, known))
    for line in lines.values():
        draft.drop_line(line)


def _without_self(guests: Sequence[Guest]) -> list[dict[str, Any]]:
    return [{k: v for k, v in guest.items() if k != "self"} for guest in normal_guests(guests)]


def _reminders(draft: Draft, value: Mapping[str, Any]) -> None:
    """Write the reminders; alarms that are not modelled stay, and so does one that is asked for."""
    missing = wanted(value)
    for block in draft.event.block.children:
        found = reminder_of(draft.data, block) if block.name == "VALARM" else None
        if found in missing:
            missing.remove(found)
        elif found is not None:
            draft.drop_block(block)
    for reminder in sorted(missing):
        draft.add_block(alarm_lines(reminder))


_WRITE: Final[Mapping[str, Callable[[Draft, Any], None]]] = {
    "title": _text("SUMMARY"),
    "description": _text("DESCRIPTION"),
    "location": _text("LOCATION"),
    "status": _word("status", "STATUS"),
    "visibility": _word("visibility", "CLASS"),
    "transparency": _word("transparency", "TRANSP"),
    "attendees": _guests,
    "reminders": _reminders,
}


def _write_times(draft: Draft, fields: Fields, names: Collection[str], speller: Speller) -> None:
    """Write start and end; an end that follows from the start need not be said again."""
    if not {"start", "end"} & set(names):
        return
    zones = speller.zones
    line, start, end = draft.event.first("DTSTART"), fields["start"], fields["end"]
    if "start" in names and _time(line, zones) != start:
        parameters, value = speller.say(start, line)
        draft.set("DTSTART", value, parameters)
    ending = draft.event.first("DTEND")
    if ending is not None:
        if _time(ending, zones) != end or ("T" in ending.value) != ("at" in start):
            parameters, value = speller.say(end, ending)
            draft.set("DTEND", value, parameters)
    elif _implied_end(draft, start, zones) != end:
        draft.drop("DURATION")
        parameters, value = speller.say(end, line)
        draft.set("DTEND", value, parameters)


def _time(line: Line | None, zones: Zones) -> Moment | None:
    try:
        return time_of(line, zones) if line else None
    except Malformed:
        return None


def _implied_end(draft: Draft, start: Moment, zones: Zones) -> Moment | None:
    """Return the end that an event without DTEND has if it begins at `start`."""
    if draft.event.first("DTSTART") is None:
        return None
    length = draft.event.first("DURATION")
    try:
        return end_after(start, duration(length.value), zones) if length else default_end(start)
    except Malformed:
        return None


def _write_rules(draft: Draft, fields: Fields, speller: Speller) -> None:
    """Write the recurrence lines; a line of the text that says one of them stays as it is."""
    start, missing = fields["start"], list(fields.get("recurrence") or [])
    for line in rules_of(draft.event):
        said = rule_lines([line], start, speller.zones)
        if said and _is_of_kind(line, start) and all(one in missing for one in said):
            missing = [one for one in missing if one not in said]
        else:
            draft.drop_line(line)
    for text in missing:
        parameters, value = speller.line(text)
        draft.add(text.partition(":")[0].partition(";")[0], value, parameters)


def _is_of_kind(line: Line, start: Moment) -> bool:
    """Say whether the times of a recurrence line are days for an all-day series, else moments."""
    text = parts_of(line.value).get("UNTIL", "") if "RULE" in line.name else line.value
    return not text or ("T" in text) == ("at" in start)
