"""Events as a rule looks at them, and rules, for tests of the rule book."""

from datetime import UTC, datetime, time

from calendars.mirror import Block, Rule, Source, alone, mirror
from sync.core.events import EMPTY

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"
OFFICE = Rule(hours_from=time(9), hours_to=time(17), zone=BERLIN)
WEEKDAYS = Rule(weekdays=frozenset({"mon", "tue", "wed", "thu", "fri"}), zone=BERLIN)


def at(text, zone=BERLIN):
    """A moment of May 2026 said in UTC: "05T10:30" is the fifth at half past ten."""
    return {"at": f"2026-05-{text}:00Z", "zone": zone}


def event(start="05T10:00", end="05T11:00", **changes):
    times = {"start": _moment(start), "end": _moment(end)}
    return Source({**EMPTY, "title": "Lunch", **times, **changes}, calendar="Work")


def _moment(said):
    return at(said) if isinstance(said, str) else said


def days(first, last, **changes):
    dates = {"start": {"date": f"2026-05-{first}"}, "end": {"date": f"2026-05-{last}"}}
    return event(**dates, **changes)


def mine(response):
    return [{"email": "work@example.com", "self": True, "response": response}]


def drawn(rule, source):
    found = alone(rule, source, NOW)
    assert isinstance(found, Block), found
    return found.fields


def head(rule, source, *exceptions):
    return mirror(rule, source, exceptions, NOW)[0]
