"""Translate between the columns of an event and its canonical fields (see `sync.core.events`)."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from sync.core.events import EMPTY, FIELDS
from sync.core.records import Fields

_MOMENTS = {
    "start": ("starts_at", "starts_on", "start_zone"),
    "end": ("ends_at", "ends_on", "end_zone"),
}
_PLAIN = tuple(sorted(FIELDS - _MOMENTS.keys()))

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
    for name, (at, on, zone) in _MOMENTS.items():
        said = fields.get(name) or {}
        columns[at] = instant(said["at"]) if "at" in said else None
        columns[on] = date.fromisoformat(said["date"]) if "date" in said else None
        columns[zone] = said.get("zone", "")
    return columns


def moment(at: datetime | None, on: date | None, zone: str) -> dict[str, str] | None:
    """Return a canonical moment, date or None from its three columns."""
    if on is not None:
        return {"date": on.isoformat()}
    if at is None:
        return None
    return {"at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "zone": zone}


def instant(text: str) -> datetime:
    """Read a canonical instant ("2026-05-05T07:00:00Z") as an aware datetime in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
