"""The one door to the network: pooled connections, timeouts, size limits, no call in a transaction.

Proxies and certificate bundles are taken from the environment (HTTPS_PROXY, NO_PROXY,
REQUESTS_CA_BUNDLE), because people behind a proxy need them; a .netrc file never is, because
`requests` would put its password in the place of our token.
"""

import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import httplib2
import requests
from django.db import connections
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from integrations.escapes import storable
from sync.core.provider import Refusal, Remedy

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
TOTAL_SECONDS: Final = 120
MAX_BYTES: Final = 64 * 2**20  # of a decoded answer: ten times a full page of long events
_CHUNK: Final = 2**16


class RemoteCallInTransaction(RuntimeError):
    """A remote call was about to be made while a database transaction was open."""


def refuse_in_transaction() -> None:
    """Raise `RemoteCallInTransaction` if this thread has a database transaction open."""
    if any(connection.in_atomic_block for connection in connections.all(initialized_only=True)):
        raise RemoteCallInTransaction("commit first: no remote call inside a transaction")


class _OwnHeaders(requests.auth.AuthBase):
    """Leave the Authorization header alone; also keeps `requests` from reading .netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


_local = threading.local()


def _pooled_session() -> requests.Session:
    """Return this thread's session; a forked child gets one of its own."""
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.session = os.getpid(), requests.Session()
        for scheme in ("https://", "http://"):
            _local.session.mount(scheme, HTTPAdapter(pool_connections=8, pool_maxsize=8))
    session: requests.Session = _local.session
    return session


class Http:
    """What googleapiclient takes for an `httplib2.Http`, over the pooled `requests` session.

    `calls` counts the requests made. Redirects are not followed and cookies are not kept.
    """

    def __init__(self, *, total_seconds: float = TOTAL_SECONDS, max_bytes: int = MAX_BYTES) -> None:
        self.calls = 0
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """Make one call; raise a `Refusal` to be retried if no whole answer comes back."""
        refuse_in_transaction()
        self.calls += 1
        deadline = time.monotonic() + self._total_seconds
        try:
            with _pooled_session().request(
                method,
                uri,
                data=body.encode() if isinstance(body, str) else body,
                headers={**(headers or {}), "accept-encoding": "gzip"},
                auth=_OwnHeaders(),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as answer:
                _pooled_session().cookies.clear()
                return _head(answer), self._content(answer, deadline)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _no_answer(error) from None

    def _content(self, answer: requests.Response, deadline: float) -> bytes:
        content = bytearray()
        # read1 hands over what has arrived, so that a server that drips cannot hold us for ever.
        while chunk := answer.raw.read1(_CHUNK, decode_content=True):
            content += chunk
            if len(content) > self._max_bytes:
                raise Refusal(Remedy.PARK, call="http", reason="answer too large", certain=False)
            if time.monotonic() > deadline:
                raise requests.Timeout("the answer drips")
        return storable(bytes(content))


def _head(answer: requests.Response) -> httplib2.Response:
    head = httplib2.Response({**answer.headers, "status": str(answer.status_code)})
    head.reason = answer.reason
    return head


def _no_answer(error: Exception) -> Refusal:
    """Name what went wrong by the error's class only: its text holds an address, that a name."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    unsent = isinstance(error, requests.ConnectTimeout) or isinstance(inner, NewConnectionError)
    return Refusal(Remedy.RETRY, call="http", reason=type(error).__name__, certain=unsent)
