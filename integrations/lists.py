"""Keeping accounts' lists of collections: what a service lists, written down."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from calendars.models import Calendar
from integrations import registry
from integrations.collection_list import ListChanges, Listed, Listing, compare, first_direction
from integrations.models import Account, Collection
from integrations.vault import CannotOpen
from sync.core.provider import Refusal, Remedy
from sync.core.records import Direction, Kind

logger = logging.getLogger(__name__)

# A delta of the list leaves out changes of our access role alone, so it is read whole this often.
COMPLETE_LIST_EVERY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ListReport:
    """What a look at the list of collections found: how many are new, and how many left it."""

    new: int
    gone: int
    complete: bool


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
    return keep_listing(account, listing, now)


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
    try:
        return registry.list_collections(account, cursor)
    except Refusal as refusal:
        if not cursor or refusal.remedy is not Remedy.RESYNC:
            raise
        return registry.list_collections(account, "")


def freeze_account(account: Account, refusal: Refusal) -> None:
    """Stop an account whose grant is dead until somebody connects it anew; nothing is deleted.

    A refusal that concerns one calendar only (no right to it any more) leaves the account alone.
    """
    if refusal.status != 401 and not refusal.call.startswith("oauth2."):
        return
    account.state, account.state_reason = Account.State.NEEDS_RECONNECT, str(refusal)[:300]
    account.save(update_fields=["state", "state_reason"])


@transaction.atomic
def keep_listing(account: Account, listing: Listing, now: datetime) -> ListReport:
    """Write down what a service listed: new collections, changed ones, and those that are gone."""
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
