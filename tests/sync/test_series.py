"""Series and their exceptions: neither goes, comes back or doubles without the other."""

from datetime import timedelta

import pytest

from calendars.models import Event
from conflicts.models import Conflict
from sync import engine
from sync.core.provider import Refusal, Remedy
from sync.models import SyncItem
from tests.sync.world import (
    World,
    add_locally,
    delete_locally,
    edit_locally,
    except_locally,
    finish,
    local_titles,
)

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]
SLOT = "2026-05-06T07:00:00Z"


class Series(World):
    """A calendar with one series and one exception, known to both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.collection()
        self.remote = self.calendars["main"]
        self.remote.add("s", title="Daily", recurrence=DAILY)
        self.remote.add(f"s_{SLOT}", title="Later today", parent="s", slot=SLOT)
        self.sync(self.main)


@pytest.fixture
def world() -> Series:
    return Series()


def test_an_exception_belongs_to_its_series(world: Series) -> None:
    exception = Event.objects.get(title="Later today")

    assert exception.series.event.title == "Daily"
    assert exception.slot == SLOT


def test_an_exception_known_before_its_series_joins_it(world: Series) -> None:
    """Somebody may be invited to one occurrence first and to the whole series later."""
    world.remote.add(f"t_{SLOT}", title="Only this", parent="t", slot=SLOT)
    world.sync(world.main)
    assert Event.objects.get(title="Only this").series is None
    world.remote.add("t", title="All of them", recurrence=DAILY)

    world.sync(world.main)

    assert Event.objects.get(title="Only this").series.event.title == "All of them"


def test_a_series_deleted_remotely_takes_its_exceptions_along(world: Series) -> None:
    world.remote.delete("s")

    world.sync(world.main)
    after = world.sync(world.main)

    assert local_titles() == []
    assert after.operation.counts == {}


def test_a_series_deleted_locally_takes_its_exceptions_along(world: Series) -> None:
    delete_locally("Daily", world.clock())

    world.sync(world.main)
    world.sync(world.main)
    after = world.sync(world.main)

    assert world.remote.titles() == []
    assert world.remote.writes == [("delete", "s")]
    assert local_titles() == []
    assert after.operation.counts == {}


def test_a_series_deleted_locally_with_its_exceptions_is_settled_in_one_run(world: Series) -> None:
    delete_locally("Later today", world.clock())
    delete_locally("Daily", world.clock())

    world.sync(world.main)
    after = world.sync(world.main)

    assert world.remote.titles() == []
    assert after.operation.counts == {}


def test_an_exception_edited_while_its_series_was_deleted_elsewhere_is_kept(world: Series) -> None:
    world.remote.delete("s")
    edit_locally("Later today", world.clock(), title="Much later")

    world.sync(world.main)
    world.sync(world.main)

    assert local_titles() == []
    assert Conflict.objects.get(outcome="automatic").local["title"] == "Much later"


def test_a_remote_exception_is_kept_before_the_deletion_of_its_series_takes_it(
    world: Series,
) -> None:
    world.remote.edit(f"s_{SLOT}", title="Much later")
    delete_locally("Daily", world.clock())

    world.sync(world.main)

    assert Conflict.objects.get(outcome="automatic").remote["title"] == "Much later"
    assert world.remote.titles() == []


def test_a_series_that_is_made_again_brings_its_exceptions_along(world: Series) -> None:
    """Else occurrences that were moved or cancelled would come back where they had been."""
    world.remote.delete("s")
    edit_locally("Daily", world.clock(), title="Daily, still")

    world.sync(world.main)
    world.sync(world.main)
    after = world.sync(world.main)

    assert world.remote.titles() == ["Daily, still", "Later today"]
    assert local_titles() == ["Daily, still", "Later today"]
    assert after.operation.counts == {}


def test_both_sides_changing_the_same_occurrence_meet_in_one_exception(world: Series) -> None:
    slot = "2026-05-07T07:00:00Z"
    world.remote.add(f"s_{slot}", title="There", location="Hall", parent="s", slot=slot)
    except_locally("Daily", slot, world.clock(), title="Here")

    world.sync(world.main)

    conflict = Conflict.objects.get(outcome="open")
    assert (conflict.local["title"], conflict.remote["title"]) == ("Here", "There")
    assert Event.objects.filter(slot=slot).count() == 1


def test_a_series_and_its_exception_that_appear_within_a_run_go_out_together(
    world: Series,
) -> None:
    """As those of busy blocks do, which are drawn between the two halves of a run."""
    run = world.run(world.main)
    finish(engine.pull(run))
    starts = world.clock() + timedelta(days=1)
    times = {"starts_at": starts, "ends_at": starts + timedelta(hours=1), "start_zone": "UTC"}
    add_locally(world.main, world.clock(), title="Busy", recurrence=DAILY, **times)
    except_locally("Busy", "2026-05-03T12:01:00Z", world.clock(), title="Busy, later")

    finish(engine.push(run))

    assert world.remote.titles() == ["Busy", "Busy, later", "Daily", "Later today"]


def test_a_new_exception_waits_for_a_series_that_could_not_be_made(world: Series) -> None:
    edit_locally("Daily", world.clock(), title="Daily, still")
    world.remote.delete("s")
    provider = world.provider(world.main)

    def fault(call: str, moment: str) -> None:
        if call == "write" and moment == "before":
            raise Refusal(Remedy.PARK, call="insert", status=400, reason="invalid")

    provider.fault = fault
    world.sync(world.main, provider)

    tried = SyncItem.objects.filter(side="remote")
    assert set(tried.values_list("item__event__title", flat=True)) == {"Daily, still"}
