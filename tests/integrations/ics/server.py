"""A web server on this machine that hands out one feed, as a test wants it."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Feed:
    """What stands behind an address, and what was asked of it."""

    def __init__(self):
        self.content = b""
        self.status = 200
        self.headers = {}
        self.zipped = False
        self.cut = 0  # bytes that are promised and not sent
        self.asked = []
        self.answered = []

    def serve(self, content, **headers):
        self.status, self.content = 200, content
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def is_known(self, headers):
        etag, modified = self.headers.get("etag"), self.headers.get("last-modified")
        return (etag is not None and headers.get("if-none-match") == etag) or (
            modified is not None and headers.get("if-modified-since") == modified
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        feed = self.server.feed
        feed.asked.append((self.path, dict(self.headers.items())))
        known = feed.status == 200 and feed.is_known(self.headers)
        content = b"" if known else feed.content
        if feed.zipped:
            content = gzip.compress(content)
        feed.answered.append(304 if known else feed.status)
        self.send_response(feed.answered[-1])
        for name, value in feed.headers.items():
            self.send_header(name, value)
        if feed.zipped:
            self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(content) + feed.cut))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = bool(feed.cut)

    def log_message(self, *_):
        """Keep quiet: what a test asks for is no news."""


def start():
    """Start a server; return it and the address of its feed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.feed = Feed()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/calendar.ics?secret=canary"
