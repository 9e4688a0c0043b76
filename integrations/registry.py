"""Which adapter speaks to which service about which kind, and how one is opened."""

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

from django.conf import settings

from integrations.credentials import StoredGrant
from integrations.google.client import Calendar
from integrations.google.oauth import HttpLike, OAuthClient
from integrations.google.provider import GoogleCalendar
from integrations.google.session import AuthorizedHttp, GrantStore
from integrations.http import Http
from integrations.models import Account, Collection
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


def google_http(store: GrantStore) -> HttpLike:
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


_ADAPTERS: Final[
    Mapping[tuple[Service, Kind], Callable[[Collection, datetime, bool], Provider]]
] = {
    (Service.GOOGLE, Kind.EVENT): _google_calendar,
}
