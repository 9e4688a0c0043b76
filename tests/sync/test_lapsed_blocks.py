"""Blocks of a rule whose last day is over: they go by themselves, and nobody has to be asked."""

from datetime import UTC, date, datetime

import pytest

from calendars.models import BusyRule, Calendar, Item
from calendars.services import refresh_busy_blocks
from integrations.models import Collection
from tests.sync.blocks import draw, world_with_blocks
from tests.sync.world import World, delete_locally

pytestmark = pytest.mark.django_db

LAST_DAY = date(2026, 5, 10)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A rule with some twenty blocks and a last day, in a calendar in Berlin."""
    world = world_with_blocks(monkeypatch)
    target = Collection.objects.get(remote_id="target")
    Calendar.objects.create(collection=target, time_zone="Europe/Berlin")
    for number in range(20):
        world.calendars["source"].add(f"e{number}", title=f"Secret {number}")
    BusyRule.objects.update(active_until=LAST_DAY)
    draw(world)
    assert len(world.calendars["target"].titles()) == 25
    return world


def sync_target(world: World) -> list[str]:
    """Bring the blocks in line, sync them, and return what the guard holds them for."""
    refresh_busy_blocks(now=world.clock())
    return world.sync(Collection.objects.get(remote_id="target")).operation.holds


def test_the_blocks_of_a_rule_whose_last_day_is_over_go_by_themselves(world: World) -> None:
    world.clock.now = datetime(2026, 5, 11, 12, tzinfo=UTC)

    assert sync_target(world) == []
    assert world.calendars["target"].titles() == ["A meeting"]


def test_a_last_day_ends_at_midnight_in_the_zone_of_the_target(world: World) -> None:
    world.clock.now = datetime(2026, 5, 10, 21, 50, tzinfo=UTC)
    sync_target(world)
    assert len(world.calendars["target"].titles()) == 25
    world.clock.now = datetime(2026, 5, 10, 22, 5, tzinfo=UTC)

    assert sync_target(world) == []
    assert world.calendars["target"].titles() == ["A meeting"]


def test_they_do_not_use_up_what_the_guard_lets_pass(world: World) -> None:
    world.clock.now = datetime(2026, 5, 10, 22, 5, tzinfo=UTC)
    sync_target(world)
    world.calendars["target"].add("other", title="Another meeting")
    sync_target(world)
    delete_locally("Another meeting", world.clock())

    assert sync_target(world) == []
    assert world.calendars["target"].titles() == ["A meeting"]


def test_until_then_many_blocks_that_go_at_once_are_held(world: World) -> None:
    secrets = Item.objects.filter(event__title__startswith="Secret ").order_by("pk")
    gone = list(secrets.values_list("pk", flat=True)[:15])
    Item.objects.filter(pk__in=gone).update(deleted_at=world.clock())
    BusyRule.objects.update(applied="")

    assert sync_target(world)
    assert len(world.calendars["target"].titles()) == 25
