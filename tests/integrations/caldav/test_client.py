"""Calls: where they are led, how we prove who we are, and what is no answer."""

import hashlib
import re
from base64 import b64encode

import pytest

from integrations.caldav.client import Astray, Dav
from integrations.caldav.login import DIGEST, Login, scheme_in
from integrations.caldav.xml import propfind
from integrations.http import Http, verbatim
from sync.core.provider import Refusal, Remedy
from tests.integrations.caldav.odd import Answer, OddServer, Request, serving
from tests.waiting import wait_until

ASK = propfind(["{DAV:}resourcetype"])


def client(odd: OddServer, scheme: str = "basic") -> tuple[Dav, list[float]]:
    naps: list[float] = []
    login = Login(f"{odd.url}/", "me", "pässword", scheme)
    return Dav(Http(clean=verbatim), login, sleep=naps.append), naps


def ask(dav: Dav, odd: OddServer) -> None:
    dav.ask("collection", "PROPFIND", odd.url + odd.path, ASK, depth="0")


def test_name_and_password_are_sent_in_utf8(odd: OddServer) -> None:
    dav, _ = client(odd)
    ask(dav, odd)
    expected = b64encode("me:pässword".encode()).decode()
    assert odd.seen[0].headers["authorization"] == f"Basic {expected}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_on_the_same_server_is_followed_with_method_and_body(
    odd: OddServer, status: int
) -> None:
    odd.script = lambda r: (status, {"Location": odd.path}, b"") if r.path == "/start" else None
    dav, _ = client(odd)
    dav.ask("collection", "PROPFIND", f"{odd.url}/start", ASK, depth="0")
    first, second = odd.seen
    assert (second.method, second.path, second.body) == ("PROPFIND", odd.path, first.body)


def test_redirects_end_after_three(odd: OddServer) -> None:
    odd.script = lambda request: (301, {"Location": f"{request.path}x"}, b"")
    dav, _ = client(odd)
    with pytest.raises(Refusal, match="again and again"):
        ask(dav, odd)
    assert len(odd.seen) == 4


def test_no_other_server_is_asked_or_shown_the_password(odd: OddServer) -> None:
    with serving(OddServer()) as other:
        odd.script = lambda request: (302, {"Location": f"{other.url}/"}, b"")
        dav, _ = client(odd)
        with pytest.raises(Astray) as astray:
            ask(dav, odd)
        assert astray.value.origin == other.url
        assert other.seen == []


def test_an_address_at_another_server_is_not_asked(odd: OddServer) -> None:
    with serving(OddServer()) as other:
        dav, _ = client(odd)
        with pytest.raises(Astray):
            dav.get(f"{other.url}/cal/a.ics")
        assert other.seen == []


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _digested(odd: OddServer, *, stale: bool = False) -> None:
    """Make a server that takes nothing but Digest; its first nonce may get stale."""
    nonces = ["n1", "n2"]

    def script(request: Request) -> Answer | None:
        said = request.headers.get("authorization", "")
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', said))
        if fields.get("nonce") != nonces[0]:
            word = ', stale="true"' if fields.get("nonce") else ""
            challenge = f'Digest realm="r", nonce="{nonces[0]}", qop="auth"{word}'
            return 401, {"WWW-Authenticate": challenge}, b""
        secret = _md5("me:r:pässword")
        what = _md5(f"{request.method}:{request.path}")
        parts = [secret, fields["nonce"], fields["nc"], fields["cnonce"], "auth", what]
        right = _md5(":".join(parts))
        if stale and len(nonces) > 1:
            nonces.pop(0)
        return None if fields["response"] == right else (401, {"WWW-Authenticate": ""}, b"")

    odd.script = script


def test_digest_is_answered_once_and_then_kept_up(odd: OddServer) -> None:
    _digested(odd)
    dav, _ = client(odd, DIGEST)
    for _ in range(3):
        ask(dav, odd)
    assert len(odd.seen) == 4
    assert all("Basic" not in request.headers.get("authorization", "") for request in odd.seen)


def test_a_stale_nonce_is_renewed(odd: OddServer) -> None:
    _digested(odd, stale=True)
    dav, _ = client(odd, DIGEST)
    for _ in range(2):
        ask(dav, odd)
    assert len(odd.seen) == 4  # asked without a name, answered, refused as stale, answered


