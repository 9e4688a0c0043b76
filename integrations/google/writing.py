"""From one write of the port to one call of the Calendar API."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from integrations.google.bodies import WRITABLE, Body, new_body, patch_body, with_mark
from integrations.google.client import Calendar
from integrations.google.events import (
    MASK,
    Raw,
    fields_of,
    slot_of,
)
from integrations.google.occurrences import as_in_the_series
from integrations.google.ownership import check_ownership, may_be_a_guests
from sync.core.marks import Marker
from sync.core.provider import Refusal, Remedy, Write, WriteKind

if TYPE_CHECKING:
    from googleapiclient.http import HttpRequest

# A part of these is replaced, so the whole is read first.
_PARTLY_OURS: Final = frozenset({"attendees", "metadata"})
# Stands for the id of an event in a call that others are put together after.
_SOME_EVENT: Final = "some0event0id"


@dataclass(frozen=True, slots=True)
class Call:
    """A write that is ready to be sent: its name in the error table, and the request."""

    write: Write
    name: str
    request: "HttpRequest"


class Preparer:
    """Turns writes into calls on one calendar; looks things up where Google makes that necessary.

    `send_updates` says who is mailed about a change: "none", "externalOnly" or "all".
    """

    def __init__(
        self, calendar: Calendar, calendar_id: str, marker: Marker, *, send_updates: str
    ) -> None:
        self._calendar = calendar
        self._id = calendar_id
        self._marker = marker
        self._send_updates = send_updates
        self._kinds: dict[tuple[str, ...], HttpRequest] = {}

    def prepare(self, write: Write) -> Call:
        """Return the call that carries out the write; raise the `Refusal` in its way."""
        match write.kind:
            case WriteKind.DELETE:
                return self._delete(write)
            case WriteKind.UPDATE:
                return self._update(write)
            case WriteKind.CREATE if write.parent:
                return self._create_exception(write)
            case WriteKind.CREATE:
                return self._create(write)

    def _create(self, write: Write) -> Call:
        event_type = write.fields.get("event_type") or "default"
        if event_type != "default":
            raise _refused(
                Remedy.PARK, "events.insert", f"events of type {event_type} are not created"
            )
        body = self._marked(new_body(write.fields), write, write.remote_id)
        request = self._request("insert", {**body, "id": write.remote_id})
        return Call(write, "events.insert", request)

    def _update(self, write: Write) -> Call:
        _check_writable(write.changed)
        current: Raw = {}
        if write.changed & _PARTLY_OURS or may_be_a_guests(write.fields, write.changed):
            current = self.get(write.remote_id)
            if current.get("etag") != write.version:
                raise _refused(Remedy.REREAD, "events.patch", "the version has moved")
            check_ownership(write.fields, write.changed, current)
        body = patch_body(write.fields, write.changed, current)
        return self._patch(write, body, write.remote_id, write.version)

    def _delete(self, write: Write) -> Call:
        request = self._request("delete", event_id=write.remote_id)
        return Call(write, "events.delete", _conditional(request, "events.delete", write.version))

    def _create_exception(self, write: Write) -> Call:
        """Change one occurrence of a series: its name is the service's, so it is looked up.

        Raises ADOPT if that occurrence was changed already, by somebody or by an earlier attempt
        of ours whose answer was lost; the next delta shows it.
        """
        occurrence = self._occurrence(write.parent, write.slot)
        if not as_in_the_series(occurrence, self.get(write.parent)):
            raise _refused(Remedy.ADOPT, "events.patch", "the occurrence was changed before")
        stands = fields_of(occurrence)
        changed = {n for n in write.fields if write.fields[n] != stands.get(n)} - {"recurrence"}
        _check_writable(changed)
        check_ownership(write.fields, changed, occurrence)
        body = patch_body(write.fields, changed, occurrence)
        return self._patch(write, body, occurrence["id"], occurrence.get("etag", ""))

    def _occurrence(self, parent: str, slot: str) -> Raw:
        """Find an occurrence by its original start; by its day if that filter finds nothing."""
        at = datetime.fromisoformat(slot)
        around = at if at.tzinfo else at.replace(tzinfo=UTC)
        day = {
            "timeMin": (around - timedelta(days=1)).isoformat(),
            "timeMax": (around + timedelta(days=2)).isoformat(),
        }
        for wanted in ({"originalStart": slot}, day):
            request = self._calendar.events.instances(
                calendarId=self._id,
                eventId=parent,
                showDeleted=True,
                maxResults=250,
                fields=f"items({MASK})",
                **wanted,
            )
            page = self._calendar.read("events.instances", request)
            for raw in page.get("items", ()):
                if "originalStartTime" in raw and slot_of(raw["originalStartTime"]) == slot:
                    found: Raw = raw
                    return found
        raise _refused(Remedy.PARK, "events.instances", "the series has no such occurrence")

    def get(self, event_id: str) -> Raw:
        """Read one event as Google has it."""
        request = self._calendar.events.get(calendarId=self._id, eventId=event_id, fields=MASK)
        return self._calendar.read("events.get", request)

    def _patch(self, write: Write, body: Body, event_id: str, version: str) -> Call:
        body = self._marked(body, write, event_id)
        request = self._request("patch", body, event_id)
        return Call(write, "events.patch", _conditional(request, "events.patch", version))

    def _marked(self, body: Body, write: Write, event_id: str) -> Body:
        mark = self._marker.sign(event_id, attempt=write.attempt, rule=write.rule)
        return with_mark(body, mark, block=bool(write.rule))

    def _request(self, method: str, body: Body | None = None, event_id: str = "") -> "HttpRequest":
        """Put a call together after the first of its kind, which the library has put together.

        For each one it would go through its discovery document again, and that takes longer than
        all else that is done to send it.
        """
        query = self._query(body)
        kind = (method, *query)
        if kind not in self._kinds:
            where = {"calendarId": self._id} | ({"eventId": _SOME_EVENT} if event_id else {})
            content: dict[str, Body] = {} if body is None else {"body": {}}
            self._kinds[kind] = getattr(self._calendar.events, method)(**where, **content, **query)
        alike = self._kinds[kind]
        return type(alike)(
            None,
            alike.postproc,
            alike.uri.replace(_SOME_EVENT, quote(event_id, safe="")),
            method=alike.method,
            body=None if body is None else json.dumps(body),
            headers=dict(alike.headers),
        )

    def _query(self, body: Body | None) -> dict[str, Any]:
        """Return the query of a write; without the two switches Google ignores what they name."""
        query: dict[str, Any] = {"sendUpdates": self._send_updates}
        if body is None:
            return query
        query["fields"] = MASK
        if "conferenceData" in body:
            query["conferenceDataVersion"] = 1
        if "attachments" in body:
            query["supportsAttachments"] = True
        return query


def _check_writable(changed: Collection[str]) -> None:
    if unwritable := frozenset(changed) - WRITABLE:
        names = ", ".join(sorted(unwritable))
        raise _refused(Remedy.PARK, "events.patch", f"cannot be changed: {names}")


def _conditional(request: "HttpRequest", call: str, version: str) -> "HttpRequest":
    """Make a request hold only for the version seen last; without one, the copy is read first."""
    if not version:
        raise _refused(Remedy.REREAD, call, "no version known")
    request.headers["If-Match"] = version
    return request


def _refused(remedy: Remedy, call: str, reason: str) -> Refusal:
    return Refusal(remedy, call=f"calendar.{call}", reason=reason)
