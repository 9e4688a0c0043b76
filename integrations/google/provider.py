"""Google Calendar as a provider: one calendar of one account."""

import json
from base64 import b32hexencode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any, Final

from integrations.google.client import Calendar
from integrations.google.errors import misread
from integrations.google.events import (
    BLOCK_KEY,
    BLOCK_VALUE,
    MASK,
    Raw,
    copy_of,
    problem_of,
    read_page,
)
from integrations.google.normal import normalise
from integrations.google.sending import Answer, Waiting, send
from integrations.google.writing import Call, Preparer
from sync.core.marks import Marker
from sync.core.provider import (
    Copy,
    Outcome,
    Page,
    Refusal,
    Remedy,
    Traits,
    Write,
    WriteKind,
)
from sync.core.records import Fields

if TYPE_CHECKING:
    from googleapiclient.http import HttpRequest

PAGE_SIZE: Final = 2500
LIST_MASK: Final = f"nextPageToken,nextSyncToken,accessRole,items({MASK})"
_SEARCH: Final = "events.search"  # events.list with a filter: it need not end with a sync token
_MOST_REPEATS: Final = 3  # of one page; a page that comes twice harms nothing
# Raise it when the same request is read into other fields: stored cursors are then given up.
_FORMAT: Final = 1
# All-day events are placed in the calendar's zone, at most 14 hours off UTC.
_ZONE_MARGIN: Final = timedelta(days=1)


