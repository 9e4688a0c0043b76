"""A small world for engine tests: a workspace, an account, calendars, and a clock that is ours."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from calendars.models import Event, Item
from conflicts.models import Conflict
from integrations.models import Account, Collection, Workspace
from sync import engine
from sync.core.provider import Refusal
from sync.models import Mapping, SyncItem, SyncOperation
from sync.run import LEASE_SECONDS, Run, Step
from tests.sync.remote import RemoteCalendar, RemoteProvider


@dataclass(slots=True)
class Clock:
    """A clock that moves only when told to."""

    now: datetime = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how: float) -> None:
        self.now += timedelta(**how)


@dataclass(slots=True)
class World:
    """One account with one remote calendar per collection."""

    clock: Clock = field(default_factory=Clock)
    account: Account = field(init=False)
    calendars: dict[str, RemoteCalendar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = Workspace.objects.count()
        workspace = Workspace.objects.create(name=f"Team {number}")
        self.account = Account.objects.create(
            workspace=workspace,
            service="google",
            identity=f"sub-{number}",
            email="work@example.com",
        )

    def collection(self, name: str = "main", **settings: object) -> Collection:
        """Connect a new, empty remote calendar."""
        collection = Collection.objects.create(
            account=self.account, remote_id=name, name=name, selected=True, **settings
        )
        self.calendars[name] = RemoteCalendar(self.clock, name)
        return collection

    def provider(self, collection: Collection) -> RemoteProvider:
        return RemoteProvider(self.calendars[collection.remote_id])

    def run(
        self, collection: Collection, provider: RemoteProvider | None = None, **how: bool
    ) -> Run:
        """Take the lease and open an operation, as the service functions do."""
        collection.refresh_from_db()
        taken = collection.take_lease(holder="test", now=self.clock(), seconds=LEASE_SECONDS)
        assert taken, "another run holds the lease"
        operation = SyncOperation.objects.create(
            collection=collection, trigger="test", started_at=self.clock()
        )
        return Run(
            collection=collection,
            provider=provider or self.provider(collection),
            operation=operation,
            clock=self.clock,
            on_local_change=lambda ids: None,
            **how,
        )

    def sync(
        self, collection: Collection, provider: RemoteProvider | None = None, **how: bool
    ) -> Run:
        """Run both halves over one collection, to the end."""
        run = self.run(collection, provider, **how)
        finish(engine.pull(run))
        finish(engine.push(run))
        self.close(run)
        return run

    def drive(self, run: Run) -> None:
        """Run both halves, and stop where the service refuses to go on."""
        with suppress(Refusal):
            finish(engine.pull(run))
            finish(engine.push(run))
        self.close(run)

    def close(self, run: Run) -> None:
        """End a run: its operation is saved, its lease returned."""
        run.operation.save()
        run.collection.return_lease()
        self.clock.advance(minutes=1)


def finish(steps: Iterator[Step]) -> None:
    """Drive a generator of the engine to its end."""
    for _ in steps:
        continue


def local_titles() -> list[str]:
    """The titles of the local events that are alive, sorted."""
    return sorted(Event.objects.filter(item__deleted_at=None).values_list("title", flat=True))


def edit_locally(which: str, now: datetime, **columns: object) -> Item:
    """A person changes a local event, given by its title."""
    event = Event.objects.get(title=which, item__deleted_at=None)
    Event.objects.filter(pk=event.pk).update(**columns)
    Item.objects.filter(pk=event.pk).update(updated_at=now)
    Item.objects.filter(pk=event.pk).touch()
    return event.item


def add_locally(home: Collection, now: datetime, **columns: object) -> Item:
    """A person makes a local event."""
    item = Item.objects.create(
        workspace_id=home.account.workspace_id,
        kind=home.kind,
        home=home,
        created_at=now,
        updated_at=now,
    )
    Event.objects.create(item=item, **columns)
    return item


def except_locally(series: str, slot: str, now: datetime, **columns: object) -> Item:
    """A person changes one occurrence of a local series, given by its title."""
    event = Event.objects.get(title=series, item__deleted_at=None)
    times = {"starts_at": event.starts_at, "ends_at": event.ends_at, "start_zone": event.start_zone}
    return add_locally(event.item.home, now, series=event.item, slot=slot, **times, **columns)


def delete_locally(which: str, now: datetime) -> Item:
    """A person deletes a local event, given by its title."""
    event = Event.objects.get(title=which, item__deleted_at=None)
    Item.objects.filter(pk=event.pk).update(updated_at=now, deleted_at=now)
    Item.objects.filter(pk=event.pk).touch()
    return event.item


__all__ = [
    "Callable",
    "Clock",
    "Conflict",
    "Mapping",
    "SyncItem",
    "World",
    "add_locally",
    "delete_locally",
    "edit_locally",
    "except_locally",
    "finish",
    "local_titles",
]
