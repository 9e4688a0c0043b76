"""The sandbox is honest: its operations, scopes and answers are those of Google's own document."""

from typing import Any

import jsonschema
import pytest

from integrations.sandbox import Sandbox
from integrations.sandbox.routes import ROUTES
from integrations.sandbox.shapes import SHAPES, shape
from tests.integrations.sandbox.caller import HOME, WORK, Caller, discovery, timed, whole

NOT_PLAYED = {"calendars.transferOwnership"}


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a discovery schema as JSON Schema that forbids what it does not name."""
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kind = schema["type"]
    if kind == "any":
        return {}
    if kind == "array":
        return {"type": "array", "items": strict(schema["items"])}
    if kind != "object":
        return {"type": kind} | ({"enum": schema["enum"]} if "enum" in schema else {})
    fields = {name: strict(field) for name, field in schema.get("properties", {}).items()}
    other = schema.get("additionalProperties")
    return {
        "type": "object",
        "properties": fields,
        "additionalProperties": strict(other) if other else False,
    }


def validator(document: dict[str, Any], name: str) -> jsonschema.Draft202012Validator:
    definitions = {key: strict(schema) for key, schema in document["schemas"].items()}
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions})


def methods(resource: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    found = {f"{prefix}{name}": value for name, value in resource.get("methods", {}).items()}
    for name, below in resource.get("resources", {}).items():
        found |= methods(below, f"{prefix}{name}.")
    return found


def test_operations_paths_scopes_and_answers_are_those_of_the_discovery_document():
    wanted = {
        name: (
            method["httpMethod"],
            method["path"],
            {scope.rsplit("/", 1)[-1] for scope in method["scopes"]},
            method.get("response", {}).get("$ref", ""),
        )
        for name, method in methods(discovery()).items()
        if name not in NOT_PLAYED
    }
    played = {r.name: (r.method, r.path, set(r.scopes), r.resource) for r in ROUTES}
    assert played == wanted


@pytest.mark.parametrize("name", sorted(set(SHAPES) - {"Userinfo"}))
def test_the_sandbox_knows_exactly_the_fields_of_each_resource(name):
    document = discovery()

    def fields(schema: dict[str, Any]) -> Any:
        schema = document["schemas"][schema["$ref"]] if "$ref" in schema else schema
        kind = schema["type"]
        if kind == "array":
            return [fields(schema["items"])]
        if kind != "object":
            return {"string": str, "boolean": bool, "integer": int, "any": None}[kind]
        if "additionalProperties" in schema:
            return {"*": fields(schema["additionalProperties"])}
        return {key: fields(value) for key, value in schema["properties"].items()}

    assert shape(name) == fields({"$ref": name})


class Checked:
    """A caller that holds every answer against the schema of its operation."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.document = discovery()
        self.seen: set[str] = set()

    def __call__(self, name: str, body: Any = None, **given: Any) -> dict[str, Any]:
        method = methods(self.document)[name]
        path = method["path"]
        for part in [key for key in given if f"{{{key}}}" in path]:
            path = path.replace(f"{{{part}}}", given.pop(part))
        answer = self.caller(method["httpMethod"], path, body, **given)
        assert answer.ok, f"{name}: {answer.text}"
        self.seen.add(name)
        if "response" not in method:
            assert answer.content == b""
            return {}
        validator(self.document, method["response"]["$ref"]).validate(answer.json())
        return answer.json()


def full_event() -> dict[str, Any]:
    return timed(
        "2026-12-01T09:00",
        "2026-12-01T10:00",
        summary="Everything at once",
        description="<b>bold</b>",
        location="Room 1",
        attendees=[{"email": WORK}, {"email": HOME, "optional": True, "additionalGuests": 1}],
        recurrence=["RRULE:FREQ=DAILY;COUNT=3"],
        reminders={"useDefault": False, "overrides": [{"method": "popup", "minutes": 5}]},
        colorId="3",
        visibility="private",
        transparency="transparent",
        extendedProperties={"private": {"a": "1"}, "shared": {"b": "2"}},
        guestsCanModify=True,
        source={"title": "Origin", "url": "https://example.com/1"},
        attachments=[{"fileUrl": "https://example.com/file", "title": "File"}],
        conferenceData={"createRequest": {"requestId": "one"}},
    )


