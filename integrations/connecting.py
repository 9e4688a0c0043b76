"""Connecting accounts: whose they are is asked at the service, their credentials are sealed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.db import transaction

from integrations import registry
from integrations.caldav import calendars as caldav_calendars
from integrations.caldav.client import Astray
from integrations.caldav.discovery import NotCalDav, introduce
from integrations.caldav.login import Login
from integrations.caldav.urls import BadAddress
from integrations.consent import CannotConnect
from integrations.credentials import FeedAddress, Secret, sealed
from integrations.google import calendars as google_calendars
from integrations.google.client import Identity
from integrations.google.oauth import CALENDAR_LIST, EVENTS, Grant, missing_scopes
from integrations.ics.fetching import address_of
from integrations.lists import keep_listing, refresh_collections
from integrations.models import Account, Workspace
from integrations.moving import check_move, known_elsewhere
from sync.core.provider import Refusal, Remedy
from sync.core.records import Service


@dataclass(frozen=True, slots=True)
class Connected:
    """A connected account, and whether it was connected for the first time.

    `known_as` is another account that may be the same one, from before its server moved.
    """

    account: Account
    created: bool
    known_as: Account | None = None


class _NewGrant:
    """Keeps a grant that has no account yet."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant

    def load(self) -> Grant:
        return self.grant

    def save(self, grant: Grant) -> None:
        self.grant = grant


def connect_google_account(
    *,
    grant: Grant,
    workspace: Workspace,
    owner: User | None,
    now: datetime,
    select_primary: bool = True,
) -> Connected:
    """Connect whoever gave the grant, or connect them anew; then read the list of calendars.

    The same person in the same workspace keeps the account, which is thawed; another person gets
    another account. The first time, the primary calendar is selected, if that is wanted, and
    nothing else. Raises `CannotConnect`, `Refusal`.
    """
    store = _NewGrant(grant)
    http = registry.google_http(store)
    try:
        sub, email = google_calendars.person(Identity(http, root=registry.google_root()))
    except Refusal as refusal:
        raise CannotConnect(_why_google_did_not(refusal)) from None
    if missing := missing_scopes(store.grant.scopes):
        raise CannotConnect(
            f"access is missing to: {', '.join(missing)}; connect again and tick every box "
            f"(needed: {EVENTS} and {CALENDAR_LIST})"
        )
    person = _Person(Service.GOOGLE, sub, email, store.grant, store.grant.scopes)
    account, created = _keep_account(workspace, owner, person)
    refresh_collections(account, now=now, complete=True)
    return _with_primary(account, created and select_primary, created)


def _why_google_did_not(refusal: Refusal) -> str:
    if refusal.remedy is Remedy.FREEZE and refusal.call == "oauth2.token":
        return (
            f"Google does not accept this refresh token ({refusal.reason}): it was revoked, has "
            "expired (after 7 days while the OAuth app is in «Testing»), or belongs to another "
            "client than GOOGLE_CLIENT_ID"
        )
    if refusal.remedy is Remedy.FREEZE:
        return f"the grant does not tell whose it is ({refusal}): it needs the scopes openid email"
    return f"Google cannot be reached properly ({refusal}); try again later"


def connect_caldav_account(
    *,
    url: str,
    user: str,
    password: str,
    workspace: Workspace,
    owner: User | None,
    now: datetime,
    select_primary: bool = True,
    moved: Account | None = None,
) -> Connected:
    """Connect a person at a CalDAV server, or connect them anew; then read the list of calendars.

    `url` is any address of the server that leads to the calendars. The same person at the same
    server keeps the account, which is thawed. The first time, the calendar that `url` names is
    selected, or the only one that can be written to, if that is wanted. An account that `moved`
    here keeps everything, if its calendars are found here. Raises `CannotConnect`.
    """
    try:
        http = registry.files_http()
        login = introduce(http, url, user, password, sleep=time.sleep)
        listing = caldav_calendars.list_calendars(registry.dav(login), login.url)
    except BadAddress as bad:
        raise CannotConnect(str(bad)) from None
    except Refusal as refusal:
        raise CannotConnect(why_not_caldav(refusal)) from None
    if not listing.entries:
        raise CannotConnect(
            "there is no calendar for events at this address; make one at the server first"
        )
    identity = _caldav_identity(login)
    if moved:
        try:
            check_move(
                moved, identity, listing, lambda c: registry.caldav_calendar(c, login, now=now)
            )
        except Refusal as refusal:
            raise CannotConnect(why_not_caldav(refusal)) from None
    person = _Person(Service.CALDAV, identity, _caldav_address(login), login)
    account, created = _keep_account(workspace, owner, person, moved)
    keep_listing(account, listing, now)
    known_as = known_elsewhere(account) if created else None
    return replace(_with_primary(account, created and select_primary, created), known_as=known_as)


