"""Joining and leaving a circle: nonsense is refused, and nothing is deleted or doubled by it."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from calendars.models import BusyRule, Event, Item
from integrations import registry
from integrations.models import Account, Circle, Collection, Workspace
from sync.circles import InvalidCircle, add_to_circle, leave_circle, remove_circle
from sync.invariants import check_all
from sync.models import Mapping, SyncItem
from sync.parting import part_next
from sync.services import due_collections, sync_collections, sync_due_collection
from tests.sync.circle import GUESTS, SLOT, Ring
from tests.sync.world import edit_locally

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]
ABC = ["a", "b", "c"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Ring:
    """Three calendars that do not know each other; every provider is the world's."""
    world = Ring()
    world.members = [world.collection(name) for name in ABC]
    Account.objects.update(listed_at=world.clock())
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: world.provider(c))
    return world


def join(world: Ring, *names: str) -> Circle:
    chosen = [c for c in world.members if c.remote_id in (names or ABC)]
    joined = add_to_circle(name="ours", collections=chosen, clock=world.clock)
    for member in world.members:
        member.refresh_from_db()
    return joined.circle


def refusal(world: Ring, *collections: Collection) -> str:
    with pytest.raises(InvalidCircle) as refused:
        add_to_circle(name="ours", collections=collections, clock=world.clock)
    assert not Collection.objects.filter(circle__isnull=False).exists()
    return str(refused.value)


def sound(world: Ring) -> None:
    broken = {f.name: f.rows for f in check_all(world.clock()) if f.rows}
    assert broken == {}


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


def full(world: Ring) -> None:
    """A circle with events from everywhere, a series with exceptions among them."""
    join(world)
    for name in ABC:
        world.calendars[name].add(f"one-{name}", title=f"From {name}", attendees=GUESTS)
    world.calendars["a"].add("s", title="Daily", recurrence=DAILY)
    world.calendars["a"].add("s_1", title="Later", parent="s", slot=SLOT)
    world.settle()
    series = world.copy_in("b", "Daily")
    slot = SLOT.replace("-06T", "-07T")
    world.calendars["b"].add("s_2", title="Much later", parent=series, slot=slot)
    world.settle()
    sound(world)


@pytest.mark.parametrize("who", ABC)
def test_leaving_keeps_every_copy_where_it_is(world: Ring, who: str) -> None:
    full(world)
    before, writes = world.titles(), world.writes()

    left = leave_circle(collection=Collection.objects.get(remote_id=who), clock=world.clock)
    world.settle()

    assert left.events == 4
    assert (world.titles(), world.writes()) == (before, writes)
    sound(world)


@pytest.mark.parametrize("who", ABC)
def test_after_leaving_each_side_goes_its_own_way(world: Ring, who: str) -> None:
    full(world)
    others = [name for name in ABC if name != who]
    leave_circle(collection=Collection.objects.get(remote_id=who), clock=world.clock)

    world.calendars[who].edit(world.copy_in(who, "From a"), title="Mine")
    world.calendars[others[0]].edit(world.copy_in(others[0], "Later"), title="Ours")
    world.calendars[others[1]].delete(world.copy_in(others[1], "From b"))
    world.settle()

    alone, first, second = (world.titles()[name] for name in (who, *others))
    assert alone == ["Daily", "From b", "From c", "Later", "Mine", "Much later"]
    assert first == second == ["Daily", "From a", "From c", "Much later", "Ours"]
    sound(world)


@pytest.mark.parametrize("who", ABC)
def test_rejoining_doubles_nothing(world: Ring, who: str) -> None:
    full(world)
    before, writes = world.titles(), world.writes()
    leave_circle(collection=Collection.objects.get(remote_id=who), clock=world.clock)
    world.settle()

    join(world, who)
    world.settle()

    assert world.titles() == before
    assert world.writes() == writes
    assert Item.objects.alive().count() == 6
    sound(world)


def test_guests_are_not_carried_to_the_side_that_never_had_them(world: Ring) -> None:
    full(world)

    leave_circle(collection=Collection.objects.get(remote_id="a"), clock=world.clock)

    own = {m.item.event.attendees == GUESTS for m in Mapping.objects.filter(remote_id="one-a")}
    copies = Event.objects.filter(title="From a", item__deleted_at=None)
    assert own == {True}
    assert sorted(len(copy.attendees) for copy in copies) == [0, 1]


