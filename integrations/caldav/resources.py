"""Reading resources: many at once, or one by one where a server will not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from integrations.caldav.client import Answer, Dav
from integrations.caldav.discovery import TYPE
from integrations.caldav.errors import misread, refused
from integrations.caldav.urls import file_in
from integrations.caldav.xml import CALDAV, DAV, multiget, propfind
from sync.core.provider import Refusal, Remedy

ETAG: Final = f"{DAV}getetag"
DATA: Final = f"{CALDAV}calendar-data"
_GONE: Final = frozenset({404, 410})
# Refusals of a report as such, and of one that asks for too much at once, or for one resource that
# the server cannot hand out (207: its answer cannot be read).
_UNKNOWN: Final = frozenset({400, 403, 404, 405, 409, 414, 415, 422, 501})
_TOO_MUCH: Final = frozenset({207, 413, 500, 502, 504, 507})
# Refusals that no other resource would be spared; 0 is no answer at all.
_EVERYWHERE: Final = frozenset({0, 401, 429, 503})


@dataclass(frozen=True, slots=True)
class Stored:
    """One resource as the server holds it: its text with CRLF line ends, and its ETag ("" if it has
    none that a condition can rest on). `text` is None if there is no such resource, which
    `evidence` proves, or if it cannot be handed out, which `problem` explains.
    """

    file: str
    text: bytes | None = None
    etag: str = ""
    evidence: str = ""
    problem: str = ""

    @property
    def condition(self) -> dict[str, str]:
        """Return the header that makes a write hold only for this version of the resource."""
        return {"if-match": self.etag} if self.etag else {}


class Shelf:
    """The resources of one calendar."""

    def __init__(self, dav: Dav, url: str) -> None:
        """Take the calendar's address, with a slash at its end."""
        self.dav = dav
        self.url = url
        self.has_etags = True
        self._folder = urlsplit(url).path
        self._multiget = True

    def address(self, file: str) -> str:
        """Return the address of a resource."""
        return urljoin(self.url, f"./{file}")

    def many(self, files: Sequence[str]) -> dict[str, Stored]:
        """Read these resources as they stand now. Raises `Refusal`.

        One that cannot be handed out costs only itself, as long as the calendar still answers.
        """
        found = self._together(files) if self._multiget and files else {}
        trouble: list[Refusal] = []
        for file in files:
            if file not in found:
                try:
                    found[file] = self.one(file)
                except Refusal as refusal:
                    if refusal.status in _EVERYWHERE:
                        raise
                    trouble.append(refusal)
                    found[file] = Stored(file, problem=f"not handed out: {refusal.status}")
        if trouble and len(trouble) == len(files):
            self.check_calendar()
        return found

    def ask_ahead(self, files: Sequence[str]) -> None:
        """Ask by now for the resources that are read next."""
        if files and self._multiget:
            self.dav.ask_ahead("REPORT", self.url, self._multiget_of(files), depth="1")

    def _together(self, files: Sequence[str]) -> dict[str, Stored]:
        """Read resources with as few reports as the server allows; some may be left out."""
        found: dict[str, Stored] = {}
        rest, most = list(files), len(files)
        while rest and most and self._multiget:
            try:
                found |= self._report(rest[:most])
            except Refusal as refusal:
                if refusal.status not in _TOO_MUCH | _UNKNOWN:
                    raise
                self._multiget = refusal.status in _TOO_MUCH
                most //= 4
            else:
                rest = rest[most:]
        return found

    def _report(self, files: Sequence[str]) -> dict[str, Stored]:
        body = self._multiget_of(files)
        answer = self.dav.ask("multiget", "REPORT", self.url, body, depth="1")
        found: dict[str, Stored] = {}
        for member in answer.members:
            file = file_in(self.url, member.url)
            if file and member.status in _GONE:
                found[file] = Stored(file, evidence=f"multiget: {member.status}")
            elif file and DATA in member.properties:
                text = member.properties[DATA].text or ""
                found[file] = self._stored(file, text.encode(), member.text(ETAG))
        return found

    def _multiget_of(self, files: Sequence[str]) -> bytes:
        return multiget(self._folder + file for file in files)

    def one(self, file: str) -> Stored:
        """Read one resource as it stands now. Raises `Refusal`.

        That it is gone is believed only while the calendar itself still answers.
        """
        try:
            answer = self.dav.get(self.address(file))
        except Refusal as refusal:
            if refusal.remedy is not Remedy.GONE:
                raise
            self.check_calendar()
            return Stored(file, evidence=f"read: {refusal.status}")
        _check_page(answer)
        return self._stored(file, answer.content, answer.headers.get("etag", ""))

    def _stored(self, file: str, text: bytes, etag: str) -> Stored:
        strong = etag if _strong(etag) else ""
        self.has_etags = self.has_etags and bool(strong)
        # XML turns every line end into LF (XML 1.0 §2.11); iCalendar wants CRLF (RFC 5545 §3.1).
        return Stored(file, text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), strong)

    def check_calendar(self) -> None:
        """Raise `Refusal` unless the calendar itself still answers us, as a calendar."""
        answer = self.dav.ask("collection", "PROPFIND", self.url, _IS_CALENDAR, depth="0")
        types = [m.properties.get(TYPE) for m in answer.members if m.status == 200]
        if not any(
            kind is not None and kind.find(f"{CALDAV}calendar") is not None for kind in types
        ):
            raise refused(Remedy.FREEZE, "collection", "no calendar any more")


_IS_CALENDAR: Final = propfind([TYPE])


def _strong(etag: str) -> bool:
    """Say whether a condition can rest on an ETag.

    Not on a weak one (RFC 9110 §13.1.1), nor on one to which a web server in between has appended
    how it packed the answer.
    """
    return bool(etag) and not etag.startswith("W/") and not etag.endswith(('-gzip"', '-br"'))


def _check_page(answer: Answer) -> None:
    """Raise `Refusal` if a page for people came in the place of a file."""
    kind = answer.headers.get("content-type", "").lower()
    if "html" in kind and b"BEGIN:VCALENDAR" not in answer.content:
        raise misread("get", answer.status, "a page, not a calendar file")
