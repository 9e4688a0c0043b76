"""Busy blocks through the real engine: what the target calendar shows in the end."""

import pytest

from calendars.services import add_busy_rule, change_busy_rule, remove_busy_rule
from tests.calendars.world import World as Blocks
from tests.calendars.world import at
from tests.sync.world import World as Engine

pytestmark = pytest.mark.django_db

WEEKLY = ["RRULE:FREQ=WEEKLY"]
SLOT = "2026-05-12T10:00:00Z"


class Hub(Blocks):
    """Two calendars of one account, the second a remote one that a test can look into."""

    def __post_init__(self):
        self.engine = Engine()
        self.now = self.engine.clock.now
        self.work = self.engine.collection("work")
        self.home = self.engine.collection("home", access_role="owner")

    def show(self, *changed):
        """Refresh, sync until nothing is left to do, and return what the target shows."""
        self.refresh(*changed)
        for _ in range(3):
            self.engine.sync(self.home)
        writes = len(self.remote.writes)
        self.engine.sync(self.home)
        assert len(self.remote.writes) == writes, "at rest"
        return sorted(
            (fields["start"]["at"], fields["title"], fields["recurrence"])
            for fields in self.remote.alive().values()
        )

    @property
    def remote(self):
        return self.engine.calendars["home"]


@pytest.fixture
def hub(db):
    return Hub()


def test_a_block_is_sent_changed_and_taken_away(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home)
    lunch = hub.event(title="Lunch")
    assert hub.show() == [("2026-05-05T10:00:00Z", "Busy", [])]
    hub.change(lunch, start=at("05-05", 9))
    assert hub.show(lunch) == [("2026-05-05T09:00:00Z", "Busy", [])]
    change_busy_rule(rule=rule, title_template="Away")
    assert hub.show() == [("2026-05-05T09:00:00Z", "Away", [])]
    remove_busy_rule(rule=rule, now=hub.now)
    assert hub.show() == []


def test_a_block_that_somebody_deleted_or_edited_is_put_back(hub):
    add_busy_rule(source=hub.work, target=hub.home)
    hub.event()
    hub.show()
    hub.remote.edit(*hub.remote.alive(), title="Not busy at all")
    assert hub.show() == [("2026-05-05T10:00:00Z", "Busy", [])]
    hub.remote.delete(*hub.remote.alive())
    assert hub.show() == [("2026-05-05T10:00:00Z", "Busy", [])]


def test_a_busy_occurrence_outlives_the_block_of_its_series_and_is_never_doubled(hub):
    add_busy_rule(source=hub.work, target=hub.home)
    series = hub.event(recurrence=WEEKLY)
    hub.event(series=series, slot=SLOT, start=at("05-13"), end=at("05-13", 11))
    moved = ("2026-05-13T10:00:00Z", "Busy", [])
    assert hub.show() == [("2026-05-05T10:00:00Z", "Busy", WEEKLY), moved]

    hub.change(series, transparency="transparent")
    assert hub.show(series) == [moved]

    hub.change(series, transparency="opaque")
    lines = [*WEEKLY, "EXDATE:20260512T100000Z"]
    (_, _, recurrence), single = hub.show(series)
    assert (sorted(recurrence), single) == (sorted(lines), moved)


def test_a_cancelled_occurrence_frees_its_time_in_the_target(hub):
    add_busy_rule(source=hub.work, target=hub.home)
    series = hub.event(recurrence=WEEKLY)
    part = hub.event(series=series, slot=SLOT, start=at("05-12"), end=at("05-12", 11))
    hub.show()
    hub.change(part, status="cancelled", start=None, end=None)
    assert hub.show(part) == [("2026-05-05T10:00:00Z", "Busy", WEEKLY)]
    (cancelled,) = (s for s in hub.remote.events.values() if s.parent)
    assert (cancelled.slot, cancelled.fields["status"]) == (SLOT, "cancelled")


def fields_of(hub):
    return sorted(hub.remote.alive().values(), key=lambda fields: fields["start"]["at"])


def test_what_a_rule_adds_reaches_the_target_and_rests_there(hub):
    add_busy_rule(
        source=hub.work,
        target=hub.home,
        colour="5",
        visibility="default",
        tentative="tentative",
        buffer_before=15,
        buffer_after=30,
    )
    hub.event(status="tentative")
    assert hub.show() == [("2026-05-05T09:45:00Z", "Busy", [])]
    (shown,) = fields_of(hub)
    assert (shown["colour"], shown["visibility"], shown["status"]) == ("5", "default", "tentative")
    assert shown["end"] == {"at": "2026-05-05T11:30:00Z", "zone": "Europe/Berlin"}


def test_an_exception_lies_in_the_series_that_begins_earlier(hub):
    add_busy_rule(source=hub.work, target=hub.home, buffer_before=15)
    series = hub.event(recurrence=WEEKLY)
    part = hub.event(series=series, slot=SLOT, start=at("05-13"), end=at("05-13", 11))
    earlier = ("2026-05-05T09:45:00Z", "Busy", WEEKLY)
    assert hub.show() == [earlier, ("2026-05-13T09:45:00Z", "Busy", [])]
    assert [s.slot for s in hub.remote.events.values() if s.parent] == ["2026-05-12T09:45:00Z"]
    hub.delete(part)
    assert hub.show(part) == [earlier, ("2026-05-12T09:45:00Z", "Busy", [])]


def test_a_series_goes_from_one_block_to_many_and_back(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home, future_days=8)
    hub.event(recurrence=["RRULE:FREQ=DAILY"])
    assert len(hub.show()) == 1
    change_busy_rule(rule=rule, weekdays=["tue", "fri"])
    days = [start[8:10] for start, _, _ in hub.show()]
    assert days == ["05", "08"]
    change_busy_rule(rule=rule, weekdays=[])
    assert hub.show() == [("2026-05-05T10:00:00Z", "Busy", ["RRULE:FREQ=DAILY"])]


def test_merged_blocks_grow_and_fall_apart_in_the_target(hub):
    add_busy_rule(source=hub.work, target=hub.home, merge=True)
    hub.event()
    middle = hub.event(start=at("05-05", 11), end=at("05-05", 12))
    hub.event(start=at("05-05", 12), end=at("05-05", 13))
    hub.show()
    assert [fields["end"]["at"] for fields in fields_of(hub)] == ["2026-05-05T13:00:00Z"]
    hub.delete(middle)
    assert [start for start, _, _ in hub.show(middle)] == [
        "2026-05-05T10:00:00Z",
        "2026-05-05T12:00:00Z",
    ]
