"""The door to the network, against a server on this machine."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import transaction

from integrations.http import Http, RemoteCallInTransaction, verbatim
from sync.core.provider import Refusal, Remedy

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers every request as the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = say(b"{}")
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.ports: set[int] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.seen.append((self.command, headers, body))
                server.ports.add(self.client_address[1])
                server.answer(self)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"


def say(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Answer with this body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing and close the connection; closing the socket alone would keep it open."""
    handler.close_connection = True


@contextmanager
def nobody_there() -> Iterator[int]:
    """A port at which nobody listens, and nobody else will meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def test_an_answer_comes_with_status_headers_and_decoded_body(server: Server) -> None:
    server.answer = say(gzip.compress(b"hello" * 9), 201, Content_Encoding="gzip", ETag='"1"')
    head, content = Http().request(server.url, "POST", "body ü", {"If-Match": '"0"'})
    assert (head.status, head["etag"], content) == (201, '"1"', b"hello" * 9)
    method, headers, body = server.seen[0]
    assert (method, body) == ("POST", "body ü".encode())
    assert (headers["if-match"], headers["accept-encoding"]) == ('"0"', "gzip")


def test_connections_are_kept_for_all_accounts(server: Server) -> None:
    for _ in range(3):
        Http().request(server.url)
    assert len(server.ports) == 1


def test_calls_are_counted(server: Server) -> None:
    http = Http()
    for _ in range(3):
        http.request(server.url)
    assert http.calls == 3


@pytest.mark.django_db(transaction=True)
def test_no_call_is_made_inside_a_transaction(server: Server) -> None:
    with transaction.atomic(), pytest.raises(RemoteCallInTransaction):
        Http().request(server.url)
    assert server.seen == []
    Http().request(server.url)
    assert len(server.seen) == 1


def test_a_call_is_made_while_its_caller_goes_on(server: Server) -> None:
    asked, goes_on = threading.Event(), threading.Event()

    def patiently(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        assert goes_on.wait(10)
        say(b"at last")(handler)

    server.answer = patiently
    http = Http()
    answer = http.begin(server.url, "POST", "body")
    assert asked.wait(10)
    goes_on.set()
    assert answer()[1] == b"at last"
    http.request(server.url)
    assert (http.calls, len(server.ports)) == (2, 1)


def test_a_call_in_the_background_that_fails_says_so_where_it_is_waited_for(
    server: Server,
) -> None:
    server.answer = hang_up
    answer = Http().begin(server.url, "POST", "body")
    with pytest.raises(Refusal) as caught:
        answer()
    assert (caught.value.remedy, caught.value.certain) == (Remedy.RETRY, False)


@pytest.mark.django_db(transaction=True)
def test_no_call_is_begun_inside_a_transaction(server: Server) -> None:
    with transaction.atomic(), pytest.raises(RemoteCallInTransaction):
        Http().begin(server.url)
    assert server.seen == []


def test_redirects_are_not_followed(server: Server) -> None:
    server.answer = say(b"", 302, Location=server.url + "/elsewhere")
    head, _ = Http().request(server.url)
    assert head.status == 302
    assert len(server.seen) == 1


@pytest.mark.parametrize("location", ["http://[canary", "https://example.com:99999", "\xff"])
def test_a_redirect_to_no_address_is_an_answer_like_others(server: Server, location: str) -> None:
    server.answer = say(b"", 302, Location=location)
    assert Http().request(server.url)[0].status == 302


def test_cookies_are_not_kept(server: Server) -> None:
    server.answer = say(b"", 200, Set_Cookie="id=1; Path=/")
    for _ in range(2):
        Http().request(server.url)
    assert "cookie" not in server.seen[1][1]


def test_a_netrc_file_does_not_replace_our_token(
    server: Server, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    Http().request(server.url, headers={"authorization": "Bearer ours"})
    assert server.seen[0][1]["authorization"] == "Bearer ours"


def test_nobody_there_is_certain_and_a_broken_connection_is_not(server: Server) -> None:
    with nobody_there() as port, pytest.raises(Refusal) as refusal:
        Http().request(f"http://127.0.0.1:{port}/secret-path")
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, True)
    assert "secret" not in str(refusal.value)
    server.answer = hang_up
    with pytest.raises(Refusal) as refusal:
        Http().request(server.url + "/secret-path")
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, False)
    assert "secret" not in str(refusal.value)


def test_half_an_answer_is_no_answer(server: Server) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"x" * 50)
        handler.close_connection = True

    server.answer = half
    with pytest.raises(Refusal) as refusal:
        Http().request(server.url)
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, False)


def test_json_is_made_storable_and_a_file_stays_as_it_is(server: Server) -> None:
    body = rb"C:\u0000sers"
    server.answer = say(body)
    assert Http().request(server.url)[1] != body
    assert Http(clean=verbatim).request(server.url)[1] == body


def test_a_server_is_waited_for_as_long_as_was_said(server: Server) -> None:
    def think(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        with suppress(ConnectionError):
            say(b"{}")(handler)

    server.answer = think
    with pytest.raises(Refusal) as refusal:
        Http(read_seconds=0.1).request(server.url)
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, False)
    assert Http(read_seconds=5).request(server.url)[0].status == 200


@pytest.mark.parametrize("status", [200, 302])
def test_an_answer_that_unfolds_without_end_is_refused(server: Server, status: int) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    server.answer = say(bomb, status, Content_Encoding="gzip", Location=server.url)
    with pytest.raises(Refusal, match="too large"):
        Http(max_bytes=1_000_000).request(server.url)


def test_an_answer_that_drips_is_given_up(server: Server) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "40")
        handler.end_headers()
        with suppress(ConnectionError):
            for _ in range(40):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.02)

    server.answer = drip
    with pytest.raises(Refusal) as refusal:
        Http(total_seconds=0.1).request(server.url)
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, False)
