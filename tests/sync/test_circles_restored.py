"""The database comes back from a backup: nothing is doubled, lost, or deleted for no reason."""

import pytest
from django.db import connection

from calendars.models import Item
from conflicts.models import Conflict
from integrations.models import Collection
from sync.models import Mapping, SyncItem
from sync.restoring import RESTORED
from tests.sync.backup import back_up, restore
from tests.sync.circle import Ring
from tests.sync.remote import at
from tests.sync.world import add_locally, delete_locally, edit_locally

pytestmark = pytest.mark.django_db


@pytest.fixture
def ring() -> Ring:
    """Three calendars in step, with a few events from each."""
    ring = Ring()
    ring.join("a", "b", "c")
    for name in "abc":
        for number in range(4):
            ring.calendars[name].add(f"{name}{number}", title=f"{name}{number}")
    ring.settle()
    return ring


def go_back(ring: Ring, backup: str) -> None:
    """A day passes before somebody restores the backup."""
    with connection.constraint_checks_disabled():
        restore(backup)
    ring.clock.advance(days=1)


def released(ring: Ring) -> None:
    """Sync as often as it takes, as cron would; held deletions wait for a complete listing."""
    for _ in range(5):
        ring.sync_all()
    ring.settle()


def test_what_came_after_the_backup_is_known_again_and_not_doubled(ring: Ring) -> None:
    backup = back_up()
    ring.calendars["b"].add("late", title="Late", start=at(15), end=at(16))
    ring.settle()
    go_back(ring, backup)

    released(ring)

    assert ring.same_everywhere().count("Late") == 1
    assert len(ring.same_everywhere()) == 13
    assert not Mapping.objects.filter(unclaimed=True).exists()


@pytest.mark.parametrize("first", ["a", "b", "c"])
def test_it_does_not_matter_which_calendar_is_looked_at_first(ring: Ring, first: str) -> None:
    backup = back_up()
    ring.calendars["b"].add("late", title="Late", start=at(15), end=at(16))
    ring.settle()
    ring.calendars["a"].edit(ring.copy_in("a", "Late"), title="Later still")
    go_back(ring, backup)

    ring.sync_all(first)
    ring.sync_all(first)
    released(ring)

    for calendar in ring.calendars.values():
        assert len(calendar.alive()) == 13


def test_a_copy_claims_its_item_by_its_name(ring: Ring) -> None:
    backup = back_up()
    ring.calendars["b"].add("late", title="Late")
    ring.settle()
    copy = ring.copy_in("a", "Late")
    go_back(ring, backup)

    ring.sync_all()

    line = SyncItem.objects.get(action="link", remote_id=copy)
    assert line.evidence == "it bears its name"


def test_an_event_made_here_after_the_backup_lives_on_in_its_copies(ring: Ring) -> None:
    """Its item is lost for good: nobody claims its copies, so they are taken in."""
    backup = back_up()
    times = {"starts_at": ring.clock.now, "ends_at": ring.clock.now, "start_zone": "UTC"}
    add_locally(ring.members[0], ring.clock(), title="Made here", **times)
    ring.settle()
    assert "Made here" in ring.same_everywhere()
    go_back(ring, backup)

    released(ring)

    assert ring.same_everywhere().count("Made here") == 1
    assert Item.objects.alive().count() == 13


def test_edits_and_deletions_since_the_backup_stand(ring: Ring) -> None:
    backup = back_up()
    ring.calendars["a"].edit("a0", title="Edited")
    ring.calendars["b"].delete("b0")
    edit_locally("c0", ring.clock(), title="Edited here")
    ring.settle()
    expected = ring.same_everywhere()
    go_back(ring, backup)

    released(ring)

    assert ring.same_everywhere() == expected
    assert not Conflict.objects.filter(outcome="open").exists()


def test_deletions_are_held_until_everything_was_seen_once_more(ring: Ring) -> None:
    delete_locally("a1", ring.clock())
    backup = back_up()
    Item.objects.filter(event__title="a1").update(deleted_at=None)
    edit_locally("a2", ring.clock(), title="Sent after the backup")
    ring.settle()
    go_back(ring, backup)

    runs = ring.sync_all()

    assert runs["b"].operation.holds == [RESTORED]
    assert "a1" in ring.titles()["b"]
    released(ring)
    assert "a1" not in ring.same_everywhere()
    assert "Sent after the backup" in ring.same_everywhere()
    assert not Collection.objects.exclude(deletions_held_because="").exists()


def test_a_database_that_was_not_restored_is_trusted(ring: Ring) -> None:
    ring.calendars["b"].edit(ring.copy_in("b", "a0"), title="Edited")
    ring.calendars["a"].edit("a1", title="Edited too")

    ring.settle()

    assert not Collection.objects.exclude(deletions_held_because="").exists()


def test_a_write_that_the_journal_has_forgotten_in_time_is_no_cause_for_distrust(
    ring: Ring,
) -> None:
    SyncItem.objects.all().delete()
    ring.clock.advance(days=500)

    ring.calendars["b"].edit(ring.copy_in("b", "a0"), title="Edited")
    ring.settle()

    assert not Collection.objects.exclude(deletions_held_because="").exists()
