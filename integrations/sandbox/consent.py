"""The page on which a person chooses an account and ticks what an application may do."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox import oauth
from integrations.sandbox.errors import OAuthError
from integrations.sandbox.messages import HTML, Request, Response
from integrations.sandbox.style import POLICY, document
from integrations.sandbox.world import World

PATH = "/o/oauth2/v2/auth"
_KEPT = (
    "client_id", "redirect_uri", "response_type", "scope", "state", "access_type", "prompt",
    "code_challenge", "code_challenge_method", "login_hint", "include_granted_scopes",
)  # fmt: skip

# Google takes these short names and grants the long ones, which surprises strict clients.
_FULL = {
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}


def answer(world: World, request: Request) -> Response:
    """Show the consent page (GET) or send the browser back with a code or a refusal (POST)."""
    source = request.form() if request.method == "POST" else _flat(request)
    asked = {name: source[name] for name in _KEPT if name in source}
    try:
        _check(world, asked)
    except OAuthError as error:
        return _page(error.status, f"<h1>Error {error.status}: {escape(error.error)}</h1>"
                     f"<p>{escape(error.description)}")  # fmt: skip
    if request.method != "POST":
        return _page(200, _form(world, asked))
    return _decided(world, asked, request)


def _flat(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in request.query().items()}


def _check(world: World, asked: dict[str, str]) -> None:
    """Raise what must not be sent to a redirect address that nobody vouches for."""
    client = world.store["client"].get(asked.get("client_id", ""))
    if client is None:
        raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
    if not oauth.redirect_allowed(client, asked.get("redirect_uri", "")):
        raise OAuthError(400, "redirect_uri_mismatch", "The redirect_uri is not registered.")
    if asked.get("response_type") != "code":
        raise OAuthError(400, "unsupported_response_type", "Use response_type=code.")
    if not asked.get("scope", "").split():
        raise OAuthError(400, "invalid_request", "Missing required parameter: scope")
    if asked.get("code_challenge_method", "S256") not in ("S256", "plain"):
        raise OAuthError(400, "invalid_request", "Unknown code_challenge_method.")


def _form(world: World, asked: dict[str, str]) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in asked.items()
    )
    chosen = asked.get("login_hint") or next(iter(world.store["account"]), "")
    accounts = "".join(
        f'<label><input type="radio" name="account" value="{escape(email)}"'
        f"{' checked' if email == chosen else ''}> {escape(email)}</label>"
        for email in world.store["account"]
    )
    scopes = "".join(
        f'<label><input type="checkbox" name="granted" value="{escape(scope)}" checked> '
        f"{escape(scope)}</label>"
        for scope in asked["scope"].split()
    )
    return (
        f"<h1>Sign in</h1><p><b>{escape(asked['client_id'])}</b> wants access."
        f'<form method="post" action="{PATH}">{hidden}'
        f"<fieldset><legend>Account</legend>{accounts}</fieldset>"
        f"<fieldset><legend>It may</legend>{scopes}</fieldset>"
        '<button name="decision" value="allow">Allow</button> '
        '<button name="decision" value="deny">Cancel</button></form>'
    )


def _decided(world: World, asked: dict[str, str], request: Request) -> Response:
    form = request.form()
    answer: dict[str, Any] = {"state": asked["state"]} if "state" in asked else {}
    account = form.get("account", "")
    if form.get("decision") != "allow" or account not in world.store["account"]:
        answer["error"] = "access_denied"
    else:
        ticked = request.form_values("granted")
        scopes = [_FULL.get(s, s) for s in asked["scope"].split() if s in ticked]
        answer["code"] = oauth.new_code(world, account, asked, scopes)
        answer["scope"] = " ".join(scopes)
    glue = "&" if "?" in asked["redirect_uri"] else "?"
    return Response(302, headers={"Location": f"{asked['redirect_uri']}{glue}{urlencode(answer)}"})


def _page(status: int, body: str) -> Response:
    return Response(status, document("Sign in – sandbox", body), HTML, dict(POLICY))
