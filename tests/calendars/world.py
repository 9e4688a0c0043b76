"""A small world for busy blocks: two calendars of one team, and events written straight into it."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from calendars.event_fields import COLUMNS, columns_of, fields_of
from calendars.models import BusyRule, Event, Item, touch
from calendars.services import Refreshed, add_busy_rule, refresh_busy_blocks
from integrations.models import Account, Collection, Workspace
from sync.core.events import EMPTY
from sync.core.records import Kind

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def at(day: str, hour: int = 10) -> dict[str, str]:
    return {"at": f"2026-{day}T{hour:02}:00:00Z", "zone": "Europe/Berlin"}


@dataclass(slots=True)
class World:
    """Two calendars, "work" and "home", in one workspace; `now` moves only when told to."""

    now: datetime = NOON
    work: Collection = field(init=False)
    home: Collection = field(init=False)

    def __post_init__(self) -> None:
        workspace = Workspace.objects.create(name="Team")
        self.work = self.calendar("work", workspace)
        self.home = self.calendar("home", workspace)

    def calendar(self, name: str, workspace: Workspace, **settings: object) -> Collection:
        account = Account.objects.create(
            workspace=workspace,
            service="google",
            identity=f"{workspace.name} {name}",
            email=f"{name}@example.com",
        )
        return Collection.objects.create(
            account=account,
            remote_id=f"{name}@example.com",
            name=name,
            access_role="owner",
            **settings,
        )

    def rule(self, source: Collection | None = None, target: Collection | None = None, **knobs):
        return add_busy_rule(source=source or self.work, target=target or self.home, **knobs)

    def event(self, calendar: Collection | None = None, **fields: object) -> Event:
        """Write an event as the engine would, Tuesday from ten to eleven unless told otherwise."""
        series, slot = fields.pop("series", None), fields.pop("slot", "")
        content = {**EMPTY, "start": at("05-05"), "end": at("05-05", 11), **fields}
        item = Item.objects.create(
            workspace=self.work.account.workspace,
            kind=Kind.EVENT,
            home=calendar or self.work,
            created_at=self.now,
            updated_at=self.now,
        )
        return Event.objects.create(
            item=item, series_id=series and series.pk, slot=slot, **columns_of(content)
        )

    def change(self, event: Event, **fields: object) -> None:
        row = Event.objects.values(*COLUMNS).get(pk=event.pk)
        content = {**fields_of(row), **fields}
        Event.objects.filter(pk=event.pk).update(**columns_of(content))
        touch([event.pk])

    def delete(self, event: Event) -> None:
        Item.objects.filter(pk=event.pk).update(deleted_at=self.now)

    def refresh(self, *events: Event, source: Collection | None = None) -> Refreshed:
        """Refresh what became due, or the blocks of events that were just changed."""
        if not events:
            return refresh_busy_blocks(now=self.now)
        ids = [event.pk for event in events]
        return refresh_busy_blocks(now=self.now, source=source or self.work, item_ids=ids)

    def settle(self) -> None:
        """Pretend that everything was sent."""
        Item.objects.update(pending=False)


def block_of(event: Event, rule: BusyRule) -> Event | None:
    """Return the living block of an event."""
    found = Event.objects.filter(busy_rule=rule, source=event.pk, item__deleted_at=None)
    return found.select_related("item").first()


def content(block: Event) -> dict[str, object]:
    return fields_of(Event.objects.values(*COLUMNS).get(pk=block.pk))


def counts(refreshed: Refreshed) -> tuple[int, int, int]:
    """Return how many blocks were created, updated and removed."""
    return refreshed.created, refreshed.updated, refreshed.removed


def expected_id(rule: BusyRule, event: Event) -> uuid.UUID:
    return uuid.uuid5(rule.pk, str(event.pk))
