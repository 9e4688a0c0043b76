"""The sandbox's own clock: the machine's, moved by an offset that tests may set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Tells the time; `offset` seconds ahead of the machine (behind, if negative)."""

    def __init__(self, offset: float = 0) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset)


def stamp(moment: datetime) -> str:
    """Return `2026-11-20T09:00:00.123Z`, the form of `created` and `updated`."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
