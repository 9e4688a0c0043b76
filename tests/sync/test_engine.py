"""The engine on a real database, against a calendar service inside the process."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from calendars.models import Event
from conflicts.models import Conflict
from sync.models import Mapping, SyncItem
from tests.sync.world import World, delete_locally, edit_locally, local_titles

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return World()


def test_a_first_run_takes_everything_in_and_writes_nothing(world: World) -> None:
    main = world.collection()
    remote = world.calendars["main"]
    for number in range(8):
        remote.add(f"event{number}", title=f"Meeting {number}")

    run = world.sync(main)

    assert local_titles() == [f"Meeting {n}" for n in range(8)]
    assert remote.writes == []
    assert run.operation.counts["local.create"] == 8


def test_a_second_run_does_nothing_and_its_queries_do_not_grow(world: World) -> None:
    small, large = world.collection("small"), world.collection("large")
    world.calendars["small"].add("a", title="One")
    for number in range(60):
        world.calendars["large"].add(f"event{number}", title=f"Meeting {number}")
    world.sync(small)
    world.sync(large)

    with CaptureQueriesContext(connection) as few:
        world.sync(small)
    with CaptureQueriesContext(connection) as many:
        run = world.sync(large)

    assert len(many) == len(few)
    assert run.provider.calls == 1
    assert run.operation.counts == {}
    assert not SyncItem.objects.filter(operation=run.operation).exists()


def test_a_remote_edit_reaches_the_local_event(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Old")
    world.sync(main)
    world.calendars["main"].edit("a", title="New")

    world.sync(main)

    assert local_titles() == ["New"]
    assert world.calendars["main"].writes == []


def test_a_local_edit_reaches_the_remote_event_and_its_echo_is_no_change(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Old", location="Room 1")
    world.sync(main)
    edit_locally("Old", world.clock(), title="New")

    world.sync(main)
    after = world.sync(main)

    assert world.calendars["main"].titles() == ["New"]
    assert world.calendars["main"].writes == [("update", "a")]
    assert after.operation.counts == {}


def test_a_remote_deletion_deletes_locally(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Gone")
    world.calendars["main"].add("b", title="Stays")
    world.sync(main)
    world.calendars["main"].delete("a")

    world.sync(main)

    assert local_titles() == ["Stays"]
    line = SyncItem.objects.get(action="delete")
    assert line.evidence == "tombstone"


def test_a_local_deletion_deletes_remotely_with_evidence(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Gone")
    world.calendars["main"].add("b", title="Stays")
    world.sync(main)
    delete_locally("Gone", world.clock())

    world.sync(main)

    assert world.calendars["main"].titles() == ["Stays"]
    line = SyncItem.objects.get(action="delete", side="remote")
    assert line.state == SyncItem.State.DONE
    assert "deleted since" in line.evidence


def test_edits_of_different_fields_on_both_sides_meet(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Talk", location="Here")
    world.sync(main)
    world.calendars["main"].edit("a", location="There")
    edit_locally("Talk", world.clock(), title="Lecture")

    world.sync(main)
    after = world.sync(main)

    assert world.calendars["main"].alive()["a"]["title"] == "Lecture"
    assert world.calendars["main"].alive()["a"]["location"] == "There"
    assert local_titles() == ["Lecture"]
    assert after.operation.counts == {}


def test_a_clash_waits_for_a_person_once(world: World) -> None:
    main = world.collection()
    world.calendars["main"].add("a", title="Talk")
    world.sync(main)
    world.calendars["main"].edit("a", title="Remote word")
    edit_locally("Talk", world.clock(), title="Local word")

    world.sync(main)
    after = world.sync(main)

    conflict = Conflict.objects.get()
    assert conflict.outcome == "open"
    assert conflict.fields == ["title"]
    assert world.calendars["main"].titles() == ["Remote word"]
    assert local_titles() == ["Local word"]
    assert after.operation.counts == {}


def test_a_clash_that_the_strategy_settles_keeps_the_losing_version(world: World) -> None:
    main = world.collection(strategy="preserve_local")
    world.calendars["main"].add("a", title="Talk")
    world.sync(main)
    world.calendars["main"].edit("a", title="Remote word")
    edit_locally("Talk", world.clock(), title="Local word")

    world.sync(main)

    assert world.calendars["main"].titles() == ["Local word"]
    kept = Conflict.objects.get()
    assert kept.outcome == "automatic"
    assert kept.remote["title"] == "Remote word"
    assert kept.winners == {"title": "local"}


def test_a_dead_cursor_leads_to_a_complete_listing_that_finds_what_was_deleted(
    world: World,
) -> None:
    main = world.collection()
    remote = world.calendars["main"]
    for name in "abcdef":
        remote.add(name, title=name)
    world.sync(main)
    remote.delete("a")
    remote.dead_before = remote.tick

    run = world.sync(main)

    assert run.operation.complete_listing
    assert local_titles() == list("bcdef")
    assert SyncItem.objects.get(action="delete").evidence == "read: gone"


def test_a_complete_listing_that_hides_an_event_deletes_nothing(world: World) -> None:
    main = world.collection()
    remote = world.calendars["main"]
    for name in "abcdef":
        remote.add(name, title=name)
    world.sync(main)
    provider = world.provider(main)
    provider.hidden = frozenset("a")

    world.sync(main, provider, complete=True)

    assert local_titles() == list("abcdef")
    assert Mapping.objects.filter(remote_hash="").count() == 0


def test_many_exceptions_cost_no_more_queries_than_few(world: World) -> None:
    def queries(name: str, number: int) -> int:
        collection = world.collection(name)
        remote = world.calendars[name]
        remote.add("series", title="Daily", recurrence=["RRULE:FREQ=DAILY"])
        for day in range(1, number + 1):
            slot = f"2026-05-{day:02}T09:00:00Z"
            remote.add(f"e{day}", title="Later", parent="series", slot=slot)
        provider = world.provider(collection)
        provider.page = 100
        with CaptureQueriesContext(connection) as captured:
            world.sync(collection, provider)
        return len(captured)

    assert queries("many", 30) == queries("few", 3)


def test_a_copy_waits_while_the_guard_holds_its_local_half(world: World) -> None:
    """Its answer would say that both sides agree, and what is held would be lost here."""
    main = world.collection()
    remote = world.calendars["main"]
    for name in "abcdefgh":
        remote.add(name, title=name)
    world.sync(main)
    for name in "abcdefgh":
        remote.edit(name, location="There")
        edit_locally(name, world.clock(), title=f"{name}, edited")

    held = world.sync(main)
    world.sync(main, released=True)

    assert held.operation.holds
    assert set(Event.objects.values_list("location", flat=True)) == {"There"}
    assert remote.titles() == [f"{name}, edited" for name in "abcdefgh"]
