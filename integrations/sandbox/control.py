"""The control API under `/sandbox/`: JSON in, JSON out, no sign-in. See the package docstring."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from integrations.sandbox import oauth
from integrations.sandbox.calendars import add_calendar
from integrations.sandbox.errors import ApiError, invalid, not_found
from integrations.sandbox.messages import Request, Response, error_response, json_response

if TYPE_CHECKING:
    from integrations.sandbox.app import App

DEFAULT_SCOPES = (
    "openid",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/calendar",
)
Body = dict[str, Any]


def answer(app: App, request: Request) -> Response:
    """Return the answer to one control call."""
    name = request.path.removeprefix("/sandbox/").strip("/")
    action = _ACTIONS.get((request.method, name))
    try:
        if action is None:
            known = ", ".join(f"{method} {path}" for method, path in _ACTIONS)
            raise ApiError(404, "notFound", f"No such control call; there are: {known}.")
        with app.world.lock:
            body = request.json() if request.method == "POST" else _query(request)
            value = action(app, body)
            app.settle()
        return json_response(value)
    except ApiError as error:
        return error_response(error)


def _query(request: Request) -> Body:
    return {name: values[-1] for name, values in request.query().items()}


def _account(app: App, body: Body) -> str:
    email = str(body.get("account", ""))
    if email not in app.world.store["account"]:
        known = ", ".join(app.world.store["account"]) or "none yet"
        raise invalid(f"Unknown account {email!r}; accounts are {known}.")
    return email


def add_account(app: App, body: Body) -> Body:
    """Create a person with a primary calendar."""
    email = str(body.get("email", "")).lower()
    if "@" not in email or email in app.world.store["account"]:
        raise invalid("email must be a new address.")
    oauth.add_account(app.world, email, body.get("name", ""))
    fields = {"summary": email, "timeZone": body.get("timeZone", "UTC")}
    add_calendar(app.world, email, fields, email)
    return {"email": email}


def new_calendar(app: App, body: Body) -> Body:
    """Create a secondary calendar for an account."""
    names = ("summary", "timeZone", "description")
    fields = {name: body[name] for name in names if name in body}
    calendar = add_calendar(app.world, _account(app, body), {"summary": "Calendar"} | fields)
    return {"id": calendar["id"]}


def refresh_token(app: App, body: Body) -> Body:
    """Hand out a refresh token, as if the account had consented."""
    scopes = body.get("scopes") or list(DEFAULT_SCOPES)
    text = oauth.new_refresh_token(app.world, _account(app, body), scopes)
    client = {"client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET}
    return {"refresh_token": text, "token_uri": f"{app.world.url}/token", **client}


def add_fault(app: App, body: Body) -> Body:
    """Put a fault rule in force."""
    return app.faults.add(body)


def list_faults(app: App, body: Body) -> Body:
    """Return the fault rules with their counts."""
    return {"faults": app.faults.rules()}


def journal(app: App, body: Body) -> Body:
    """Return the journal after entry number `after`."""
    return {"entries": app.journal.entries(int(body.get("after", 0)))}


_ACTIONS: dict[tuple[str, str], Callable[[Any, Body], Body]] = {
    ("POST", "accounts"): add_account,
    ("POST", "calendars"): new_calendar,
    ("POST", "refresh_token"): refresh_token,
    ("POST", "faults"): add_fault,
    ("GET", "faults"): list_faults,
    ("GET", "journal"): journal,
}
__all__ = ["answer", "not_found"]
