"""Circles: what a copy away from home holds, and what it leaves alone."""

import pytest

from sync.core.events import SHARED
from sync.models import Mapping
from tests.sync.circle import GUESTS, Ring, one_item
from tests.sync.remote import RemoteProvider

pytestmark = pytest.mark.django_db


@pytest.fixture
def ring() -> Ring:
    ring = Ring()
    ring.join("a", "b", "c")
    return ring


def test_nobody_is_invited_by_a_copy(ring: Ring) -> None:
    ring.calendars["a"].add(
        "meeting",
        title="Meeting",
        attendees=GUESTS,
        conference={"id": "room"},
        attachments=[{"fileUrl": "https://example.com/file"}],
        event_type="focusTime",
        metadata={"private": {"note": "ours"}},
    )

    ring.settle()

    copy = next(iter(ring.calendars["b"].alive().values()))
    assert copy["attendees"] == copy["attachments"] == []
    assert (copy["conference"], copy["event_type"], copy["metadata"]) == (None, "default", {})
    assert one_item("Meeting").event.attendees == GUESTS


def test_what_is_not_shared_stays_as_it_is_in_each_copy(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Old", attendees=GUESTS)
    ring.settle()
    copy = ring.copy_in("b", "Old")
    others = [GUESTS[0] | {"email": "other@example.com"}]
    ring.calendars["b"].edit(copy, attendees=others, title="New")

    ring.settle()

    assert ring.same_everywhere() == ["New"]
    assert ring.calendars["a"].alive()["meeting"]["attendees"] == GUESTS
    assert ring.calendars["b"].alive()[copy]["attendees"] == others
    assert one_item("New").event.attendees == GUESTS
    assert not Mapping.objects.filter(away=True, base__has_any_keys=["attendees"]).exists()


def test_what_a_service_cannot_hold_is_not_erased_by_its_copy(ring: Ring) -> None:
    ring.tune["b"] = _loses("colour")
    ring.calendars["a"].add("meeting", title="Old", colour="5")
    ring.settle()
    assert ring.calendars["b"].alive()[ring.copy_in("b", "Old")]["colour"] == ""
    ring.calendars["b"].edit(ring.copy_in("b", "Old"), title="New")

    ring.settle()

    assert ring.same_everywhere() == ["New"]
    assert ring.calendars["a"].alive()["meeting"]["colour"] == "5"
    assert ring.calendars["c"].alive()[ring.copy_in("c", "New")]["colour"] == "5"


def test_what_a_service_cannot_hold_survives_a_deletion_that_an_edit_undoes(ring: Ring) -> None:
    ring.tune["b"] = _loses("colour")
    ring.calendars["a"].add("meeting", title="Old", colour="5", attendees=GUESTS)
    ring.settle()
    ring.calendars["a"].delete("meeting")
    ring.calendars["b"].edit(ring.copy_in("b", "Old"), title="Still on")

    ring.settle()

    assert ring.same_everywhere() == ["Still on"]
    (again,) = ring.calendars["a"].alive().values()
    assert (again["colour"], again["attendees"]) == ("5", GUESTS)


def _loses(*names: str):
    def tune(provider: RemoteProvider) -> None:
        provider.lost = frozenset(names)

    return tune


def test_what_the_home_states_of_an_event_is_not_restated_by_its_copies(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Old", uid="meeting@example.com")
    ring.settle()
    ring.calendars["b"].events[ring.copy_in("b", "Old")].uid = "copy@example.com"
    ring.calendars["b"].edit(ring.copy_in("b", "Old"), title="New")

    ring.settle()

    assert one_item("New").event.uid == "meeting@example.com"


def test_only_what_may_be_shared_is_stored_of_a_copy_away_from_home(ring: Ring) -> None:
    ring.calendars["a"].add("meeting", title="Meeting", attendees=GUESTS)
    ring.settle()

    for mapping in Mapping.objects.filter(away=True):
        assert set(mapping.base) <= SHARED
