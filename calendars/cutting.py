"""End a series at a moment: what has begun stays, what is still to come goes; pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from calendars.recurrence import instant, is_series, reaches, rule_lines
from sync.core.records import Fields


def is_to_come(fields: Fields, now: datetime) -> bool:
    """Say whether an event, or a whole series, has not begun yet; one without times has."""
    return bool(fields.get("start")) and instant(fields["start"]) > now


def goes_on(fields: Fields, now: datetime) -> bool:
    """Say whether an occurrence of a series begins after a moment."""
    if not (is_series(fields) and fields.get("start") and fields.get("end")):
        return False
    length = max(instant(fields["end"]) - instant(fields["start"]), timedelta(seconds=1))
    return reaches(fields, now + length, datetime.max.replace(tzinfo=UTC))


def cut(fields: Fields, now: datetime) -> dict[str, Any]:
    """Return a series whose last occurrence is the last one that has begun.

    Each RRULE that goes on gets an UNTIL in the form of the start (RFC 5545, section 3.3.10: a date
    beside a date, else UTC) instead of its COUNT; added dates that are to come are left out.
    """
    lines = [kept for line in rule_lines(fields) for kept in _cut_line(line, fields, now)]
    return {**fields, "recurrence": lines}


def _cut_line(line: str, fields: Fields, now: datetime) -> Iterator[str]:
    name, _, value = line.partition(":")
    all_day = "date" in fields["start"]
    match name.partition(";")[0].upper():
        case "RRULE" if goes_on({**fields, "recurrence": [line]}, now):
            yield f"{name}:{_ended(value, _text(now, all_day))}"
        case "RDATE":
            dates = [text for text in value.split(",") if not _later(text, now)]
            if dates:
                yield f"{name}:{','.join(dates)}"
        case _:
            yield line


def _ended(rule: str, until: str) -> str:
    parts = [part for part in rule.split(";") if part]
    said = [part[6:] for part in parts if part.upper().startswith("UNTIL=")]
    # Both are digits from the year down, so the shorter text of a date compares well enough.
    ends = min([until, *said])
    kept = [part for part in parts if not part.upper().startswith(("UNTIL=", "COUNT="))]
    return ";".join([*kept, f"UNTIL={ends}"])


def _text(at: datetime, all_day: bool) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d" if all_day else "%Y%m%dT%H%M%SZ")


def _later(text: str, now: datetime) -> bool:
    """Say whether a date or time of an RDATE line is still to come; a wall time counts as UTC."""
    start = text.partition("/")[0]
    return start > _text(now, "T" not in start)