def test_a_wrong_password_is_not_tried_again(odd: OddServer) -> None:
    odd.script = lambda r: (401, {"WWW-Authenticate": 'Digest realm="r", nonce="n"'}, b"")
    dav, _ = client(odd, DIGEST)
    with pytest.raises(Refusal) as refusal:
        ask(dav, odd)
    assert (refusal.value.remedy, refusal.value.status) == (Remedy.FREEZE, 401)
    assert len(odd.seen) == 2


def test_what_is_asked_ahead_answers_the_next_question(odd: OddServer) -> None:
    dav, _ = client(odd)
    dav.ask_ahead("PROPFIND", odd.url + odd.path, ASK, depth="0")
    wait_until(lambda: len(odd.seen) == 1)
    ask(dav, odd)
    assert len(odd.seen) == 1
    assert odd.seen[0].headers["depth"] == "0"


def test_nothing_is_asked_ahead_where_each_proof_counts_those_before_it(odd: OddServer) -> None:
    _digested(odd)
    dav, _ = client(odd, DIGEST)
    for _ in range(2):
        dav.ask_ahead("PROPFIND", odd.url + odd.path, ASK, depth="1")  # never asked for
        ask(dav, odd)
    assert len(odd.seen) == 3


def test_no_other_server_is_asked_ahead(odd: OddServer) -> None:
    dav, _ = client(odd)
    with serving(OddServer()) as other:
        dav.ask_ahead("PROPFIND", other.url + other.path, ASK, depth="0")
        ask(dav, odd)
        assert other.seen == []


@pytest.mark.parametrize(
    ("challenge", "encrypted", "scheme"),
    [
        ('Basic realm="x"', False, "basic"),
        ('Digest realm="x", Basic realm="x"', True, "basic"),
        ('Digest realm="x", Basic realm="x"', False, "digest"),
        ("Negotiate", True, ""),
        ("", True, ""),
    ],
)
def test_the_scheme_shows_the_password_to_nobody_on_the_line(
    challenge: str, encrypted: bool, scheme: str
) -> None:
    assert scheme_in(challenge, encrypted=encrypted) == scheme


def test_a_login_never_shows_its_password() -> None:
    login = Login("https://dav.example.com/", "me", "canary", addresses=("me@example.com",))
    assert "canary" not in repr(login)
    assert Login.from_json(login.to_json()) == login


def test_a_page_in_the_place_of_an_answer_is_tried_again_and_then_no_answer(
    odd: OddServer,
) -> None:
    odd.script = lambda r: (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>")
    dav, naps = client(odd)
    with pytest.raises(Refusal) as refusal:
        ask(dav, odd)
    assert (refusal.value.remedy, refusal.value.certain) == (Remedy.RETRY, False)
    assert len(naps) == 2


def test_a_server_that_is_busy_is_waited_for_as_long_as_it_asks(odd: OddServer) -> None:
    answers = [(503, {"Retry-After": "2"}, b"")]
    odd.script = lambda r: answers.pop() if answers else None
    dav, naps = client(odd)
    ask(dav, odd)
    assert naps == [2.0]


def test_a_write_is_not_repeated_unless_it_surely_was_not_done(odd: OddServer) -> None:
    odd.script = lambda r: (500, {}, b"")
    dav, _ = client(odd)
    with pytest.raises(Refusal) as refusal:
        dav.put("create", f"{odd.url}{odd.path}a.ics", b"", {})
    assert not refusal.value.certain
    assert len(odd.seen) == 1


def test_a_deletion_asks_for_no_reply_to_whoever_invited(odd: OddServer) -> None:
    odd.files["a.ics"] = b""
    dav, _ = client(odd)
    dav.delete(f"{odd.url}{odd.path}a.ics", {})
    assert odd.seen[0].headers["schedule-reply"] == "F"


def test_an_answer_that_is_cut_off_is_no_answer(odd: OddServer) -> None:
    odd.script = lambda r: (
        207,
        {"Content-Length": "999", "Connection": "close"},
        b"<multistatus",
    )
    dav, _ = client(odd)
    with pytest.raises(Refusal) as refusal:
        ask(dav, odd)
    assert refusal.value.remedy is Remedy.RETRY
