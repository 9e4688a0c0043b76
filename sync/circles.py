"""Circles: let calendars hold the same events, and let them go separate ways again."""

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Exists, OuterRef, RestrictedError

from calendars.models import BusyRule
from integrations.collection_list import WRITING_ROLES
from integrations.models import Account, Circle, Collection, CollectionQuerySet
from sync.core.records import Direction, Kind, Service
from sync.models import Mapping, SyncOperation
from sync.parting import part_next
from sync.reports import Clock
from sync.run import LEASE_SECONDS
from sync.wanted import wake


class InvalidCircle(ValueError):
    """Calendars cannot be brought together or parted like this; `problems` says why, in words."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


class UnknownCircle(LookupError):
    """There is no such circle; the text lists those there are."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A circle after calendars joined it; `only_read` are those that will only contribute."""

    circle: Circle
    members: Sequence[Collection]
    only_read: Sequence[Collection] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Left:
    """A calendar that left its circle, and how many events it shared with the others."""

    collection: Collection
    events: int


def add_to_circle(*, name: str, collections: Sequence[Collection], clock: Clock) -> Joined:
    """Let calendars hold the same events from the next sync on; all of them join, or none.

    A circle of this name in their workspace is joined, or made. Calendars that are shared with us
    for reading only contribute. Nothing is sent before the next sync, whose plan shows what is
    linked and what is copied. Raises `InvalidCircle`.
    """
    name = name.strip()
    known = _known(name, collections)
    members = [*(known.collections.select_related("account") if known else ()), *collections]
    if problems := list(_problems(name, known, collections, members)):
        raise InvalidCircle(problems)
    only_read = [c for c in collections if not _may_be_written(c)]
    with transaction.atomic():
        workspace = collections[0].account.workspace
        circle = known or Circle.objects.create(workspace=workspace, name=name)
        ids = [collection.pk for collection in collections]
        Collection.objects.filter(pk__in=ids).update(circle=circle, selected=True)
        reading = Collection.objects.filter(pk__in=[c.pk for c in only_read])
        reading.update(direction=Direction.PULL)
        _look_anew(circle, clock)
    return Joined(circle, list(circle.collections.select_related("account").in_order()), only_read)


def _may_be_written(collection: Collection) -> bool:
    """Say whether a calendar's role allows it; some services have no roles."""
    return collection.access_role in ("", *WRITING_ROLES)


def _known(name: str, collections: Sequence[Collection]) -> Circle | None:
    workspaces = [collection.account.workspace_id for collection in collections]
    return Circle.objects.filter(workspace__in=workspaces, name=name).first()


def _look_anew(circle: Circle, clock: Clock) -> None:
    """Have everything looked at: what one member holds, the others may lack or hold as well."""
    members = Collection.objects.filter(circle=circle)
    members.list_anew(now=clock())
    for member in members:
        wake(member)
    Collection.poke(members.values_list("pk", flat=True), now=clock())
    BusyRule.objects.filter(source__circle=circle).update(applied="")


def _problems(
    name: str,
    circle: Circle | None,
    joining: Sequence[Collection],
    members: Sequence[Collection],
) -> Iterator[str]:
    """Say why these calendars cannot hold the same events."""
    if not name:
        yield "the circle needs a name"
    if len({collection.pk for collection in members}) < 2:
        yield "it takes two calendars to hold the same events"
    if len({collection.account.workspace_id for collection in members}) > 1:
        yield "the calendars belong to different workspaces"
    if {collection.kind for collection in members} != {Kind.EVENT}:
        yield "all of them have to be calendars"
    for collection in joining:
        yield from _problems_of(collection, circle)
    yield from _twins(members)
    yield from _directions(members)
    yield from _rules_between(members)


def _problems_of(collection: Collection, circle: Circle | None) -> Iterator[str]:
    if collection.circle_id and circle and collection.circle_id == circle.pk:
        yield f"{collection} is in this circle already"
    elif collection.circle:
        yield (
            f"{collection} is in the circle {collection.circle.name!r}; a calendar is in one "
            "circle at most, so let it leave that first"
        )
    if collection.gone_at:
        yield f"{collection} is gone from its account"


def _twins(members: Sequence[Collection]) -> Iterator[str]:
    seen: dict[tuple[str, str, str], Collection] = {}
    for member in members:
        account = member.account
        same = seen.setdefault((account.service, _server(account), member.remote_id), member)
        if same.pk != member.pk:
            yield f"{same} and {member} are one and the same calendar"
        elif same is not member:
            yield f"{member} is named twice"


def _server(account: Account) -> str:
    """Name the server within which a remote id means one calendar; Google is one server.

    A person at a CalDAV server is known by name and address; what has no address is its own server.
    """
    if account.service == Service.GOOGLE:
        return ""
    return urlsplit(account.identity.rpartition(" ")[2]).netloc or account.identity


def _directions(members: Sequence[Collection]) -> Iterator[str]:
    """Say if nothing could travel; a calendar that may not be written to only contributes."""
    receiving = [m for m in members if m.direction != Direction.PULL]
    if not any(_may_be_written(member) for member in receiving):
        yield "none of them may be written to, so nothing could come to any of them"
    if all(m.direction == Direction.PUSH for m in members):
        yield "all of them only receive (direction push), so nothing would come from any of them"


