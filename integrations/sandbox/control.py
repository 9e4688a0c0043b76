"""The control API under `/sandbox/`: JSON in, JSON out, no sign-in. See the package docstring."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from integrations.sandbox import oauth, people, seeds, tokens
from integrations.sandbox.calendars import add_calendar, remove_calendar
from integrations.sandbox.channels import Message
from integrations.sandbox.errors import ApiError, invalid
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
        body = request.json() if request.method == "POST" else _query(request)
        with app.world.lock:
            value = action(app, body)
            app.settle()
        return json_response(value)
    except ApiError as error:
        return error_response(error)


def _query(request: Request) -> Body:
    return {name: values[-1] for name, values in request.query().items()}


def _take(body: Body, *names: str) -> list[Any]:
    """Return the fields a call needs; raise the 400 that names a missing one."""
    for name in names:
        if name not in body:
            raise invalid(f"Missing {name}; this call needs {', '.join(names)}.")
    return [body[name] for name in names]


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
    """Create a secondary calendar; `generated` ones (holidays and the like) refuse channels."""
    names = ("summary", "timeZone", "description", "generated")
    fields = {name: body[name] for name in names if name in body}
    calendar = add_calendar(app.world, _account(app, body), {"summary": "Calendar"} | fields)
    return {"id": calendar["id"]}


def change_calendar(app: App, body: Body) -> Body:
    """Rename a calendar or change its zone."""
    return people.change_calendar(app.world, *_take(body, "account", "calendar", "changes"))


def change_entry(app: App, body: Body) -> Body:
    """Hide or colour a calendar on the account's list."""
    return people.change_entry(app.world, *_take(body, "account", "calendar", "changes"))


def drop_calendar(app: App, body: Body) -> Body:
    """Remove a secondary calendar."""
    account, name = _take(body, "account", "calendar")
    if app.world.store["calendar"].get(name, {}).get("owner") != account or name == account:
        raise invalid("The account owns no such secondary calendar.")
    remove_calendar(app.world, name)
    return {}


def share(app: App, body: Body) -> Body:
    """Give a role on a calendar to an address, or to `default`."""
    people.share(app.world, *_take(body, "account", "calendar", "with", "role"))
    return {}


def create_event(app: App, body: Body) -> Body:
    """Add an event."""
    return people.create(app.world, *_take(body, "account", "calendar", "event"))


def _name(app: App, body: Body) -> tuple[str, str, str]:
    """Return account, calendar and event id; `original_start` points at one occurrence."""
    account, calendar, name = _take(body, "account", "calendar", "id")
    if body.get("original_start"):
        start = body["original_start"]
        name = people.occurrence_id(app.world, account, calendar, name, start)
    return account, calendar, name


def edit_event(app: App, body: Body) -> Body:
    """Change an event or one occurrence of a series."""
    return people.edit(app.world, *_name(app, body), *_take(body, "changes"))


def delete_event(app: App, body: Body) -> Body:
    """Delete an event or cancel one occurrence of a series."""
    people.delete(app.world, *_name(app, body))
    return {}


def move_event(app: App, body: Body) -> Body:
    """Move an event to another calendar."""
    return people.move(app.world, *_name(app, body), *_take(body, "destination"))


def split_series(app: App, body: Body) -> Body:
    """Change "this and following"; returns the new series."""
    account, calendar, name, start = _take(body, "account", "calendar", "id", "original_start")
    return people.split(app.world, account, calendar, name, start, body.get("changes", {}))


def respond(app: App, body: Body) -> Body:
    """Answer an invitation."""
    return people.respond(app.world, *_name(app, body), *_take(body, "response"))


def list_events(app: App, body: Body) -> Body:
    """Return every stored event of a calendar, cancelled ones included."""
    (calendar,) = _take(body, "calendar")
    if calendar not in app.world.store["calendar"]:
        raise invalid(f"Unknown calendar; there are {', '.join(app.world.store['calendar'])}.")
    book = app.world.store.book(calendar)
    return {"events": [event.body() for event in book if not event.dropped]}


def refresh_token(app: App, body: Body) -> Body:
    """Hand out a refresh token, as if the account had consented."""
    scopes = body.get("scopes") or list(DEFAULT_SCOPES)
    text = oauth.new_refresh_token(app.world, _account(app, body), scopes)
    client = {"client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET}
    return {"refresh_token": text, "token_uri": f"{app.world.url}/token", **client}


def add_client(app: App, body: Body) -> Body:
    """Register an application with its redirect addresses."""
    name, secret = _take(body, "client_id", "client_secret")
    oauth.add_client(app.world, name, secret, body.get("redirect_uris", []))
    return {}


def expire_access(app: App, body: Body) -> Body:
    """Make every access token expire now, or those of one account."""
    now = app.world.clock.now().timestamp()
    for text, row in list(app.world.store["access"].items()):
        if body.get("account") in (None, row["account"]):
            app.world.store.put("access", text, row | {"expires": now})
    return {}


def revoke(app: App, body: Body) -> Body:
    """Withdraw everything an account has allowed."""
    oauth.revoke_grant(app.world, _account(app, body))
    return {}


def kill_sync_tokens(app: App, body: Body) -> Body:
    """Make every sync token handed out so far answer 410 fullSyncRequired."""
    tokens.kill_sync_tokens(app.world.store)
    return {}


def options(app: App, body: Body) -> Body:
    """Change options (see `world.OPTIONS`) and return all of them."""
    app.world.set_options(body)
    return app.world.options()


def state(app: App, body: Body) -> Body:
    """Return accounts, calendars with their rules, options and channels without secrets."""
    store = app.world.store
    kept = ("id", "owner", "summary", "timeZone")
    return {
        "now": app.world.stamp(),
        "accounts": list(store["account"]),
        "calendars": [
            {name: row[name] for name in kept}
            | {"roles": {s: r["role"] for s, r in row["acl"].items()}}
            | {"events": len(store.book(row["id"]))}
            for row in store["calendar"].values()
        ],
        "channels": [{**row, "token": "…"} for row in store["channel"].values()],
        "options": app.world.options(),
    }


def send_message(app: App, body: Body) -> Body:
    """Post any headers to any loopback address: late, forged or unknown channel messages."""
    address, headers = _take(body, "address", "headers")
    app.courier.send(Message(address, {str(k): str(v) for k, v in headers.items()}))
    return {}


def add_fault(app: App, body: Body) -> Body:
    """Put a fault rule in force."""
    return app.faults.add(body)


def list_faults(app: App, body: Body) -> Body:
    """Return the fault rules with their counts."""
    return {"faults": app.faults.rules()}


def clear_faults(app: App, body: Body) -> Body:
    """Take every fault rule out of force."""
    app.faults.clear()
    return {}


def journal(app: App, body: Body) -> Body:
    """Return the journal after entry `after`, its mails, and HTTP requests since the reset."""
    entries = app.journal.entries(int(body.get("after", 0)))
    mails = sum(entry["mails"] for entry in entries)
    return {"entries": entries, "mails": mails, "http": dict(app.counts)}


def clear_journal(app: App, body: Body) -> Body:
    """Forget the journal."""
    app.journal.clear()
    return {}


def reset(app: App, body: Body) -> Body:
    """Forget everything and plant a seed anew; every token dies."""
    try:
        app.reset(body.get("seed_data", app.seed))
    except seeds.UnknownSeed as error:
        raise invalid(str(error)) from None
    return {}


_ACTIONS: dict[tuple[str, str], Callable[[Any, Body], Body]] = {
    ("GET", "state"): state,
    ("POST", "reset"): reset,
    ("POST", "options"): options,
    ("POST", "accounts"): add_account,
    ("POST", "calendars"): new_calendar,
    ("POST", "calendars/change"): change_calendar,
    ("POST", "calendars/entry"): change_entry,
    ("POST", "calendars/delete"): drop_calendar,
    ("POST", "calendars/share"): share,
    ("GET", "events"): list_events,
    ("POST", "events"): create_event,
    ("POST", "events/edit"): edit_event,
    ("POST", "events/delete"): delete_event,
    ("POST", "events/move"): move_event,
    ("POST", "events/split"): split_series,
    ("POST", "events/respond"): respond,
    ("POST", "clients"): add_client,
    ("POST", "refresh_token"): refresh_token,
    ("POST", "tokens/expire_access"): expire_access,
    ("POST", "tokens/kill_sync"): kill_sync_tokens,
    ("POST", "grants/revoke"): revoke,
    ("POST", "messages"): send_message,
    ("GET", "faults"): list_faults,
    ("POST", "faults"): add_fault,
    ("POST", "faults/clear"): clear_faults,
    ("GET", "journal"): journal,
    ("POST", "journal/clear"): clear_journal,
}
