"""One API request from address to answer: who asks, quota, faults, operation, journal."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

from integrations.sandbox import faults as fault_rules
from integrations.sandbox import oauth
from integrations.sandbox.channels import Courier
from integrations.sandbox.errors import ApiError
from integrations.sandbox.faults import Asked, Faults
from integrations.sandbox.journal import Journal, shown_query
from integrations.sandbox.masks import apply, parse_mask
from integrations.sandbox.messages import HTML, Request, Response, error_response
from integrations.sandbox.routes import Route, find_route
from integrations.sandbox.world import Call, Reply, World

_SORRY = b"<!DOCTYPE html><title>Sorry</title><p>We're sorry, something went wrong."


class Api:
    """Answers Calendar API requests, alone or as parts of a batch."""

    def __init__(self, world: World, faults: Faults, journal: Journal, courier: Courier) -> None:
        self.world = world
        self._faults = faults
        self._journal = journal
        self._courier = courier
        self._pages: dict[tuple[str, str], int] = {}
        self._used: dict[str, deque[float]] = {}

    def forget(self) -> None:
        """Start counting pages and quotas anew."""
        self._pages.clear()
        self._used.clear()

    def answer(self, request: Request, *, part: bool = False) -> Response:
        """Return the answer to one request; a lost one is marked, not raised."""
        request = request.overridden()
        found = find_route(request.method, request.path)
        if found is None:
            return error_response(ApiError(404, "notFound", "Not Found"))
        route, args = found
        with self.world.lock:
            call = Call(self.world, "", args, request.query(), headers=request.headers)
            call.note |= {"operation": route.name, "batch": part}
            hit = self._pick(call, route, request, part)
        time.sleep(hit.get("delay", {}).get("seconds", 0))
        with self.world.lock:
            response = self._perform(call, route, request, hit)
            self._note(call, request, response, hit)
            self._tell(call, hit)
            self.world.store.commit()
        return response

    def _pick(
        self, call: Call, route: Route, request: Request, part: bool
    ) -> dict[str, dict[str, Any]]:
        """Return the faults that hit, having found out who asks if that can be known."""
        try:
            call.account = oauth.bearer(self.world, request.headers)["account"]
        except ApiError:
            call.account = ""
        name = call.args.get("calendarId", "")
        calendar = call.account if name == "primary" else name
        key = (call.account, request.path)
        page = self._pages.get(key, 0) + 1 if "pageToken" in call.query else 1
        self._pages[key] = page
        path, operation = request.path, route.name
        asked = Asked(operation, request.method, path, call.account, calendar, page, part)
        hit = self._faults.pick(asked)
        call.play = fault_rules.play(hit, self.world, calendar)
        return hit

    def _perform(
        self, call: Call, route: Route, request: Request, hit: dict[str, dict[str, Any]]
    ) -> Response:
        if "lost_request" in hit:
            return _lost(call, applied=False)
        if "conflict" in hit:
            return error_response(ApiError(409, "conflict", "Conflict"))
        error = hit.get("error")
        if error and not error["applied"]:
            return _fault_error(error)
        try:
            response = self._operate(call, route, request)
        except ApiError as refusal:
            return error_response(refusal)
        if error:
            return _fault_error(error)
        return _lost(call, applied=True) if "lost_answer" in hit else _broken(response, hit)

    def _operate(self, call: Call, route: Route, request: Request) -> Response:
        row = oauth.bearer(self.world, request.headers)
        oauth.check_scope(row, route.scopes)
        self._spend(call)
        call.body = request.json()
        fields = call.query.text("fields")
        mask = parse_mask(fields, route.resource) if fields and route.resource else {}
        reply = route.handler(call)
        return _response(reply, mask)

    def _spend(self, call: Call) -> None:
        """Count the request against the quotas in force; refuse what goes over."""
        now = time.monotonic()
        for key, name in (("", "project"), (call.account, "user")):
            limit = self.world.option(f"quota_per_minute_{name}")
            used = self._used.setdefault(key, deque())
            while used and used[0] < now - 60:
                used.popleft()
            if limit and len(used) >= limit:
                reason = self.world.option("quota_reason")
                domain, message = fault_rules.REASONS.get(reason, ("usageLimits", "Quota"))
                raise ApiError(self.world.option("quota_status"), reason, message, domain=domain)
            used.append(now)

    def _note(
        self, call: Call, request: Request, response: Response, hit: dict[str, dict[str, Any]]
    ) -> None:
        self._journal.add(
            {
                "at": self.world.stamp(),
                "method": request.method,
                "path": request.path,
                "query": shown_query(call.query),
                "operation": call.note["operation"],
                "account": call.account,
                "calendar": call.note.get("calendar", ""),
                "status": 0 if response.lost else response.status,
                "mails": call.note.get("mails", 0),
                "items": call.note.get("items"),
                "batch": call.note["batch"],
                "faults": sorted(hit),
            }
        )

    def _tell(self, call: Call, hit: dict[str, dict[str, Any]]) -> None:
        if "message" in call.note:
            self._courier.announce(*call.note["message"])
        self._courier.flush(drop="drop_message" in hit, repeat="repeat_message" in hit)


def _lost(call: Call, *, applied: bool) -> Response:
    """Return an answer that never leaves; inside a batch, the error that stands for it."""
    if not call.note["batch"]:
        return Response(lost=True)
    status, message = (500, "Backend Error") if applied else (503, "Service Unavailable")
    return error_response(ApiError(status, "backendError", message))


def _fault_error(rule: dict[str, Any]) -> Response:
    kind = "header" if rule["location"] in ("Authorization", "If-Match") else "parameter"
    error = ApiError(
        rule["status"],
        rule["reason"],
        rule["message"],
        domain=rule["domain"],
        location=rule["location"] or None,
        location_type=kind,
        headers={"Retry-After": str(rule["retry_after"])} if rule["retry_after"] else {},
    )
    return error_response(error)


def _broken(response: Response, hit: dict[str, dict[str, Any]]) -> Response:
    if "truncated_json" in hit:
        response.body = response.body[: max(len(response.body) // 2, 1)]
    elif "html" in hit:
        response = Response(hit["html"]["status"], _SORRY, HTML)
    elif "empty" in hit:
        response = Response(hit["empty"]["status"])
    elif "gzip_cut" in hit:
        response.cut_gzip = True
    return response


def _response(reply: Reply, mask: dict[str, Any]) -> Response:
    if reply.body is None:
        return Response(reply.status, headers=reply.headers)
    if isinstance(reply.body, bytes):
        return Response(reply.status, reply.body, headers=reply.headers)
    body = apply(mask, reply.body)
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(reply.status, text, headers=reply.headers)
