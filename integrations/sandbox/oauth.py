"""OAuth 2.0 as Google plays it: codes with PKCE, access and refresh tokens, grants, revocation."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.errors import ApiError, OAuthError
from integrations.sandbox.idtoken import id_token
from integrations.sandbox.world import World

CLIENT_ID = "sandbox-client.apps.example.com"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 (known to everybody, opens nothing)
CODE_SECONDS = 600
MOST_REFRESH_TOKENS = 100
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_account(world: World, email: str, name: str = "") -> dict[str, Any]:
    """Create a person who can sign in."""
    sub = str(int(hashlib.sha256(email.encode()).hexdigest()[:16], 16)).zfill(21)[:21]
    row = {"email": email, "sub": sub, "name": name or email.split("@")[0].title()}
    return world.store.put("account", email, row)


def add_client(world: World, name: str, secret: str, redirect_uris: list[str]) -> None:
    """Register an application; loopback addresses need no registration."""
    row = {"id": name, "secret": secret, "redirect_uris": redirect_uris}
    world.store.put("client", name, row)


def redirect_allowed(client: dict[str, Any], uri: str) -> bool:
    """Return whether answers may be sent to that address."""
    return uri in client["redirect_uris"] or urlsplit(uri).hostname in _LOOPBACK


def new_code(world: World, account: str, asked: dict[str, str], scopes: list[str]) -> str:
    """Return a one-use code for what a person just consented to."""
    code = f"4/{secrets.token_urlsafe(32)}"
    grant_key = f"{account}\n{asked['client_id']}"
    old = world.store["grant"].get(grant_key)
    first = old is None or "consent" in asked.get("prompt", "")
    row = {
        "account": account,
        "client": asked["client_id"],
        "redirect_uri": asked["redirect_uri"],
        "challenge": asked.get("code_challenge", ""),
        "method": asked.get("code_challenge_method", "plain"),
        "scopes": scopes,
        "refresh": asked.get("access_type") == "offline" and first,
        "expires": world.clock.now().timestamp() + CODE_SECONDS,
    }
    world.store.put("code", code, row)
    world.store.put("grant", grant_key, {"scopes": scopes})
    return code


def token(world: World, form: dict[str, str], basic: tuple[str, str] | None) -> dict[str, Any]:
    """Answer the token endpoint; raise the OAuth errors that Google's would."""
    client = _client(world, form, basic)
    match form.get("grant_type"):
        case "authorization_code":
            return _exchange(world, client, form)
        case "refresh_token":
            return _refresh(world, client, form)
        case None:
            raise OAuthError(400, "invalid_request", "Missing required parameter: grant_type")
        case other:
            raise OAuthError(400, "unsupported_grant_type", f"Invalid grant_type: {other}")


def _client(world: World, form: dict[str, str], basic: tuple[str, str] | None) -> dict[str, Any]:
    name, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
    client = world.store["client"].get(name)
    if client is None:
        raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
    if not secrets.compare_digest(client["secret"].encode(), secret.encode()):
        raise OAuthError(401, "invalid_client", "Unauthorized")
    return client


def _exchange(world: World, client: dict[str, Any], form: dict[str, str]) -> dict[str, Any]:
    code = form.get("code", "")
    row = world.store["code"].get(code)
    world.store.drop("code", code)
    if row is None or row["client"] != client["id"] or row["expires"] < _now(world):
        raise OAuthError(400, "invalid_grant", "Malformed auth code.")
    if row["redirect_uri"] != form.get("redirect_uri"):
        raise OAuthError(400, "redirect_uri_mismatch", "Bad Request")
    if row["challenge"] and not _verified(row, form.get("code_verifier", "")):
        raise OAuthError(400, "invalid_grant", "Invalid code verifier.")
    answer = _access(world, row["account"], client["id"], row["scopes"])
    if row["refresh"]:
        answer["refresh_token"] = new_refresh_token(
            world, row["account"], row["scopes"], client["id"]
        )
    return answer


def _verified(row: dict[str, Any], verifier: str) -> bool:
    if row["method"] != "S256":
        return secrets.compare_digest(row["challenge"], verifier)
    digest = hashlib.sha256(verifier.encode()).digest()
    wanted = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return 43 <= len(verifier) <= 128 and secrets.compare_digest(row["challenge"], wanted)


