"""Which files of a calendar changed: by sync token where the server has them, else by ETag.

Facts from RFC 6578. Bodies are not read here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from integrations.caldav.client import Dav
from integrations.caldav.cursor import Cursor, short
from integrations.caldav.discovery import TYPE
from integrations.caldav.errors import misread, refused
from integrations.caldav.multistatus import Member, MultiStatus
from integrations.caldav.resources import ETAG
from integrations.caldav.urls import as_collection, file_in
from integrations.caldav.xml import DAV, SERVER, events_with, propfind, sync_collection
from sync.core.provider import Refusal, Remedy

_TAG: Final = f"{SERVER}getctag"
_KIND: Final = f"{DAV}getcontenttype"
_ASK_TAG: Final = propfind([_TAG])
_ASK_ALL: Final = propfind([ETAG, TYPE, _KIND, _TAG])
_MOST_PARTS: Final = 10_000  # of one report that a server hands out bit by bit
_GONE: Final = frozenset({404, 410})
# Of these even a complete sync report tells something else than that there is none.
_PASSING: Final = frozenset({401, 408, 423, 425, 429})


@dataclass(slots=True)
class Changes:
    """Files that changed (or may have), files that are gone by the server's word, files that were
    there before and are not listed, and where the next look begins.
    """

    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    cursor: Cursor = field(default_factory=Cursor)


def everything(dav: Dav, url: str) -> Changes:
    """List all files of the calendar at `url`. Raises `Refusal`."""
    try:
        return _by_token(dav, url, Cursor())
    except Refusal as refusal:
        if not (400 <= refusal.status < 600) or refusal.status in _PASSING:
            raise
    except _NoToken:
        pass  # the server does not list by token: the list of ETags says all of it
    return _by_etag(dav, url, Cursor(), "list")


def ask_ahead(dav: Dav, url: str, cursor: Cursor) -> None:
    """Ask by now what `everything` or `since` will ask first."""
    if cursor.token or not cursor.tag:
        dav.ask_ahead("REPORT", url, sync_collection(cursor.token), depth="0")
    else:
        dav.ask_ahead("PROPFIND", url, _ASK_TAG, depth="0")


def since(dav: Dav, url: str, cursor: Cursor) -> Changes:
    """List what changed since a cursor. Raises `Refusal`, RESYNC for one that is dead."""
    if cursor.token:
        try:
            return _by_token(dav, url, cursor)
        except _NoToken:
            raise refused(Remedy.RESYNC, "delta", "no sync token in the answer") from None
    if cursor.tag and cursor.tag == _own_tag(dav, url):
        return Changes(cursor=cursor)
    return _by_etag(dav, url, cursor, "list")


def with_property(dav: Dav, url: str, name: str) -> list[str]:
    """Name the files with an event that has a property; none where a server cannot search."""
    try:
        answer = dav.ask("query", "REPORT", url, events_with(name), depth="1")
    except Refusal as refusal:
        if refusal.status in _PASSING or not refusal.status:
            raise
        return []
    return [file_in(url, m.url) for m in _within(url, answer, "query") if m.status == 200]


class _NoToken(Exception):
    """A sync report came without a token."""


def _by_token(dav: Dav, url: str, cursor: Cursor) -> Changes:
    """Read a sync report to its end; a server may hand it out in parts (§3.6)."""
    found, token, seen = Changes(), cursor.token, {""}
    for _ in range(_MOST_PARTS):
        call = "delta" if cursor.token else "sync"
        answer = dav.ask(call, "REPORT", url, sync_collection(token), depth="0")
        if not answer.sync_token:
            raise _NoToken
        more = _sort(found, url, answer, call)
        token = answer.sync_token
        if not more:
            break
        if token in seen:
            raise misread(call, 207, "the same part again and again")
        seen.add(token)
    found.changed = list(dict.fromkeys(found.changed))
    # A file of which two parts tell different things is looked at.
    found.gone = [file for file in dict.fromkeys(found.gone) if file not in set(found.changed)]
    found.cursor = Cursor(token=token, loose=cursor.loose)
    return found


def _sort(found: Changes, url: str, answer: MultiStatus, call: str) -> bool:
    """Add what one part of a sync report says; returns whether there is more to come."""
    for member in _within(url, answer, call):
        file = file_in(url, member.url)
        if member.status in _GONE:
            found.gone.append(file)
        elif not _is_collection(member):
            found.changed.append(file)  # whatever else its status says, it is looked at
    return any(member.status == 507 and _is_itself(url, member) for member in answer.members)


def _by_etag(dav: Dav, url: str, before: Cursor, call: str) -> Changes:
    """Compare the ETags of all files with those known; one without an ETag may have changed."""
    answer = dav.ask(call, "PROPFIND", url, _ASK_ALL, depth="1")
    known = before.etags or {}
    listed = {
        file_in(url, member.url): short(member.text(ETAG))
        for member in _within(url, answer, call)
        if member.status == 200 and _may_be_calendar(member)
    }
    itself = next((member for member in answer.members if _is_itself(url, member)), None)
    if itself is None and not listed:
        raise misread(call, 207, "a listing of nothing, not even of the calendar itself")
    return Changes(
        changed=[file for file, etag in listed.items() if not etag or known.get(file) != etag],
        missing=[file for file in known if file not in listed],
        cursor=Cursor(tag=itself.text(_TAG) if itself else "", etags=listed, loose=before.loose),
    )


def _own_tag(dav: Dav, url: str) -> str:
    answer = dav.ask("collection", "PROPFIND", url, _ASK_TAG, depth="0")
    return next((m.text(_TAG) for m in answer.members if _is_itself(url, m)), "")


def _within(url: str, answer: MultiStatus, call: str) -> Sequence[Member]:
    """Return the members that are files of the calendar; some must be if any are listed at all."""
    inside = [member for member in answer.members if file_in(url, member.url)]
    others = [m for m in answer.members if not _is_itself(url, m) and m.status < 400]
    if others and not any(_is_below(url, m) for m in others):
        raise misread(call, 207, "a listing of another place")
    return inside


def _is_below(url: str, member: Member) -> bool:
    return urlsplit(member.url).path.startswith(urlsplit(url).path)


def _is_itself(url: str, member: Member) -> bool:
    return urlsplit(as_collection(member.url)).path == urlsplit(url).path


def _is_collection(member: Member) -> bool:
    types = member.properties.get(TYPE)
    return types is not None and types.find(f"{DAV}collection") is not None


def _may_be_calendar(member: Member) -> bool:
    kind = member.text(_KIND).lower()
    return not _is_collection(member) and (not kind or "calendar" in kind or "octet" in kind)
