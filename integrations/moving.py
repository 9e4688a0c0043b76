"""Accounts that moved: the same calendars at another address, known by what is in them.

Whoever looks at another server under the name of the first would find everything deleted. So a move
is believed only if the calendars that we know are there, and hold events that we know.
"""

from collections.abc import Callable, Iterator
from typing import Final

from integrations.collection_list import Listing
from integrations.consent import CannotConnect
from integrations.models import Account, Collection
from sync.core.provider import Provider, Refusal, Remedy

# How many events that we know of a calendar are looked for at the new address.
_SAMPLE: Final = 20


def check_move(
    account: Account, identity: str, listing: Listing, open_there: Callable[[Collection], Provider]
) -> None:
    """Make sure that what is listed at a new address are an account's calendars.

    `identity` is who the account would be from now on. A calendar of which no event is known has
    nothing to lose and need not be there. Raises `CannotConnect`, `Refusal`; changes nothing.
    """
    others = Account.objects.filter(workspace=account.workspace_id, service=account.service)
    if there := others.filter(identity=identity).exclude(pk=account.pk).first():
        raise CannotConnect(
            f"{there} is connected at this address already; if it is the same as {account}, let "
            f"it go first: {letting_go(there)}"
        )
    if problems := list(_problems(account, listing, open_there)):
        raise CannotConnect(f"this is not where {account} has moved to: {'; '.join(problems)}")


def letting_go(account: Account) -> str:
    """Return the command that forgets an account and changes nothing at its server."""
    return f"manage.py disconnect_account {account.pk} --blocks keep --data delete"


def _problems(
    account: Account, listing: Listing, open_there: Callable[[Collection], Provider]
) -> Iterator[str]:
    listed = {entry.remote_id for entry in listing.entries}
    for collection in account.collections.filter(gone_at=None).order_by("remote_id"):
        sample = _sample(collection)
        if not sample:
            continue
        if collection.remote_id not in listed:
            yield f"there is no calendar {collection.remote_id}"
            continue
        provider = open_there(collection)
        found = sum(_is_there(provider, name) for name in sample)
        if 2 * found < len(sample):
            yield (
                f"of {len(sample)} known events of {collection.remote_id} only {found} are there"
            )


def _sample(collection: Collection) -> list[str]:
    """Name some of the events that were there when last seen, the newest first."""
    known = collection.mappings.filter(parent="", remote_hash__gt="").exclude(remote_id="")
    return list(known.order_by("-pk").values_list("remote_id", flat=True)[:_SAMPLE])


def _is_there(provider: Provider, remote_id: str) -> bool:
    try:
        return provider.read(remote_id).fields is not None
    except Refusal as refusal:
        if refusal.remedy is Remedy.PARK:  # it is there, and cannot be understood
            return True
        raise


def known_elsewhere(account: Account) -> Account | None:
    """Return another account that has calendars under the same names: perhaps the server moved."""
    names = account.collections.values_list("remote_id", flat=True)
    others = Account.objects.filter(workspace=account.workspace_id, service=account.service)
    alike = others.filter(collections__remote_id__in=list(names)).exclude(pk=account.pk)
    return alike.order_by("created_at").first()
