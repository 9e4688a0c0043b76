"""Which collections want a run, and that asking costs no second run."""

from datetime import timedelta

import pytest

from integrations.models import Account, Collection
from sync.services import due_collections
from tests.sync.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def due(world: World) -> list[object]:
    return due_collections(now=world.clock())


def test_a_collection_nobody_looked_at_is_due_at_once(world: World) -> None:
    main = world.collection()
    assert due(world) == [main.pk]


def test_it_is_due_again_after_its_accounts_interval(world: World) -> None:
    main = world.collection()
    Account.objects.update(sync_interval_minutes=10)
    world.sync(main)
    started = Collection.objects.get().tried_at
    assert started is not None

    world.clock.now = started + timedelta(minutes=9)
    assert due(world) == []
    world.clock.now = started + timedelta(minutes=10)
    assert due(world) == [main.pk]


def test_a_poke_makes_it_due_and_a_run_answers_it(world: World) -> None:
    main = world.collection()
    world.sync(main)
    Collection.poke([main.pk], now=world.clock())
    assert due(world) == [main.pk]

    world.clock.advance(seconds=1)
    world.sync(main)
    assert due(world) == []


@pytest.mark.parametrize("state", ["paused", "needs_reconnect"])
def test_a_stopped_account_is_never_due(world: World, state: str) -> None:
    world.collection()
    Account.objects.update(state=state)
    assert due(world) == []


def test_a_collection_under_a_live_lease_waits_for_it(world: World) -> None:
    main = world.collection()
    main.take_lease(holder="somebody", now=world.clock(), seconds=60)
    Collection.poke([main.pk], now=world.clock() + timedelta(seconds=1))
    assert due(world) == []
    world.clock.advance(seconds=61)
    assert due(world) == [main.pk]


def test_who_waited_longest_comes_first(world: World) -> None:
    first, second = world.collection("a"), world.collection("b")
    world.sync(second)
    world.sync(first)
    world.clock.advance(hours=1)
    assert due(world) == [second.pk, first.pk]
