"""A calendar is shared with us in another role: deletions wait until all of it was seen anew."""

import pytest

from integrations.collection_list import Listed, Listing
from integrations.lists import keep_listing
from integrations.models import Collection
from sync import engine
from sync.core.provider import Refusal, Remedy
from tests.sync.world import World, delete_locally, finish, local_titles

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """A calendar with three events that are known to both sides, of which one was deleted here."""
    world = World()
    main = world.collection(access_role="owner")
    for name in ("one", "two", "three"):
        world.calendars["main"].add(name, title=name)
    world.sync(main)
    delete_locally("one", world.clock())
    return world


def share(world: World, role: str) -> Collection:
    """The service lists the calendar in this role."""
    listing = Listing([Listed("main", "main", role)], cursor="next", complete=True)
    keep_listing(world.account, listing, world.clock())
    return Collection.objects.get()


def test_a_changed_role_holds_deletions_until_a_complete_listing(world: World) -> None:
    main = share(world, "writer")

    run = world.run(main)
    finish(engine.push(run))
    world.close(run)

    assert run.operation.holds == ["the access role changed from owner to writer"]
    assert world.calendars["main"].titles() == ["one", "three", "two"]


def test_after_a_complete_listing_deletions_go_as_ever(world: World) -> None:
    main = share(world, "writer")

    run = world.sync(main)

    assert run.operation.complete_listing
    assert run.operation.holds == []
    assert world.calendars["main"].titles() == ["three", "two"]
    assert Collection.objects.get().deletions_held_because == ""
    assert not world.sync(main).operation.complete_listing


def test_a_listing_that_breaks_off_lifts_nothing(world: World) -> None:
    main = share(world, "writer")
    world.calendars["main"].add("four", title="four")
    provider, pages = world.provider(main), iter(range(10))

    def break_off(call: str, moment: str) -> None:
        if call == "page" and next(pages) == 1:
            raise Refusal(Remedy.RETRY, call="list", status=503)

    provider.fault = break_off
    run = world.run(main, provider)
    world.drive(run)

    assert Collection.objects.get().deletions_held_because
    assert "one" in world.calendars["main"].titles()
    world.sync(main)
    assert world.calendars["main"].titles() == ["four", "three", "two"]
    assert local_titles() == ["four", "three", "two"]
