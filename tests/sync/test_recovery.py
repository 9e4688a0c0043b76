"""Answers that never came, and copies that moved: what a later run makes of them."""

import pytest
from django.db.models import F

from conflicts.models import Conflict
from integrations.models import Collection, LeaseLost
from sync import engine
from sync.core.provider import Refusal, Remedy, Write, WriteKind
from sync.models import Mapping, SyncItem
from sync.observing import SuspiciousListing
from tests.sync.world import World, add_locally, delete_locally, edit_locally, finish, local_titles

pytestmark = pytest.mark.django_db


class Calendar(World):
    """One two-way calendar with one event, known to both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.collection()
        self.remote = self.calendars["main"]
        self.remote.add("a", title="Talk")
        self.sync(self.main)

    def sync_losing(self, call: str, when: str) -> None:
        """A run in which such a call stays without an answer, and every call after it."""
        provider = self.provider(self.main)
        lost: list[str] = []

        def fault(name: str, moment: str) -> None:
            if (name, moment) == (call, when) or lost:
                lost.append(name)
                raise Refusal(Remedy.RETRY, call=name, certain=False)

        provider.fault = fault
        self.drive(self.run(self.main, provider))


@pytest.fixture
def world() -> Calendar:
    return Calendar()


def test_a_creation_whose_answer_was_lost_is_found_again(world: Calendar) -> None:
    add_locally(world.main, world.clock(), title="New")
    world.sync_losing("write", "after")

    world.sync(world.main)

    assert world.remote.titles() == ["New", "Talk"]
    assert len(world.remote.writes) == 1
    assert not SyncItem.objects.filter(state=SyncItem.State.INTENDED).exists()


@pytest.mark.parametrize("telling", [True, False], ids=["marked", "bare"])
def test_what_arrived_unanswered_and_was_deleted_is_not_made_again(
    world: Calendar, telling: bool
) -> None:
    add_locally(world.main, world.clock(), title="New")
    world.sync_losing("write", "after")
    world.remote.delete(world.remote.writes[0][1])
    provider = world.provider(world.main)
    provider.telling = telling

    world.sync(world.main, provider)

    assert world.remote.titles() == ["Talk"]
    assert local_titles() == ["Talk"]


def test_an_update_that_arrived_unanswered_and_was_deleted_does_not_rise_again(
    world: Calendar,
) -> None:
    edit_locally("Talk", world.clock(), title="Lecture")
    world.sync_losing("write", "after")
    world.remote.delete("a")

    world.sync(world.main)

    assert world.remote.titles() == []
    assert local_titles() == []


def test_a_deletion_of_a_doubtful_copy_is_put_before_a_person(world: Calendar) -> None:
    """The tombstone does not tell whether the person who deleted it had seen our version."""
    edit_locally("Talk", world.clock(), title="Lecture")
    world.sync_losing("write", "after")
    world.remote.delete("a")
    provider = world.provider(world.main)
    provider.telling = False

    world.sync(world.main, provider)

    assert world.remote.titles() == []
    assert Conflict.objects.get(outcome="open").fields == ["*"]


def test_a_deletion_whose_answer_was_lost_is_found_done(world: Calendar) -> None:
    delete_locally("Talk", world.clock())
    world.sync_losing("write", "after")

    world.sync(world.main)

    assert len(world.remote.writes) == 1
    assert SyncItem.objects.get(side="remote").state == SyncItem.State.DONE


def test_a_creation_that_arrives_after_it_was_given_up_still_follows_its_item(
    world: Calendar,
) -> None:
    """A worker that slept writes late; meanwhile the item was deleted, and all seemed in step."""
    add_locally(world.main, world.clock(), title="New")
    world.sync_losing("write", "before")
    intent = SyncItem.objects.get(state=SyncItem.State.INTENDED)
    run = world.run(world.main)
    finish(engine.pull(run))
    delete_locally("New", world.clock())
    finish(engine.push(run))
    world.close(run)
    late = Write(
        WriteKind.CREATE, intent.remote_id, attempt=intent.pk.hex, fields=intent.after or {}
    )
    list(world.provider(world.main).write([late]))

    world.sync(world.main)

    assert world.remote.titles() == ["Talk"]


def test_a_mark_proves_a_write_that_was_taken_for_refused(world: Calendar) -> None:
    edit_locally("Talk", world.clock(), title="Lecture")
    world.sync_losing("write", "after")
    SyncItem.objects.filter(state=SyncItem.State.INTENDED).update(state=SyncItem.State.FAILED)
    Mapping.objects.update(unanswered=False)
    world.remote.edit("a", title="Their lecture")

    world.sync(world.main)

    assert local_titles() == ["Their lecture"]
    assert not Conflict.objects.exists()


def test_a_loss_is_kept_once_however_often_its_write_fails(world: Calendar) -> None:
    Collection.objects.update(strategy="preserve_local")
    world.remote.edit("a", title="Their word")
    edit_locally("Talk", world.clock(), title="Our word")
    world.sync_losing("write", "before")

    world.sync(world.main)

    assert world.remote.titles() == ["Our word"]
    assert Conflict.objects.filter(outcome="automatic").count() == 1


def test_a_complete_listing_that_lacks_too_much_is_not_believed(world: Calendar) -> None:
    for number in range(20):
        world.remote.add(f"b{number}", title=f"b{number}")
    world.sync(world.main)
    cursor = Collection.objects.get().cursor
    provider = world.provider(world.main)
    provider.hidden = frozenset(f"b{number}" for number in range(10))
    run = world.run(world.main, provider, complete=True)

    with pytest.raises(SuspiciousListing):
        finish(engine.pull(run))

    assert Collection.objects.get().cursor == cursor
    assert len(local_titles()) == 21


def test_a_run_that_lost_its_lease_stops_and_leaves_its_intent_open(world: Calendar) -> None:
    edit_locally("Talk", world.clock(), title="Lecture")
    provider = world.provider(world.main)
    run = world.run(world.main, provider)

    def fault(call: str, moment: str) -> None:
        if (call, moment) == ("write", "after"):
            Collection.objects.update(lease_fence=F("lease_fence") + 1)

    provider.fault = fault
    finish(engine.pull(run))

    with pytest.raises(LeaseLost):
        finish(engine.push(run))

    assert SyncItem.objects.get(side="remote").state == SyncItem.State.INTENDED


def test_a_page_that_shows_a_copy_twice_does_not_take_the_older_version(world: Calendar) -> None:
    world.remote.add("b", title="Old")
    world.remote.edit("b", title="New")
    provider = world.provider(world.main)
    older, _ = world.remote.history[-2:]
    provider.also = [older]

    world.sync(world.main, provider)

    assert local_titles() == ["New", "Talk"]


def test_a_version_listed_after_its_tombstone_is_no_ghost(world: Calendar) -> None:
    world.remote.add("b", title="Short-lived")
    world.remote.delete("b")
    provider = world.provider(world.main)
    provider.page, provider.also = 1, [world.remote.history[-2]]

    world.sync(world.main, provider)

    assert local_titles() == ["Talk"]
