"""Which adapter speaks to which service about which kind, and how one is opened."""

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from calendars.recurrence import starts_after
from integrations.caldav import calendars as caldav_calendars
from integrations.caldav.client import Dav
from integrations.caldav.copies import Reader
from integrations.caldav.login import Login
from integrations.caldav.provider import CalDavCalendar
from integrations.caldav.urls import resolve
from integrations.collection_list import Listed, Listing
from integrations.credentials import FeedAddress, StoredGrant, opened
from integrations.google import calendars as google_calendars
from integrations.google.client import Calendar
from integrations.google.oauth import OAuthClient
from integrations.google.provider import GoogleCalendar
from integrations.google.session import AuthorizedHttp, GrantStore
from integrations.http import Http, verbatim
from integrations.ics.feed import IcsFeed, probe
from integrations.ics.fetching import MAX_BYTES
from integrations.models import Account, Collection
from integrations.wire import BackgroundHttp
from sync.core.marks import Marker
from sync.core.provider import Provider
from sync.core.records import Kind, Service


def open_provider(collection: Collection, *, now: datetime, keep: bool = True) -> Provider:
    """Return the adapter for a collection, ready to be used by one run that starts `now`.

    Without `keep` a renewed access token is not stored: a preview changes nothing. Raises
    `vault.CannotOpen` if the account's credentials do not open.
    """
    kind = (Service(collection.account.service), Kind(collection.kind))
    return _ADAPTERS[kind](collection, now, keep)


def list_collections(account: Account, cursor: str) -> Listing:
    """Read an account's list of collections, whole or since a cursor.

    Raises `Refusal`, `vault.CannotOpen`.
    """
    return _LISTS[Service(account.service)](account, cursor)


def google_http(store: GrantStore) -> BackgroundHttp:
    """Return HTTP in the name of whoever gave the stored grant."""
    return AuthorizedHttp(Http(), google_client(), store)


def google_client() -> OAuthClient:
    """Return Lockstep as Google knows it, from the settings."""
    return OAuthClient(
        client_id=settings.GOOGLE_CLIENT_ID,
        client_secret=settings.GOOGLE_CLIENT_SECRET,
        auth_uri=settings.GOOGLE_AUTH_URI,
        token_uri=settings.GOOGLE_TOKEN_URI,
        revoke_uri=settings.GOOGLE_REVOKE_URI,
    )


def google_calendar_api(account: Account, *, keep: bool = True) -> Calendar:
    """Return the Calendar API in an account's name."""
    return Calendar(google_http(StoredGrant(account, keep=keep)), root=google_root())


def google_root() -> str:
    """Return the root of Google's APIs with a slash at its end, "" for Google's own."""
    root = settings.GOOGLE_API_ROOT
    return root if not root or root.endswith("/") else f"{root}/"


def marker_for(collection: Collection) -> Marker:
    """Return the marker of a collection; its key comes from SECRET_KEY, its fallbacks still verify.

    The collection is named by its remote id, so that marks are known again after the database was
    lost.
    """
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    keys = [sha256(b"lockstep marks\n" + secret.encode()).digest() for secret in secrets]
    return Marker(keys, collection.remote_id)


def _google_calendar(collection: Collection, now: datetime, keep: bool) -> Provider:
    return GoogleCalendar(
        google_calendar_api(collection.account, keep=keep),
        collection.remote_id,
        marker_for(collection),
        now=now,
        past_days=collection.past_days,
        role=collection.access_role or "owner",  # until the first page says otherwise
    )


def dav(login: Login) -> Dav:
    """Return a CalDAV server in a person's name."""
    return Dav(files_http(), login)


def files_http() -> Http:
    """Return HTTP for files, of which every byte counts, from servers that may be small."""
    return Http(clean=verbatim, read_seconds=_PATIENCE)


def _caldav_calendar(collection: Collection, now: datetime, keep: bool) -> Provider:
    return caldav_calendar(collection, Login.from_json(opened(collection.account)), now=now)


def caldav_calendar(collection: Collection, login: Login, *, now: datetime) -> Provider:
    """Return the adapter for a calendar in the name of anybody at a CalDAV server."""
    reader = Reader(
        marker_for(collection),
        role=collection.access_role or "owner",
        zone=collection.calendar.time_zone,
        me=frozenset(login.addresses),
        starts=starts_after,
    )
    return CalDavCalendar(dav(login), resolve(login.url, collection.remote_id), reader, now=now)


def feed_http() -> Http:
    """Return HTTP for feeds, which are read whole."""
    return Http(clean=verbatim, read_seconds=_PATIENCE, max_bytes=MAX_BYTES)


def list_feed(feed: FeedAddress) -> Listing:
    """Return the one collection that a feed is; raises `Refusal` if it does not hand it out."""
    about = probe(feed_http(), feed.url)
    name = feed.name or about.name or urlsplit(feed.url).hostname or "feed"
    zone = about.zone or "UTC"
    entry = Listed("feed", name=name, role="reader", time_zone=zone, primary=True)
    return Listing([entry], "", complete=True)


def _ics_feed(collection: Collection, now: datetime, keep: bool) -> Provider:
    return ics_feed(collection, FeedAddress.from_json(opened(collection.account)), now=now)


def ics_feed(collection: Collection, feed: FeedAddress, *, now: datetime) -> Provider:
    """Return the adapter for a feed at any address."""
    zone = collection.calendar.time_zone
    return IcsFeed(
        feed_http(),
        feed.url,
        now=now,
        past_days=collection.past_days,
        zone=zone,
        starts=starts_after,
    )


def _ics_list(account: Account, cursor: str) -> Listing:
    return list_feed(FeedAddress.from_json(opened(account)))


def _google_list(account: Account, cursor: str) -> Listing:
    return google_calendars.list_calendars(google_calendar_api(account), cursor)


def _caldav_list(account: Account, cursor: str) -> Listing:
    login = Login.from_json(opened(account))
    return caldav_calendars.list_calendars(dav(login), login.url)


# A small server may take its time to look through a large calendar before it says a word.
_PATIENCE: Final = 90.0

_ADAPTERS: Final[
    Mapping[tuple[Service, Kind], Callable[[Collection, datetime, bool], Provider]]
] = {
    (Service.GOOGLE, Kind.EVENT): _google_calendar,
    (Service.CALDAV, Kind.EVENT): _caldav_calendar,
    (Service.ICS, Kind.EVENT): _ics_feed,
}
_LISTS: Final[Mapping[Service, Callable[[Account, str], Listing]]] = {
    Service.GOOGLE: _google_list,
    Service.CALDAV: _caldav_list,
    Service.ICS: _ics_list,
}
