"""What the person's pages show: agenda, one event, last requests, faults. HTML only, no script."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from integrations.sandbox import people
from integrations.sandbox.faults import KINDS
from integrations.sandbox.roles import rank, role_of
from integrations.sandbox.routes import ROUTES
from integrations.sandbox.style import document
from integrations.sandbox.times import parse, zone

if TYPE_CHECKING:
    from integrations.sandbox.app import App

DAYS = 28
_CURRENT = ' aria-current="page"'


def home(app: App, account: str, message: str = "") -> bytes:
    """Return the agenda of one account over the coming weeks, with everything around it."""
    body = (
        f"<h1>Sandbox</h1>{_alert(message)}{_accounts(app, account)}"
        f"{_calendars(app, account)}{_agenda(app, account)}{_new_event(app, account)}"
        f"{_requests(app)}{_faults(app)}"
    )
    return document("Sandbox", body)


def _alert(message: str) -> str:
    return f'<p role="alert">{escape(message)}</p>' if message else ""


def _accounts(app: App, account: str) -> str:
    links = "".join(
        f'<a href="/?{urlencode({"account": email})}"'
        f"{_CURRENT if email == account else ''}>{escape(email)}</a>"
        for email in app.world.store["account"]
    )
    return f'<nav aria-label="Accounts">{links or "No accounts yet."}</nav>'


def shown_calendars(app: App, account: str) -> list[dict[str, Any]]:
    """Return the calendars on an account's list that it may see."""
    entries = app.world.store["entry"].values()
    names = [e["calendar"] for e in entries if e["account"] == account and not e["deleted"]]
    found = [app.world.store["calendar"].get(name) for name in names]
    return [one for one in found if one and role_of(one, account) != "none"]


def _calendars(app: App, account: str) -> str:
    rows = "".join(
        f"<tr><td>{escape(one['summary'])}<td>{escape(role_of(one, account))}"
        f"<td>{escape(one['timeZone'])}<td>{escape(one['id'])}"
        for one in shown_calendars(app, account)
    )
    head = "<tr><th>Calendar<th>Role<th>Zone<th>Id"
    return f"<h2>Calendars</h2><table>{head}{rows}</table>"


def _agenda(app: App, account: str) -> str:
    items = [
        (_when(event, one["timeZone"]), one, event)
        for one in shown_calendars(app, account)
        for event in people.agenda(app.world, account, one["id"], DAYS)
    ]
    items.sort(key=lambda item: item[0])
    days = "".join(
        f'<h3>{escape(day)}</h3><ul class="events">'
        f"{''.join(_line(*item, account) for item in group)}</ul>"
        for day, group in groupby(items, key=lambda item: item[0][:10])
    )
    return f"<h2>The coming {DAYS} days</h2>{days or '<p>Nothing planned.</p>'}"


def _when(event: dict[str, Any], calendar_zone: str) -> str:
    """Return `2026-11-20` or `2026-11-20 09:00` in the calendar's zone."""
    start = parse(event["start"], calendar_zone, which="start")
    if start.moment is None:
        return str(start.day)
    return f"{start.moment.astimezone(zone(calendar_zone)):%Y-%m-%d %H:%M}"


def _line(when: str, calendar: dict[str, Any], event: dict[str, Any], account: str) -> str:
    link = urlencode({"account": account, "calendar": calendar["id"], "id": event["id"]})
    marks = [event["eventType"]] if event.get("eventType", "default") != "default" else []
    marks += [event[name] for name in ("visibility", "transparency") if name in event]
    marks += ["tentative"] if event["status"] == "tentative" else []
    marks += ["series"] if "recurringEventId" in event else []
    own = [a["responseStatus"] for a in event.get("attendees", []) if a.get("self")]
    note = ", ".join([calendar["summary"], *marks, *own])
    return (
        f'<li><span class="time">{escape(when[11:] or "all day")}</span> '
        f'<a href="/person/event?{escape(link)}"><bdi>'
        f"{escape(event.get('summary') or '(no title)')}</bdi></a> "
        f'<span class="note">{escape(note)}</span>'
    )


def _options(app: App, account: str, chosen: str = "") -> str:
    return "".join(
        f'<option value="{escape(one["id"])}"{" selected" if one["id"] == chosen else ""}>'
        f"{escape(one['summary'])}"
        for one in shown_calendars(app, account)
        if rank(role_of(one, account)) >= rank("writer")
    )


def _hidden(**values: str) -> str:
    pairs = (f'<input type="hidden" name="{k}" value="{escape(v)}">' for k, v in values.items())
    return "".join(pairs)


def _times(start: str = "", end: str = "") -> str:
    hint = "2026-11-20 for a whole day, 2026-11-20 09:00 for a time in the calendar's zone"
    return (
        f'<label>Start <input name="start" required value="{escape(start)}" title="{hint}" '
        f'placeholder="YYYY-MM-DD HH:MM"></label>'
        f'<label>End <input name="end" required value="{escape(end)}" title="{hint}" '
        f'placeholder="YYYY-MM-DD HH:MM"></label>'
    )


