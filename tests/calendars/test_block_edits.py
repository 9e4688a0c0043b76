"""What people do to busy blocks in the target, and what their rule makes of it."""

from datetime import timedelta

import pytest

from calendars.models import BusyRule, Event, Item
from calendars.services import add_busy_rule, change_busy_rule
from sync.explaining import explain
from sync.invariants import check_all
from sync.retention import purge
from tests.calendars.test_blocks_in_step import SLOT, WEEKLY, Hub
from tests.calendars.world import at

pytestmark = pytest.mark.django_db

RESPECT = {"on_edit": "respect", "on_delete": "respect"}


@pytest.fixture
def hub(db):
    hub = Hub()
    yield hub
    assert not [finding for finding in check_all(hub.now) if finding.rows]


def blocks(hub):
    """The times and titles of the blocks in the target."""
    return [(start[8:13], title) for start, title, _ in hub.show()]


def name(hub, number=0):
    """The remote id of a block that takes place, the earliest unless told otherwise."""
    alive = hub.remote.alive()
    return sorted(alive, key=lambda remote_id: alive[remote_id]["start"]["at"])[number]


def test_an_edit_is_taken_back_unless_the_rule_says_otherwise(hub):
    add_busy_rule(source=hub.work, target=hub.home)
    hub.event()
    hub.show()
    hub.remote.edit(name(hub), title="Mine")
    assert blocks(hub) == [("05T10", "Busy")]


def test_an_edited_block_stays_as_it_was_edited(hub):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    lunch = hub.event(title="Lunch")
    hub.show()
    hub.remote.edit(name(hub), title="Mine", start=at("05-05", 8))

    assert blocks(hub) == [("05T08", "Mine")]
    hub.change(lunch, title="Another lunch")
    hub.refresh(lunch)
    assert blocks(hub) == [("05T08", "Mine")]
    hub.remote.edit(name(hub), title="Mine again")
    assert blocks(hub) == [("05T08", "Mine again")]


