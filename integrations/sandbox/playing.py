"""Acting faults out around whatever produces an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from integrations.sandbox.errors import ApiError
from integrations.sandbox.messages import HTML, Response, error_response

Hit = dict[str, dict[str, Any]]
_SORRY = b"<!DOCTYPE html><title>Sorry</title><p>We're sorry, something went wrong."


def wait(hit: Hit) -> None:
    """Sleep as long as a `delay` asks; call it without the world's lock."""
    time.sleep(hit.get("delay", {}).get("seconds", 0))


def act(hit: Hit, perform: Callable[[], Response], *, part: bool = False) -> Response:
    """Return the answer as the rules that hit leave it; `perform` runs unless they forbid it.

    A part of a batch has no connection of its own to lose: it answers a 503 (not applied) or a
    500 (applied) instead.
    """
    if "lost_request" in hit:
        return _lost(part, 503, "Service Unavailable")
    if "conflict" in hit:
        return error_response(ApiError(409, "conflict", "Conflict"))
    error = hit.get("error")
    if error and not error["applied"]:
        return _refusal(error)
    response = perform()
    if error:
        return _refusal(error)
    return _lost(part, 500, "Backend Error") if "lost_answer" in hit else _broken(response, hit)


def _lost(part: bool, status: int, message: str) -> Response:
    if part:
        return error_response(ApiError(status, "backendError", message))
    return Response(lost=True)


def _refusal(rule: dict[str, Any]) -> Response:
    header = rule["location"] in ("Authorization", "If-Match")
    error = ApiError(
        rule["status"],
        rule["reason"],
        rule["message"],
        domain=rule["domain"],
        location=rule["location"] or None,
        location_type="header" if header else "parameter",
        headers={"Retry-After": str(rule["retry_after"])} if rule["retry_after"] else {},
    )
    return error_response(error)


def _broken(response: Response, hit: Hit) -> Response:
    if "truncated_json" in hit:
        response.body = response.body[: max(len(response.body) // 2, 1)]
    elif "html" in hit:
        response = Response(hit["html"]["status"], _SORRY, HTML)
    elif "empty" in hit:
        response = Response(hit["empty"]["status"])
    elif "gzip_cut" in hit:
        response.cut_gzip = True
    return response