def _new_event(app: App, account: str) -> str:
    return (
        f'<h2>Add an event</h2><form method="post" action="/person/create">'
        f'{_hidden(account=account)}<div class="row">'
        f'<label>Calendar <select name="calendar">{_options(app, account)}</select></label>'
        f'<label>Title <input name="summary"></label>{_times()}'
        f'<label>Repeats <input name="rule" placeholder="RRULE:FREQ=WEEKLY"></label>'
        f"<button>Add</button></div></form>"
    )


def event(app: App, account: str, calendar_id: str, name: str, message: str = "") -> bytes:
    """Return the page on which one event, or one occurrence of a series, is changed."""
    found = people.read(app.world, account, calendar_id, name)
    calendar = app.world.store["calendar"][calendar_id]
    where = {"account": account, "calendar": calendar_id, "id": name}
    body = (
        f'<p><a href="/?{escape(urlencode({"account": account}))}">Back</a></p>'
        f"<h1><bdi>{escape(found.get('summary') or '(no title)')}</bdi></h1>{_alert(message)}"
        f"{_about(found, where)}{_edit_form(found, calendar, where)}"
        f"{_other_forms(app, found, where)}"
    )
    return document("Event – sandbox", body)


def _about(found: dict[str, Any], where: dict[str, str]) -> str:
    if "recurringEventId" not in found:
        rule = " ".join(found.get("recurrence", []))
        return f'<p class="note">{escape(rule)}</p>' if rule else ""
    link = urlencode(where | {"id": found["recurringEventId"]})
    return (
        f'<p class="note">One occurrence of a <a href="/person/event?{escape(link)}">series</a>.'
        " Changes here concern this occurrence only.</p>"
    )


def _edit_form(found: dict[str, Any], calendar: dict[str, Any], where: dict[str, str]) -> str:
    start, end = (typed_time(found[key], calendar["timeZone"]) for key in ("start", "end"))
    text = escape(found.get("description", ""))
    return (
        f'<form method="post" action="/person/edit">{_hidden(**where)}'
        f'<label>Title <input name="summary" size="50" value="{escape(found.get("summary", ""))}">'
        f'</label><div class="row">{_times(start, end)}</div>'
        f'<label>Location <input name="location" size="50" '
        f'value="{escape(found.get("location", ""))}"></label>'
        f'<label>Description<br><textarea name="description" rows="3" cols="60">{text}</textarea>'
        f"</label><button>Save</button></form>"
    )


def typed_time(value: dict[str, str], calendar_zone: str) -> str:
    """Return a time as the forms show it and as a person types it."""
    return _when({"start": value}, calendar_zone)


def _other_forms(app: App, found: dict[str, Any], where: dict[str, str]) -> str:
    occurrence = "recurringEventId" in found
    word = "Cancel this occurrence" if occurrence else "Delete"
    forms = (
        f'<h2>More</h2><form method="post" action="/person/delete">{_hidden(**where)}'
        f"<button>{word}</button></form>"
    )
    if occurrence:
        return forms + (
            f'<form method="post" action="/person/split">{_hidden(**where)}<label>Title from here '
            f'on <input name="summary" value="{escape(found.get("summary", ""))}"></label>'
            "<button>Change this and following</button></form>"
        )
    options = _options(app, where["account"], where["calendar"])
    return forms + (
        f'<form method="post" action="/person/move">{_hidden(**where)}<label>Calendar '
        f'<select name="destination">{options}</select></label><button>Move</button></form>'
    )


def _requests(app: App) -> str:
    rows = "".join(
        f"<tr><td>{row['number']}<td>{escape(row['at'][11:19])}<td>{escape(row['account'])}"
        f"<td>{escape(row['operation'])}<td>{escape(row['calendar'])}"
        f"<td>{row['status'] or 'lost'}<td>{row['mails'] or ''}<td>{', '.join(row['faults'])}"
        for row in reversed(app.journal.entries()[-30:])
    )
    head = "<tr><th>#<th>Time (UTC)<th>Account<th>Operation<th>Calendar<th>Answer<th>Mails<th>Fault"
    return f"<h2>Last requests</h2><table>{head}{rows}</table>"


def _faults(app: App) -> str:
    rows = "".join(
        f"<tr><td>{escape(rule['kind'])}<td>{escape(rule.get('operation') or 'any')}"
        f"<td>{rule['hits']} of {'∞' if rule['times'] is None else rule['times']}"
        for rule in app.faults.rules()
    )
    kinds = "".join(f"<option>{kind}" for kind in KINDS)
    names = "".join(f"<option>{route.name}" for route in ROUTES)
    return (
        f"<h2>Faults</h2><table><tr><th>Kind<th>Operation<th>Hits{rows}</table>"
        f'<form method="post" action="/person/fault"><div class="row">'
        f'<label>Kind <select name="kind">{kinds}</select></label>'
        f'<label>Operation <select name="operation"><option value="">any{names}</select></label>'
        f'<label>Times <input name="times" value="1" size="4"></label>'
        "<button>Add fault</button></div></form>"
        '<form method="post" action="/person/clear_faults"><button>Clear all faults</button></form>'
    )