def _rules_between(members: Sequence[Collection]) -> Iterator[str]:
    ids = [member.pk for member in members]
    rules = BusyRule.objects.filter(source__in=ids, target__in=ids, removed_at=None)
    for rule in rules.select_related("source__account", "target__account"):
        yield f"{rule}, although it will hold the same events; remove that busy rule first"


def leave_circle(*, collection: Collection, clock: Clock) -> Left:
    """Let a calendar go its own way; its copies stay, as events of their own on each side.

    A call that died is simply made again. Raises `InvalidCircle` if it is in no circle, or while a
    run is busy with a calendar concerned.
    """
    collection.refresh_from_db()
    mates = list(Collection.objects.alike(collection).select_related("account"))
    parted = 0
    with _leases(mates or [collection], clock) as prove:
        operation = SyncOperation.objects.create(
            collection=collection,
            trigger="circle",
            started_at=clock(),
            fence=next(m.lease_fence for m in mates if m.pk == collection.pk),
        )
        with transaction.atomic():
            prove()
            in_circle = collection.circle_id is not None
            BusyRule.objects.filter(source__in=mates).update(applied="")
            Collection.objects.filter(pk=collection.pk).update(circle=None)
        while True:
            with transaction.atomic():
                prove()
                number = part_next(collection, operation, clock())
            parted += number
            if not number:
                break
        operation.state, operation.ended_at = SyncOperation.State.DONE, clock()
        operation.counts = {"local.create": operation.items.count()} if parted else {}
        operation.save()
    if not in_circle and not parted:
        raise InvalidCircle([f"{collection} is in no circle"])
    collection.refresh_from_db()
    return Left(collection, parted)


@contextmanager
def _leases(collections: Sequence[Collection], clock: Clock) -> Iterator[Any]:
    """Keep every run away from these calendars; yields what proves that we still do."""
    holder = f"{socket.gethostname()}:{os.getpid()}"
    taken: list[Collection] = []
    try:
        for collection in collections:
            if not collection.take_lease(holder=holder, now=clock(), seconds=LEASE_SECONDS):
                raise InvalidCircle([f"a run is busy with {collection}; try again later"])
            taken.append(collection)

        def prove() -> None:
            for collection in taken:
                collection.prove_lease(now=clock(), seconds=LEASE_SECONDS)

        yield prove
    finally:
        for collection in taken:
            collection.return_lease()


def remove_circle(*, circle: Circle, clock: Clock) -> list[Left]:
    """Let all calendars of a circle go separate ways, and forget the circle.

    A call that died is simply made again. Raises `InvalidCircle` while a run is busy there, or
    if a calendar joined meanwhile.
    """
    members = circle.collections.select_related("account__workspace", "circle").in_order()
    left = [leave_circle(collection=member, clock=clock) for member in members]
    while half := _half_left(circle).first():
        left.append(leave_circle(collection=half, clock=clock))
    try:
        circle.delete()
    except RestrictedError:
        raise InvalidCircle([f"a calendar joined {circle} meanwhile; remove it again"]) from None
    return left


def _half_left(circle: Circle) -> CollectionQuerySet:
    """Return the calendars that are in no circle any more and still share events: a call died."""
    shared = Mapping.objects.filter(
        collection=OuterRef("pk"), away=True, item__isnull=False, item__event__busy_rule=None
    )
    apart = Collection.objects.filter(account__workspace=circle.workspace_id, circle=None)
    return apart.filter(Exists(shared)).select_related("account__workspace").in_order()


def find_circle(name: str) -> Circle:
    """Return the circle with this name or id. Raises `UnknownCircle`."""
    circles = list(Circle.objects.select_related("workspace").order_by("name", "pk"))
    found = [circle for circle in circles if name in (circle.name, str(circle.pk))]
    if len(found) != 1:
        known = "; ".join(f"{circle.pk} ({circle.name})" for circle in circles) or "none yet"
        problem = "several circles are called" if found else "there is no circle"
        raise UnknownCircle(f"{problem} {name!r}; there are: {known}")
    return found[0]


def describe_circles() -> list[dict[str, Any]]:
    """Return every circle with its calendars, as plain values."""
    circles = Circle.objects.select_related("workspace").order_by("workspace__name", "name", "pk")
    return [describe_circle(circle) for circle in circles]


def describe_circle(circle: Circle) -> dict[str, Any]:
    """Return one circle with its calendars, as plain values."""
    members = circle.collections.select_related("account").in_order()
    return {
        "id": str(circle.pk),
        "name": circle.name,
        "workspace": circle.workspace.name,
        "calendars": [_describe(member) for member in members],
    }


def _describe(member: Collection) -> dict[str, Any]:
    account = member.account
    return {
        "id": str(member.pk),
        "name": member.name,
        "account": str(account),
        "direction": member.direction,
        "waits": _what_it_waits_for(member),
    }


def _what_it_waits_for(member: Collection) -> str:
    """Say why a member gets and gives nothing for now; "" if it takes part."""
    if member.account.state != member.account.State.ACTIVE:
        return member.account.state_reason
    if member.gone_at:
        return "gone from its service"
    return "" if member.selected else "takes no part; select it"