def test_every_answer_validates_with_unknown_fields_forbidden(work, sandbox):
    call, at = Checked(work), {"calendarId": WORK}
    event = call(
        "events.insert", full_event(), conferenceDataVersion=1, supportsAttachments=True, **at
    )
    one = {**at, "eventId": event["id"]}
    occurrence = call("events.instances", **one)["items"][1]
    call("events.patch", {"summary": "Moved"}, **{**at, "eventId": occurrence["id"]})
    call("events.get", maxAttendees=1, timeZone="Asia/Tokyo", **one)
    call("events.update", full_event(), **one)
    call("events.import", whole("2026-12-03", "2026-12-04", iCalUID="x@example.org"), **at)
    for singles in (True, False):
        call("events.list", singleEvents=singles, showDeleted=True, **at)
    token = work.sync_token()
    channel = {"id": "one", "type": "web_hook", "address": "http://127.0.0.1:1/"}
    opened = call("events.watch", channel, **at)
    call("channels.stop", {"id": "one", "resourceId": opened["resourceId"]})
    check_calendars(call)
    check_sharing(call, at)
    for name, number in (("calendarList", 2), ("settings", 3)):
        call(f"{name}.watch", channel | {"id": f"c{number}"})
    call("acl.watch", channel | {"id": "c4"}, **at)
    moved = call("events.insert", whole("2026-12-05", "2026-12-06"), **at)
    target = work.ok("POST", "calendars", {"summary": "Other"})["id"]
    call("events.move", destination=target, eventId=moved["id"], **at)
    call("events.delete", **one)
    call("events.list", syncToken=token, **at)
    call("calendars.clear", calendarId="primary")
    assert {r.name for r in ROUTES} - call.seen == {"events.quickAdd"}


def check_calendars(call: Checked) -> None:
    calendar = call("calendars.insert", {"summary": "Side project", "description": "Spare time"})
    one = {"calendarId": calendar["id"]}
    call("calendars.get", **one)
    call("calendars.patch", {"timeZone": "Asia/Tokyo"}, **one)
    call("calendars.update", {"summary": "Side projects"}, **one)
    call("calendarList.get", **one)
    call("calendarList.patch", {"colorId": "4"}, **one)
    call("calendarList.update", {"selected": False}, **one)
    call("calendarList.insert", {"id": calendar["id"]})
    token = call("calendarList.list")["nextSyncToken"]
    call("calendars.delete", **one)
    assert call("calendarList.list", syncToken=token)["items"][0]["deleted"] is True
    call.caller.sandbox.post("calendars/share", account=HOME, calendar=HOME, role="reader",
                             **{"with": WORK})  # fmt: skip
    call("calendarList.delete", calendarId=HOME)
    call("colors.get")


def check_sharing(call: Checked, at: dict[str, str]) -> None:
    rule = {"scope": {"type": "user", "value": HOME}, "role": "reader"}
    name = call("acl.insert", rule, **at)["id"]
    call("acl.get", ruleId=name, **at)
    call("acl.patch", {"role": "writer"}, ruleId=name, **at)
    call("acl.update", {"role": "owner"}, ruleId=name, **at)
    call("acl.list", **at)
    call("acl.delete", ruleId=name, **at)
    call("settings.list")
    call("settings.get", setting="timezone")
    window = {"timeMin": "2026-12-01T00:00:00Z", "timeMax": "2026-12-08T00:00:00Z"}
    call("freebusy.query", window | {"items": [{"id": WORK}, {"id": "nobody@example.com"}]})


def test_who_signed_in_validates_against_the_identity_schema(sandbox: Sandbox, work):
    answer = work.session.get(f"{sandbox.url}/oauth2/v2/userinfo").json()
    validator(discovery("oauth2.v2"), "Userinfo").validate(answer)
    assert answer["email"] == WORK


def test_a_field_that_google_does_not_know_would_be_caught():
    events = validator(discovery(), "Event")
    assert events.is_valid({"id": "abcde"})
    assert not events.is_valid({"id": "abcde", "colour": "red"})


def test_the_demo_data_validates_too(demo: Sandbox):
    for account in (WORK, HOME):
        caller = Caller(demo, account)
        events = validator(discovery(), "Events")
        for entry in caller.ok("GET", "users/me/calendarList")["items"]:
            for page in caller.pages(entry["id"]):
                events.validate(page)
        caller.session.close()
