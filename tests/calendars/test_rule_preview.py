"""A preview shows a week of blocks in the target's zone, and writes nothing."""

import io
import json
from datetime import time
from hashlib import sha256

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from calendars.models import BusyRule, Calendar, Event
from calendars.preview_table import as_table
from calendars.services import (
    InvalidRule,
    add_busy_rule,
    preview_busy_rule,
    preview_new_rule,
)
from integrations import registry
from tests.calendars.test_adoption import Pair
from tests.calendars.test_blocks_in_step import SLOT, WEEKLY
from tests.calendars.world import World, at

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db):
    world = World()
    Calendar.objects.create(collection=world.home, time_zone="America/New_York")
    return world


def lines(preview):
    """Day and hour in the target's zone, what, title, note."""
    return [
        (f"{one.start:%d %H}" if hasattr(one.start, "hour") else f"{one.start:%d}", one.what,
         *filter(None, (one.title, one.note)))
        for one in preview.lines
    ]  # fmt: skip


def new(world, **how):
    return preview_new_rule(source=world.work, target=world.home, now=world.now, **how)


def tables():
    """A hash of every row of every table."""
    everything = [
        list(model._default_manager.order_by("pk").values()) for model in apps.get_models()
    ]
    return sha256(repr(everything).encode()).hexdigest()


def test_blocks_are_shown_in_the_zone_of_the_target(world):
    world.event(title="Secret")
    world.event(start={"date": "2026-05-06"}, end={"date": "2026-05-08"})
    preview = new(world)
    assert (preview.zone, str(preview.since), preview.days) == ("America/New_York", "2026-05-01", 7)
    assert lines(preview) == [("05 06", "new", "Busy"), ("06", "new", "Busy")]


def test_each_occurrence_of_a_series_has_its_line(world):
    series = world.event(recurrence=WEEKLY, start=at("04-21"), end=at("04-21", 11))
    world.event(series=series, slot=SLOT, start=at("05-13"), end=at("05-13", 11))
    found = lines(new(world, days=21))
    assert found == [("05 06", "new", "Busy"), ("13 06", "new", "Busy"), ("19 06", "new", "Busy")]


def test_what_makes_no_block_is_shown_with_its_reason_and_without_its_words(world):
    world.event(title="Secret", transparency="transparent")
    series = world.event(title="Secret", recurrence=WEEKLY, start=at("05-06"), end=at("05-06", 11))
    slot = "2026-05-06T10:00:00Z"
    declined = [{"email": "work@example.com", "self": True, "response": "declined"}]
    world.event(
        series=series, slot=slot, start=at("05-06"), end=at("05-06", 11), attendees=declined
    )
    preview = new(world)
    assert lines(preview) == [("05 06", "no block", "free"), ("06 06", "no block", "declined")]
    assert [one.event for one in preview.lines] == ["Secret", ""]


def test_working_hours_leave_out_the_occurrences_outside_them(world):
    world.event(recurrence=["RRULE:FREQ=DAILY;COUNT=4"])
    found = lines(new(world, hours_from=time(5), hours_to=time(18), weekdays=["tue", "thu"]))
    assert [line[:2] for line in found] == [
        ("05 06", "new"),
        ("06 06", "no block"),
        ("07 06", "new"),
    ]


def test_overlaps_are_named_without_anybodys_words(world):
    world.event(title="Secret")
    world.event(title="Another", end=at("05-05", 12))
    world.event(world.home, title="Mine", start=at("05-05", 11), end=at("05-05", 12))
    assert lines(new(world)) == [
        ("05 06", "new", "Busy", "overlaps 1 other block"),
        ("05 06", "new", "Busy", "overlaps 1 of its own events; overlaps 1 other block"),
    ]


def test_a_block_that_takes_no_time_says_so_and_overlaps_nothing(world):
    world.event(transparency="transparent")
    world.event(status="tentative")
    preview = new(world, skip_free=False, tentative="tentative")
    assert sorted((one.marked, one.note) for one in preview.lines) == [
        ("free", ""),
        ("tentative", ""),
    ]


