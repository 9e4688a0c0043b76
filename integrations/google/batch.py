"""Google's batch endpoint: many calls in one request, one answer for each.

Not googleapiclient's own batch: there one part that is missing or broken hides the answers of all
the others, and refused tokens are renewed over httplib2. The format is multipart/mixed with parts
of application/http (developers.google.com/workspace/calendar/api/guides/batch).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from googleapiclient.http import HttpRequest

_BOUNDARY: Final = "lockstep-batch"
_EMPTY_LINE: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """What one part was answered: status, headers by lower-case name, content."""

    status: int
    headers: dict[str, str]
    content: bytes


def encode(requests: Sequence["HttpRequest"]) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a batch; part n is named `part-n`."""
    parts = b"".join(
        f"--{_BOUNDARY}\r\n"
        f"Content-Type: application/http\r\nContent-ID: <part-{n}>\r\n\r\n".encode()
        + _part(request)
        + b"\r\n"
        for n, request in enumerate(requests)
    )
    headers = {"content-type": f'multipart/mixed; boundary="{_BOUNDARY}"'}
    return headers, parts + f"--{_BOUNDARY}--\r\n".encode()


def _part(request: "HttpRequest") -> bytes:
    """Return one call as it would go over the wire, with a path in place of its address."""
    address = urlsplit(request.uri)
    body = (request.body or "").encode()
    wanted = {k: v for k, v in request.headers.items() if k.lower() in ("if-match", "content-type")}
    if body:
        wanted["content-length"] = str(len(body))
    lines = [f"{request.method} {address.path}?{address.query} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in wanted.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def decode(content_type: str, content: bytes, count: int) -> list[PartAnswer | None]:
    """Return the answers in the order of the calls; None where there is none that can be read.

    By hand: a parser of letters takes several times as long for the few plain lines of each part.
    """
    answers: list[PartAnswer | None] = [None] * count
    for part in _parts(content_type, content):
        head, payload = _halves(part)
        position = _position(head)
        if 0 <= position < count:
            answers[position] = _answer(payload)
    return answers


def _parts(content_type: str, content: bytes) -> list[bytes]:
    """Return what stands between the boundaries; nothing of what is no multipart."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if not boundary:
        return []
    # What begins with letters that are fixed is looked for many times as fast.
    line = rb"\n--" + re.escape(boundary.encode()) + rb"(?:--)?[ \t]*(?=\r?\n|$)"
    return [part.removesuffix(b"\r") for part in re.split(line, b"\n" + content)[1:]]


def _halves(text: bytes) -> tuple[bytes, bytes]:
    """Part a text at its first empty line."""
    found = _EMPTY_LINE.search(text)
    return (text[: found.start()], text[found.end() :]) if found else (text, b"")


def _position(head: bytes) -> int:
    """Read n from `response-part-n`, in whatever brackets it comes."""
    name = _headers(head).get("content-id", "")
    digits = name.strip("<> ").rpartition("-")[2]
    return int(digits) if digits.isdecimal() else -1


def _answer(payload: bytes) -> PartAnswer | None:
    head, content = _halves(payload.lstrip())
    status_line, _, lines = head.partition(b"\n")
    words = status_line.split()
    if len(words) < 2 or not words[1].isdigit():
        return None
    return PartAnswer(int(words[1]), _headers(lines), content)


def _headers(lines: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines.decode("latin-1").splitlines())
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