def connect_feed(
    *,
    url: str,
    name: str,
    workspace: Workspace,
    owner: User | None,
    now: datetime,
    select_primary: bool = True,
    moved: Account | None = None,
) -> Connected:
    """Connect a feed under a name of its own or a given one; the same address keeps the account.

    The address is kept like a password: it may be one. A feed that `moved` here keeps everything,
    if its events are found here. Raises `CannotConnect`.
    """
    try:
        feed = FeedAddress(address_of(url), name.strip())
        listing = registry.list_feed(feed)
        identity = sha256(feed.url.encode()).hexdigest()
        if moved:
            check_move(moved, identity, listing, lambda c: registry.ics_feed(c, feed, now=now))
    except Refusal as refusal:
        raise CannotConnect(why_not_feed(refusal)) from None
    (entry,) = listing.entries
    person = _Person(Service.ICS, identity, entry.name[:320], feed)
    account, created = _keep_account(workspace, owner, person, moved)
    keep_listing(account, listing, now)
    return _with_primary(account, created and select_primary, created)


def _caldav_identity(login: Login) -> str:
    """Name a person at a server; by a hash where that is longer than the column."""
    identity = f"{login.user} {login.principal or login.url}"
    return identity if len(identity) <= 255 else sha256(identity.encode()).hexdigest()


def _caldav_address(login: Login) -> str:
    """Return what the account is called: an e-mail address, or name and server."""
    if login.addresses or "@" in login.user:
        return (*login.addresses, login.user)[0]
    return f"{login.user}@{urlsplit(login.url).hostname}"


def why_not_caldav(refusal: Refusal) -> str:
    """Say in plain words why a CalDAV server was not connected."""
    match refusal:
        case Astray():
            return (
                f"the server leads to {refusal.origin}, and your password is not sent there "
                "unasked; if that is where your calendars are, give that address"
            )
        case NotCalDav():
            return (
                "no CalDAV server answers at this address; give the address that the server's "
                "documentation names for CalDAV (docs/connecting-caldav.md)"
            )
        case Refusal(status=401):
            return (
                "the server does not accept this name and password; with two-factor sign-in most "
                "want a password made for apps (docs/connecting-caldav.md)"
            )
    return _why_not_there(refusal)


def why_not_feed(refusal: Refusal) -> str:
    """Say in plain words why a feed was not connected."""
    if refusal.status in (401, 403):
        return "the feed is not handed out to everybody who has its address; ask its owner for one"
    if refusal.status in (404, 410):
        return "there is no feed at this address, or none any more"
    if refusal.status == 200:
        return f"what is at this address is no calendar: {refusal.reason}"
    if not refusal.status and refusal.remedy in (Remedy.FREEZE, Remedy.PARK):
        return refusal.reason
    return _why_not_there(refusal)


def _why_not_there(refusal: Refusal) -> str:
    if refusal.reason in _NOBODY:
        return f"nobody answers at this address ({refusal.reason}); is it right, and reachable?"
    if refusal.reason == "SSLError":
        return (
            "the server's certificate is not valid, or made by an authority that is not known "
            "here; REQUESTS_CA_BUNDLE names a file with your own"
        )
    return f"the server cannot be reached properly ({refusal}); try again later"


_NOBODY: Final = frozenset(
    {"ConnectTimeout", "ConnectionError", "InvalidURL", "LocationParseError"}
)


@dataclass(frozen=True, slots=True)
class _Person:
    """Who is connected: the service's unchanging name, what people call it, and the proof."""

    service: Service
    identity: str
    email: str
    secret: Secret
    scopes: Sequence[str] = ()


@transaction.atomic
def _keep_account(
    workspace: Workspace, owner: User | None, person: _Person, moved: Account | None = None
) -> tuple[Account, bool]:
    if moved:
        Account.objects.filter(pk=moved.pk).update(identity=person.identity)
    account, created = Account.objects.select_for_update().get_or_create(
        workspace=workspace,
        service=person.service,
        identity=person.identity,
        defaults={"owner": owner},
    )
    account.email, account.scopes = person.email, list(person.scopes)
    account.credentials = sealed(account, person.secret)
    account.state, account.state_reason = Account.State.ACTIVE, ""
    account.save(update_fields=["email", "scopes", "credentials", "state", "state_reason"])
    return account, created


def _with_primary(account: Account, select: bool, created: bool) -> Connected:
    """Let the primary collection take part, if that is wanted."""
    if select:
        account.collections.filter(calendar__primary=True).update(selected=True)
    return Connected(account, created)
