"""The whole sandbox behind HTTP: which of its parts answers which address."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from integrations.sandbox import batch, consent, control, idtoken, oauth, person, playing, seeds
from integrations.sandbox.api import Api
from integrations.sandbox.channels import Courier
from integrations.sandbox.errors import ApiError, OAuthError
from integrations.sandbox.faults import Asked, Faults
from integrations.sandbox.journal import Journal
from integrations.sandbox.messages import Request, Response, error_response, json_response
from integrations.sandbox.world import World

_USERINFO = {"/oauth2/v2/userinfo": "v2", "/oauth2/v3/userinfo": "v3", "/v1/userinfo": "v3"}


class App:
    """One sandbox: world, faults, journal, courier, and the answer to any request."""

    def __init__(self, path: Path | None, seed: str) -> None:
        seeds.check(seed)
        self.world = World(path)
        if not self.world.store["client"]:
            seeds.plant(self.world, seed)
        self.seed = seed
        self.counts: Counter[str] = Counter()  # HTTP requests by kind, since the last reset
        self.faults = Faults(self.world)
        self.journal = Journal(self.world)
        self.courier = Courier(self.world)
        self.api = Api(self.world, self.faults, self.journal, self.courier)
        self.settle()

    def reset(self, seed: str) -> None:
        """Forget everything and plant a seed; raise UnknownSeed before anything is lost."""
        seeds.check(seed)
        self.world.store.clear()
        self.world.clock.offset = 0
        self.api.forget()
        self.counts.clear()
        seeds.plant(self.world, seed)
        self.seed = seed

    def settle(self) -> None:
        """Send what channels should hear and write everything down."""
        self.courier.flush()
        self.world.store.commit()

    def close(self) -> None:
        """Deliver, write and close."""
        self.courier.close()
        with self.world.lock:
            self.world.store.close()

    def answer(self, request: Request) -> Response:
        """Return the answer to one HTTP request."""
        path = request.path
        if path.startswith("/calendar/v3/"):
            self.counts["api"] += 1
            return self.api.answer(request)
        if path.startswith("/sandbox/"):
            return control.answer(self, request)
        if path == "/" or path.startswith("/person/"):
            return person.answer(self, request)
        return self._sign_in(request) or error_response(ApiError(404, "notFound", "Not Found"))

    def _sign_in(self, request: Request) -> Response | None:
        """Return the answer of a batch, a token or an identity address; None for any other."""
        match request.method, request.path:
            case "POST", batch.PATH:
                return self._played("batch", request, self._batch)
            case "POST", "/token":
                return self._played("oauth.token", request, self._token)
            case "POST", "/revoke":
                return self._played("oauth.revoke", request, self._revoke)
            case "GET", path if path in _USERINFO:
                return self._played("oauth.userinfo", request, self._userinfo)
            case "GET", "/oauth2/v3/certs":
                return json_response(idtoken.certificates())
            case _, consent.PATH:
                return self._consent(request)
        return None

    def _played(
        self, operation: str, request: Request, perform: Callable[[Request], Response]
    ) -> Response:
        """Return an answer with the faults that were asked for, and count the request."""
        with self.world.lock:
            self.counts[operation] += 1
            path = request.path
            hit = self.faults.pick(Asked(operation, request.method, path, "", "", 1, False))
            self.world.store.commit()
        playing.wait(hit)
        if "oauth_error" in hit:
            return _oauth_error(hit["oauth_error"])
        return playing.act(hit, lambda: perform(request))

    def _batch(self, request: Request) -> Response:
        try:
            return batch.answer(request, lambda part: self.api.answer(part, part=True))
        except ApiError as error:
            return error_response(error)

    def _token(self, request: Request) -> Response:
        with self.world.lock:
            try:
                response = json_response(oauth.token(self.world, request.form(), _basic(request)))
            except OAuthError as error:
                response = json_response(error.body(), error.status)
            self.world.store.commit()
        response.headers["Cache-Control"] = "no-store"
        return response

    def _revoke(self, request: Request) -> Response:
        text = request.query().text("token") or request.form().get("token", "")
        with self.world.lock:
            try:
                oauth.revoke(self.world, text)
            except OAuthError as error:
                return json_response(error.body(), error.status)
            self.world.store.commit()
        return json_response({})

    def _userinfo(self, request: Request) -> Response:
        try:
            row = oauth.bearer(self.world, request.headers)
            return json_response(oauth.userinfo(self.world, row, _USERINFO[request.path]))
        except ApiError as error:
            return error_response(error)

    def _consent(self, request: Request) -> Response:
        with self.world.lock:
            response = consent.answer(self.world, request)
            self.world.store.commit()
        return response


def _oauth_error(rule: dict[str, Any]) -> Response:
    error = OAuthError(rule["status"], rule["error"], rule["description"], rule["subtype"])
    return json_response(error.body(), error.status)


def _basic(request: Request) -> tuple[str, str] | None:
    kind, _, code = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(code).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret
