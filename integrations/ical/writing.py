"""Events written into the text of a calendar.

Only the lines of the changed fields are touched, and those that say that something changed:
DTSTAMP, LAST-MODIFIED, SEQUENCE and our mark. Every other byte of the text stays.
"""

from datetime import datetime
from typing import Final

from integrations.ical.draft import Draft, spliced
from integrations.ical.events import MARK, OURS, Event, cancelled_slots, families_of, start_of
from integrations.ical.fieldlines import write_fields
from integrations.ical.lines import BadCalendar, Block, content_line, folded, newline_of, parse
from integrations.ical.normal import normalise
from integrations.ical.rules import NAMES
from integrations.ical.spelling import Speller, slot_time, stamp
from integrations.ical.times import Malformed, slot_of
from integrations.ical.vtimezone import definition_of
from integrations.ical.words import escaped
from integrations.ical.zones import UTC_NAME, Zones, is_iana
from sync.core.events import FIELDS
from sync.core.records import Fields

PRODID: Final = "-//Lockstep//Lockstep//EN"
_NEW: Final = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{PRODID}\r\nEND:VCALENDAR\r\n".encode()
_PLANNING: Final = frozenset({"start", "end", "recurrence"})  # these raise SEQUENCE
_STORED: Final = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"})


def put_event(
    data: bytes | None,
    uid: str,
    slot: str,
    fields: Fields,
    changed: frozenset[str] | None,
    *,
    mark: str,
    now: datetime,
    zone: str = UTC_NAME,
) -> bytes:
    """Return the text with one event created, or with the `changed` fields of it changed.

    `fields` is the whole event; None for `changed` means all of it. `zone` is the one that times
    without a zone are read in. An exception that is new takes over from its series whatever is not
    modelled; one that is {"status": "cancelled"} becomes a date left out of the series, with our
    mark on it. Raises `BadCalendar` if the event cannot be written.
    """
    text = Text(_NEW if data is None else data, uid, zone)
    if slot and fields.get("status") == "cancelled" and text.find(""):
        return text.cancelled(slot, mark)
    said = _sayable(fields)
    text = text.restored(slot)
    created = text.find(slot) is None
    if created:
        text = text.with_new(slot, now)
    names = FIELDS & said.keys() & (said.keys() if changed is None or created else changed)
    return text.changed(slot, said, names, mark=mark, now=now, created=created)


def remove_event(data: bytes, uid: str, slot: str, *, zone: str = UTC_NAME) -> bytes | None:
    """Return the text without an event, None if it then holds nothing.

    With a series go all its exceptions. Without an exception its occurrence is as the series
    makes it. What is not there need not be removed.
    """
    text = Text(data, uid, zone).restored(slot)
    gone = [event.block for event in text.events if not slot or text.slot_of(event) == slot]
    stored = [b for c in text.calendars for b in c.children if b.name in _STORED]
    if len(stored) == len(gone):
        return None
    return spliced(text.data, [(block.start, block.end, b"") for block in gone])


def _sayable(fields: Fields) -> Fields:
    """Return the fields as they will be read, or raise `BadCalendar` if they cannot be written."""
    if not fields.get("start") or not fields.get("end"):
        raise BadCalendar("an event needs a start and an end")
    try:
        said = normalise(fields)
        lost = said["start"].get("zone") != fields["start"].get("zone")
        known = is_iana(fields["start"].get("zone", ""))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise BadCalendar("a field of the event is not in canonical form") from None
    if lost and known and said.get("recurrence"):
        raise BadCalendar("a series cannot begin in the second pass of an hour that comes twice")
    return said


