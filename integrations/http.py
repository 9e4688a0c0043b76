"""The one door to the network: pooled connections, timeouts, size limits, no call in a transaction.

Proxies and certificate bundles are taken from the environment (HTTPS_PROXY, NO_PROXY,
REQUESTS_CA_BUNDLE), because people behind a proxy need them; a .netrc file never is, because
`requests` would put its password in the place of our token.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import requests
from django.db import connections
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from integrations.background import in_background
from integrations.escapes import storable
from integrations.wire import Head, Waiting
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


def verbatim(content: bytes) -> bytes:
    """Return a body as it came; for files, of which every byte counts."""
    return content


class _OwnHeaders(requests.auth.AuthBase):
    """Leave the Authorization header alone; also keeps `requests` from reading .netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Session(requests.Session):
    """Leave redirects alone: even a session that is told not to follow one reads all of its body,
    whatever its size, and stumbles over an address that is none."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


_local = threading.local()


def _pooled_session() -> requests.Session:
    """Return this thread's session; a forked child gets one of its own."""
    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.session = os.getpid(), _Session()
        for scheme in ("https://", "http://"):
            _local.session.mount(scheme, HTTPAdapter(pool_connections=8, pool_maxsize=8))
    session: requests.Session = _local.session
    return session


class Http:
    """What googleapiclient takes for an `httplib2.Http`, over the pooled `requests` session.

    `calls` counts the requests made. Redirects are not followed and cookies are not kept. `clean`
    is done to every body: what no database can store is taken out of JSON; files come `verbatim`.
    """

    def __init__(
        self,
        *,
        total_seconds: float = TOTAL_SECONDS,
        read_seconds: float = READ_SECONDS,
        max_bytes: int = MAX_BYTES,
        clean: Callable[[bytes], bytes] = storable,
    ) -> None:
        self.calls = 0
        self._total_seconds = total_seconds
        self._read_seconds = read_seconds
        self._max_bytes = max_bytes
        self._clean = clean

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> tuple[Head, bytes]:
        """Make one call; raise a `Refusal` to be retried if no whole answer comes back."""
        return self._called(uri, method, body, headers)()

    def begin(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Waiting:
        """Make one call in the background; what is returned waits for the answer, or raises.

        It is made with this thread's session, so that the connection is kept for the next one.
        """
        return in_background(self._called(uri, method, body, headers))

    def _called(
        self, uri: str, method: str, body: str | bytes | None, headers: Mapping[str, str] | None
    ) -> Waiting:
        """Return what makes the call, in whatever thread, once it is known that it may be made."""
        refuse_in_transaction()
        self.calls += 1
        return partial(self._exchange, _pooled_session(), uri, method, body, headers)

    def _exchange(
        self,
        session: requests.Session,
        uri: str,
        method: str,
        body: str | bytes | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[Head, bytes]:
        deadline = time.monotonic() + self._total_seconds
        try:
            with session.request(
                method,
                uri,
                data=body.encode() if isinstance(body, str) else body,
                headers={**(headers or {}), "accept-encoding": "gzip"},
                auth=_OwnHeaders(),
                timeout=(CONNECT_SECONDS, self._read_seconds),
                allow_redirects=False,
                stream=True,
            ) as answer:
                session.cookies.clear()
                return Head(answer.headers, answer.status_code, answer.reason), self._content(
                    answer, deadline
                )
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
        return self._clean(bytes(content))


def _no_answer(error: Exception) -> Refusal:
    """Name what went wrong by the error's class only: its text holds an address, that a name."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    unsent = isinstance(error, requests.ConnectTimeout) or isinstance(inner, NewConnectionError)
    return Refusal(Remedy.RETRY, call="http", reason=type(error).__name__, certain=unsent)
