"""The batch format, without any network."""

from typing import Any

from googleapiclient.http import HttpRequest

from integrations.google.batch import decode, encode
from integrations.sandbox.batch import split
from integrations.sandbox.messages import Request


def part(
    number: int, status: str = "200 OK", body: bytes = b"{}", newline: bytes = b"\r\n"
) -> bytes:
    """One part of an answer."""
    lines = [
        b"--b",
        b"Content-Type: application/http",
        f"Content-ID: <response-part-{number}>".encode(),
        b"",
        f"HTTP/1.1 {status}".encode(),
        b"Content-Type: application/json; charset=UTF-8",
        b"Retry-After: 3",
        b"",
        body,
        b"",
    ]
    return newline.join(lines)


def answers(*parts: bytes, count: int, end: bytes = b"--b--\r\n") -> list[Any]:
    return decode('multipart/mixed; boundary="b"', b"".join(parts) + end, count)


def test_answers_are_found_by_name_in_any_order() -> None:
    found = answers(part(1, "404 Not Found"), part(0, body=b'{"id": "\xc3\xbc"}'), count=2)
    assert [answer.status for answer in found] == [200, 404]
    assert found[0].content.strip() == b'{"id": "\xc3\xbc"}'
    assert found[1].headers["retry-after"] == "3"


def test_bare_line_feeds_are_understood() -> None:
    (answer,) = answers(part(0, "204 No Content", b"", b"\n"), count=1)
    assert (answer.status, answer.content.strip()) == (204, b"")


def test_a_missing_part_hides_no_other() -> None:
    found = answers(part(2), part(0), count=3)
    assert [answer is not None for answer in found] == [True, False, True]


def test_a_part_nobody_asked_for_is_ignored() -> None:
    assert answers(part(7), count=1) == [None]


def test_a_part_that_makes_no_sense_hides_no_other() -> None:
    broken = part(0).replace(b"HTTP/1.1 200 OK", b"what?")
    found = answers(broken, part(1), count=2)
    assert [answer is not None for answer in found] == [False, True]


def test_a_page_in_place_of_the_parts_answers_nothing() -> None:
    assert decode("text/html", b"<html>sorry</html>", 2) == [None, None]
    assert decode("", b"", 2) == [None, None]


def test_calls_are_sent_whole_and_without_the_headers_of_the_library() -> None:
    body = '{"summary": "\\u00fc"}'
    address = "https://example.com/calendar/v3/calendars/a%40b/events?alt=json"
    call = HttpRequest(None, None, address, "PATCH", body, {"If-Match": '"1"', "accept": "x"})
    headers, content = encode([call, call])
    sent = split(Request("POST", "/batch/calendar/v3", "", headers, content))
    assert [name for name, _ in sent] == ["<part-0>", "<part-1>"]
    request = sent[0][1]
    assert (request.method, request.path) == ("PATCH", "/calendar/v3/calendars/a%40b/events")
    assert request.query_text == "alt=json"
    assert request.body.decode() == body
    assert request.headers["if-match"] == '"1"'
    assert "accept" not in request.headers
