"""A person at work on a calendar of a CalDAV server, with a program that is not Lockstep."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

import httplib2
import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from integrations.caldav.client import Dav
from integrations.caldav.copies import Reader
from integrations.caldav.login import DIGEST, Login
from integrations.caldav.names import parse_name
from integrations.caldav.provider import CalDavCalendar
from integrations.http import Http, verbatim
from integrations.ical import put_event, read_calendar, remove_event
from integrations.wire import Waiting
from sync.core.marks import Marker
from sync.core.provider import Copy, Refusal, Remedy
from sync.core.records import Fields

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = b"k" * 32
MAKE = b"""<?xml version="1.0" encoding="utf-8"?>
<C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop>
<C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>
</prop></set></C:mkcalendar>"""


class Forgetful:
    """HTTP that loses the answer to the next write, after the server has carried it out."""

    def __init__(self) -> None:
        self.http = Http(clean=verbatim)
        self.lose = False

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[httplib2.Response, bytes]:
        answer = self.http.request(uri, method, body, headers)
        if self.lose and method == "PUT" and answer[0].status < 300:
            self.lose = False
            raise Refusal(Remedy.RETRY, call="http", reason="ReadTimeout", certain=False)
        return answer

    def begin(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Waiting:
        """Make a call in the background; those are never writes."""
        return self.http.begin(uri, method, body, headers)


class Person:
    """One calendar, the provider on it, and the person whose it is."""

    def __init__(self, login: Login, url: str, forget: Callable[[], None]) -> None:
        """Take an address for a new calendar, and what makes the server forget its cursors."""
        self.login = login
        self.url = url
        self.http = Forgetful()
        self.naps: list[float] = []
        self._events = count()
        self._forget = forget
        self._ask("MKCALENDAR", "", MAKE)

    def open(self, **more: Any) -> CalDavCalendar:
        """A provider on the calendar; naps are noted, not taken."""
        reader = Reader(Marker([KEY], urlsplit(self.url).path), **more)
        dav = Dav(self.http, self.login, sleep=self.naps.append)
        return CalDavCalendar(dav, self.url, reader, now=NOW)

    def _ask(self, method: str, file: str, body: bytes = b"", **headers: str) -> requests.Response:
        answer = requests.request(
            method, self.url + file, data=body, auth=self._proof(), headers=headers, timeout=30
        )
        answer.raise_for_status()
        return answer

    def _proof(self) -> AuthBase:
        """Prove who it is in the way that the server wants."""
        if self.login.scheme == DIGEST:
            return HTTPDigestAuth(self.login.user, self.login.password)
        return HTTPBasicAuth(self.login.user.encode(), self.login.password.encode())

    def text(self, file: str) -> bytes:
        """The text of a file as the server holds it."""
        return self._ask("GET", file).content

    def put(self, file: str, text: bytes) -> None:
        """Store a file."""
        self._ask("PUT", file, text, **{"Content-Type": "text/calendar; charset=utf-8"})

    def add(self, fields: Fields) -> str:
        file = f"theirs-{next(self._events)}.ics"
        uid = f"{file}-{urlsplit(self.url).path}"
        self.put(file, put_event(None, uid, "", fields, None, mark="", now=NOW))
        return file

    def change(self, remote_id: str, fields: Fields) -> None:
        self._edit(remote_id, fields, frozenset(fields))

    def change_occurrence(self, series: str, slot: str, fields: Fields) -> str:
        remote_id = f"{series}#{slot}"
        length = {"start": {"at": slot, "zone": "UTC"}, "end": {"at": slot, "zone": "UTC"}}
        self._edit(remote_id, {**length, **fields}, None)
        return remote_id

    def _edit(self, remote_id: str, fields: Fields, changed: frozenset[str] | None) -> None:
        """Edit an event and keep what this program does not know, our mark included."""
        name = parse_name(remote_id)
        text = self.text(name.file)
        (known, *_) = read_calendar(text).components
        whole = {**known.fields, **fields}
        mark = known.mark if changed is not None else ""
        self.put(
            name.file,
            put_event(text, known.uid, name.slot, whole, changed, mark=mark, now=NOW),
        )

    def remove(self, remote_id: str) -> None:
        name = parse_name(remote_id)
        if not name.slot:
            self._ask("DELETE", name.file)
            return
        text = self.text(name.file)
        (known, *_) = read_calendar(text).components
        self.put(name.file, remove_event(text, known.uid, name.slot) or b"")

    def paste(self, copy: Copy) -> str:
        """Copy and paste an event with all its properties, under another name and UID."""
        file = f"pasted-{next(self._events)}.ics"
        uid = unquote(parse_name(copy.remote_id).file).removesuffix(".ics")
        text = self.text(parse_name(copy.remote_id).file)
        self.put(file, text.replace(f"UID:{uid}".encode(), f"UID:{file}{self.url}".encode()))
        return file

    def lose_next_answer(self) -> None:
        self.http.lose = True

    def kill_cursors(self) -> None:
        self._forget()
