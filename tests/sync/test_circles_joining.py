"""Joining a circle: nonsense is refused, and nothing is deleted or doubled by it."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from calendars.models import BusyRule
from integrations.models import Account, Collection, Workspace
from sync.circles import InvalidCircle, add_to_circle
from sync.services import due_collections, sync_collections, sync_due_collection
from tests.sync.circle import Ring, join, sound, strangers

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Ring:
    return strangers(monkeypatch)


def refusal(world: Ring, *collections: Collection) -> str:
    with pytest.raises(InvalidCircle) as refused:
        add_to_circle(name="ours", collections=collections, clock=world.clock)
    assert not Collection.objects.filter(circle__isnull=False).exists()
    return str(refused.value)


def test_one_calendar_is_no_circle(world: Ring) -> None:
    assert "it takes two calendars" in refusal(world, world.members[0])
    assert "named twice" in refusal(world, world.members[0], Collection.objects.get(remote_id="a"))


def test_calendars_of_different_workspaces_are_refused(world: Ring) -> None:
    other = Account.objects.create(
        workspace=Workspace.objects.create(name="Other"), service="google", identity="x"
    )
    strange = Collection.objects.create(account=other, remote_id="x", name="x")

    assert "different workspaces" in refusal(world, world.members[0], strange)


def test_one_calendar_connected_twice_is_refused(world: Ring) -> None:
    again = Account.objects.create(
        workspace=world.account.workspace, service="google", identity="again"
    )
    twin = Collection.objects.create(account=again, remote_id="a", name="a")

    assert "one and the same calendar" in refusal(world, world.members[0], twin)


def test_calendars_at_the_same_path_of_two_servers_are_two(world: Ring) -> None:
    workspace = world.account.workspace
    servers = [
        Account.objects.create(
            workspace=workspace, service="caldav", identity=f"me https://{host}.example.com/me/"
        )
        for host in ("one", "two")
    ]
    calendars = [
        Collection.objects.create(account=server, remote_id="/me/family/", name="family")
        for server in servers
    ]

    joined = add_to_circle(name="family", collections=calendars, clock=world.clock)

    assert len(joined.members) == 2


def test_a_calendar_that_is_in_a_circle_already_is_refused(world: Ring) -> None:
    join(world, "a", "b")

    with pytest.raises(InvalidCircle, match="in the circle 'ours'"):
        add_to_circle(name="theirs", collections=world.members[1:], clock=world.clock)
    with pytest.raises(InvalidCircle, match="in this circle already"):
        add_to_circle(name="ours", collections=world.members[1:], clock=world.clock)


def test_a_busy_rule_between_two_members_is_refused(world: Ring) -> None:
    BusyRule.objects.create(source=world.members[0], target=world.members[1])

    assert "remove that busy rule first" in refusal(world, *world.members)


def test_calendars_of_which_none_can_be_written_are_refused(world: Ring) -> None:
    Collection.objects.update(access_role="reader")

    assert "none of them may be written" in refusal(world, *Collection.objects.all())


def test_calendars_that_all_only_receive_are_refused(world: Ring) -> None:
    Collection.objects.update(direction="push")

    assert "only receive" in refusal(world, *Collection.objects.all())


def test_a_calendar_shared_for_reading_only_contributes(world: Ring) -> None:
    Collection.objects.filter(remote_id="c").update(access_role="reader")
    world.members = list(Collection.objects.select_related("account").order_by("name"))
    world.calendars["c"].add("theirs", title="Theirs")
    world.calendars["a"].add("ours", title="Ours")

    joined = add_to_circle(name="ours", collections=world.members, clock=world.clock)
    world.settle()

    assert [c.remote_id for c in joined.only_read] == ["c"]
    assert world.titles() == {"a": ["Ours", "Theirs"], "b": ["Ours", "Theirs"], "c": ["Theirs"]}


def test_a_calendar_that_joins_later_gets_everything(world: Ring) -> None:
    join(world, "a", "b")
    world.calendars["a"].add("meeting", title="Meeting")
    world.settle()

    join(world, "c")
    world.settle()

    assert world.same_everywhere() == ["Meeting"]
    sound(world)


def test_one_command_brings_a_change_to_all_members(world: Ring) -> None:
    join(world)
    world.calendars["a"].add("meeting", title="Meeting")

    reports = sync_collections(collections=world.members, clock=world.clock, trigger="test")

    assert {report.state for report in reports} == {"done"}
    assert world.same_everywhere() == ["Meeting"]


def test_a_change_makes_the_other_members_due(world: Ring) -> None:
    """So a worker that runs one calendar at a time brings it to all."""
    join(world)
    sync_collections(collections=world.members, clock=world.clock, trigger="test")
    world.clock.advance(minutes=1)
    world.calendars["a"].add("meeting", title="Meeting")
    b, c = (member.pk for member in world.members[1:])
    assert due_collections(now=world.clock()) == []
    sync_collections(collections=world.members[:1], clock=world.clock, trigger="test")

    assert set(due_collections(now=world.clock())) == {b, c}
    world.clock.advance(seconds=1)
    for one in (b, c):
        sync_due_collection(collection_id=one, clock=world.clock, seconds=60)

    assert world.same_everywhere() == ["Meeting"]
    assert due_collections(now=world.clock()) == []


def call(*args: str) -> Any:
    out = io.StringIO()
    call_command("circle", *args, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_command_adds_lists_parts_and_removes(world: Ring) -> None:
    added = call("add", "ours", "--collections", "a", "b")
    assert [calendar["name"] for calendar in added["calendars"]] == ["a", "b"]
    call("add", "ours", "--collections", "c")
    (listed,) = call("list")["circles"]
    assert [calendar["name"] for calendar in listed["calendars"]] == ["a", "b", "c"]
    assert call("leave", "c")["events"] == 0
    call("remove", "ours", "--yes")
    assert call("list") == {"circles": []}


def test_the_command_says_in_words_what_is_wrong(world: Ring) -> None:
    with pytest.raises(CommandError, match="it takes two calendars") as refused:
        call("add", "ours", "--collections", "a")
    assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="there are: none yet"):
        call("remove", "theirs", "--yes")
    with pytest.raises(CommandError, match="in no circle"):
        call("leave", "a")


def test_a_plan_shows_links_and_copies_as_the_run_makes_them(world: Ring) -> None:
    for where in "ab":
        world.calendars[where].add(f"m-{where}", title="Meeting", uid="u")
    world.calendars["a"].add("second", title="Second")
    join(world)

    def lines(*options: str) -> list[tuple[str, ...]]:
        out = io.StringIO()
        call_command("sync_calendars", "--json", *options, stdout=out)
        document = json.loads(out.getvalue())
        return sorted(
            (report["name"], line["side"], line["action"], line["record"], line["reason"])
            for report in document["collections"]
            for line in report["changes"]
        )

    planned = lines("--dry-run")
    assert ("local", "link") in {line[1:3] for line in planned}
    assert planned == lines()
