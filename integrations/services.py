"""Connecting accounts and keeping their lists of collections: the only way in for entry points."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction

from calendars.models import Calendar
from integrations import registry
from integrations.collection_list import ListChanges, Listed, Listing, compare, first_direction
from integrations.consent import CannotConnect, consent_to_google
from integrations.credentials import sealed
from integrations.google import calendars as google_calendars
from integrations.google.client import Identity
from integrations.google.oauth import CALENDAR_LIST, EVENTS, Grant, missing_scopes
from integrations.models import Account, Collection, Workspace
from integrations.tenancy import UnknownTenant, person_named, workspace_for
from integrations.vault import CannotOpen
from sync.core.provider import Refusal, Remedy
from sync.core.records import Direction, Kind, Service

logger = logging.getLogger(__name__)

__all__ = [
    "DIRECTIONS",
    "CannotConnect",
    "Connected",
    "Grant",
    "ListReport",
    "Refusal",
    "UnknownAccount",
    "UnknownCollection",
    "UnknownTenant",
    "WrongDirection",
    "connect_google_account",
    "consent_to_google",
    "describe_account",
    "find_accounts",
    "person_named",
    "refresh_collections",
    "select_collections",
    "workspace_for",
]
DIRECTIONS: Final = tuple(direction.value for direction in Direction)

# A delta of the list leaves out changes of our access role alone, so it is read whole this often.
COMPLETE_LIST_EVERY: Final = timedelta(hours=24)


class UnknownAccount(Exception):
    """No such account; the text names those there are."""


class UnknownCollection(Exception):
    """No such collection in the account; the text names those there are."""


class WrongDirection(Exception):
    """A collection that we may only read was to be written to."""


@dataclass(frozen=True, slots=True)
class ListReport:
    """What a look at the list of collections found: how many are new, and how many left it."""

    new: int
    gone: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Connected:
    """A connected account, and whether it was connected for the first time."""

    account: Account
    created: bool


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
        raise CannotConnect(_why_not(refusal)) from None
    if missing := missing_scopes(store.grant.scopes):
        raise CannotConnect(
            f"access is missing to: {', '.join(missing)}; connect again and tick every box "
            f"(needed: {EVENTS} and {CALENDAR_LIST})"
        )
    account, created = _keep_account(workspace, owner, sub, email, store.grant)
    refresh_collections(account, now=now, complete=True)
    if created and select_primary:
        account.collections.filter(calendar__primary=True).update(selected=True)
    return Connected(account, created)


def _why_not(refusal: Refusal) -> str:
    if refusal.remedy is Remedy.FREEZE and refusal.call == "oauth2.token":
        return (
            f"Google does not accept this refresh token ({refusal.reason}): it was revoked, has "
            "expired (after 7 days while the OAuth app is in «Testing»), or belongs to another "
            "client than GOOGLE_CLIENT_ID"
        )
    if refusal.remedy is Remedy.FREEZE:
        return f"the grant does not tell whose it is ({refusal}): it needs the scopes openid email"
    return f"Google cannot be reached properly ({refusal}); try again later"


@transaction.atomic
def _keep_account(
    workspace: Workspace, owner: User | None, sub: str, email: str, grant: Grant
) -> tuple[Account, bool]:
    account, created = Account.objects.select_for_update().get_or_create(
        workspace=workspace, service=Service.GOOGLE, identity=sub, defaults={"owner": owner}
    )
    account.email, account.scopes = email, list(grant.scopes)
    account.credentials = sealed(account, grant)
    account.state, account.state_reason = Account.State.ACTIVE, ""
    account.save(update_fields=["email", "scopes", "credentials", "state", "state_reason"])
    return account, created


def refresh_collections(account: Account, *, now: datetime, complete: bool = False) -> ListReport:
    """Read the account's list of calendars and write down what changed.

    Reads the whole list when asked to, when the last whole one is a day old, or when its cursor is
    dead. A dead grant freezes the account. Raises `Refusal`.
    """
    due = account.listed_at is None or now - account.listed_at >= COMPLETE_LIST_EVERY
    try:
        listing = _list(account, "" if complete or due else account.list_cursor)
    except Refusal as refusal:
        if refusal.remedy is Remedy.FREEZE:
            freeze_account(account, refusal)
        raise
    return _keep_listing(account, listing, now)


def keep_lists_fresh(accounts: Iterable[Account], *, now: datetime) -> None:
    """Read the lists of calendars that are a day old: only a whole list shows a changed role.

    Trouble with a list is no reason not to sync what is known; it is tried again next time.
    """
    for account in accounts:
        if account.listed_at is not None and now - account.listed_at < COMPLETE_LIST_EVERY:
            continue
        try:
            refresh_collections(account, now=now)
        except (Refusal, CannotOpen) as trouble:
            logger.warning("The calendars of account %s were not listed: %s", account.pk, trouble)


def _list(account: Account, cursor: str) -> Listing:
    api = registry.google_calendar_api(account)
    try:
        return google_calendars.list_calendars(api, cursor)
    except Refusal as refusal:
        if not cursor or refusal.remedy is not Remedy.RESYNC:
            raise
        return google_calendars.list_calendars(api)


def freeze_account(account: Account, refusal: Refusal) -> None:
    """Stop an account whose grant is dead until somebody connects it anew; nothing is deleted.

    A refusal that concerns one calendar only (no right to it any more) leaves the account alone.
    """
    if refusal.status != 401 and not refusal.call.startswith("oauth2."):
        return
    account.state, account.state_reason = Account.State.NEEDS_RECONNECT, str(refusal)[:300]
    account.save(update_fields=["state", "state_reason"])


@transaction.atomic
def _keep_listing(account: Account, listing: Listing, now: datetime) -> ListReport:
    rows = {c.remote_id: c for c in account.collections.select_for_update().filter(kind=Kind.EVENT)}
    changes: ListChanges = compare(frozenset(rows), listing)
    for entry in changes.new:
        _add(account, entry)
    for entry in changes.known:
        _update(rows[entry.remote_id], entry)
    gone = [rows[remote_id] for remote_id in changes.gone if rows[remote_id].gone_at is None]
    for collection in gone:
        collection.gone_at = now
        collection.save_fields(["gone_at"])
    account.list_cursor = listing.cursor
    account.listed_at = now if listing.complete else account.listed_at
    account.save(update_fields=["list_cursor", "listed_at"])
    return ListReport(len(changes.new), len(gone), listing.complete)


def _add(account: Account, entry: Listed) -> None:
    collection = Collection.objects.create(
        account=account,
        kind=Kind.EVENT,
        remote_id=entry.remote_id,
        name=entry.name[:500],
        access_role=entry.role,
        direction=first_direction(entry),
    )
    Calendar.objects.create(collection=collection, **_calendar_values(entry))


def _update(collection: Collection, entry: Listed) -> None:
    """Bring a known collection up to date; a calendar that became read-only is only pulled."""
    if collection.access_role != entry.role:
        collection.deletions_held_because = (
            f"the access role changed from {collection.access_role or 'unknown'} to {entry.role}"
        )[:200]
    if not entry.writable:
        collection.direction = Direction.PULL
    collection.name, collection.access_role = entry.name[:500], entry.role
    collection.gone_at = None
    collection.save_fields(
        ["name", "access_role", "gone_at", "direction", "deletions_held_because"]
    )
    Calendar.objects.update_or_create(collection=collection, defaults=_calendar_values(entry))


def _calendar_values(entry: Listed) -> dict[str, object]:
    return {
        "time_zone": entry.time_zone,
        "primary": entry.primary,
        "colour": entry.colour,
        "hidden": entry.hidden,
        "default_reminders": list(entry.default_reminders),
    }


def select_collections(
    account: Account, names: Sequence[str], *, selected: bool = True, direction: str = ""
) -> None:
    """Let collections take part or not, named by their id at the service or by ours.

    Sets their direction where one is given. All or none of them. Raises `UnknownCollection`,
    `WrongDirection`.
    """
    found = [_find(account, name) for name in names]
    for collection in found:
        writable = Listed(collection.remote_id, role=collection.access_role).writable
        if direction not in ("", Direction.PULL) and not writable:
            raise WrongDirection(
                f"{collection.remote_id} is shared with us as {collection.access_role}: "
                f"only {Direction.PULL.value} is possible"
            )
    with transaction.atomic():
        for collection in found:
            collection.selected = selected
            collection.direction = direction or collection.direction
            collection.save_fields(["selected", "direction"])


def _find(account: Account, name: str) -> Collection:
    present = account.collections.filter(gone_at=None)
    for collection in present:
        if name in (collection.remote_id, str(collection.pk)):
            return collection
    known = ", ".join(present.order_by("name").values_list("remote_id", flat=True))
    raise UnknownCollection(f"{account} has no calendar {name!r}; it has: {known or 'none'}")


def find_accounts(name: str = "") -> Sequence[Account]:
    """Return the account with this id or e-mail address; all accounts if none is named.

    Raises `UnknownAccount`.
    """
    accounts = list(Account.objects.select_related("workspace").order_by("email", "id"))
    if not name:
        return accounts
    found = [account for account in accounts if name in (str(account.pk), account.email)]
    if not found:
        known = ", ".join(f"{account.pk} ({account.email})" for account in accounts)
        raise UnknownAccount(f"there is no account {name!r}; there are: {known or 'none yet'}")
    return found


def describe_account(account: Account) -> dict[str, Any]:
    """Return an account and its calendars as plain values, without any secret."""
    collections = account.collections.filter(kind=Kind.EVENT).select_related("calendar")
    return {
        "account": {
            "id": str(account.pk),
            "service": account.service,
            "email": account.email,
            "workspace": account.workspace.name,
            "state": account.state,
            "state_reason": account.state_reason,
        },
        "calendars": [_describe(collection) for collection in collections.order_by("name", "id")],
    }


def _describe(collection: Collection) -> dict[str, Any]:
    return {
        "id": str(collection.pk),
        "remote_id": collection.remote_id,
        "name": collection.name,
        "primary": collection.calendar.primary,
        "role": collection.access_role,
        "direction": collection.direction,
        "selected": collection.selected,
        "time_zone": collection.calendar.time_zone,
        "gone_at": collection.gone_at and collection.gone_at.isoformat(),
    }
