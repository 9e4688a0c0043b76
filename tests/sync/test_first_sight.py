"""Copies taken in at first sight end up as if they had gone the long way."""

from collections.abc import Sequence
from typing import Any

import pytest

from calendars.event_fields import COLUMNS
from calendars.models import Event, Item
from sync import engine, first_sight
from sync.core.provider import Copy
from sync.models import Mapping, SyncItem
from sync.run import Run
from tests.sync.remote import at
from tests.sync.world import World, finish, local_titles

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def go_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every new copy be staged, planned and taken in, as a known one would be."""

    def nothing(run: Run, copies: Sequence[Copy]) -> list[Copy]:
        return list(copies)

    monkeypatch.setattr(first_sight, "take_in", nothing)


def fill(world: World, name: str) -> None:
    """Put one of everything into a calendar: a series with exceptions, all day, odd text."""
    remote = world.calendars[name]
    remote.add("single", title='Quote " and \\ and \t tab\nand line', location="R\u00e4um 1")
    remote.add("day", title="All day", start={"date": "2026-05-05"}, end={"date": "2026-05-06"})
    remote.add("series", title="Weekly", recurrence=["RRULE:FREQ=WEEKLY"])
    remote.add(
        "moved",
        title="Weekly, later",
        parent="series",
        slot="2026-05-12T09:00:00Z",
        start=at(11, 12),
        end=at(12, 12),
    )


def all_rows() -> dict[str, list[Any]]:
    """Everything that a first run writes, without the ids and times that are its own."""
    mapping = [f.attname for f in Mapping._meta.fields if f.name not in ("id", "collection")]
    journal = ("remote_id", "side", "action", "reason", "state", "fields", "after", "evidence")
    return {
        "items": list(Item.objects.order_by("id").values("id", "kind", "revision", "pending")),
        "events": list(Event.objects.order_by("item").values(*COLUMNS, "series", "slot", "uid")),
        "mappings": list(Mapping.objects.order_by("remote_id").values(*mapping)),
        "journal": list(SyncItem.objects.order_by("remote_id").values(*journal, "item")),
    }


def test_both_ways_write_the_same_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    main = world.collection()
    fill(world, "main")
    started = world.clock.now
    world.sync(main)
    short = all_rows()

    SyncItem.objects.all().delete()
    Mapping.objects.all().delete()
    Event.objects.filter(series__isnull=False).delete()
    Event.objects.all().delete()
    Item.objects.all().delete()
    type(main).objects.filter(pk=main.pk).update(cursor="")
    world.clock.now = started
    go_the_long_way(monkeypatch)
    world.sync(main)

    assert short == all_rows()
    assert len(short["events"]) == 4


def test_an_event_that_moved_here_keeps_its_item(world: World) -> None:
    old, new = world.collection("old"), world.collection("new")
    world.calendars["old"].add("a", title="Talk")
    world.sync(old)
    item = Item.objects.get()
    world.calendars["old"].delete("a")
    world.calendars["new"].add("a", title="Talk")

    world.sync(old)
    world.sync(new)

    item.refresh_from_db()
    assert local_titles() == ["Talk"]
    assert item.deleted_at is None
    assert item.home == new


def test_a_push_only_calendar_takes_nothing_in(world: World) -> None:
    main = world.collection(direction="push")
    world.calendars["main"].add("a", title="Somebody else's")

    run = world.sync(main)

    assert local_titles() == []
    assert run.operation.counts == {}


def test_what_depends_on_new_items_is_drawn_in_the_same_transaction(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Talk")
    run = world.run(main)
    told: list[Any] = []
    run.on_local_change = told.extend

    finish(engine.pull(run))

    assert told == [Item.objects.get().pk]
