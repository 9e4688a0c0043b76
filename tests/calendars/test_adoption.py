"""Copies that were there before a rule become its blocks instead of being doubled."""

import pytest

from calendars.adoption import adoptions
from calendars.models import BusyRule, Event
from calendars.services import add_busy_rule, change_busy_rule, remove_busy_rule
from integrations import registry
from sync.explaining import explain
from sync.invariants import check_all
from sync.preview import preview_collections
from sync.services import sync_collections
from tests.calendars.test_blocks_in_step import SLOT, WEEKLY, Hub
from tests.calendars.world import at
from tests.sync.remote import RemoteProvider

pytestmark = pytest.mark.django_db

GUESTS = [
    {"email": "home@example.com", "name": "", "response": "accepted", "self": True},
    {"email": "guest@example.org", "name": "", "response": "accepted"},
]


class Pair(Hub):
    """Two remote calendars, both synced for real."""

    def there(self, calendar, remote_id, day="05-05", **fields):
        """Somebody makes an event at the service, Tuesday from ten to eleven."""
        times = {"start": at(day), "end": at(day, 11)}
        self.engine.calendars[calendar.name].add(remote_id, **{**times, **fields})

    def sync(self):
        """Sync both, and return what the target shows: id, day and title."""
        self.engine.clock.advance(minutes=1)
        reports = sync_collections(
            collections=[self.home, self.work], clock=self.engine.clock, trigger="test"
        )
        assert {report.state for report in reports} == {"done"}
        alive = self.remote.alive()
        return sorted((name, f["start"]["at"][8:13], f["title"]) for name, f in alive.items())

    def ours(self, remote_id):
        """Whether a copy bears the mark of a rule."""
        stored = self.remote.events[remote_id]
        mark = self.engine.provider(self.home).marker.read(stored.mark, remote_id)
        return bool(mark and mark.rule)


@pytest.fixture
def pair(db, monkeypatch):
    pair = Pair()
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: pair.engine.provider(c))
    pair.there(pair.work, "lunch", title="Lunch with Ada", description="Secret")
    yield pair
    assert not [finding for finding in check_all(pair.engine.clock()) if finding.rows]


@pytest.mark.parametrize("title", ["Busy", "Lunch with Ada", " busy "])
def test_a_copy_made_by_hand_becomes_the_block(pair, title):
    pair.there(pair.home, "copy", title=title, description="Copied")
    rule = add_busy_rule(source=pair.work, target=pair.home)

    assert pair.sync() == [("copy", "05T10", "Busy")]
    assert pair.ours("copy")
    assert pair.remote.events["copy"].fields["description"] == ""
    block = Event.objects.get(busy_rule=rule)
    assert block.source.event.title == "Lunch with Ada"
    assert pair.sync() == [("copy", "05T10", "Busy")]


def test_an_adopted_block_follows_its_event_and_goes_with_it(pair):
    pair.there(pair.home, "copy", title="Busy")
    add_busy_rule(source=pair.work, target=pair.home)
    pair.sync()
    pair.engine.calendars["work"].edit("lunch", start=at("05-06"), end=at("05-06", 11))
    assert pair.sync() == [("copy", "06T10", "Busy")]
    pair.engine.calendars["work"].delete("lunch")
    assert pair.sync() == []


@pytest.mark.parametrize(
    "copy",
    [
        {"title": "Something else"},
        {"title": "Busy", "end": at("05-05", 12)},
        {"title": "Busy", "recurrence": WEEKLY},
        {"title": "Busy", "attendees": GUESTS},
    ],
    ids=["another title", "another end", "a series", "with guests"],
)
def test_what_is_no_copy_is_left_alone(pair, copy):
    pair.there(pair.home, "other", **copy)
    add_busy_rule(source=pair.work, target=pair.home)
    found = pair.sync()
    assert len(found) == 2
    assert not pair.ours("other")
    assert pair.remote.events["other"].fields["title"] == copy["title"]


def test_the_calendars_own_entry_is_no_guest(pair):
    pair.there(pair.home, "copy", title="Busy", attendees=GUESTS[:1])
    add_busy_rule(source=pair.work, target=pair.home)
    assert pair.sync() == [("copy", "05T10", "Busy")]


def test_what_is_ambiguous_is_left_alone(pair):
    pair.there(pair.home, "copy", title="Busy")
    pair.there(pair.home, "twin", title="Busy")
    pair.there(pair.work, "a", day="05-06", title="A")
    pair.there(pair.work, "b", day="05-06", title="B")
    pair.there(pair.home, "one", day="05-06", title="Busy")
    pair.there(pair.work, "c", day="05-07", title="C")
    pair.there(pair.home, "own", day="05-07", title="C")
    add_busy_rule(source=pair.work, target=pair.home)

    assert len(pair.sync()) == 4 + 3
    assert [name for name in ("copy", "twin", "one", "own") if pair.ours(name)] == ["own"]


