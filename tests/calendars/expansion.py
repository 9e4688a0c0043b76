"""Random series, and when they take place by dateutil itself: the oracle of these tests."""

from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

from dateutil.rrule import rruleset, rrulestr
from dateutil.tz import UTC as TZ_UTC
from dateutil.tz import gettz
from hypothesis import strategies as st

from sync.core.events import EMPTY

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
# Wall times, hence without a zone.
YEARS = (datetime(2024, 1, 1), datetime(2026, 12, 28))  # noqa: DTZ001
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def text_of(at):
    """Write a moment or a date as canonical text, which is also the name of a slot."""
    if isinstance(at, datetime):
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return at.isoformat()


def moment(at, zone):
    return {"at": text_of(at), "zone": zone} if isinstance(at, datetime) else {"date": text_of(at)}


def parsed(said):
    """Return a canonical moment as a time that can be compared with any other."""
    at = datetime.fromisoformat(said.get("at") or said["date"])
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def compact(at):
    return text_of(at).replace("-", "").replace(":", "")


@st.composite
def repeats(draw, weekday, *, all_day):
    """Draw one rule that has its own start as an occurrence."""
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 3))}"]
    if frequency == "WEEKLY":
        days = draw(st.sets(st.sampled_from(WEEKDAYS), max_size=2)) | {WEEKDAYS[weekday]}
        parts.append(f"BYDAY={','.join(sorted(days))}")
    match draw(st.sampled_from(["endless", "count", "until"])):
        case "count":
            parts.append(f"COUNT={draw(st.integers(1, 40))}")
        case "until":
            end = draw(st.datetimes(*YEARS))
            text = end.strftime("%Y%m%d" if all_day else "%Y%m%dT%H%M%SZ")
            parts.append(f"UNTIL={text}")
    return "RRULE:" + ";".join(parts)


@st.composite
def series(draw):
    """Draw the fields of a series: a rule, and perhaps dates left out and added."""
    all_day = draw(st.booleans())
    zone = draw(st.sampled_from(ZONES))
    first = draw(st.datetimes(*YEARS)).replace(minute=0, second=0, microsecond=0)
    length = timedelta(hours=draw(st.sampled_from([0, 1, 5, 26])))
    if all_day:
        start, end = first.date(), first.date() + timedelta(days=draw(st.integers(1, 3)))
    else:
        start = _sound(first, zone)
        end = start.astimezone(UTC) + length
    lines = [draw(repeats(first.weekday(), all_day=all_day))]
    fields = {
        **EMPTY,
        "start": moment(start, zone),
        "end": moment(end, zone),
        "recurrence": lines,
    }
    starts = _first_starts(fields)
    left_out = draw(st.sets(st.sampled_from(starts), max_size=2))
    kind = ";VALUE=DATE" if all_day else ""
    lines += [f"EXDATE{kind}:{compact(at)}" for at in sorted(left_out)]
    added = draw(st.sets(st.integers(1, 60), max_size=2))
    lines += [f"RDATE{kind}:{compact(starts[0] + timedelta(days=n))}" for n in sorted(added)]
    return fields


def _sound(wall, zone):
    """Return a wall time as a moment; an hour that the clocks skip is moved out of the gap."""
    at = wall.replace(tzinfo=gettz(zone))
    return at.astimezone(UTC).astimezone(gettz(zone))


def _first_starts(fields):
    until = parsed(fields["start"]) + timedelta(days=200)
    return [start for start, _ in occurrences(fields, until)][:20]


def occurrences(fields, until):
    """Return when a series or a single event takes place until then: pairs of start and end.

    Dates come as dates; everything else as moments in UTC.
    """
    start, length = parsed(fields["start"]), parsed(fields["end"]) - parsed(fields["start"])
    starts = takewhile(lambda at: at < until, _starts(fields, start))
    found = [(at.astimezone(UTC), at.astimezone(UTC) + length) for at in starts]
    if "date" in fields["start"]:
        return [(a.date(), b.date()) for a, b in found]
    return found


def _starts(fields, start):
    if not fields["recurrence"]:
        return [start]
    zone = gettz(fields["start"].get("zone") or "UTC") or TZ_UTC
    rules = rruleset()
    rules.rdate(start.astimezone(zone))
    for line in fields["recurrence"]:
        name, _, value = line.partition(":")
        if name == "RRULE":
            rules.rrule(rrulestr(_until_in_utc(value), dtstart=start.astimezone(zone)))
        else:
            at = datetime.fromisoformat(value)
            at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zone)
            (rules.exdate if name.startswith("EXDATE") else rules.rdate)(at)
    return rules


def _until_in_utc(rule):
    """An all-day series ends with a date, which dateutil wants as a moment."""
    head, found, until = rule.partition("UNTIL=")
    return f"{head}UNTIL={until}T000000Z" if found and "T" not in until else rule


def taking_place(head, exceptions, until):
    """Return all the times that a series with its exceptions takes up, by slot."""
    times = {text_of(start): (start, end) for start, end in occurrences(head, until)}
    for slot, fields in exceptions:
        times.pop(slot, None)
        if fields["status"] != "cancelled":
            times[slot] = tuple(_bare(fields[part]) for part in ("start", "end"))
    return times


def _bare(said):
    return date.fromisoformat(said["date"]) if "date" in said else parsed(said)