def test_an_edited_block_survives_a_changed_rule_and_a_complete_listing(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    hub.event()
    hub.event(start=at("05-06"), end=at("05-06", 11))
    hub.show()
    hub.remote.edit(name(hub), title="Mine")
    hub.show()
    change_busy_rule(rule=rule, title_template="Away", past_days=30)

    assert blocks(hub) == [("05T10", "Mine"), ("06T10", "Away")]
    hub.engine.sync(hub.home, complete=True)
    assert blocks(hub) == [("05T10", "Mine"), ("06T10", "Away")]


@pytest.mark.parametrize("deed", ["edit", "delete"])
def test_once_its_event_is_moved_the_rule_has_its_way_again(hub, deed):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    lunch = hub.event()
    hub.show()
    if deed == "edit":
        hub.remote.edit(name(hub), title="Mine")
    else:
        hub.remote.delete(name(hub))
    hub.show()
    hub.change(lunch, start=at("05-05", 14), end=at("05-05", 15))
    hub.refresh(lunch)

    assert blocks(hub) == [("05T14", "Busy")]
    assert not Event.objects.filter(left_alone=True).exists()
    hub.change(lunch, title="Later lunch")
    hub.refresh(lunch)
    assert blocks(hub) == [("05T14", "Busy")]


def test_a_deleted_block_stays_deleted_and_only_that_one(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    lunch, _ = hub.event(), hub.event(start=at("05-06"), end=at("05-06", 11))
    hub.show()
    hub.remote.delete(name(hub))

    assert blocks(hub) == [("06T10", "Busy")]
    hub.change(lunch, title="Another lunch")
    hub.refresh(lunch)
    change_busy_rule(rule=rule, title_template="Away")
    assert blocks(hub) == [("06T10", "Away")]
    hub.engine.sync(hub.home, complete=True)
    assert blocks(hub) == [("06T10", "Away")]


def test_each_of_the_two_is_an_option_of_its_own(hub):
    add_busy_rule(source=hub.work, target=hub.home, on_delete="respect")
    hub.event(), hub.event(start=at("05-06"), end=at("05-06", 11))
    hub.show()
    hub.remote.edit(name(hub, 0), title="Mine")
    hub.remote.delete(name(hub, 1))
    assert blocks(hub) == [("05T10", "Busy")]

    BusyRule.objects.update(on_edit="respect", on_delete="restore", applied="")
    hub.remote.edit(name(hub), title="Mine")
    assert blocks(hub) == [("05T10", "Mine"), ("06T10", "Busy")]


def test_a_rule_that_no_longer_respects_brings_its_blocks_back(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    hub.event(), hub.event(start=at("05-06"), end=at("05-06", 11))
    hub.show()
    hub.remote.edit(name(hub, 0), title="Mine")
    hub.remote.delete(name(hub, 1))
    hub.show()
    change_busy_rule(rule=rule, on_edit="restore", on_delete="restore")
    assert blocks(hub) == [("05T10", "Busy"), ("06T10", "Busy")]


def test_an_edited_block_goes_with_its_event(hub):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    lunch = hub.event()
    hub.show()
    hub.remote.edit(name(hub), title="Mine")
    hub.show()
    hub.delete(lunch)
    hub.refresh(lunch)
    assert blocks(hub) == []


def test_a_block_that_was_edited_declined_and_accepted_again_is_drawn_again(hub):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    lunch = hub.event()
    hub.show()
    hub.remote.edit(name(hub), title="Mine")
    hub.show()
    hub.change(lunch, transparency="transparent")
    hub.refresh(lunch)
    assert blocks(hub) == []
    hub.change(lunch, transparency="opaque")
    hub.refresh(lunch)
    assert blocks(hub) == [("05T10", "Busy")]


def test_an_edit_and_a_move_of_the_event_at_once_leave_the_rule_its_way(hub):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    lunch = hub.event()
    hub.show()
    hub.remote.edit(name(hub), title="Mine")
    hub.change(lunch, start=at("05-05", 9))
    hub.refresh(lunch)
    assert blocks(hub) == [("05T09", "Busy")]


def test_an_edit_and_a_changed_rule_at_once_leave_the_edit(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    hub.event()
    hub.show()
    hub.remote.edit(name(hub), title="Mine")
    change_busy_rule(rule=rule, title_template="Away")
    assert blocks(hub) == [("05T10", "Mine")]


def family(hub):
    """A weekly series with a block, and one occurrence that was moved to the next day."""
    series = hub.event(recurrence=WEEKLY)
    part = hub.event(series=series, slot=SLOT, start=at("05-13"), end=at("05-13", 11))
    assert blocks(hub) == [("05T10", "Busy"), ("13T10", "Busy")]
    return series, part


def exception(hub):
    return next(s.remote_id for s in hub.remote.events.values() if s.parent)


def test_a_moved_occurrence_that_a_person_cancels_stays_cancelled_until_it_moves_again(hub):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    _, part = family(hub)
    hub.remote.delete(exception(hub))
    assert blocks(hub) == [("05T10", "Busy")]
    hub.change(part, title="Another")
    hub.refresh(part)
    assert blocks(hub) == [("05T10", "Busy")]
    hub.change(part, start=at("05-14"), end=at("05-14", 11))
    hub.refresh(part)
    assert blocks(hub) == [("05T10", "Busy"), ("14T10", "Busy")]


def test_a_moved_occurrence_that_a_person_cancels_comes_back_where_that_is_wanted(hub):
    add_busy_rule(source=hub.work, target=hub.home)
    family(hub)
    hub.remote.delete(exception(hub))
    assert blocks(hub) == [("05T10", "Busy"), ("13T10", "Busy")]


def test_a_deleted_series_of_blocks_stays_deleted_with_its_exceptions(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    series, part = family(hub)
    hub.remote.delete(next(s.parent for s in hub.remote.events.values() if s.parent))
    assert blocks(hub) == []
    hub.change(part, start=at("05-14"), end=at("05-14", 11))
    hub.refresh(part)
    change_busy_rule(rule=rule, title_template="Away")
    assert blocks(hub) == []

    hub.change(series, start=at("05-05", 12), end=at("05-05", 13))
    hub.refresh(series)
    assert blocks(hub)[0] == ("05T12", "Away")


def test_a_deleted_block_is_remembered_as_long_as_its_event_lives(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    lunch = hub.event()
    hub.show()
    hub.remote.delete(name(hub))
    hub.show()
    later = hub.now + timedelta(days=4_000)
    purge(hub.home, later)
    change_busy_rule(rule=rule, title_template="Away")

    assert blocks(hub) == []
    hub.change(lunch, start=at("05-05", 9))
    hub.refresh(lunch)
    assert blocks(hub) == [("05T09", "Away")]
    hub.remote.delete(name(hub))
    assert blocks(hub) == []
    Item.objects.filter(home=hub.work).update(deleted_at=hub.now)
    purge(hub.home, later)
    assert not Item.objects.filter(home=hub.home).exists()


def test_an_explanation_says_that_a_block_is_left_alone_and_until_when(hub):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    kept, gone = hub.event(), hub.event(start=at("05-06"), end=at("05-06", 11))
    hub.show()
    hub.remote.edit(name(hub, 0), title="Mine")
    hub.remote.delete(name(hub, 1))
    hub.show()

    ((edited,), (deleted,)) = (explain(str(e.pk), hub.now)[0].blocks for e in (kept, gone))
    assert edited.why_not == "edited in the target; left alone until its event is moved"
    assert edited.block
    assert deleted.why_not == "deleted in the target; stays so until its event is moved"
    assert not deleted.block


NEXT = "2026-05-19T10:00:00Z"


def weekly(hub):
    """A weekly series with a block."""
    series = hub.event(title="Secret", recurrence=WEEKLY)
    hub.show()
    return series, next(iter(hub.remote.alive()))


def changed(hub, block, **fields):
    """A person changes the occurrence in the third week; its copy bears the mark of its series."""
    times = {"start": at("05-19"), "end": at("05-19", 11)} | fields
    content = hub.remote.events[block].fields | times | {"recurrence": []}
    stored = hub.remote.add(f"{block}_x", **content, parent=block, slot=NEXT)
    stored.mark = hub.remote.events[block].mark
    return stored.remote_id


def test_an_occurrence_that_a_person_moved_is_put_back_and_follows_its_series(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home)
    series, block = weekly(hub)
    moved = changed(hub, block, title="Mine", start=at("05-20"), end=at("05-20", 11))

    assert blocks(hub) == [("05T10", "Busy"), ("19T10", "Busy")]
    change_busy_rule(rule=rule, title_template="Away")
    assert blocks(hub) == [("05T10", "Away"), ("19T10", "Away")]
    assert hub.remote.events[moved].fields["title"] == "Away"
    hub.change(series, transparency="transparent")
    hub.refresh(series)
    assert blocks(hub) == []


def test_an_occurrence_that_a_person_cancelled_comes_back(hub):
    add_busy_rule(source=hub.work, target=hub.home)
    _, block = weekly(hub)
    hub.remote.delete(changed(hub, block))
    assert blocks(hub) == [("05T10", "Busy"), ("19T10", "Busy")]


def test_an_occurrence_that_a_person_changed_stays_so_until_its_series_moves(hub):
    rule = add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    series, block = weekly(hub)
    changed(hub, block, title="Mine", start=at("05-20"), end=at("05-20", 11))

    assert blocks(hub) == [("05T10", "Busy"), ("20T10", "Mine")]
    change_busy_rule(rule=rule, title_template="Away")
    hub.change(series, title="Another secret")
    hub.refresh(series)
    assert blocks(hub) == [("05T10", "Away"), ("20T10", "Mine")]
    hub.change(series, end=at("05-05", 12))
    hub.refresh(series)
    assert blocks(hub) == [("05T10", "Away"), ("19T10", "Away")]


def test_an_occurrence_that_a_person_cancelled_stays_so_and_makes_no_block_elsewhere(hub):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    other = hub.engine.collection("third")
    add_busy_rule(source=hub.home, target=other)
    series, block = weekly(hub)
    changed(hub, block, start=at("05-20"), end=at("05-20", 11))
    hub.show()
    hub.remote.delete(f"{block}_x")

    assert blocks(hub) == [("05T10", "Busy")]
    hub.change(series, title="Another secret")
    hub.refresh(series)
    assert blocks(hub) == [("05T10", "Busy")]
    assert not Event.objects.filter(item__home=other).exists()


@pytest.mark.parametrize("knobs", [{}, RESPECT])
def test_once_its_event_moves_that_occurrence_the_block_follows(hub, knobs):
    add_busy_rule(source=hub.work, target=hub.home, **knobs)
    series, block = weekly(hub)
    changed(hub, block, title="Mine", start=at("05-20"), end=at("05-20", 11))
    hub.show()
    part = hub.event(series=series, slot=NEXT, start=at("05-21"), end=at("05-21", 11))
    hub.refresh(part)

    assert blocks(hub) == [("05T10", "Busy"), ("21T10", "Busy")]
    hub.delete(part)
    hub.refresh(part)
    assert blocks(hub) == [("05T10", "Busy"), ("19T10", "Busy")]


def test_what_a_person_did_stands_where_its_event_only_gets_another_name(hub):
    add_busy_rule(source=hub.work, target=hub.home, **RESPECT)
    series, block = weekly(hub)
    hub.remote.delete(changed(hub, block))
    assert blocks(hub) == [("05T10", "Busy")]
    part = hub.event(series=series, slot=NEXT, title="!", start=at("05-19"), end=at("05-19", 11))
    hub.refresh(part)
    assert blocks(hub) == [("05T10", "Busy")]
    hub.change(part, start=at("05-21"), end=at("05-21", 11))
    hub.refresh(part)
    assert blocks(hub) == [("05T10", "Busy"), ("21T10", "Busy")]
