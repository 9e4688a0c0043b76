"""The sandbox over HTTP/1.1: keep-alive, gzip when asked, and connections that break on request."""

from __future__ import annotations

import gzip
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.app import App
from integrations.sandbox.errors import ApiError
from integrations.sandbox.messages import Request, Response, error_response

MOST_BYTES = 64 * 1024 * 1024
WORTH_ZIPPING = 1000


class Handler(BaseHTTPRequestHandler):
    """Reads a request, asks the app, writes the answer (or breaks the connection)."""

    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = 300
    app: App

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BYTES or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self.send_error(413 if length > MOST_BYTES else 411)
            return
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length) if length else b""
        request = Request(self.command, address.path, address.query, headers, body)
        self._write(self._answer(request), headers)

    def _answer(self, request: Request) -> Response:
        """Return the app's answer; a defect of the sandbox is reported and answered with a 500."""
        try:
            return self.app.answer(request)
        except Exception:
            traceback.print_exc()
            return error_response(ApiError(500, "backendError", "The sandbox is broken."))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _write(self, response: Response, asked: dict[str, str]) -> None:
        if response.lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = response.body
        self.send_response(response.status)
        if body and "gzip" in asked.get("accept-encoding", "") and len(body) > WORTH_ZIPPING:
            body = gzip.compress(body, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
        elif response.cut_gzip:
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        body = body[: len(body) // 2] if response.cut_gzip else body
        if body:
            self.send_header("Content-Type", response.content_type)
        if response.status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Vary", "Accept-Encoding")
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the journal is the log."""


class Server(ThreadingHTTPServer):
    """One thread per connection; none of them holds up the end."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client hang up in the middle; report anything else on standard error."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def serve(
    *,
    host: str,
    port: int,
    state: Path | None,
    seed_data: str,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Run a sandbox in the foreground until SIGINT or SIGTERM.

    Port 0 takes any free one; `ready` is called with the port once requests are answered. `state`
    is a folder that keeps everything across restarts; `seed_data` fills a state that is new.
    Raises `seeds.UnknownSeed` and `OSError` (the port is taken).
    """
    app = App(state, seed_data)
    handler = type("BoundHandler", (Handler,), {"app": app})
    with Server((host, port), handler) as server:
        app.world.url = f"http://{host}:{server.server_port}"

        def stop(number: int, frame: FrameType | None) -> None:
            threading.Thread(target=server.shutdown).start()

        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, stop)
            signal.signal(signal.SIGTERM, stop)
        if ready:
            ready(server.server_port)
        server.serve_forever(poll_interval=0.1)
    app.close()
