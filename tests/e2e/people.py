"""People on the other side: what they do in their calendars, and what they find there."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from integrations.sandbox import Sandbox
from tests.waiting import wait_until

WORK, HOME = "work@example.com", "home@example.com"
Event = dict[str, Any]

# Every day at nine in Berlin, from the day after tomorrow on; slots are given by day.
DAILY = "RRULE:FREQ=DAILY;COUNT=6"
ZONE = "Europe/Berlin"
# The same for a whole run of the tests: midnight must not part an event from what is asked of it.
TODAY = datetime.now(ZoneInfo(ZONE)).date()


def day(number: int) -> str:
    """The date so many days from today."""
    return str(TODAY + timedelta(days=number))


def at(number: int, clock: str, minutes: int = 60) -> Event:
    """Start and end of an event so many days from today, on Berlin's clock."""
    start = datetime.fromisoformat(f"{day(number)}T{clock}:00")
    end = start + timedelta(minutes=minutes)
    return {
        "start": {"dateTime": start.isoformat(), "timeZone": ZONE},
        "end": {"dateTime": end.isoformat(), "timeZone": ZONE},
    }


class People:
    """The persons of one sandbox; remembers every title, so that a leak of it can be found."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.secrets: set[str] = set()

    def token(self, account: str) -> str:
        """A new refresh token, as if the person had consented."""
        token = self.sandbox.refresh_token(account)
        self.secrets.add(token)
        return token

    def add(self, calendar: str, title: str, **more: Any) -> str:
        """A person adds an event, tomorrow at ten unless told otherwise; returns its id."""
        self.secrets.add(title)
        event = {**at(1, "10:00"), "summary": title, **more}
        added = self.sandbox.post(
            "events", account=_owner(calendar), calendar=calendar, event=event
        )
        return str(added["id"])

    def add_series(self, calendar: str, title: str, **more: Any) -> str:
        """A person adds a daily series; returns its id."""
        times = at(2, "09:00")
        return self.add(calendar, title, recurrence=[DAILY], **{**times, **more})

    def edit(self, calendar: str, name: str, on: int | None = None, **changes: Any) -> None:
        """A person changes an event, or the occurrence of a daily series on a day from today."""
        self.secrets.add(changes.get("summary", ""))
        self._act("events/edit", calendar, name, on, changes=changes)

    def delete(self, calendar: str, name: str, on: int | None = None) -> None:
        """A person deletes an event, or cancels one occurrence of a daily series."""
        self._act("events/delete", calendar, name, on)

    def _act(self, action: str, calendar: str, name: str, on: int | None, **more: Any) -> None:
        slot = {} if on is None else {"original_start": f"{day(on)}T09:00:00"}
        where = {"account": _owner(calendar), "calendar": calendar, "id": name}
        self.sandbox.post(action, **where, **slot, **more)

    def events(self, calendar: str) -> list[Event]:
        """What is in a calendar; cancelled occurrences are, deleted events are not."""
        stored = self.sandbox.get("events", calendar=calendar)["events"]
        return [e for e in stored if e["status"] != "cancelled" or "recurringEventId" in e]

    def event(self, calendar: str, name: str) -> Event:
        """One event of a calendar."""
        return next(event for event in self.events(calendar) if event["id"] == name)

    def titles(self, calendar: str) -> list[str]:
        """The titles in a calendar, sorted; a busy block is called "Busy"."""
        return sorted(e.get("summary", "") for e in self.events(calendar) if _takes_place(e))

    def blocks(self, calendar: str) -> list[Event]:
        """The busy blocks in a calendar, by start."""
        ours = [e for e in self.events(calendar) if _is_block(e)]
        return sorted(ours, key=lambda event: str(event.get("start")))

    def requests(self, *, after: int = 0, operation: str = "") -> list[dict[str, Any]]:
        """The requests that Lockstep made, those after a number, of one operation."""
        entries = self.sandbox.journal(after)
        return [e for e in entries if operation in ("", e["operation"])]

    def writes(self, after: int = 0) -> list[str]:
        """What Lockstep wrote, as "operation calendar status"."""
        return [
            f"{e['operation']} {e['calendar']} {e['status']}"
            for e in self.requests(after=after)
            if e["method"] != "GET"
        ]

    def last_request(self) -> int:
        """The number of the latest request."""
        return max((entry["number"] for entry in self.requests()), default=0)

    def fault(self, kind: str, operation: str, **rule: Any) -> None:
        """Let an operation of Lockstep's go wrong."""
        self.sandbox.fault(kind, operation=operation, **rule)

    def wait_for_fault(self, kind: str) -> None:
        """Return when a rule of this kind has been met."""
        wait_until(lambda: any(self._hits(kind)))

    def _hits(self, kind: str) -> list[int]:
        rules = self.sandbox.get("faults")["faults"]
        return [rule["hits"] for rule in rules if rule["kind"] == kind]

    def clear_faults(self) -> None:
        """Let everything go right again."""
        self.sandbox.post("faults/clear")

    def mails(self) -> int:
        """How many mails Google would have sent for what Lockstep wrote."""
        return int(self.sandbox.get("journal")["mails"])


def _owner(calendar: str) -> str:
    return calendar if calendar in (WORK, HOME) else WORK


def _takes_place(event: Event) -> bool:
    return bool(event["status"] != "cancelled")


def _is_block(event: Event) -> bool:
    return "lockstepBlock" in event.get("extendedProperties", {}).get("private", {})


def starts(event: Event) -> datetime:
    """When an event starts, in UTC."""
    start = datetime.fromisoformat(event["start"]["dateTime"])
    return (start if start.tzinfo else start.replace(tzinfo=ZoneInfo(ZONE))).astimezone(UTC)
