"""Google's batch endpoint: many calls in one request, one answer for each.

Not googleapiclient's own batch: there one part that is missing or broken hides the answers of all
the others, and refused tokens are renewed over httplib2. The format is multipart/mixed with parts
of application/http (developers.google.com/workspace/calendar/api/guides/batch).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Final
from urllib.parse import urlsplit

from googleapiclient.http import HttpRequest

_BOUNDARY: Final = "lockstep-batch"


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """What one part was answered: status, headers by lower-case name, content."""

    status: int
    headers: dict[str, str]
    content: bytes


def encode(requests: Sequence[HttpRequest]) -> tuple[dict[str, str], bytes]:
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


def _part(request: HttpRequest) -> bytes:
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
    """Return the answers in the order of the calls; None where there is none that can be read."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + content)
    answers: list[PartAnswer | None] = [None] * count
    parts = message.get_payload() if message.is_multipart() else ()
    for part in (p for p in parts if isinstance(p, Message)):
        position = _position(part)
        if 0 <= position < count:
            answers[position] = _answer(part.get_payload(decode=True))
    return answers


def _position(part: Message) -> int:
    """Read n from `response-part-n`, in whatever brackets it comes."""
    digits = str(part["Content-ID"] or "").strip("<> ").rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1


def _answer(payload: object) -> PartAnswer | None:
    if not isinstance(payload, bytes):
        return None
    status_line, _, rest = payload.lstrip().partition(b"\n")
    words = status_line.split()
    if len(words) < 2 or not words[1].isdigit():
        return None
    message = BytesParser().parsebytes(rest)
    content = message.get_payload(decode=True)
    headers = {name.lower(): str(value) for name, value in message.items()}
    return PartAnswer(int(words[1]), headers, content if isinstance(content, bytes) else b"")
