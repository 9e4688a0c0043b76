"""The browser's way back: a listener on a loopback address that waits for one consent.

Facts from developers.google.com/identity/protocols/oauth2/native-app: a desktop client may be
answered on any port of 127.0.0.1, with `code` or with `error`.
"""

import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from integrations.google.oauth import Consent

_PAGE: Final = "<!doctype html><meta charset=utf-8><title>Lockstep</title><p>{}</p>"


class ConsentRefused(Exception):
    """The person, or an administrator, said no; the text is Google's word for it."""


class ConsentTimedOut(Exception):
    """Nobody consented in time."""


class Loopback:
    """Listens on 127.0.0.1 for the answer to one consent; a context manager.

    Whatever does not bear the consent's state (a stranger's request, a browser looking for an icon)
    is refused and does not end the wait. Nothing is logged: the address holds the code.
    """

    def __init__(self, port: int = 0) -> None:
        """Take a port, 0 for any free one; raises `OSError` if it is taken."""
        self._answers: list[Mapping[str, str]] = []
        self._server = HTTPServer(("127.0.0.1", port), self._handler())
        self.consent = Consent(f"http://127.0.0.1:{self._server.server_port}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.server_close()

    def wait(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> str:
        """Return the code that the browser brings; raise `ConsentRefused` or `ConsentTimedOut`."""
        end = clock() + seconds
        while not self._answers:
            if (left := end - clock()) <= 0:
                raise ConsentTimedOut(f"nobody consented within {seconds:.0f} seconds")
            self._server.timeout = left
            self._server.handle_request()
        answer = self._answers.pop()
        if "code" not in answer:
            raise ConsentRefused(answer["error"])
        return answer["code"]

    def _take(self, path: str) -> tuple[int, str]:
        """Keep an answer that belongs to this consent; return what to tell the browser."""
        query = dict(parse_qsl(urlsplit(path).query))
        if not self.consent.accepts(query.get("state", "")):
            return 400, "This is not the answer that Lockstep waits for."
        if "code" not in query and "error" not in query:
            return 400, "Neither a code nor an error came along."
        self._answers.append(query)
        if "code" in query:
            return 200, "Lockstep may go on. You can close this window."
        return 200, "Lockstep was not given access. You can close this window."

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            """Answers one request of the browser."""

            timeout = 5  # of a connection on which nothing is said

            def do_GET(self) -> None:
                status, text = take(self.path)
                page = _PAGE.format(text).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler
