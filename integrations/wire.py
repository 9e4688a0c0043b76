"""What an adapter needs of HTTP; `integrations/http.py` gives it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol


class Head(dict[str, str]):
    """The head of an answer: headers by lower-case name, status and reason.

    That is what googleapiclient needs of an `httplib2.Response`, whose module takes long to load.
    """

    def __init__(self, headers: Mapping[str, str], status: int, reason: str = "") -> None:
        super().__init__((name.lower(), value) for name, value in headers.items())
        self.status = status
        self.reason = reason


class HttpLike(Protocol):
    """Whatever makes calls the way `httplib2.Http` does."""

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Head, bytes]:
        """Make one call and return the answer's head and decoded content; follow no redirect."""


# Waits for the answer of a call that was begun, or raises what went wrong.
Waiting = Callable[[], tuple[Head, bytes]]


class BackgroundHttp(HttpLike, Protocol):
    """Whatever can also make a call while its caller goes on."""

    def begin(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Waiting:
        """Make one call in the background, and return what waits for its answer."""


def seconds_of(retry_after: str) -> float | None:
    """Read a Retry-After header: seconds, or a date (RFC 9110 §10.2.3)."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at.tzinfo else None
