"""What a server sends is read within bounds, whatever it is."""

import pytest

from integrations.caldav.multistatus import precondition, read_multistatus
from integrations.caldav.xml import CALDAV, DAV, MOST_DEPTH, MOST_NODES, BadXml

HEAD = b'<?xml version="1.0"?>'
BASE = "https://dav.example.com/cal/"
OPEN, CLOSE = b'<multistatus xmlns="DAV:">', b"</multistatus>"


def response(inner: str, href: str = "/cal/a.ics") -> bytes:
    return f"<response><href>{href}</href>{inner}</response>".encode()


LAUGHS = (
    b'<!DOCTYPE lolz [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (97 + n, b"&%c;" % (96 + n) * 10) for n in range(1, 10))
    + b"]>"
)
EXTERNAL = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "content",
    [
        HEAD + LAUGHS + OPEN + b"&j;" + CLOSE,
        HEAD + EXTERNAL + OPEN + b"&f;" + CLOSE,
        HEAD + b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + OPEN + CLOSE,
        OPEN + b"<a>" * (MOST_DEPTH + 1) + b"</a>" * (MOST_DEPTH + 1) + CLOSE,
        OPEN + b"<response>" + b"<a/>" * (MOST_NODES + 1) + b"</response>" + CLOSE,
        OPEN + response("<status>HTTP/1.1 200 OK</status>"),
        OPEN[:-5],
        b"",
        b"<html><body>Sign in</body></html>",
        b"\xff\xfe\x00garbage",
        HEAD + OPEN + b"&undeclared;" + CLOSE,
        b'<?xml version="1.0" encoding="no-such-encoding"?>' + OPEN + CLOSE,
    ],
    ids=[
        *("laughs", "external entity", "external dtd", "depth", "nodes", "cut off", "cut tag"),
        *("empty", "html", "binary", "undeclared entity", "unknown encoding"),
    ],
)
def test_what_is_hostile_or_broken_is_refused_without_a_word_of_it(content: bytes) -> None:
    with pytest.raises(BadXml) as bad:
        read_multistatus(content, BASE)
    assert "passwd" not in str(bad.value)
    assert len(str(bad.value)) < 80


def test_a_listing_may_be_long_as_long_as_each_part_is_short() -> None:
    parts = b"".join(
        response("<propstat><prop><getetag>1</getetag></prop></propstat>", f"/cal/{n}.ics")
        for n in range(60_000)
    )
    assert len(read_multistatus(OPEN + parts + CLOSE, BASE).members) == 60_000


def test_a_property_counts_only_where_its_own_status_says_so() -> None:
    inner = (
        "<propstat><prop><getetag>1</getetag></prop><status>HTTP/1.1 200 OK</status></propstat>"
        "<propstat><prop><displayname>x</displayname></prop>"
        "<status>HTTP/1.1 404 Not Found</status></propstat>"
    )
    (member,) = read_multistatus(OPEN + response(inner) + CLOSE, BASE).members
    assert member.text(f"{DAV}getetag") == "1"
    assert f"{DAV}displayname" not in member.properties
    assert member.status == 200


def test_no_property_at_all_is_no_proof_of_absence() -> None:
    inner = "<propstat><prop><getetag/></prop><status>HTTP/1.1 404 Not Found</status></propstat>"
    (member,) = read_multistatus(OPEN + response(inner) + CLOSE, BASE).members
    assert member.status == 200


def test_a_status_of_the_whole_is_the_status() -> None:
    inner = "<status>HTTP/1.1 404 Not Found</status>"
    (member,) = read_multistatus(OPEN + response(inner) + CLOSE, BASE).members
    assert member.status == 404


def test_a_property_that_may_not_be_read_leaves_the_resource_in_doubt() -> None:
    inner = "<propstat><prop><getetag/></prop><status>HTTP/1.1 403 Forbidden</status></propstat>"
    (member,) = read_multistatus(OPEN + response(inner) + CLOSE, BASE).members
    assert member.status == 403


def test_one_response_may_name_several_resources() -> None:
    inner = "<href>/cal/b.ics</href><status>HTTP/2 404</status>"
    members = read_multistatus(OPEN + response(inner) + CLOSE, BASE).members
    assert [(m.url.rpartition("/")[2], m.status) for m in members] == [
        ("a.ics", 404),
        ("b.ics", 404),
    ]


@pytest.mark.parametrize("prefix", ["D", "a", "d0.-_x"])
def test_prefixes_are_a_servers_own_choice(prefix: str) -> None:
    text = (
        f'<{prefix}:multistatus xmlns:{prefix}="DAV:" xmlns:D2="urn:ietf:params:xml:ns:caldav">'
        f"<{prefix}:response><{prefix}:href>a.ics</{prefix}:href><{prefix}:propstat><{prefix}:prop>"
        f"<D2:calendar-data>text</D2:calendar-data></{prefix}:prop></{prefix}:propstat>"
        f"</{prefix}:response><{prefix}:sync-token>t</{prefix}:sync-token></{prefix}:multistatus>"
    )
    answer = read_multistatus(text.encode(), BASE)
    assert answer.members[0].text(f"{CALDAV}calendar-data") == "text"
    assert answer.members[0].url == f"{BASE}a.ics"
    assert answer.sync_token == "t"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'<error xmlns="DAV:"><valid-sync-token/></error>', "valid-sync-token"),
        (
            b'<d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns"><s:exception>x</s:exception>'
            b'<s:message>canary</s:message><c:no-uid-conflict xmlns:c="urn:x"/></d:error>',
            "no-uid-conflict",
        ),
        (b"<html/>", ""),
        (b"no xml", ""),
        (b"", ""),
        (HEAD + EXTERNAL + b'<error xmlns="DAV:"><x/></error>', ""),
    ],
)
def test_a_refusal_names_its_precondition_and_nothing_else(body: bytes, named: str) -> None:
    assert precondition(body) == named
