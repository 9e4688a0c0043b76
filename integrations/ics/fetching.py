"""Feeds over HTTP: conditional requests, a few redirects, and nothing but a calendar."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final
from urllib.parse import urljoin, urlsplit

from integrations.ahead import AheadHttp
from integrations.ical import BadCalendar
from integrations.ical.about import About, about
from integrations.ical.lines import Block, parse
from integrations.ics.errors import misread, refusal, refused
from integrations.retries import Sleep, for_reads
from integrations.wire import Head, HttpLike
from sync.core.provider import Remedy

MAX_BYTES: Final = 20 * 2**20
_MOST_REDIRECTS: Final = 3
_SCHEMES: Final = {"webcal": "https", "webcals": "https"}  # how browsers are told of a feed
_ACCEPT: Final = "text/calendar, text/plain;q=0.5, */*;q=0.1"


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one state of a feed from another; `digest` is over its bytes."""

    etag: str = ""
    modified: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Body:
    """A feed as it was handed out, whole."""

    content: bytes
    validators: Validators

    @cached_property
    def calendars(self) -> list[Block]:
        """The components of the feed; may raise `BadCalendar` where it is as it was `known`."""
        return parse(self.content)

    @cached_property
    def about(self) -> About:
        """What the feed says about itself."""
        return about(self.content, self.calendars)


def address_of(url: str) -> str:
    """Return the address to ask: webcal:// means https://. Raises `Refusal` if it is none."""
    scheme, separator, rest = url.strip().partition("://")
    scheme = _SCHEMES.get(scheme.lower(), scheme.lower())
    if not separator or scheme not in ("http", "https") or not _names_a_server(f"//{rest}"):
        raise refused(
            Remedy.FREEZE,
            "the address of a feed begins with https:// or webcal:// and names a server",
        )
    return f"{scheme}://{rest}"


def _names_a_server(address: str) -> bool:
    """Say whether an address has a host, and a port that can be if it has one at all."""
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def fetch(http: HttpLike, url: str, known: Validators, *, sleep: Sleep) -> Body | None:
    """Fetch a feed; None if it is still as it was `known`. Raises `Refusal`."""
    headers = _headers(known)
    answer, content = for_reads(sleep=sleep)(_get, http, address_of(url), headers)
    if answer.status == 304:
        if len(headers) == 1:
            raise misread(304, "unchanged, but nobody asked that")
        return None
    return _body(answer, content, known)


def ask_ahead(http: AheadHttp, url: str, known: Validators) -> None:
    """Ask by now what `fetch` will ask first. Raises `Refusal` if the address is none."""
    http.ask_ahead(address_of(url), headers=_headers(known))


def _headers(known: Validators) -> dict[str, str]:
    headers = {"accept": _ACCEPT}
    if known.etag:
        headers["if-none-match"] = known.etag
    if known.modified:
        headers["if-modified-since"] = known.modified
    return headers


def _get(http: HttpLike, url: str, headers: dict[str, str]) -> tuple[Head, bytes]:
    """Ask for a feed, and once more where a redirect leads; never from https to http."""
    for _ in range(_MOST_REDIRECTS + 1):
        answer, content = http.request(url, headers=headers)
        if answer.status not in (301, 302, 303, 307, 308):
            if answer.status not in (200, 304):
                raise refusal(answer.status, answer)
            return answer, content
        url = _led_to(url, answer.get("location", ""))
    raise refused(Remedy.RETRY, "the feed leads on and on")


def _led_to(url: str, location: str) -> str:
    """Return the address to which a redirect leads. Raises `Refusal` if it is none or not safe."""
    try:
        target = urljoin(url, location)
        safe = urlsplit(target).scheme in ("https", urlsplit(url).scheme)
    except ValueError:
        safe = False
    if not safe:
        raise refused(Remedy.FREEZE, "the feed leads to an address that is not safe")
    return address_of(target)


def _body(answer: Head, content: bytes, known: Validators) -> Body:
    """Return a feed that is whole: it begins, ends, and is not too large."""
    if len(content) > MAX_BYTES:
        raise refused(Remedy.PARK, "the feed is too large")
    digest = blake2b(content, digest_size=16).hexdigest()
    validators = Validators(answer.get("etag", ""), answer.get("last-modified", ""), digest)
    body = Body(content, validators)
    if digest == known.digest:  # it has been looked through before
        return body
    try:
        _ = body.calendars
    except BadCalendar as error:
        raise misread(answer.status, str(error)) from None
    return body
