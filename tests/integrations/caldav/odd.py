"""A CalDAV server as small and as odd as a test wants it, over real HTTP.

It keeps everything in memory and speaks as much of RFC 4791 and RFC 6578 as its `Manners` say.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

Answer = tuple[int, Mapping[str, str], bytes]
XML = {"Content-Type": "application/xml; charset=utf-8"}


@dataclass
class Manners:
    """How a server behaves; the defaults are those of a good one.

    `parts` is how many changes one sync report tells (0: all). `etag` writes an ETag: "strong",
    "weak" or "none". `put_etag` says whether a PUT is answered with one. `wrap` writes the
    namespaces: "default" or any prefix. `href` writes addresses: "path", "absolute" or "elsewhere"
    (with a scheme and port of its own, as behind a proxy).
    """

    sync: bool = True
    multiget: bool = True
    search: bool = True
    tag: bool = True
    parts: int = 0
    etag: str = "strong"
    put_etag: bool = True
    wrap: str = "default"
    href: str = "path"
    tidies: bool = False


@dataclass
class Request:
    """What the server was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass
class OddServer:
    """One server with one calendar at `path`; `script` may answer in its place."""

    manners: Manners = field(default_factory=Manners)
    path: str = "/dav/calendars/me/cal/"
    files: dict[str, bytes] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    script: Callable[[Request], Answer | None] = lambda request: None
    epoch: int = 1
    url: str = ""

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        self.seen.append(request)
        return self.script(request) or self.answer_itself(request)

    def answer_itself(self, request: Request) -> Answer:
        """Answer as the manners say, whatever the script."""
        file = self._file(request.path)
        match request.method:
            case "PROPFIND":
                return self._propfind(request)
            case "REPORT":
                return self._report(request)
            case "MKCALENDAR":
                return 201, {}, b""
            case "GET" if file in self.files:
                return 200, {"Content-Type": "text/calendar", **self._etag(file)}, self.files[file]
            case "PUT":
                return self._put(request, file)
            case "DELETE":
                return self._delete(request, file)
        return 404, {}, b"not here"

    def calls(self, method: str) -> int:
        """Count the requests of a method."""
        return sum(1 for request in self.seen if request.method == method)

    def _file(self, path: str) -> str:
        return unquote(path.removeprefix(self.path)) if path.startswith(self.path) else ""

    def etag(self, file: str) -> str:
        """Return a file's ETag as the manners want it."""
        digest = hashlib.sha256(self.files[file]).hexdigest()[:16]
        return {"strong": f'"{digest}"', "weak": f'W/"{digest}"', "none": ""}[self.manners.etag]

    def _etag(self, file: str) -> dict[str, str]:
        tag = self.etag(file)
        return {"ETag": tag} if tag else {}

    def _put(self, request: Request, file: str) -> Answer:
        there = file in self.files
        if request.headers.get("if-none-match") == "*" and there:
            return 412, {}, b""
        if not self._holds(request, file):
            return 412, {}, b""
        body = request.body.encode()
        if self.manners.tidies:
            body = body.replace(b"END:VEVENT", b"X-TIDIED:yes\r\nEND:VEVENT")
        self.files[file] = body
        self.history.append(file)
        return (204 if there else 201), (self._etag(file) if self.manners.put_etag else {}), b""

    def _delete(self, request: Request, file: str) -> Answer:
        if file not in self.files:
            return 404, {}, b""
        if not self._holds(request, file):
            return 412, {}, b""
        del self.files[file]
        self.history.append(file)
        return 204, {}, b""

    def _holds(self, request: Request, file: str) -> bool:
        wanted = request.headers.get("if-match")
        if wanted is None:
            return True
        return file in self.files and not wanted.startswith("W/") and wanted == self.etag(file)

    def _propfind(self, request: Request) -> Answer:
        responses = [self._collection()]
        if request.headers.get("depth") == "1":
            responses += [self._member(file) for file in sorted(self.files)]
        return self._multistatus("".join(responses))

    def _collection(self) -> str:
        tag = f"<CS:getctag>{len(self.history)}-{self.epoch}</CS:getctag>"
        props = "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>" + (
            tag if self.manners.tag else ""
        )
        return self._response(self.path, props)

    def _member(self, file: str, data: bool = False) -> str:
        text = escape(self.files[file].decode(), {"\r": "&#13;"}) if data else ""
        props = f"<D:getetag>{escape(self.etag(file))}</D:getetag>" if self.etag(file) else ""
        props += f"<C:calendar-data>{text}</C:calendar-data>" if data else ""
        return self._response(self.path + quote(file), props)

    def _response(self, path: str, props: str) -> str:
        return (
            f"<D:response><D:href>{escape(self._href(path))}</D:href>"
            f"<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
            "<D:propstat><D:prop><D:displayname/></D:prop>"
            "<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>"
        )

    def _href(self, path: str) -> str:
        where = {"path": "", "absolute": self.url, "elsewhere": "http://inside.example.com:81"}
        return where[self.manners.href] + path

    def _gone(self, path: str, status: str = "404 Not Found") -> str:
        return (
            f"<D:response><D:href>{escape(self._href(path))}</D:href>"
            f"<D:status>HTTP/1.1 {status}</D:status></D:response>"
        )

    def _report(self, request: Request) -> Answer:
        if "sync-collection" in request.body and self.manners.sync:
            return self._changes(request)
        if "calendar-multiget" in request.body and self.manners.multiget:
            return self._multiget(request)
        if "calendar-query" in request.body and self.manners.search:
            wanted = re.search(r'prop-filter name="([^"]+)"', request.body)
            found = [f for f, text in self.files.items() if wanted and wanted[1].encode() in text]
            return self._multistatus("".join(map(self._member, found)))
        body = '<D:error xmlns:D="DAV:"><D:supported-report/></D:error>'
        return 403, XML, body.encode()

    def _changes(self, request: Request) -> Answer:
        token = re.search(r"sync-token>([^<]*)</", request.body)
        given = token[1] if token else ""
        if given and not given.startswith(f"data:,{self.epoch}-"):
            body = '<D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>'
            return 403, XML, body.encode()
        start = int(given.rpartition("-")[2]) if given else 0
        stop = min(start + self.manners.parts, len(self.history)) or len(self.history)
        stop = stop if self.manners.parts else len(self.history)
        names = dict.fromkeys(self.history[start:stop])
        parts = [
            self._member(file) if file in self.files else self._gone(self.path + quote(file))
            for file in names
            if given or file in self.files
        ]
        if stop < len(self.history):
            parts.append(self._gone(self.path, "507 Insufficient Storage"))
        return self._multistatus(
            "".join(parts) + f"<D:sync-token>data:,{self.epoch}-{stop}</D:sync-token>"
        )

    def _multiget(self, request: Request) -> Answer:
        paths = re.findall(r"href>([^<]+)</", request.body)
        files = [(path, self._file(path)) for path in paths]
        return self._multistatus(
            "".join(
                self._member(file, data=True) if file in self.files else self._gone(path)
                for path, file in files
            )
        )

    def _multistatus(self, responses: str) -> Answer:
        spaces = {"D": "DAV:", "C": "urn:ietf:params:xml:ns:caldav"}
        spaces["CS"] = "http://calendarserver.org/ns/"
        said = "".join(f' xmlns:{name}="{space}"' for name, space in spaces.items())
        text = f'<?xml version="1.0"?><D:multistatus{said}>{responses}</D:multistatus>'
        prefix = "" if self.manners.wrap == "default" else f"{self.manners.wrap}:"
        text = re.sub(r"(</?)D:", rf"\1{prefix}", text)
        text = text.replace("xmlns:D=", f"xmlns:{prefix}=".replace(":=", "="))
        return 207, XML, text.encode()


@contextmanager
def serving(server: OddServer) -> Iterator[OddServer]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 2**16  # head and body travel together

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length).decode()
            status, said, content = server.answer(Request(self.command, self.path, headers, body))
            self.send_response(status)
            for name, value in said.items():
                self.send_header(name, value)
            if "Content-Length" not in said and status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def __getattr__(self, name: str) -> object:
            if name.startswith("do_"):
                return self.handle_any
            raise AttributeError(name)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