class GoogleCalendar:
    """The port on one calendar.

    `role` is our access role as last known; each listing tells it anew. A complete listing reaches
    `past_days` back from `now`; a delta holds whatever changed. `batch` writes are sent together,
    one batch after the other. `send_updates` is who is mailed about our writes.
    """

    def __init__(
        self,
        calendar: Calendar,
        calendar_id: str,
        marker: Marker,
        *,
        now: datetime,
        past_days: int,
        role: str = "owner",
        batch: int = 50,
        send_updates: str = "none",
    ) -> None:
        self.traits = Traits(conditional=True, client_ids=True, batch=batch)
        self._calendar = calendar
        self._id = calendar_id
        self._marker = marker
        self._role = role
        self._listed_from = now.astimezone(UTC) - timedelta(days=past_days)
        self._preparer = Preparer(calendar, calendar_id, marker, send_updates=send_updates)
        # What a cursor is bound to (guide "Synchronize resources efficiently"); showDeleted stays
        # unsaid, because a sync token forbids False and True adds nothing to a delta.
        self._list_parameters: Mapping[str, Any] = {
            "calendarId": calendar_id,
            "singleEvents": False,
            "maxResults": PAGE_SIZE,
            "fields": LIST_MASK,
        }
        bound = {**self._list_parameters, "root": calendar.root}
        digest = blake2b(json.dumps(bound, sort_keys=True).encode(), digest_size=12).hexdigest()
        self.shape = f"google events.list {_FORMAT} {digest} past_days={past_days}"

    @property
    def calls(self) -> int:
        """Count the calls as Google's quota does: each part of a batch is one."""
        return self._calendar.calls

    def ask_ahead(self, cursor: str) -> None:
        """Ask for the first page of what changed since `cursor`, in the background."""
        self._calendar.ask_ahead(self._list(self._since(cursor)))

    def changes(self, cursor: str) -> Iterator[Page]:
        """Yield what changed since `cursor`; all events that end within the window when it is "".

        Google forbids `timeMin` beside a sync token, so a delta is not bound to the window.
        """
        call, evidence = "events.list", "tombstone in listing"
        if cursor:
            call, evidence = "events.sync", "tombstone in delta"
        for answer in self._pages(call, self._since(cursor)):
            self._role = answer.get("accessRole", self._role)
            copies, unreadable = read_page(
                answer.get("items", ()), marker=self._marker, role=self._role, evidence=evidence
            )
            cursor_next = None if answer.get("nextPageToken") else answer["nextSyncToken"]
            yield Page(copies, cursor_next, unreadable)

    def _since(self, cursor: str) -> Mapping[str, Any]:
        if cursor:
            return {"syncToken": cursor}
        return {"timeMin": self._listed_from.isoformat(timespec="seconds")}

    def _pages(self, call: str, query: Mapping[str, Any]) -> Iterator[Raw]:
        """Yield the pages of a listing; each repeats all parameters and says where the next begins.

        A page may be empty and not be the last; the last one, and only that, has a sync token.
        """
        page_tokens: list[str] = []
        request = self._list(query)
        while True:
            answer = self._calendar.read(call, request)
            if not isinstance(answer.get("items", []), list):
                raise misread("calendar", call, 200, "no list of items")
            token = answer.get("nextPageToken")
            if not token and not answer.get("nextSyncToken") and call != _SEARCH:
                raise misread("calendar", call, 200, "neither a next page nor a sync token")
            if token:
                request = self._list(query, pageToken=token)
                self._calendar.ask_ahead(request)
            yield answer
            if not token:
                return
            if page_tokens.count(token) == _MOST_REPEATS:
                raise misread("calendar", call, 200, "the same page again and again")
            page_tokens.append(token)

    def _list(self, query: Mapping[str, Any], **at: str) -> "HttpRequest":
        request: HttpRequest = self._calendar.events.list(**self._list_parameters, **query, **at)
        return request

    def read(self, remote_id: str) -> Copy:
        """Read one event; gone are a cancelled one, and one that Google says it does not know.

        Google says the same 404 of a calendar that was taken away from us, so the calendar is
        asked for before an event is believed to be gone.
        """
        try:
            raw = self._preparer.get(remote_id)
        except Refusal as error:
            if error.remedy is not Remedy.GONE:
                raise
            self._ask_for_calendar()
            return Copy(remote_id, evidence=f"read: {error.status}")
        return self._copy("events.get", raw, evidence="read: cancelled")

    def write(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        """Carry out the writes in batches, one after the other; the first is on its way at once."""
        first, rest = writes[: self.traits.batch], writes[self.traits.batch :]
        prepared = [self._prepared(write) for write in first]
        calls = [call for call in prepared if isinstance(call, Call)]
        refused = [
            Outcome(write, refusal=refusal)
            for write, refusal in zip(first, prepared, strict=True)
            if isinstance(refusal, Refusal)
        ]
        return self._outcomes(refused, calls, send(self._calendar, calls), rest)

    def _outcomes(
        self, refused: list[Outcome], calls: list[Call], answers: Waiting, rest: Sequence[Write]
    ) -> Iterator[Outcome]:
        """Yield what became of a batch, once it is answered, and of the writes after it."""
        yield from refused
        for call, answer in zip(calls, answers(), strict=True):
            yield self._outcome(call, answer)
        if rest:
            yield from self.write(rest)

    def _prepared(self, write: Write) -> Call | Refusal:
        """Return the call for a write, or what is in its way; a bad record costs only itself."""
        try:
            return self._preparer.prepare(write)
        except Refusal as error:
            error.certain = True  # only reading has been tried so far
            return error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"the record cannot be written, {problem_of(error)}"
            return Refusal(Remedy.PARK, call=f"calendar.events.{write.kind}", reason=reason)

    def _outcome(self, call: Call, answer: Answer) -> Outcome:
        try:
            if isinstance(answer, Refusal):
                return self._refused(call, answer)
            if call.write.kind is WriteKind.DELETE:
                return Outcome(call.write, Copy(call.write.remote_id, evidence="deleted by us"))
            return Outcome(call.write, self._copy(call.name, answer, evidence="cancelled by us"))
        except Refusal as error:
            return Outcome(call.write, refusal=error)

    def _refused(self, call: Call, error: Refusal) -> Outcome:
        """Return the refusal; a deletion of what is gone has succeeded."""
        if call.write.kind is WriteKind.DELETE and error.remedy is Remedy.GONE:
            self._ask_for_calendar()
            gone = Copy(call.write.remote_id, evidence=f"delete: {error.status}")
            return Outcome(call.write, gone)
        return Outcome(call.write, refusal=error)

    def _ask_for_calendar(self) -> None:
        """Raise `Refusal` unless the calendar itself still answers us."""
        request = self._calendar.events.list(calendarId=self._id, maxResults=1, fields="accessRole")
        self._calendar.read("events.list", request)

    def _copy(self, call: str, raw: Raw, *, evidence: str) -> Copy:
        try:
            return copy_of(raw, marker=self._marker, role=self._role, evidence=evidence)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Refusal(
                Remedy.PARK,
                call=f"calendar.{call}",
                status=200,
                reason=f"unreadable, {problem_of(error)}",
                certain=False,
            ) from None

    def name(self, *parts: str) -> str:
        """Return an event id made of the parts: base32hex in lower case, as Google asks for."""
        digest = sha256("\n".join(parts).encode()).digest()
        return b32hexencode(digest).decode().rstrip("=").lower()

    def normalise(self, fields: Fields) -> Fields:
        """Return the fields as Google would hand them back."""
        return normalise(fields)

    def covers(self, fields: Fields) -> bool:
        """Say whether a complete listing would surely show an event with these fields.

        A listing is bounded by the end of events. A series counts by its first occurrence, or as
        endless; of one that ends, the last occurrence is not computed here.
        """
        if any(_endless(line) for line in fields.get("recurrence") or ()):
            return True
        end: Mapping[str, str] | None = fields.get("end")
        return end is not None and _moment(end) - _ZONE_MARGIN > self._listed_from

    def marked(self) -> Iterator[Copy]:
        """Yield every event with a genuine mark of a busy rule; exceptions bear their series' mark.

        A complete search by our constant property, whatever the window. Each signature is checked,
        so what a person copied from a block is not among them.
        """
        search = {"privateExtendedProperty": f"{BLOCK_KEY}={BLOCK_VALUE}"}
        for answer in self._pages(_SEARCH, search):
            copies, _ = read_page(
                answer.get("items", ()), marker=self._marker, role=self._role, evidence="search"
            )
            yield from (copy for copy in copies if copy.mark and copy.mark.rule)


def _endless(rule: str) -> bool:
    return rule.startswith("RRULE") and "UNTIL=" not in rule and "COUNT=" not in rule


def _moment(time: Mapping[str, str]) -> datetime:
    if "at" in time:
        return datetime.fromisoformat(time["at"])
    day = date.fromisoformat(time["date"])
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
