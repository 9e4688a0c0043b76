"""The sides of the machine: calendars in which people act, each through its service's own means."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
import requests
from defusedxml import ElementTree

from integrations.sandbox import Sandbox

ZONE = "Europe/Berlin"
BLOCK_TITLES = frozenset({"Busy", "Taken"})
# Every day at nine, six times; the day after tomorrow is the first.
SERIES = "FREQ=DAILY;COUNT=6"
FIRST_DAY = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person sees of one event or exception: its name, its words, and its series if any."""

    name: str
    title: str
    location: str
    repeats: bool = False
    series: str = ""


# What a calendar shows in the end: title, place, start and end of everything that takes place.
Shown = Counter[tuple[str, str, str, str]]


class Side(Protocol):
    """One calendar as people use it. Days count from today; an event takes an hour."""

    name: str

    def add(self, title: str, location: str, *, day: int, hour: int, repeats: bool) -> None:
        """Add an event."""

    def seen(self) -> list[Seen]:
        """What can be clicked on: events, series and changed occurrences; no busy blocks."""

    def edit(self, event: Seen, **changes: str) -> None:
        """Give an event another title or location."""

    def shift(self, event: Seen, *, day: int, hour: int) -> None:
        """Give an event another time."""

    def delete(self, event: Seen) -> None:
        """Delete an event, or a whole series."""

    def change_occurrence(self, series: Seen, number: int, title: str, location: str) -> None:
        """Give one occurrence of a series its own title and place, two hours later."""

    def cancel_occurrence(self, series: Seen, number: int) -> None:
        """Cancel one occurrence of a series."""

    def calendar(self) -> icalendar.Calendar:
        """All that is there as one iCalendar object, however the service keeps it."""


def starts(day: int, hour: int) -> datetime:
    """An hour of a day, counted from today, on Berlin's clock."""
    today = datetime.now(ZoneInfo(ZONE)).date()
    at = datetime.combine(today + timedelta(days=day), datetime.min.time())
    return at.replace(hour=hour, tzinfo=ZoneInfo(ZONE))


def shown(side: Side) -> tuple[Shown, Shown]:
    """Everything that takes place in a calendar, occurrence by occurrence: events, and blocks."""
    events, blocks = Counter[Any](), Counter[Any]()
    span = (starts(-30, 0), starts(60, 0))
    calendar = side.calendar()
    for series in calendar.walk("VEVENT"):
        _forget_idle_exclusions(series)
    for event in recurring_ical_events.of(calendar).between(*span):
        if event.get("STATUS") == "CANCELLED":
            continue
        title, place = str(event.get("SUMMARY", "")), str(event.get("LOCATION", ""))
        into = blocks if title in BLOCK_TITLES else events
        into[title, place, _text(event.start), _text(event.end)] += 1
    return events, blocks


def _order(seen: Seen) -> tuple[bool, str, str]:
    """Sort by what is the same in every life of one machine; names are made up by services."""
    return seen.series != "", seen.title, seen.location


def _forget_idle_exclusions(series: icalendar.Event) -> None:
    """Take out what excludes nothing any more since the series was moved to another hour.

    The library takes 16:00 in UTC and 16:00 on the clock for the same.
    """
    said = series.pop("EXDATE", [])
    for excluded in said if isinstance(said, list) else [said]:
        for moment in (one.dt for one in excluded.dts):
            if moment.astimezone(series.start.tzinfo).time() == series.start.time():
                series.add("EXDATE", moment)


def _text(moment: date | datetime) -> str:
    return moment.astimezone(UTC).isoformat() if isinstance(moment, datetime) else str(moment)


