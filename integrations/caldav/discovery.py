"""From an address and a name to the person at a server (RFC 6764, RFC 5397, RFC 4791 §6.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from integrations.caldav.client import Dav
from integrations.caldav.login import BASIC, Login, scheme_in
from integrations.caldav.multistatus import Member
from integrations.caldav.urls import BadAddress, as_collection, cleaned, origin, resolve
from integrations.caldav.xml import CALDAV, DAV, propfind, text_of
from integrations.retries import Sleep
from integrations.wire import BackgroundHttp
from sync.core.provider import Refusal, Remedy

WELL_KNOWN: Final = "/.well-known/caldav"
PRINCIPAL: Final = f"{DAV}current-user-principal"
HOME: Final = f"{CALDAV}calendar-home-set"
ADDRESSES: Final = f"{CALDAV}calendar-user-address-set"
TYPE: Final = f"{DAV}resourcetype"
_WHO: Final = propfind([PRINCIPAL, HOME, TYPE])
_PERSON: Final = propfind([HOME, ADDRESSES])


class NotCalDav(Refusal):
    """No CalDAV is spoken at the address, as far as we can see."""

    def __init__(self) -> None:
        super().__init__(
            Remedy.FREEZE, call="caldav.collection", reason="no CalDAV is spoken there"
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What discovery found: the person's address at the server ("" if the server tells none), the
    homes of the calendars, the calendar that was named itself ("" if none was), and the person's
    e-mail addresses in lower case.
    """

    principal: str = ""
    homes: Sequence[str] = ()
    calendar: str = ""
    addresses: Sequence[str] = ()


def introduce(http: BackgroundHttp, url: str, user: str, password: str, *, sleep: Sleep) -> Login:
    """Return the login of a person whom the server knows; it learns the password last.

    The server is asked without a name first: one which wants Digest never sees the password itself,
    and one which leads from http to https sees it there only. Raises `NotCalDav`, `BadAddress`,
    `Refusal`.
    """
    url = cleaned(url)
    stranger = Dav(http, None, base=url, sleep=sleep)
    try:
        discover(stranger, url)
    except NotCalDav:
        pass  # whoever gives a name may be shown more; that attempt decides
    except Refusal as refusal:
        if refusal.status != 401:
            raise
    if url.startswith("http:") and stranger.led_to.startswith("https:"):
        url = origin(stranger.led_to) + urlsplit(url).path
    scheme = scheme_in(stranger.challenge, encrypted=url.startswith("https:")) or BASIC
    login = Login(url, user, password, scheme)
    found = discover(Dav(http, login, sleep=sleep), url)
    return replace(login, principal=found.principal, addresses=tuple(found.addresses))


def discover(dav: Dav, url: str) -> Found:
    """Find the person and the calendars, from whatever address of the server was given.

    Raises `NotCalDav`, `Refusal`.
    """
    for start in _starts(url):
        try:
            found = _at(dav, start, named=start == url and url != urljoin(url, "/"))
        except Refusal as refusal:
            if refusal.status not in _NOT_HERE:
                raise
            continue
        if found:
            return found
    raise NotCalDav


# Answers of servers that do not speak WebDAV at an address; 200 is a page for people.
_NOT_HERE: Final = frozenset({200, 400, 403, 404, 405, 410, 501})


def _starts(url: str) -> Iterator[str]:
    """Yield the addresses to ask: the one given unless it only names the server, then the usual."""
    root = urljoin(url, "/")
    if url != root:
        yield url
    yield urljoin(url, WELL_KNOWN)
    yield root


def _at(dav: Dav, url: str, *, named: bool) -> Found | None:
    """Look who is asking at one address; `named` if it is more than that of the server."""
    answer = dav.ask("collection", "PROPFIND", url, _WHO, depth="0")
    here = next((member for member in answer.members if member.status == 200), None)
    if here is None:
        return None
    calendar = here.url if is_a(here, f"{CALDAV}calendar") else ""
    principal = next(iter(_hrefs(here, PRINCIPAL)), "")
    if principal:
        return _person(dav, principal, here, calendar)
    homes = list(_hrefs(here, HOME))
    # An old server that tells nobody who is asking: what was named is a home, if it is anything.
    if named and not homes and not calendar and is_a(here, f"{DAV}collection"):
        homes = [here.url]
    return Found(homes=homes, calendar=calendar) if homes or calendar else None


def _person(dav: Dav, principal: str, here: Member, calendar: str) -> Found:
    answer = dav.ask("collection", "PROPFIND", principal, _PERSON, depth="0")
    person = next((member for member in answer.members if member.status == 200), here)
    homes = list(_hrefs(person, HOME)) or list(_hrefs(here, HOME))
    return Found(principal, homes, calendar, sorted(_addresses(person)))


def is_a(member: Member, kind: str) -> bool:
    """Say whether a resource is of a kind, by its resourcetype."""
    types = member.properties.get(TYPE)
    return types is not None and types.find(kind) is not None


def _hrefs(member: Member, name: str) -> Iterator[str]:
    """Yield the addresses in a property, as those of collections."""
    holder = member.properties.get(name)
    for href in holder.iter(f"{DAV}href") if holder is not None else ():
        try:
            yield as_collection(resolve(member.url, text_of(href)))
        except BadAddress:
            continue


def _addresses(person: Member) -> set[str]:
    holder = person.properties.get(ADDRESSES)
    said = [text_of(href) for href in holder.iter(f"{DAV}href")] if holder is not None else []
    return {
        unquote(text[7:]).strip().lower() for text in said if text.lower().startswith("mailto:")
    }
