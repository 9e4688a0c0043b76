"""Accounts and their collections: the only way in for entry points."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction

from integrations.collection_list import Listed
from integrations.connecting import (
    Connected,
    connect_caldav_account,
    connect_feed,
    connect_google_account,
)
from integrations.consent import CannotConnect, consent_to_google
from integrations.google.oauth import Grant
from integrations.lists import ListReport, freeze_account, keep_lists_fresh, refresh_collections
from integrations.models import Account, Collection
from integrations.moving import letting_go
from integrations.tenancy import UnknownTenant, person_named, workspace_for
from sync.core.provider import Refusal
from sync.core.records import Direction, Kind

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
    "connect_caldav_account",
    "connect_feed",
    "connect_google_account",
    "consent_to_google",
    "describe_account",
    "find_accounts",
    "freeze_account",
    "keep_lists_fresh",
    "letting_go",
    "person_named",
    "refresh_collections",
    "select_collections",
    "workspace_for",
]
DIRECTIONS: Final = tuple(direction.value for direction in Direction)


class UnknownAccount(Exception):
    """No such account; the text names those there are."""


class UnknownCollection(Exception):
    """No such collection in the account; the text names those there are."""


class WrongDirection(Exception):
    """A collection that we may only read was to be written to."""


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
