"""Answers that never came, and copies that moved: what a later run makes of them."""

from dataclasses import replace

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


def test_a_creation_that_arrives_late_and_that_no_listing_shows_still_follows_its_item(
    world: Calendar,
) -> None:
    """A complete listing may lack what is there, and its cursor lies past that for good."""
    add_locally(world.main, world.clock(), title="New")
    world.sync_losing("write", "before")
    intent = SyncItem.objects.get(state=SyncItem.State.INTENDED)
    run = world.run(world.main)
    finish(engine.pull(run))
    delete_locally("New", world.clock())
    world.close(run)
    late = Write(
        WriteKind.CREATE, intent.remote_id, attempt=intent.pk.hex, fields=intent.after or {}
    )
    list(world.provider(world.main).write([late]))
    provider = world.provider(world.main)
    provider.hidden = frozenset([intent.remote_id])
    world.sync(world.main, provider, complete=True)

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
    provider = world.provider(world.main)
    provider.hidden = frozenset(f"b{number}" for number in range(10))
    run = world.run(world.main, provider, complete=True)

    with pytest.raises(SuspiciousListing):
        finish(engine.pull(run))

    assert Collection.objects.get().cursor == ""
    assert len(local_titles()) == 21


def test_a_dead_cursor_is_given_up_even_if_the_listing_after_it_fails(world: Calendar) -> None:
    """A calendar deleted and made anew under its name may take an old cursor for one of its own."""
    world.remote.dead_before = world.remote.tick + 1
    provider = world.provider(world.main)

    def gone(call: str, moment: str) -> None:
        if call == "page":
            raise Refusal(Remedy.FREEZE, call=call, status=404)

    provider.fault = gone
    world.drive(world.run(world.main, provider))

    assert Collection.objects.get().cursor == ""


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


def test_a_tombstone_that_does_not_say_when_kills_no_copy_that_lives_again(world: Calendar) -> None:
    """Where names are given again, a listing that lags shows the death of an earlier copy."""
    earlier = replace(world.remote.events["a"], fields=None)
    provider = world.provider(world.main)
    provider.ordered, provider.also = False, [earlier]

    world.sync(world.main, provider)

    assert local_titles() == ["Talk"]


def test_a_listing_that_lags_and_breaks_off_brings_back_nothing(world: Calendar) -> None:
    """Its first page shows what is dead; the old cursor lies past the death, and says nothing."""
    world.remote.add("b", title="Gone")
    world.remote.delete("b")
    for number in range(3):
        world.remote.add(f"c{number}", title=f"Meeting {number}")
    world.sync(world.main)
    provider = world.provider(world.main)
    provider.lag = 4

    def fault(call: str, moment: str) -> None:
        if call == "read":
            raise Refusal(Remedy.RETRY, call=call, certain=False)

    provider.fault = fault
    world.drive(world.run(world.main, provider, complete=True))

    world.sync(world.main)

    assert "Gone" not in local_titles()


def test_a_ruling_whose_write_was_not_answered_is_settled_once_it_is_found(world: Calendar) -> None:
    Collection.objects.update(strategy="manual_review", fallback="manual_review")
    world.remote.edit("a", title="Theirs")
    edit_locally("Talk", world.clock(), title="Ours")
    world.sync(world.main)
    conflict = Conflict.objects.get()
    conflict.outcome, conflict.ruled_at = Conflict.Outcome.RULED, world.clock()
    conflict.ruling = {"exists": True, "fields": conflict.local}
    conflict.save()
    world.sync_losing("write", "after")

    world.sync(world.main)

    assert world.remote.titles() == ["Ours"]
    conflict.refresh_from_db()
    assert conflict.outcome == Conflict.Outcome.SETTLED
    assert not SyncItem.objects.filter(state=SyncItem.State.HELD).exists()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_late_listing_does_not_bring_back_the_copy_that_another_replaced(
    world: Calendar, ordered: bool
) -> None:
    world.remote.delete("a")
    edit_locally("Talk", world.clock(), title="Lecture")
    world.sync(world.main)
    assert world.remote.titles() == ["Lecture"]
    provider = world.provider(world.main)
    provider.ordered, provider.also = ordered, [world.remote.history[0]]

    world.sync(world.main, provider)

    assert local_titles() == ["Lecture"]