class Text:
    """The text of a calendar, seen as the events of one UID."""

    def __init__(self, data: bytes, uid: str, zone: str) -> None:
        self.data, self.uid, self.zone = data, uid, zone
        self.calendars = parse(data)
        self.zones = Zones.of(data, self.calendars, zone)
        self.speller = Speller(self.zones)
        families = families_of(data, self.calendars)
        self.events = next((family for family in families if family[0].uid == uid), [])
        self.start = start_of(self.events, self.zones)

    def slot_of(self, event: Event) -> str:
        """Return which occurrence an event stands for, "" for the series or a single event."""
        line = event.first("RECURRENCE-ID")
        try:
            return slot_of(line, self.zones, self.start) if line else ""
        except Malformed:
            return "?"

    def find(self, slot: str) -> Event | None:
        """Return the event that stands for an occurrence, for "" the series."""
        found = [event for event in self.events if self.slot_of(event) == slot]
        if len(found) > 1:
            raise BadCalendar("the event stands there twice")
        return found[0] if found else None

    def cancelled(self, slot: str, mark: str) -> bytes:
        """Return the text with an occurrence left out of its series, by a line of ours."""
        exception = self.find(slot)
        if exception is not None:
            edited = spliced(self.data, [(exception.block.start, exception.block.end, b"")])
            return Text(edited, self.uid, self.zone).cancelled(slot, mark)
        draft = self._without_cancellation(slot)
        if draft is None:
            raise BadCalendar("the series cannot be read")
        series = draft.event.first("DTSTART")
        parameters, value = self.speller.say(slot_time(slot, self.start), series)
        draft.add("EXDATE", value, [*parameters, (OURS, f'"{mark or 1}"')])
        return draft.result()

    def restored(self, slot: str) -> "Text":
        """Return the text without our line that leaves an occurrence out, if there is one."""
        draft = self._without_cancellation(slot) if slot else None
        return Text(draft.result(), self.uid, self.zone) if draft else self

    def _without_cancellation(self, slot: str) -> Draft | None:
        series = self.find("")
        if series is None or self.start is None:
            return None
        draft = Draft(self.data, series)
        for known, line in cancelled_slots(series, self.start, self.zones):
            if known == slot:
                draft.drop_line(line)
        return draft

    def with_new(self, slot: str, now: datetime) -> "Text":
        """Return the text with a new event: a bare one, or for an exception that of its series."""
        series = self.find("") if slot else None
        text = self._as_exception(series, slot) if series else self._bare(slot, now)
        at = self.events[-1].block.end if self.events else self.calendars[0].close
        return Text(spliced(self.data, [(at, at, text)]), self.uid, self.zone)

    def _bare(self, slot: str, now: datetime) -> bytes:
        newline = newline_of(self.data)
        lines = ["BEGIN:VEVENT", f"UID:{escaped(self.uid)}", f"CREATED:{stamp(now)}"]
        text = b"".join(folded(line, newline) for line in lines)
        if slot:
            parameters, value = self.speller.say(slot_time(slot, None))
            text += content_line("RECURRENCE-ID", value, parameters, newline)
        return text + folded("END:VEVENT", newline)

    def _as_exception(self, series: Event, slot: str) -> bytes:
        """Return a copy of a series as one occurrence of it, without what makes it a series."""
        draft = Draft(self.data, series)
        draft.drop(*NAMES)
        said = self.speller.say(slot_time(slot, self.start), series.first("DTSTART"))
        draft.add("RECURRENCE-ID", said[1], said[0])
        return draft.result()[series.block.start : len(draft.result()) - self._after(series.block)]

    def _after(self, block: Block) -> int:
        return len(self.data) - block.end

    def changed(
        self,
        slot: str,
        fields: Fields,
        names: frozenset[str],
        *,
        mark: str,
        now: datetime,
        created: bool,
    ) -> bytes:
        """Return the text with the named fields of one event changed."""
        event = self.find(slot)
        if event is None:
            raise BadCalendar("the event is not there")
        draft = Draft(self.data, event)
        write_fields(draft, fields, names, self.speller, exception=bool(slot))
        for name in ("DTSTAMP", "LAST-MODIFIED"):
            draft.set(name, stamp(now))
        if created or _PLANNING & names:
            draft.set("SEQUENCE", str(_sequence(event) if created else _sequence(event) + 1))
        if mark:
            draft.set(MARK, escaped(mark))
        else:
            draft.drop(MARK)
        return spliced(self.data, [*draft.edits(), *self._definitions(event)])

    def _definitions(self, event: Event) -> list[tuple[int, int, bytes]]:
        """Return the edit that defines the zones that the text uses and does not define."""
        newline = newline_of(self.data)
        text = b"".join(
            folded(line, newline)
            for name, year in sorted(self.speller.used.items())
            for line in definition_of(name, year - 1)
        )
        calendar = next(c for c in self.calendars if c.start <= event.block.start < c.end)
        at = calendar.children[0].start
        return [(at, at, text)] if text else []


def _sequence(event: Event) -> int:
    line = event.first("SEQUENCE")
    return int(line.value[:9]) if line and line.value[:9].isdecimal() else 0
