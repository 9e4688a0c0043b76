"""Translate between the columns of an event and its canonical fields (see `sync.core.events`)."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from calendars.bulk import dumps
from sync.core.events import EMPTY, FIELDS
from sync.core.records import Fields

_MOMENTS = {
    "start": ("starts_at", "starts_on", "start_zone"),
    "end": ("ends_at", "ends_on", "end_zone"),
}
_JSON = ("attachments", "attendees", "conference", "metadata", "recurrence", "reminders")
_TEXT = tuple(sorted(FIELDS - _MOMENTS.keys() - {*_JSON}))
_PLAIN = (*_TEXT, *_JSON)

# Every column that carries a canonical field, in one fixed order.
COLUMNS: tuple[str, ...] = (*_PLAIN, *_MOMENTS["start"], *_MOMENTS["end"])


def fields_of(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the canonical fields of an event given as columns (a row of `.values(*COLUMNS)`)."""
    fields = {name: columns[name] for name in _PLAIN}
    for name, (at, on, zone) in _MOMENTS.items():
        fields[name] = moment(columns[at], columns[on], columns[zone])
    return fields


def columns_of(fields: Fields) -> dict[str, Any]:
    """Return the columns of an event given as canonical fields; a missing field is an empty one."""
    columns: dict[str, Any] = {name: fields.get(name, EMPTY[name]) for name in _PLAIN}
    for name, names in _MOMENTS.items():
        columns.update(zip(names, _parts(fields.get(name)), strict=True))
    return columns


def values_of(fields: Fields) -> tuple[Any, ...]:
    """Return what `columns_of` does, in the order of `COLUMNS` and with JSON as text."""
    return (
        *[fields.get(name, EMPTY[name]) for name in _TEXT],
        *[dumps(fields.get(name, EMPTY[name])) for name in _JSON],
        *_parts(fields.get("start")),
        *_parts(fields.get("end")),
    )


def _parts(said: Mapping[str, str] | None) -> tuple[datetime | None, date | None, str]:
    """Take a canonical moment apart into its three columns."""
    if not said:
        return None, None, ""
    at, on = said.get("at"), said.get("date")
    return instant(at) if at else None, date.fromisoformat(on) if on else None, said.get("zone", "")


def moment(at: datetime | None, on: date | None, zone: str) -> dict[str, str] | None:
    """Return a canonical moment, date or None from its three columns."""
    if on is not None:
        return {"date": on.isoformat()}
    if at is None:
        return None
    return {"at": at.astimezone(UTC).isoformat()[:19] + "Z", "zone": zone}


def instant(text: str) -> datetime:
    """Read a canonical instant ("2026-05-05T07:00:00Z") as an aware datetime in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
