"""Disconnect an account: its rules and their blocks first, then its access, then its data.

Nothing in anybody's calendars is deleted but busy blocks of ours, and of those only what a person
chose. Each step is done only once, and doing all of it again goes on where it stopped: a block that
cannot be reached now, because its account is frozen, waits until it can.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from calendars.models import BusyRule, Event, Item
from calendars.services import remove_busy_rule, rules_of
from integrations.models import Account, Collection, CollectionQuerySet
from sync.models import Mapping
from sync.reports import BUSY, Clock, State, Watch
from sync.services import sync_collections

# How many rows go in one statement.
BATCH = 1_000
REASON = "disconnected by a person"


@dataclass(slots=True)
class Disconnection:
    """What became of an account.

    `state` is "done", "waiting" while blocks that are to go, or to be changed, are still there, or
    "busy" while a run is at one of its calendars. `waiting` says in words for what.
    """

    account: Account
    state: str = ""
    rules: int = 0
    gone: int = 0
    kept: int = 0
    waiting: list[str] = field(default_factory=list)


WAITING = "waiting"


def disconnect_account(
    *, account: Account, removal: str, keep_data: bool, clock: Clock, watch: Watch | None = None
) -> Disconnection:
    """Remove all rules from and to an account, and once their blocks have followed, its access.

    `removal` says what becomes of the blocks, as for `remove_busy_rule`. With `keep_data` the
    account rests, without its secrets, until somebody connects it again; else all its rows go.
    """
    done = Disconnection(account)
    for rule in rules_of(account).filter(removed_at=None):
        left = remove_busy_rule(rule=rule, now=clock(), removal=removal)
        done.rules += 1
        done.gone, done.kept = done.gone + left.gone, done.kept + left.kept
    reachable = list(_still_to_do(account).syncing().select_related("account__workspace"))
    if reachable:
        sync_collections(collections=reachable, clock=clock, trigger="disconnect", watch=watch)
    left_over = _still_to_do(account)
    if keep_data:  # the blocks in other accounts follow when those are synced
        left_over = left_over.filter(account=account)
    done.waiting = [_waiting(collection) for collection in left_over.select_related("account")]
    done.state = WAITING if done.waiting else _finish(account, keep_data, clock)
    return done


def _still_to_do(account: Account) -> CollectionQuerySet:
    """Return the calendars in which blocks of removed rules wait to be deleted or cut."""
    rules = rules_of(account).filter(removed_at__isnull=False)
    behind = Mapping.objects.filter(
        collection=OuterRef("pk"), item__event__busy_rule__in=rules
    ).filter(
        Q(item__deleted_at__isnull=False, remote_hash__gt="")
        | Q(item__deleted_at=None, synced_revision__lt=F("item__revision"))
    )
    return Collection.objects.filter(Exists(behind), gone_at=None).in_order()


def _waiting(collection: Collection) -> str:
    state = Account.State(collection.account.state)
    if state != Account.State.ACTIVE:
        return f"{collection}: its account {state.label}; connect it again, or keep the blocks"
    if not collection.selected:
        return f"{collection}: it takes no part in syncing; select it, or keep the blocks"
    return f"{collection}: its last sync did not get through; see the journal, then try again"


def _finish(account: Account, keep_data: bool, clock: Clock) -> str:
    """Take the access away, and the rows unless they are to stay; nothing while a run is busy."""
    with transaction.atomic():
        own = account.collections.select_for_update().order_by("pk")
        if any(c.lease_until and c.lease_until > clock() for c in own):
            return BUSY
        if keep_data:
            _rest(account)
        else:
            _erase(account)
    return State.DONE


def _rest(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(
        state=Account.State.NEEDS_RECONNECT, state_reason=REASON, credentials=""
    )
    account.collections.update(selected=False)


def _erase(account: Account) -> None:
    """Delete an account with its items, but for those that also live in other accounts."""
    rules = list(rules_of(account))
    _let_go(rules)
    mine = Item.objects.filter(home__account=account)
    elsewhere = Mapping.objects.filter(item=OuterRef("pk")).exclude(collection__account=account)
    own = mine.filter(~Exists(elsewhere))
    # Exceptions first: a series is not deleted from under them.
    _delete(own.filter(event__series__isnull=False))
    _delete(own.exclude(pk__in=Event.objects.filter(series__in=mine).values("series")))
    account.delete()


def _let_go(rules: Sequence[BusyRule]) -> None:
    """Delete the dead blocks of rules; those that stay belong to no rule any more."""
    blocks = Event.objects.filter(busy_rule__in=rules)
    blocks.filter(item__deleted_at=None).update(
        busy_rule=None, source=None, occurrence="", left_alone=False, source_times=""
    )
    _delete(Item.objects.filter(event__busy_rule__in=rules, event__series__isnull=False))
    _delete(Item.objects.filter(event__busy_rule__in=rules))
    BusyRule.objects.filter(pk__in=[rule.pk for rule in rules]).delete()


def _delete(items: QuerySet[Item]) -> None:
    while batch := list(items.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        Item.objects.filter(pk__in=batch).delete()
