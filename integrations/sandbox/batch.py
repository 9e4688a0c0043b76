"""`POST /batch/calendar/v3`: many calls in one multipart request, each with its own answer."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from integrations.sandbox.errors import ApiError
from integrations.sandbox.messages import Request, Response

PATH = "/batch/calendar/v3"
MOST_PARTS = 1000
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')


def answer(request: Request, perform: Callable[[Request], Response]) -> Response:
    """Return the multipart answer; parts run in random order and answer in theirs.

    Raises the 400s for what is no batch or a batch of more than 1000 parts.
    """
    parts = split(request)
    answers: dict[int, Response] = {}
    for number in random.sample(range(len(parts)), len(parts)):
        answers[number] = perform(parts[number][1])
    boundary = f"batch_{secrets.token_urlsafe(24)}"
    chunks = [_chunk(boundary, parts[n][0], answers[n]) for n in range(len(parts))]
    body = b"".join(chunks) + f"--{boundary}--\r\n".encode()
    return Response(200, body, f"multipart/mixed; boundary={boundary}")


def split(request: Request) -> list[tuple[str, Request]]:
    """Return each part's Content-ID and request; outer headers apply unless overridden."""
    match = _BOUNDARY.search(request.headers.get("content-type", ""))
    if match is None:
        raise ApiError(400, "badRequest", "Failed to parse batch request: no boundary.")
    outer = {k: v for k, v in request.headers.items() if not k.startswith("content-")}
    outer.pop("x-http-method-override", None)
    pieces = request.body.split(b"--" + match[1].encode())
    parts = [_part(piece, outer) for piece in pieces[1:] if not piece.startswith(b"--")]
    if not 1 <= len(parts) <= MOST_PARTS:
        message = f"The batch holds {len(parts)} calls; it may hold 1 to {MOST_PARTS}."
        raise ApiError(400, "badRequest", message)
    return parts


def _part(piece: bytes, outer: dict[str, str]) -> tuple[str, Request]:
    head, _, inner = _lines(piece).lstrip(b"\n").partition(b"\n\n")
    line, _, rest = inner.partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        raise ApiError(400, "badRequest", "Failed to parse batch request: bad request line.")
    fields, _, body = rest.partition(b"\n\n") if not rest.startswith(b"\n") else (b"", b"", rest)
    address = urlsplit(words[1])
    headers = outer | _headers(fields)
    request = Request(words[0].upper(), address.path, address.query, headers, body.strip())
    return _headers(head).get("content-id", ""), request


def _lines(piece: bytes) -> bytes:
    return piece.replace(b"\r\n", b"\n")


def _headers(text: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.decode("latin-1").split("\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _chunk(boundary: str, content_id: str, response: Response) -> bytes:
    echo = f"Content-ID: {_response_id(content_id)}\r\n" if content_id else ""
    headers = {"Content-Type": response.content_type, **response.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"--{boundary}\r\nContent-Type: application/http\r\n{echo}\r\n"
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n{lines}"
        f"Content-Length: {len(response.body)}\r\n\r\n"
    )
    return head.encode() + response.body + b"\r\n"


def _response_id(content_id: str) -> str:
    inner = content_id.strip()
    return f"<response-{inner[1:]}" if inner.startswith("<") else f"response-{inner}"
