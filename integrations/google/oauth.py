"""Google's OAuth 2.0: the address a person consents at, and the calls to the token endpoint.

Facts from developers.google.com/identity/protocols/oauth2/native-app and RFC 7636 (PKCE). The token
endpoint is called through our own HTTP, not through google-auth: its sessions retry by a policy of
their own and look up access boundaries in background threads.
"""

import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from integrations.google.errors import misread, refusal
from integrations.wire import Head, HttpLike

_AUTH: Final = "https://www.googleapis.com/auth/"
# What is asked for: the events of the calendars, and the list of them.
EVENTS: Final = _AUTH + "calendar.events"
CALENDAR_LIST: Final = _AUTH + "calendar.calendarlist.readonly"
SCOPES: Final = ("openid", "email", EVENTS, CALENDAR_LIST)
# What will do in place of each scope that is needed.
_SUFFICIENT: Final[Mapping[str, frozenset[str]]] = {
    EVENTS: frozenset({EVENTS, _AUTH + "calendar"}),
    CALENDAR_LIST: frozenset(
        {
            CALENDAR_LIST,
            _AUTH + "calendar.calendarlist",
            _AUTH + "calendar.readonly",
            _AUTH + "calendar",
        }
    ),
    "email": frozenset({"email", _AUTH + "userinfo.email"}),
}
_EARLY_SECONDS: Final = 225  # a token this close to its end is renewed before it is used


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """Lockstep as Google knows it, and the addresses to talk to."""

    client_id: str
    client_secret: str = field(repr=False)
    auth_uri: str
    token_uri: str
    revoke_uri: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person allowed: tokens, and the end of the access token in seconds since 1970."""

    refresh_token: str = field(repr=False)
    access_token: str = field(default="", repr=False)
    expires_at: float = 0.0
    scopes: tuple[str, ...] = ()

    def fresh(self, now: float) -> bool:
        """Say whether the access token can still be used."""
        return bool(self.access_token) and now < self.expires_at - _EARLY_SECONDS

    def to_json(self) -> str:
        """Return the text that is sealed and stored."""
        return json.dumps(
            {
                "refresh_token": self.refresh_token,
                "access_token": self.access_token,
                "expires_at": self.expires_at,
                "scopes": self.scopes,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Grant":
        """Read what `to_json` wrote."""
        stored = json.loads(text)
        return cls(**{**stored, "scopes": tuple(stored["scopes"])})


@dataclass(frozen=True, slots=True)
class Consent:
    """One attempt to get a person's consent: the state and the PKCE verifier that belong to it."""

    redirect_uri: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)

    def address(self, client: OAuthClient, *, email_hint: str = "") -> str:
        """Return the address at which the person consents."""
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": client.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": " ".join(SCOPES),
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",  # without it only the first consent brings a refresh token
        }
        hint = {"login_hint": email_hint} if email_hint else {}
        return f"{client.auth_uri}?{urlencode(query | hint)}"

    def accepts(self, state: str) -> bool:
        """Say whether an answer belongs to this attempt."""
        return hmac.compare_digest(state.encode(), self.state.encode())

    def exchange(
        self, client: OAuthClient, code: str, http: HttpLike, *, clock: Callable[[], float]
    ) -> Grant:
        """Exchange the code for a grant; its refresh token is "" if Google sent none."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return _granted(_ask(http, client, form), Grant(refresh_token=""), clock())


def renew(
    grant: Grant, client: OAuthClient, http: HttpLike, *, clock: Callable[[], float] = time.time
) -> Grant:
    """Return the grant with a new access token; `Refusal` FREEZE if the person's grant is dead."""
    form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
    return _granted(_ask(http, client, form), grant, clock())


def revoke(grant: Grant, client: OAuthClient, http: HttpLike) -> None:
    """End the whole grant, for every scope; quietly if it has ended already."""
    head, content = _post(http, client.revoke_uri, {"token": grant.refresh_token})
    if head.status not in (200, 400):
        raise refusal("oauth2", "revoke", head.status, content, head)


def missing_scopes(granted: Collection[str]) -> tuple[str, ...]:
    """Name the needed scopes that a person did not allow."""
    return tuple(scope for scope, enough in _SUFFICIENT.items() if enough.isdisjoint(granted))


def _ask(http: HttpLike, client: OAuthClient, form: dict[str, str]) -> dict[str, Any]:
    secret = {"client_id": client.client_id, "client_secret": client.client_secret}
    head, content = _post(http, client.token_uri, form | secret)
    if head.status != 200:
        raise refusal("oauth2", "token", head.status, content, head)
    answer = _json_object(content)
    if not isinstance(answer.get("access_token"), str):
        raise misread("oauth2", "token", head.status, "no token in the answer")
    return answer


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _post(http: HttpLike, uri: str, form: dict[str, str]) -> tuple[Head, bytes]:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return http.request(uri, "POST", urlencode(form), headers)


def _granted(answer: dict[str, Any], before: Grant, now: float) -> Grant:
    """Put an answer of the token endpoint over what was known; a token never becomes empty."""
    return replace(
        before,
        refresh_token=answer.get("refresh_token") or before.refresh_token,
        access_token=answer["access_token"],
        expires_at=now + float(answer.get("expires_in", 0)),
        scopes=tuple(str(answer["scope"]).split()) if answer.get("scope") else before.scopes,
    )