def test_an_edit_that_was_not_sent_yet_is_still_sent_after_leaving(world: Ring) -> None:
    full(world)
    edit_locally("From a", world.clock(), title="Edited here")

    leave_circle(collection=Collection.objects.get(remote_id="b"), clock=world.clock)
    world.settle()

    assert all("Edited here" in titles for titles in world.titles().values())


def test_history_tells_where_an_event_came_from_after_leaving(world: Ring) -> None:
    full(world)
    leave_circle(collection=Collection.objects.get(remote_id="a"), clock=world.clock)

    lines = SyncItem.objects.filter(reason="its calendars go separate ways")
    assert lines.count() == 6
    assert all(line.evidence.startswith("continues ") for line in lines)


def test_leaving_waits_while_a_run_is_busy_with_any_member(world: Ring) -> None:
    full(world)
    world.run(world.members[1])

    with pytest.raises(InvalidCircle, match="a run is busy"):
        leave_circle(collection=world.members[0], clock=world.clock)
    assert Collection.objects.get(remote_id="a").circle is not None


def dying_after(calls: int) -> Callable[..., int]:
    """Part as ever, but die with the call after so many; whoever goes on after that lives."""
    steps = iter(range(1_000))

    def part(*args: Any) -> int:
        if next(steps) == calls:
            raise KeyboardInterrupt
        return part_next(*args)

    return part


def test_leaving_that_died_half_way_is_finished_by_the_next_call(
    world: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(world)
    monkeypatch.setattr("sync.parting.BATCH", 1)
    monkeypatch.setattr("sync.circles.part_next", dying_after(2))
    with pytest.raises(KeyboardInterrupt):
        leave_circle(collection=world.members[0], clock=world.clock)
    before = world.titles()
    leave_circle(collection=world.members[0], clock=world.clock)
    world.settle()

    assert world.titles() == before
    sound(world)


def test_removing_a_circle_parts_all_of_its_calendars(world: Ring) -> None:
    full(world)
    before, writes = world.titles(), world.writes()

    remove_circle(circle=Circle.objects.get(), clock=world.clock)
    world.settle()

    assert not Circle.objects.exists()
    assert (world.titles(), world.writes()) == (before, writes)
    assert not Mapping.objects.filter(away=True).exists()
    sound(world)


def test_removing_that_died_twice_is_finished_by_the_next_call(
    world: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time when the last calendar was on its way out, which no member tells of."""
    full(world)
    circle, before = Circle.objects.get(), world.titles()
    for deaths in (2, 5):
        with monkeypatch.context() as patch:
            patch.setattr("sync.parting.BATCH", 1)
            patch.setattr("sync.circles.part_next", dying_after(deaths))
            with pytest.raises(KeyboardInterrupt):
                remove_circle(circle=circle, clock=world.clock)
    assert not circle.collections.exists()
    assert Mapping.objects.filter(away=True).exists()

    remove_circle(circle=circle, clock=world.clock)
    world.settle()

    assert not Circle.objects.exists()
    assert not Mapping.objects.filter(away=True).exists()
    assert world.titles() == before
    sound(world)


def test_a_circle_that_a_calendar_joins_while_it_is_removed_stays(
    world: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    circle = join(world, "a", "b")
    late = world.members[2]

    def leave_late(**how: Any) -> Any:
        Collection.objects.filter(pk=late.pk).update(circle=circle)
        return leave_circle(**how)

    monkeypatch.setattr("sync.circles.leave_circle", leave_late)

    with pytest.raises(InvalidCircle, match="meanwhile; remove it again"):
        remove_circle(circle=circle, clock=world.clock)
    assert list(circle.collections.all()) == [late]


def test_an_account_that_is_removed_leaves_its_events_to_the_others(world: Ring) -> None:
    """What they have is what was shared; nobody is invited by it."""
    full(world)
    Collection.objects.get(remote_id="a").delete()
    world.members = [m for m in world.members if m.remote_id != "a"]
    del world.calendars["a"]

    world.settle()

    assert "From a" in world.same_everywhere()
    event = Event.objects.get(title="From a", item__deleted_at=None)
    assert event.attendees == []
    assert event.item.home.remote_id in ("b", "c")
    assert all(not e["attendees"] for e in copies_of(world, "From a"))


def copies_of(world: Ring, title: str) -> list[dict[str, Any]]:
    calendars = world.calendars.values()
    return [e for calendar in calendars for e in calendar.alive().values() if e["title"] == title]


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