def test_calendars_that_were_never_synced_are_named(world):
    world.home.synced_at = world.now
    world.home.save()
    assert new(world).unread == (world.work.name,)
    table = as_table(new(world), titles=False)
    assert "never synced" in str(table.caption)
    assert "Nothing takes place" not in str(table.caption)


def test_a_rule_that_is_there_shows_what_a_change_would_do(world):
    rule = world.rule()
    world.event()
    world.event(start=at("05-06"), end=at("05-06", 11), event_type="focusTime")
    world.refresh()
    world.event(start=at("05-07"), end=at("05-07", 11))

    now = {"now": world.now}
    kept = preview_busy_rule(rule=BusyRule.objects.get(pk=rule.pk), **now)
    assert [line[1] for line in lines(kept)] == ["as it is", "as it is", "new"]
    fewer = preview_busy_rule(rule=BusyRule.objects.get(), **now, skip_event_types=["focusTime"])
    assert [line[1] for line in lines(fewer)] == ["as it is", "goes", "no block", "new"]
    named = preview_busy_rule(rule=BusyRule.objects.get(), **now, title_template="Away")
    assert [line[1:] for line in lines(named)] == [
        ("changed", "Away"),
        ("changed", "Away"),
        ("new", "Away"),
    ]


def test_nothing_is_written_and_nobody_is_called(world, monkeypatch):
    world.event(recurrence=WEEKLY)
    rule = world.rule()
    world.refresh()
    world.event(start=at("05-06"), end=at("05-06", 11))
    monkeypatch.setattr(registry, "open_provider", None)
    before = tables()

    preview_busy_rule(rule=rule, now=world.now, title_template="Away")
    preview_new_rule(source=world.home, target=world.work, now=world.now)

    assert tables() == before


def test_a_rule_that_cannot_be_is_refused(world):
    with pytest.raises(InvalidRule):
        preview_new_rule(source=world.work, target=world.work, now=world.now)
    world.rule()
    with pytest.raises(InvalidRule):
        new(world)


def test_what_would_be_adopted_is_shown(db, monkeypatch):
    pair = Pair()
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: pair.engine.provider(c))
    pair.there(pair.work, "lunch", title="Lunch")
    pair.there(pair.home, "copy", title="Lunch")
    pair.sync()
    preview = preview_new_rule(source=pair.work, target=pair.home, now=pair.now)
    assert lines(preview) == [("05 10", "adopts a copy", "Busy")]
    assert not Event.objects.filter(busy_rule__isnull=False).exists()


def test_a_block_that_a_person_deleted_says_so(db, monkeypatch):
    pair = Pair()
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: pair.engine.provider(c))
    pair.there(pair.work, "lunch", title="Lunch")
    rule = add_busy_rule(source=pair.work, target=pair.home, on_delete="respect")
    ((block, _, _),) = pair.sync()
    pair.remote.delete(block)
    pair.sync()
    preview = preview_busy_rule(rule=rule, now=pair.engine.clock())
    assert lines(preview) == [("05 10", "no block", "deleted in the target by a person")]


def command(*arguments):
    out = io.StringIO()
    call_command("busy_rule", "preview", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_a_table_or_json_and_titles_only_if_asked(world):
    world.event(title="Secret")
    world.event(title="Hidden", transparency="transparent")
    pair = ("--source", "work@example.com", "--target", "home@example.com")
    week = ("--from", "2026-05-04", "--days", "3", "--past-days", "3650")
    plain = command(*pair, *week)
    assert "Tue 05 May 06:00 – 07:00" in plain
    assert "free" in plain
    assert not {"Secret", "Hidden"} & set(plain.split())
    assert "Secret" in command(*pair, *week, "--titles")
    document = json.loads(command(*pair, *week, "--json", "--title", "Away"))
    block = next(line for line in document["lines"] if line["what"] == "new")
    assert block["title"] == "Away"
    assert block["start"] == "2026-05-05T06:00:00-04:00"
    assert "event" not in block
    assert not BusyRule.objects.exists()


@pytest.mark.parametrize(
    "arguments", [(), ("abc", "--source", "x"), ("--source", "x"), ("abc", "--days", "0")]
)
def test_wrong_usage_is_told(world, arguments):
    with pytest.raises(CommandError) as refused:
        command(*arguments)
    assert refused.value.returncode == 2
