"""What it means when the address of a feed does not hand out a calendar.

No row says that anything is gone: a feed that cannot be read changes nothing and deletes nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from sync.core.provider import Refusal, Remedy

CALL: Final = "ics.get"

TABLE: Final[Mapping[int, Remedy]] = {
    401: Remedy.FREEZE,
    403: Remedy.FREEZE,
    404: Remedy.FREEZE,  # its owner took it back, or gave it another address
    410: Remedy.FREEZE,
    408: Remedy.RETRY,
    425: Remedy.RETRY,
    429: Remedy.RETRY,
}


def refusal(status: int, headers: Mapping[str, str]) -> Refusal:
    """Turn an answer that is not a success into the port's error."""
    unknown = Remedy.PARK if 400 <= status < 500 else Remedy.RETRY
    return Refusal(
        TABLE.get(status, unknown),
        call=CALL,
        status=status,
        retry_after=_seconds(headers.get("retry-after", "")),
    )


def misread(status: int, problem: str) -> Refusal:
    """Return the error for a success that brought no calendar."""
    return Refusal(Remedy.RETRY, call=CALL, status=status, reason=problem)


def refused(remedy: Remedy, reason: str) -> Refusal:
    """Return an error that we see ourselves."""
    return Refusal(remedy, call=CALL, reason=reason)


def _seconds(retry_after: str) -> float | None:
    """Read a Retry-After header: seconds, or a date (RFC 9110 §10.2.3)."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at.tzinfo else None
