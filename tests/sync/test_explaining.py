"""explain_event: what an event is, where it lives, what happened to it, and why."""

import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoDbBlocker

from calendars.models import BusyRule, Event, Item
from integrations.models import Collection, Workspace
from sync.explaining import Explanation, NothingFound, explain
from sync.models import Mapping, SyncItem
from tests.sync.blocks import draw, world_with_blocks
from tests.sync.world import World, edit_locally

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 1, 13, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def built(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Two calendars with some history; built once, outside any transaction."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        world = world_with_blocks(patch)
        source, target = (Collection.objects.get(remote_id=n) for n in ("source", "target"))
        remote = world.calendars["source"]
        remote.add("free", title="Lunch", transparency="transparent")
        remote.add("no", title="Declined", attendees=[_guest("declined")])
        draw(world)
        Collection.objects.filter(pk=target.pk).update(strategy="preserve_local")
        world.calendars["target"].edit("meeting", title="Their word")
        edit_locally("A meeting", world.clock(), title="Our word\u202e\x1b[31m")
        world.sync(target)
        remote.edit("a", title="Secret A, changed")
        world.sync(source)
        yield world
        Workspace.objects.all().delete()


def _guest(response: str) -> dict[str, Any]:
    return {"email": "work@example.com", "self": True, "response": response}


def one(wanted: object) -> Explanation:
    (found,) = explain(str(wanted), NOW)
    return found


def event(title: str) -> Event:
    return Event.objects.get(title__startswith=title)


def block_of(title: str) -> Event:
    return Event.objects.get(source=event(title).item)


def printed(wanted: object) -> str:
    out = io.StringIO()
    call_command("explain_event", str(wanted), stdout=out)
    return out.getvalue()


def test_an_event_is_found_by_our_id_and_by_the_services() -> None:
    assert one(event("Secret A").pk) == one("a")


def test_it_says_what_an_event_is_and_where_it_lives() -> None:
    found = one("s")

    assert (found.what, found.state, found.title) == (
        "an event, a series",
        "alive",
        "Secret series",
    )
    assert found.when.startswith("2026-05-05T09:00:00Z Europe/Berlin to ")
    (place,) = found.places
    assert (place.remote_id, place.standing) == ("s", "in step")
    assert place.version
    assert one("s_2").what.startswith("an event, one occurrence (2026-05-06T09:00:00Z) of")


def test_the_history_tells_what_was_done_on_which_side_and_why() -> None:
    taken_in, changed = one("a").history

    assert (taken_in.side, taken_in.action, taken_in.reason) == ("local", "create", "new remotely")
    assert (changed.action, changed.fields, changed.state) == ("update", ("title",), "done")


def test_a_conflict_is_told_with_its_winners() -> None:
    (clash,) = one("meeting").conflicts

    assert (clash.fields, clash.winners) == (("title",), {"title": "local"})
    assert (clash.strategy, clash.outcome) == ("preserve_local", "automatic")


def test_a_source_names_its_block_and_a_block_its_rule_and_source() -> None:
    block, rule = block_of("Secret A"), BusyRule.objects.get()
    (made,) = one("a").blocks
    assert (made.rule, made.block, made.why_not) == (str(rule.pk), str(block.pk), "")

    found = one(block.pk)

    assert found.what == "a busy block"
    assert found.rule.startswith(str(rule.pk))
    assert found.source.startswith(str(event("Secret A").pk))
    assert found.blocks == ()


@pytest.mark.parametrize(("name", "why"), [("free", "free"), ("no", "declined")])
def test_an_event_without_a_block_says_why(name: str, why: str) -> None:
    (made,) = one(name).blocks

    assert (made.block, made.why_not) == ("", why)


def test_a_rule_that_is_off_or_still_to_draw_says_so() -> None:
    Item.objects.filter(pk=block_of("Secret A").pk).update(deleted_at=NOW)
    assert one("a").blocks[0].why_not == "the next sync draws it"

    BusyRule.objects.update(enabled=False)
    assert one("a").blocks[0].why_not == "the rule is switched off"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"remote_hash": "", "evidence": "tombstone"}, "deleted there (tombstone)"),
        ({"remote_hash": "", "base_hash": "", "evidence": "read: 404"}, "gone: read: 404"),
        ({"remote_hash": "x"}, "changed there"),
        ({"base_hash": ""}, "new there"),
        ({"synced_revision": 0}, "changed here since"),
        ({"obstacle": "only read"}, "one-way: only read"),
        ({"unanswered": True}, "a write of ours was never answered"),
        ({"attempts": 2, "last_error": "patch: 503"}, "refused 2 times: patch: 503"),
        ({"item": None}, "not taken in yet"),
    ],
)
def test_a_copy_that_is_not_in_step_says_why(columns: dict[str, Any], says: str) -> None:
    Mapping.objects.filter(remote_id="a").update(**columns)

    assert one("a").places[0].standing == says


def test_an_event_that_was_never_sent_says_why() -> None:
    Mapping.objects.filter(remote_id="meeting").delete()
    pk = event("Our word").pk
    assert one(pk).places[0].standing == "not there yet: the next sync makes it"

    Collection.objects.update(direction="pull")
    assert one(pk).places[0].standing == "not there: the calendar is only read"


def test_a_copy_that_nothing_here_belongs_to_is_known_by_the_journal() -> None:
    line = SyncItem.objects.all()[0]
    line.pk, line.item, line.mapping, line.remote_id = uuid.uuid4(), None, None, "elsewhere"
    line.save(force_insert=True)

    found = one("elsewhere")

    assert (found.item, len(found.history)) == ("", 1)


def test_several_events_with_one_id_are_listed(built: World) -> None:
    again = Mapping.objects.get(remote_id="free")
    shared = Mapping.objects.get(remote_id="meeting")
    Mapping.objects.filter(pk=again.pk).update(remote_id="meeting")

    said = printed("meeting")

    assert said.startswith("2 events are known by this id")
    assert str(again.item_id) in said
    assert str(shared.item_id) in said


def test_what_is_printed_holds_no_control_or_direction_characters() -> None:
    said = printed("meeting")

    assert "Our word[31m" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_the_command_prints_copies_blocks_history_and_conflicts() -> None:
    said = printed("a")

    for part in (
        "Secret A, changed: an event, alive",
        "Copies",
        "in step",
        "Busy blocks",
        "History",
    ):
        assert part in said
    assert "Conflicts" in printed("meeting")
    assert "none: declined" in printed("no")


def test_as_json_it_prints_every_match() -> None:
    out = io.StringIO()
    call_command("explain_event", "a", "--json", stdout=out)

    (found,) = json.loads(out.getvalue())["matches"]
    assert found["title"] == "Secret A, changed"
    assert found["places"][0]["standing"] == "in step"


def test_an_unknown_id_says_which_ids_there_are() -> None:
    with pytest.raises(NothingFound, match="id of an item"):
        explain("nothing", NOW)
    with pytest.raises(CommandError, match="nothing is known by the id") as refused:
        call_command("explain_event", str(uuid.uuid4()))

    assert refused.value.returncode == 2
