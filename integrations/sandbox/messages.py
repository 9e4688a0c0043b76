"""HTTP requests and answers as values, whole ones and the parts of a batch alike."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from integrations.sandbox.errors import ApiError
from integrations.sandbox.world import Query

JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=UTF-8"


@dataclass(slots=True)
class Request:
    """A request; header names in lower case."""

    method: str
    path: str
    query_text: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def query(self) -> Query:
        """Return the parameters, without those that only select a format."""
        return Query(parse_qs(self.query_text, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """Return a form-encoded body; the last of several values counts."""
        fields = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[-1] for name, values in fields.items()}

    def form_values(self, name: str) -> list[str]:
        """Return every value of a repeated form field."""
        return parse_qs(self.body.decode("utf-8", "replace")).get(name, [])

    def json(self) -> dict[str, Any]:
        """Return a JSON object; raise the API's 400 for anything else. No body is `{}`."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise ApiError(400, "parseError", "Parse Error") from None
        if not isinstance(value, dict):
            raise ApiError(400, "parseError", "Parse Error")
        return value

    def overridden(self) -> Request:
        """Return what is meant by a POST with `X-HTTP-Method-Override` (long URIs)."""
        method = self.headers.get("x-http-method-override", "").upper()
        if self.method != "POST" or not method:
            return self
        kind = self.headers.get("content-type", "")
        if method != "GET" or not kind.startswith("application/x-www-form-urlencoded"):
            return Request(method, self.path, self.query_text, self.headers, self.body)
        query = "&".join(part for part in (self.query_text, self.body.decode()) if part)
        return Request(method, self.path, query, self.headers)


@dataclass(slots=True)
class Response:
    """An answer; `lost` ones never leave, `cut` ones end in the middle."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    cut_gzip: bool = False


def json_response(value: Any, status: int = 200) -> Response:
    """Return a JSON answer."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(status, body)


def error_response(error: ApiError) -> Response:
    """Return a refusal in the legacy family."""
    body = json.dumps(error.body(), ensure_ascii=False).encode()
    return Response(error.status, body, headers=dict(error.headers))