def _refresh(world: World, client: dict[str, Any], form: dict[str, str]) -> dict[str, Any]:
    old = form.get("refresh_token", "")
    row = world.store["refresh"].get(old)
    if row is None or row["client"] != client["id"]:
        raise OAuthError(400, "invalid_grant", "Token has been expired or revoked.")
    scopes = form["scope"].split() if form.get("scope") else row["scopes"]
    if not set(scopes) <= set(row["scopes"]):
        raise OAuthError(400, "invalid_scope", "Some requested scopes were not granted.")
    answer = _access(world, row["account"], client["id"], scopes)
    if world.option("rotate_refresh_tokens"):
        world.store.drop("refresh", old)
        new = new_refresh_token(world, row["account"], row["scopes"], client["id"])
        answer["refresh_token"] = new
    return answer


def _access(world: World, account: str, client: str, scopes: list[str]) -> dict[str, Any]:
    _forget_expired(world)
    seconds = world.option("access_token_seconds")
    text = f"ya29.{secrets.token_urlsafe(48)}"
    row = {"account": account, "client": client, "scopes": scopes}
    world.store.put("access", text, row | {"expires": _now(world) + seconds})
    answer = {
        "access_token": text,
        "expires_in": seconds,
        "scope": " ".join(scopes),
        "token_type": "Bearer",
    }
    if "openid" in scopes:
        answer["id_token"] = id_token(world, world.store["account"][account], client)
    return answer


def _forget_expired(world: World) -> None:
    long_ago = _now(world) - 86400
    for text, row in list(world.store["access"].items()):
        if row["expires"] < long_ago:
            world.store.drop("access", text)


def new_refresh_token(
    world: World, account: str, scopes: list[str], client: str = CLIENT_ID
) -> str:
    """Return a refresh token; beyond 100 for one account and client the oldest dies silently."""
    text = f"1//{secrets.token_urlsafe(48)}"
    same = [
        known
        for known, row in world.store["refresh"].items()
        if (row["account"], row["client"]) == (account, client)
    ]
    for oldest in same[: max(len(same) - MOST_REFRESH_TOKENS + 1, 0)]:
        world.store.drop("refresh", oldest)
    world.store.put("refresh", text, {"account": account, "client": client, "scopes": scopes})
    return text


def _now(world: World) -> float:
    return world.clock.now().timestamp()


def bearer(world: World, headers: dict[str, str]) -> dict[str, Any]:
    """Return the live access token's row; raise the 401 where there is none."""
    kind, _, text = headers.get("authorization", "").partition(" ")
    row = world.store["access"].get(text.strip())
    if kind.lower() != "bearer" or row is None or row["expires"] <= _now(world):
        raise ApiError(
            401,
            "authError" if text else "required",
            "Invalid Credentials" if text else "Login Required.",
            location="Authorization",
            location_type="header",
        )
    return row


def check_scope(row: dict[str, Any], allowed: frozenset[str]) -> None:
    """Raise the 403 unless the token carries one of the scopes that the operation takes."""
    if not allowed & {scope.rsplit("/", 1)[-1] for scope in row["scopes"]}:
        raise ApiError(
            403,
            "insufficientPermissions",
            "Insufficient Permission: Request had insufficient authentication scopes.",
        )


def revoke(world: World, text: str) -> None:
    """Withdraw the whole grant behind an access or refresh token."""
    row = world.store["refresh"].get(text) or world.store["access"].get(text)
    if row is None:
        raise OAuthError(400, "invalid_token", "Token expired or revoked")
    revoke_grant(world, row["account"], row["client"])


def revoke_grant(world: World, account: str, client: str = "") -> None:
    """Withdraw what a person allowed: one application, or every one."""
    for kind in ("refresh", "access"):
        for text, row in list(world.store[kind].items()):
            if row["account"] == account and client in ("", row["client"]):
                world.store.drop(kind, text)
    for key in list(world.store["grant"]):
        known_account, known_client = key.split("\n")
        if known_account == account and client in ("", known_client):
            world.store.drop("grant", key)


def userinfo(world: World, row: dict[str, Any], version: str) -> dict[str, Any]:
    """Return who signed in, in the field names of version `v2` or `v3` of the endpoint."""
    granted = {scope.rsplit("/", 1)[-1] for scope in row["scopes"]}
    if not granted & {"openid", "email", "profile", "userinfo.email", "userinfo.profile"}:
        raise ApiError(401, "authError", "The token carries no scope for the user's identity.")
    person = world.store["account"][row["account"]]
    names = ("id", "verified_email") if version == "v2" else ("sub", "email_verified")
    body = {names[0]: person["sub"]}
    if granted & {"email", "userinfo.email"}:
        body |= {"email": person["email"], names[1]: True}
    if granted & {"profile", "userinfo.profile"}:
        body["name"] = person["name"]
    return body
