"""Find the collections that a person means, or say which there are."""

import uuid

from integrations.models import Account, Collection, CollectionQuerySet


class NoSuchChoice(Exception):
    """What was asked for is not there; the text lists what is."""


def choose_collections(*, account: str | None, collection: str | None) -> list[Collection]:
    """Return the collections meant by an account and a collection, given by id or by name.

    Accounts go by id or e-mail address, collections by id or remote id. Without either: every
    collection that takes part in syncing; none if all accounts that have one rest.
    """
    chosen = Collection.objects.select_related("account", "account__workspace").in_order()
    if account is not None:
        chosen = chosen.filter(account__in=_accounts(account))
    if collection is not None:
        return [_one(chosen, collection)]
    syncing = list(chosen.syncing())
    if not syncing and not resting_accounts(account):
        raise NoSuchChoice(_nothing_selected(chosen))
    return syncing


def resting_accounts(account: str | None = None) -> list[Account]:
    """Return the accounts whose calendars would take part, were the account not at rest."""
    at_rest = Account.objects.exclude(state=Account.State.ACTIVE)
    if account is not None:
        at_rest = at_rest.filter(pk__in=[one.pk for one in _accounts(account)])
    selected = Collection.objects.filter(selected=True, gone_at=None)
    return list(at_rest.filter(pk__in=selected.values("account")).order_by("email"))


def why_it_rests(account: Account) -> str:
    """Say why an account rests, and what ends that."""
    if account.state == Account.State.PAUSED:
        return f"{account} rests: it is paused"
    again = f"manage.py connect_account {account.service}"
    return f"{account} rests until it is connected again: {again}"


def _accounts(wanted: str) -> list[Account]:
    by_id = {"pk": wanted} if _is_uuid(wanted) else {"email__iexact": wanted}
    found = list(Account.objects.filter(**by_id))
    if not found:
        known = [f"{a.pk} ({a.email})" for a in Account.objects.order_by("email")]
        raise NoSuchChoice(f"no account {wanted!r}; there are: {_list(known)}")
    return found


def _one(among: CollectionQuerySet, wanted: str) -> Collection:
    by_id = {"pk": wanted} if _is_uuid(wanted) else {"remote_id": wanted}
    found = list(among.filter(**by_id))
    if len(found) > 1:
        ids = ", ".join(f"{c.pk} ({c.account.email})" for c in found)
        raise NoSuchChoice(f"calendar {wanted!r} is in several accounts; give one id: {ids}")
    if not found:
        known = [f"{c.pk} ({c.name}, {c.account.email})" for c in among[:50]]
        raise NoSuchChoice(f"no calendar {wanted!r}; there are: {_list(known)}")
    return found[0]


def _nothing_selected(among: CollectionQuerySet) -> str:
    if among.exists():
        return "no calendar takes part yet; choose some with: manage.py list_calendars --select ID"
    return "no account is connected yet; start with: manage.py connect_account google"


def _list(known: list[str]) -> str:
    return "; ".join(known) or "none"


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