class GoogleSide:
    """A calendar in the sandbox."""

    def __init__(self, sandbox: Sandbox, account: str, name: str = "") -> None:
        self.sandbox, self.account, self.name = sandbox, account, name or account

    def add(self, title: str, location: str, *, day: int, hour: int, repeats: bool) -> None:
        rule = {"recurrence": [f"RRULE:{SERIES}"]} if repeats else {}
        words = {"summary": title, "location": location}
        self._post("events", event={**words, **rule, **_google_times(starts(day, hour))})

    def seen(self) -> list[Seen]:
        found = [
            Seen(
                event["id"],
                event.get("summary", ""),
                event.get("location", ""),
                "recurrence" in event,
                event.get("recurringEventId", ""),
            )
            for event in self._events()
            if event["status"] != "cancelled" and event.get("summary") not in BLOCK_TITLES
        ]
        return sorted(found, key=_order)

    def edit(self, event: Seen, **changes: str) -> None:
        words = {"title": "summary", "location": "location"}
        self._post("events/edit", id=event.name, changes={words[k]: v for k, v in changes.items()})

    def shift(self, event: Seen, *, day: int, hour: int) -> None:
        self._post("events/edit", id=event.name, changes=_google_times(starts(day, hour)))

    def delete(self, event: Seen) -> None:
        self._post("events/delete", id=event.name)

    def move(self, event: Seen, destination: str) -> None:
        """Move an event to another calendar of the account."""
        self._post("events/move", id=event.name, destination=destination)

    def split(self, series: Seen, number: int, title: str, location: str) -> None:
        """Change an occurrence "and all following"."""
        changes = {"summary": title, "location": location}
        self._post(
            "events/split",
            id=series.name,
            original_start=self._slot(series, number),
            changes=changes,
        )

    def change_occurrence(self, series: Seen, number: int, title: str, location: str) -> None:
        slot = self._slot(series, number)
        times = _google_times(datetime.fromisoformat(slot) + timedelta(hours=2))
        changes = {"summary": title, "location": location, **times}
        self._post("events/edit", id=series.name, original_start=slot, changes=changes)

    def cancel_occurrence(self, series: Seen, number: int) -> None:
        self._post("events/delete", id=series.name, original_start=self._slot(series, number))

    def _slot(self, series: Seen, number: int) -> str:
        event = next(e for e in self._events() if e["id"] == series.name)
        first = _google_moment(event["start"])
        assert isinstance(first, datetime)
        return (first + timedelta(days=number)).isoformat()

    def calendar(self) -> icalendar.Calendar:
        calendar = icalendar.Calendar()
        for event in self._events():
            if "start" in event:
                calendar.add_component(_as_vevent(event))
            elif "recurringEventId" in event:
                _exclude(calendar, event)
        return calendar

    def _events(self) -> list[dict[str, Any]]:
        stored = self.sandbox.get("events", calendar=self.name)["events"]
        alive = [e for e in stored if e["status"] != "cancelled" or "recurringEventId" in e]
        return sorted(alive, key=lambda e: ("recurringEventId" in e, e["id"]))

    def _post(self, action: str, **more: Any) -> None:
        self.sandbox.post(action, account=self.account, calendar=self.name, **more)


def _google_times(start: datetime) -> dict[str, Any]:
    at = start.astimezone(ZoneInfo(ZONE))
    return {
        "start": {"dateTime": at.isoformat(), "timeZone": ZONE},
        "end": {"dateTime": (at + timedelta(hours=1)).isoformat(), "timeZone": ZONE},
    }


def _google_moment(said: dict[str, str]) -> date | datetime:
    if "date" in said:
        return date.fromisoformat(said["date"])
    at = datetime.fromisoformat(said["dateTime"])
    zone = ZoneInfo(said.get("timeZone") or ZONE)
    return at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)


def _as_vevent(event: dict[str, Any]) -> icalendar.Event:
    vevent = icalendar.Event()
    vevent.add("UID", event.get("recurringEventId", event["id"]))
    vevent.add("SUMMARY", event.get("summary", ""))
    vevent.add("LOCATION", event.get("location", ""))
    vevent.add("STATUS", event["status"].upper())
    vevent.add("DTSTART", _google_moment(event["start"]))
    vevent.add("DTEND", _google_moment(event["end"]))
    if "originalStartTime" in event:
        vevent.add("RECURRENCE-ID", _google_moment(event["originalStartTime"]))
    for line in event.get("recurrence", ()):
        for name, values in icalendar.Event.from_ical(_wrapped(line)).items():
            vevent.add(name, values, encode=False)
    return vevent


def _wrapped(line: str) -> str:
    return f"BEGIN:VEVENT\r\n{line}\r\nEND:VEVENT\r\n"


def _exclude(calendar: icalendar.Calendar, cancelled: dict[str, Any]) -> None:
    """Leave a cancelled occurrence out of its series."""
    slot = _google_moment(cancelled["originalStartTime"])
    for vevent in calendar.walk("VEVENT"):
        if vevent["UID"] == cancelled["recurringEventId"] and "RECURRENCE-ID" not in vevent:
            vevent.add("EXDATE", slot)


_CALDAV = "{urn:ietf:params:xml:ns:caldav}"
_EVERYTHING = """<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
<prop><C:calendar-data/></prop>
<C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>"""


