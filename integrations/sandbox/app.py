"""The whole sandbox behind HTTP: which of its parts answers which address."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from integrations.sandbox import batch, consent, control, idtoken, oauth, person, seeds
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
        self.world = World(path)
        if not self.world.store["client"]:
            seeds.plant(self.world, seed)
        self.seed = seed
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
            return self.api.answer(request)
        if path == batch.PATH and request.method == "POST":
            return self._batch(request)
        if path.startswith("/sandbox/"):
            return control.answer(self, request)
        if path == "/token" and request.method == "POST":
            return self._token(request)
        if path == "/revoke" and request.method == "POST":
            return self._revoke(request)
        if path == consent.PATH:
            with self.world.lock:
                response = consent.answer(self.world, request)
                self.world.store.commit()
            return response
        if path in _USERINFO:
            return self._userinfo(request, _USERINFO[path])
        if path == "/oauth2/v3/certs":
            return json_response(idtoken.certificates())
        if path == "/" or path.startswith("/person/"):
            return person.answer(self, request)
        return error_response(ApiError(404, "notFound", "Not Found"))

    def _batch(self, request: Request) -> Response:
        with self.world.lock:
            hit = self.faults.pick(Asked("batch", "POST", request.path, "", "", 1, False))
            self.world.store.commit()
        if "lost_request" in hit:
            return Response(lost=True)
        try:
            response = batch.answer(request, lambda part: self.api.answer(part, part=True))
        except ApiError as error:
            return error_response(error)
        return Response(lost=True) if "lost_answer" in hit else response

    def _token(self, request: Request) -> Response:
        with self.world.lock:
            hit = self.faults.pick(Asked("oauth.token", "POST", request.path, "", "", 1, False))
            try:
                if "oauth_error" in hit:
                    raise _oauth_error(hit["oauth_error"])
                value = oauth.token(self.world, request.form(), _basic(request))
            except OAuthError as error:
                return json_response(error.body(), error.status)
            finally:
                self.world.store.commit()
        response = json_response(value)
        response.headers["Cache-Control"] = "no-store"
        response.lost = "lost_answer" in hit
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

    def _userinfo(self, request: Request, version: str) -> Response:
        try:
            row = oauth.bearer(self.world, request.headers)
            return json_response(oauth.userinfo(self.world, row, version))
        except ApiError as error:
            return error_response(error)


def _oauth_error(rule: dict[str, Any]) -> OAuthError:
    return OAuthError(rule["status"], rule["error"], rule["description"], rule["subtype"])


def _basic(request: Request) -> tuple[str, str] | None:
    kind, _, code = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(code).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret
