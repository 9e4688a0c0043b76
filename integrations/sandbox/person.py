"""The page where a person acts on the other side: forms in, one action each, back to the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from integrations.sandbox import page, people
from integrations.sandbox.errors import ApiError, invalid
from integrations.sandbox.messages import HTML, Request, Response
from integrations.sandbox.style import POLICY

if TYPE_CHECKING:
    from integrations.sandbox.app import App

Form = dict[str, str]
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?::\d\d)?)?")


def answer(app: App, request: Request) -> Response:
    """Show a page (GET) or do what a form says and lead back (POST)."""
    with app.world.lock:
        if request.method == "POST":
            return _act(app, request)
        form = {name: values[-1] for name, values in request.query().items()}
        return _show(app, request.path, form)


def _show(app: App, path: str, form: Form, message: str = "") -> Response:
    account = form.get("account") or next(iter(app.world.store["account"]), "")
    try:
        if path == "/person/event":
            body = page.event(app, account, form.get("calendar", ""), form.get("id", ""), message)
        else:
            body = page.home(app, account, message)
    except ApiError as error:
        body = page.home(app, account, message or error.message)
    return Response(200, body, HTML, dict(POLICY))


def _act(app: App, request: Request) -> Response:
    action = _ACTIONS.get(request.path)
    form = {k: v.replace("\r\n", "\n") for k, v in request.form().items()}
    if action is None:
        return Response(404, b"Not found", "text/plain")
    try:
        action(app, form)
        app.settle()
    except ApiError as error:
        app.settle()
        known = "id" in form and request.path != "/person/delete"
        return _show(app, "/person/event" if known else "/", form, error.message)
    return Response(
        303, headers={"Location": f"/?{urlencode({'account': form.get('account', '')})}"}
    )


def _time(app: App, calendar: str, text: str) -> dict[str, Any]:
    """Return an API time from what a person typed; nulls undo the other kind in a patch."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise invalid("Write times as 2026-11-20 (whole day) or 2026-11-20 09:00.")
    if match[2] is None:
        return {"date": match[1], "dateTime": None, "timeZone": None}
    zone = app.world.store["calendar"].get(calendar, {}).get("timeZone", "UTC")
    return {"date": None, "dateTime": f"{match[1]}T{match[2]}:00", "timeZone": zone}


def _create(app: App, form: Form) -> None:
    calendar = form.get("calendar", "")
    event: dict[str, Any] = {
        "summary": form.get("summary", ""),
        "start": _time(app, calendar, form.get("start", "")),
        "end": _time(app, calendar, form.get("end", "")),
    }
    if form.get("rule"):
        event["recurrence"] = [form["rule"].strip()]
    people.create(app.world, form.get("account", ""), calendar, event)


def _edit(app: App, form: Form) -> None:
    where = _where(form)
    found = people.read(app.world, *where)
    zone = app.world.store["calendar"][where[1]]["timeZone"]
    wanted: dict[str, Any] = {}
    for name in ("summary", "location", "description"):
        if form.get(name, "") != found.get(name, ""):
            wanted[name] = form.get(name, "")
    typed = {name: form.get(name, "") for name in ("start", "end")}
    if any(typed[name] != page.typed_time(found[name], zone) for name in typed):
        wanted |= {name: _time(app, where[1], text) for name, text in typed.items()}
    people.edit(app.world, *where, wanted)


def _where(form: Form) -> tuple[str, str, str]:
    return form.get("account", ""), form.get("calendar", ""), form.get("id", "")


def _delete(app: App, form: Form) -> None:
    people.delete(app.world, *_where(form))


def _move(app: App, form: Form) -> None:
    people.move(app.world, *_where(form), form.get("destination", ""))


def _split(app: App, form: Form) -> None:
    account, calendar, name = _where(form)
    found = people.read(app.world, account, calendar, name)
    start = next(iter(found.get("originalStartTime", {"": ""}).values()))
    changes = {"summary": form.get("summary", "")}
    master = found.get("recurringEventId", name)
    people.split(app.world, account, calendar, master, start, changes)


def _fault(app: App, form: Form) -> None:
    times = form.get("times", "1").strip()
    rule: dict[str, Any] = {"kind": form.get("kind", "")}
    rule["times"] = int(times) if times.isdigit() else None
    if form.get("operation"):
        rule["operation"] = form["operation"]
    app.faults.add(rule)


def _clear_faults(app: App, form: Form) -> None:
    app.faults.clear()


_ACTIONS: dict[str, Callable[[Any, Form], None]] = {
    "/person/create": _create,
    "/person/edit": _edit,
    "/person/delete": _delete,
    "/person/move": _move,
    "/person/split": _split,
    "/person/fault": _fault,
    "/person/clear_faults": _clear_faults,
}
