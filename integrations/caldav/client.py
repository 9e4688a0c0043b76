"""Calls to a CalDAV server: proved, redirected with care, tried again, refused in one language."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from integrations.ahead import AheadHttp
from integrations.caldav.errors import misread, refusal, refused
from integrations.caldav.login import Login, Proof
from integrations.caldav.multistatus import MultiStatus, read_multistatus
from integrations.caldav.urls import BadAddress, origin, resolve, trusted
from integrations.caldav.xml import BadXml
from integrations.retries import Sleep, for_reads, for_writes
from integrations.wire import BackgroundHttp
from sync.core.provider import Refusal, Remedy

MOST_REDIRECTS: Final = 3
_AGENT: Final = "Lockstep"
_XML: Final = "application/xml; charset=utf-8"
_CALENDAR: Final = "text/calendar; charset=utf-8"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: the address that answered in the end, status, headers in lower case, body."""

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes


class Dav:
    """One person's calls to one server; every refusal as the port's `Refusal`.

    Without a `login` nobody's name is given. `calls` counts every request that was sent.
    """

    def __init__(
        self,
        http: BackgroundHttp,
        login: Login | None,
        *,
        base: str = "",
        sleep: Sleep = time.sleep,
    ) -> None:
        """Take the address of the server; without one, it is the login's own."""
        self.base = base or (login.url if login else "")
        self.calls = 0
        self.challenge = ""  # what the server last asked for with a 401
        self.led_to = ""  # where a redirect last led
        self._http = AheadHttp(http)
        self._proof = Proof(login) if login else None
        self._sleep = sleep

    def ask(self, call: str, method: str, url: str, body: bytes, *, depth: str = "") -> MultiStatus:
        """Make a PROPFIND or a REPORT, with short retries, and return its members."""
        status: MultiStatus = for_reads(sleep=self._sleep)(
            self._ask, call, method, url, body, _for_xml(depth)
        )
        return status

    def ask_ahead(self, method: str, url: str, body: bytes, *, depth: str = "") -> None:
        """Make the call that is asked next by now; not where each proof counts the ones before."""
        if trusted(self.base or url, url) and not (self._proof and self._proof.counts):
            self._http.ask_ahead(url, method, body, self._headers(method, url, _for_xml(depth)))

    def _ask(
        self, call: str, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> MultiStatus:
        answer = self._call(call, method, url, body, headers)
        if answer.status != 207:
            raise misread(call, answer.status, "not a multistatus")
        try:
            return read_multistatus(answer.content, answer.url)
        except BadXml as bad:
            raise misread(call, answer.status, str(bad)) from None

    def get(self, url: str) -> Answer:
        """Read one resource as it is."""
        answer: Answer = for_reads(sleep=self._sleep)(
            self._call, "get", "GET", url, b"", {"accept": "text/calendar, */*;q=0.1"}
        )
        return answer

    def put(self, call: str, url: str, text: bytes, condition: Mapping[str, str]) -> Answer:
        """Write one resource ("create" or "update"); try again only what surely was not done."""
        headers = {"content-type": _CALENDAR, **condition}
        answer: Answer = for_writes(sleep=self._sleep)(self._call, call, "PUT", url, text, headers)
        return answer

    def delete(self, url: str, condition: Mapping[str, str]) -> None:
        """Delete one resource, without a reply to whoever invited (RFC 6638 §8.1)."""
        headers = {"schedule-reply": "F", **condition}
        for_writes(sleep=self._sleep)(self._call, "delete", "DELETE", url, b"", headers)

    def _call(
        self, call: str, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        """Make one call, through redirects that lead to nobody else."""
        for _ in range(MOST_REDIRECTS + 1):
            status, head, content = self._proved(call, method, url, body, headers)
            if status not in _REDIRECTS or "location" not in head:
                break
            url = self.led_to = _target(call, url, head["location"])
        else:
            raise refused(Remedy.FREEZE, call, "redirected again and again")
        if status >= 300:
            raise refusal(call, status, content, head)
        return Answer(url, status, head, content)

    def _proved(
        self, call: str, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Make one request with our proof; with a better one if the server asks for it."""
        status, head, content = self._send(call, method, url, body, headers)
        if status == 401:
            self.challenge = head.get("www-authenticate", "")
            if self._proof and self._proof.learn(self.challenge):
                status, head, content = self._send(call, method, url, body, headers)
        return status, head, content

    def _send(
        self, call: str, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        if not trusted(self.base or url, url):  # nobody else is asked, wherever it came from
            raise Astray(call, origin(url))
        self.calls += 1
        try:
            head, content = self._http.request(
                url, method, body or None, self._headers(method, url, headers)
            )
        except Refusal as error:
            raise _named(error, call) from None
        return head.status, head, content

    def _headers(self, method: str, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        proof = self._proof.header(method, url) if self._proof else {}
        return {"user-agent": _AGENT, **headers, **proof}


def _for_xml(depth: str) -> Mapping[str, str]:
    return {"content-type": _XML} | ({"depth": depth} if depth else {})


def _target(call: str, url: str, location: str) -> str:
    """Return where a redirect leads."""
    try:
        return resolve(url, location)
    except BadAddress:
        raise refused(Remedy.FREEZE, call, "redirected to no address") from None


class Astray(Refusal):
    """A server leads to another one, to which the credentials do not go; `origin` names it."""

    def __init__(self, call: str, origin: str) -> None:
        super().__init__(
            Remedy.FREEZE, call=f"caldav.{call}", reason="redirected to another server"
        )
        self.origin = origin


def _named(error: Refusal, call: str) -> Refusal:
    """Give a refusal of the HTTP layer, which knows no calls, the name of the call."""
    if error.call != "http":
        return error
    return Refusal(error.remedy, call=f"caldav.{call}", reason=error.reason, certain=error.certain)