class DavSide:
    """A calendar on a CalDAV server, used by somebody's desktop client.

    Each event is one resource; `url` is the address of the calendar, with a slash at its end.
    """

    def __init__(self, url: str, auth: tuple[str, str]) -> None:
        self.name, self._http = url, requests.Session()
        self._http.auth = auth
        self._made = 0

    def add(self, title: str, location: str, *, day: int, hour: int, repeats: bool) -> None:
        self._made += 1
        uid = f"desktop-{self._made}"
        event = _vevent(uid, title, location, starts(day, hour))
        if repeats:
            event.add("RRULE", icalendar.vRecur.from_ical(SERIES))
        self._put(f"{uid}.ics", _calendar([event]))

    def seen(self) -> list[Seen]:
        found = []
        for name, calendar in self._resources().items():
            for event in calendar.walk("VEVENT"):
                title = str(event.get("SUMMARY", ""))
                if title in BLOCK_TITLES or event.get("STATUS") == "CANCELLED":
                    continue
                slot = event.get("RECURRENCE-ID")
                of = name if slot is not None else ""
                label = f"{name}#{_text(slot.dt)}" if slot is not None else name
                place = str(event.get("LOCATION", ""))
                found.append(Seen(label, title, place, "RRULE" in event, of))
        return sorted(found, key=_order)

    def edit(self, event: Seen, **changes: str) -> None:
        with self._opened(event) as component:
            for name, value in changes.items():
                component.pop({"title": "SUMMARY", "location": "LOCATION"}[name], None)
                component.add({"title": "SUMMARY", "location": "LOCATION"}[name], value)

    def shift(self, event: Seen, *, day: int, hour: int) -> None:
        with self._opened(event) as component:
            _set_times(component, starts(day, hour))

    def delete(self, event: Seen) -> None:
        name, _, slot = event.name.partition("#")
        if not slot:
            self._http.delete(self.name + name, timeout=30).raise_for_status()
            return
        calendar = self._resources()[name]
        calendar.subcomponents.remove(_component(calendar, event))
        master = _component(calendar, Seen(name, "", ""))
        master.add("EXDATE", datetime.fromisoformat(slot).astimezone(ZoneInfo(ZONE)))
        self._put(name, calendar)

    def change_occurrence(self, series: Seen, number: int, title: str, location: str) -> None:
        calendar = self._resources()[series.name]
        master = _component(calendar, series)
        slot = master.start + timedelta(days=number)
        event = _vevent(str(master["UID"]), title, location, slot + timedelta(hours=2))
        event.add("RECURRENCE-ID", slot)
        taken = [e for e in calendar.walk("VEVENT") if _slot_of(e) == _text(slot)]
        for old in taken:
            calendar.subcomponents.remove(old)
        calendar.add_component(event)
        self._put(series.name, calendar)

    def cancel_occurrence(self, series: Seen, number: int) -> None:
        calendar = self._resources()[series.name]
        master = _component(calendar, series)
        slot = master.start + timedelta(days=number)
        for old in [e for e in calendar.walk("VEVENT") if _slot_of(e) == _text(slot)]:
            calendar.subcomponents.remove(old)
        master.add("EXDATE", slot)
        self._put(series.name, calendar)

    def calendar(self) -> icalendar.Calendar:
        together = icalendar.Calendar()
        for calendar in self._resources().values():
            for component in calendar.walk("VEVENT"):
                together.add_component(component)
        return together

    def _opened(self, event: Seen) -> "_Opened":
        return _Opened(self, event)

    def _resources(self) -> dict[str, icalendar.Calendar]:
        headers = {"Depth": "1", "Content-Type": "application/xml"}
        answer = self._http.request(
            "REPORT", self.name, data=_EVERYTHING, headers=headers, timeout=30
        )
        answer.raise_for_status()
        found = {}
        for response in ElementTree.fromstring(answer.content).iter("{DAV:}response"):
            name = response.findtext("{DAV:}href", "").rpartition("/")[2]
            text = response.findtext(f".//{_CALDAV}calendar-data", "")
            found[name] = icalendar.Calendar.from_ical(text)
        return dict(sorted(found.items()))

    def _put(self, name: str, calendar: icalendar.Calendar) -> None:
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        body = calendar.to_ical()
        self._http.put(self.name + name, data=body, headers=headers, timeout=30).raise_for_status()


class _Opened:
    """One component of a resource while somebody edits it; saved at the end."""

    def __init__(self, side: DavSide, event: Seen) -> None:
        self.side, self.event = side, event
        self.name = event.name.partition("#")[0]

    def __enter__(self) -> icalendar.Event:
        self.calendar = self.side._resources()[self.name]
        return _component(self.calendar, self.event)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self.side._put(self.name, self.calendar)


def _component(calendar: icalendar.Calendar, event: Seen) -> icalendar.Event:
    slot = event.name.partition("#")[2]
    return next(e for e in calendar.walk("VEVENT") if _slot_of(e) == slot)


def _slot_of(event: icalendar.Event) -> str:
    return _text(event["RECURRENCE-ID"].dt) if "RECURRENCE-ID" in event else ""


def _calendar(events: list[icalendar.Event]) -> icalendar.Calendar:
    calendar = icalendar.Calendar()
    calendar.add("PRODID", "-//example//desktop//EN")
    calendar.add("VERSION", "2.0")
    for event in events:
        calendar.add_component(event)
    calendar.add_missing_timezones()
    return calendar


def _vevent(uid: str, title: str, location: str, start: datetime) -> icalendar.Event:
    event = icalendar.Event()
    event.add("UID", uid)
    event.add("DTSTAMP", datetime.now(UTC))
    event.add("SUMMARY", title)
    event.add("LOCATION", location)
    _set_times(event, start)
    return event


def _set_times(event: icalendar.Event, start: datetime) -> None:
    for name, moment in (("DTSTART", start), ("DTEND", start + timedelta(hours=1))):
        event.pop(name, None)
        event.add(name, moment)
