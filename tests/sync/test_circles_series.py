"""Circles: series travel with their exceptions, and exceptions without them."""

import pytest

from calendars.models import Event, Item
from sync.models import Mapping
from tests.sync.circle import SLOT, Ring
from tests.sync.remote import RemoteProvider
from tests.sync.world import local_titles

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]


@pytest.fixture
def ring() -> Ring:
    ring = Ring()
    ring.join("a", "b", "c")
    return ring


def test_a_series_travels_with_its_exceptions(ring: Ring) -> None:
    ring.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    ring.calendars["a"].add("s_1", title="Later", parent="s", slot=SLOT)

    ring.settle()

    assert ring.same_everywhere() == ["Daily", "Later"]
    assert Item.objects.count() == 2


def test_an_exception_made_in_another_calendar_reaches_the_home_of_its_series(ring: Ring) -> None:
    ring.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    ring.settle()
    series = ring.copy_in("b", "Daily")
    ring.calendars["b"].add("moved", title="Later", parent=series, slot=SLOT)

    ring.settle()

    assert ring.same_everywhere() == ["Daily", "Later"]
    assert Event.objects.get(title="Later").series.event.title == "Daily"


def test_a_cancelled_occurrence_is_cancelled_everywhere(ring: Ring) -> None:
    ring.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    ring.calendars["a"].add("s_1", title="Later", parent="s", slot=SLOT)
    ring.settle()
    ring.calendars["b"].delete(ring.copy_in("b", "Later"))

    ring.settle()

    assert ring.same_everywhere() == ["Daily"]
    for calendar in ring.calendars.values():
        cancelled = [s for s in calendar.events.values() if s.slot == SLOT and s.fields]
        assert [s.fields["status"] for s in cancelled] == ["cancelled"]


def test_a_series_deleted_in_one_calendar_goes_everywhere(ring: Ring) -> None:
    ring.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    ring.calendars["a"].add("s_1", title="Later", parent="s", slot=SLOT)
    ring.calendars["a"].add("other", title="Other")
    ring.settle()
    ring.calendars["c"].delete(ring.copy_in("c", "Daily"))

    ring.settle()

    assert ring.same_everywhere() == ["Other"]
    assert local_titles() == ["Other"]


def test_a_dropped_exception_is_as_its_series_says_everywhere(ring: Ring) -> None:
    """Where an exception cannot be taken back, it is made to look like its series."""
    ring.tune["b"] = _keeps_series_whole
    ring.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    ring.calendars["a"].add("s_1", title="Later", parent="s", slot=SLOT, location="Elsewhere")
    ring.settle()
    ring.calendars["b"].drop(ring.copy_in("b", "Later"))

    ring.settle()

    gone = Mapping.objects.get(evidence="no longer among its series' exceptions")
    assert gone.remote_hash == ""
    occurrence = ring.calendars["a"].alive()["s_1"]
    assert (occurrence["title"], occurrence["location"]) == ("Daily", "")
    assert occurrence["start"]["at"] == SLOT
    assert ring.titles()["b"] == ["Daily"]


def test_an_occurrence_edited_after_its_exception_was_dropped_is_an_exception_again(
    ring: Ring,
) -> None:
    ring.tune["b"] = _keeps_series_whole
    ring.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    ring.calendars["a"].add("s_1", title="Later", parent="s", slot=SLOT)
    ring.settle()
    ring.calendars["b"].drop(ring.copy_in("b", "Later"))
    ring.settle()
    ring.calendars["a"].edit("s_1", title="Much later")

    ring.settle()

    assert ring.same_everywhere() == ["Daily", "Much later"]


def test_exceptions_that_a_series_still_names_stay(ring: Ring) -> None:
    ring.tune["b"] = _keeps_series_whole
    ring.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    ring.calendars["a"].add("s_1", title="Later", parent="s", slot=SLOT)
    ring.settle()
    ring.calendars["b"].edit(ring.copy_in("b", "Daily"), title="Every day")

    ring.settle()

    assert ring.same_everywhere() == ["Every day", "Later"]


def _keeps_series_whole(provider: RemoteProvider) -> None:
    provider.whole_series = True
    provider.traits = provider.traits.__class__(True, True, 3, drops_exceptions=True)