def test_only_the_first_application_adopts(pair):
    rule = add_busy_rule(source=pair.work, target=pair.home)
    pair.sync()
    pair.there(pair.home, "later", day="05-06", title="Busy")
    pair.there(pair.work, "dinner", day="05-06", title="Dinner")
    change_busy_rule(rule=rule, past_days=30)
    for calendar in (pair.home, pair.work):
        sync_collections(collections=[calendar], clock=pair.engine.clock, trigger="test")
    assert adoptions(BusyRule.objects.get()) == []
    assert len(pair.sync()) == 3
    assert not pair.ours("later")


def test_a_rule_that_does_not_adopt_doubles(pair):
    pair.there(pair.home, "copy", title="Busy")
    add_busy_rule(source=pair.work, target=pair.home, adopts=False)
    assert len(pair.sync()) == 2
    assert not pair.ours("copy")


def test_nothing_is_doubled_whichever_calendar_is_synced_first(pair):
    pair.there(pair.home, "copy", title="Busy")
    add_busy_rule(source=pair.work, target=pair.home)
    for calendar in (pair.home, pair.home, pair.work, pair.home):
        pair.engine.clock.advance(minutes=1)
        sync_collections(collections=[calendar], clock=pair.engine.clock, trigger="test")
    assert pair.sync() == [("copy", "05T10", "Busy")]


def test_a_series_is_adopted_with_its_rule_and_gets_its_exceptions(pair):
    pair.there(pair.work, "series", day="05-05", title="Weekly", recurrence=WEEKLY)
    moved = {"start": at("05-13"), "end": at("05-13", 11), "parent": "series", "slot": SLOT}
    pair.there(pair.work, "moved", title="Weekly", **moved)
    pair.there(pair.home, "copy", title="Weekly", recurrence=WEEKLY)
    add_busy_rule(source=pair.work, target=pair.home)

    found = pair.sync()
    pair.sync()
    assert ("copy", "05T10", "Busy") in found
    series = [s for s in pair.remote.events.values() if s.fields and s.fields["recurrence"]]
    assert [s.remote_id for s in series] == ["copy"]
    (exception,) = (s for s in pair.remote.events.values() if s.parent)
    assert (exception.parent, exception.fields["start"]) == ("copy", at("05-13"))


def test_an_adopted_event_makes_no_block_elsewhere_any_more(pair):
    pair.there(pair.home, "copy", title="Busy")
    third = pair.engine.collection("third", access_role="owner")
    add_busy_rule(source=pair.home, target=third)
    pair.sync()
    sync_collections(collections=[third], clock=pair.engine.clock, trigger="test")
    assert len(pair.engine.calendars["third"].alive()) == 1

    add_busy_rule(source=pair.work, target=pair.home)
    pair.sync()
    sync_collections(collections=[third], clock=pair.engine.clock, trigger="test")
    assert pair.engine.calendars["third"].alive() == {}


def test_the_kept_blocks_of_a_removed_rule_are_adopted_by_the_next_one(pair):
    rule = add_busy_rule(source=pair.work, target=pair.home)
    before = pair.sync()
    remove_busy_rule(rule=rule, now=pair.engine.clock(), removal="keep")
    pair.sync()
    new = add_busy_rule(source=pair.work, target=pair.home)
    assert pair.sync() == before
    assert Event.objects.get(busy_rule__isnull=False, item__deleted_at=None).busy_rule == new


def test_the_plan_shows_what_is_adopted_and_changes_nothing(pair):
    pair.there(pair.home, "copy", title="Lunch with Ada")
    add_busy_rule(source=pair.work, target=pair.home)
    (home, _) = preview_collections(collections=[pair.home, pair.work], clock=pair.engine.clock)
    (change,) = [c for c in home.changes if c.side == "remote"]
    assert (change.action, change.reason) == ("update", "adopted as a busy block")
    assert not Event.objects.filter(busy_rule__isnull=False).exists()
    assert BusyRule.objects.get().adopted_at is None

    pair.sync()
    lunch = Event.objects.get(title="Lunch with Ada")
    (block,) = explain(str(lunch.pk), pair.engine.clock())[0].blocks
    assert block.why_not == "adopted: it was there before the rule"
    (copy,) = explain("copy", pair.engine.clock())
    assert "adopted as a busy block" in [line.reason for line in copy.history]


@pytest.mark.parametrize("first", ["before", "after"])
def test_a_crash_while_the_adopted_copy_is_written_doubles_nothing(pair, first):
    pair.there(pair.home, "copy", title="Busy")
    add_busy_rule(source=pair.work, target=pair.home)

    class Killed(BaseException):
        """The process died here."""

    def kill(call, moment):
        if (call, moment) == ("write", first):
            raise Killed

    registry.open_provider = lambda c, **how: RemoteProvider(
        pair.engine.calendars[c.remote_id], fault=kill
    )
    with pytest.raises(Killed):
        pair.sync()
    registry.open_provider = lambda c, **how: pair.engine.provider(c)
    pair.engine.clock.advance(minutes=10)
    assert pair.sync() == [("copy", "05T10", "Busy")]
