"""One API request from address to answer: who asks, quota, faults, operation, journal."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

from integrations.sandbox import faults as fault_rules
from integrations.sandbox import oauth, playing
from integrations.sandbox.channels import Courier
from integrations.sandbox.errors import ApiError
from integrations.sandbox.faults import Asked, Faults
from integrations.sandbox.journal import Journal, shown_query
from integrations.sandbox.masks import apply, parse_mask
from integrations.sandbox.messages import Request, Response, error_response
from integrations.sandbox.playing import Hit
from integrations.sandbox.routes import Route, find_route
from integrations.sandbox.world import Call, Reply, World


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
        playing.wait(hit)
        with self.world.lock:
            response = playing.act(hit, lambda: self._perform(call, route, request), part=part)
            self._note(call, request, response, hit)
            self._tell(call, hit)
            self.world.store.commit()
        return response

    def _pick(self, call: Call, route: Route, request: Request, part: bool) -> Hit:
        """Return the faults that hit, having found out who asks if that can be known."""
        try:
            call.account = oauth.bearer(self.world, request.headers)["account"]
        except ApiError:
            call.account = ""
        name = call.args.get("calendarId", "")
        calendar = call.account if name == "primary" else name
        page = self._page(call, route, request.path)
        asked = Asked(route.name, request.method, request.path, call.account, calendar, page, part)
        hit = self._faults.pick(asked)
        call.play = fault_rules.play(hit, self.world, calendar)
        return hit

    def _page(self, call: Call, route: Route, path: str) -> int:
        """Return which page of a listing is asked for, counting from the last first one."""
        if not route.name.endswith((".list", ".instances")):
            return 1
        key = (call.account, path)
        self._pages[key] = self._pages.get(key, 0) + 1 if "pageToken" in call.query else 1
        return self._pages[key]

    def _perform(self, call: Call, route: Route, request: Request) -> Response:
        try:
            return self._operate(call, route, request)
        except ApiError as refusal:
            return error_response(refusal)

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

    def _note(self, call: Call, request: Request, response: Response, hit: Hit) -> None:
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

    def _tell(self, call: Call, hit: Hit) -> None:
        if "message" in call.note:
            self._courier.announce(*call.note["message"])
        self._courier.flush(drop="drop_message" in hit, repeat="repeat_message" in hit)


def _response(reply: Reply, mask: dict[str, Any]) -> Response:
    if reply.body is None:
        return Response(reply.status, headers=reply.headers)
    if isinstance(reply.body, bytes):
        return Response(reply.status, reply.body, headers=reply.headers)
    body = apply(mask, reply.body)
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(reply.status, text, headers=reply.headers)
