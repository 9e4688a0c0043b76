"""What becomes of busy blocks in a sandboxed Google when people touch, adopt and remove them."""

import json

import pytest

from calendars.models import BusyRule
from calendars.services import change_busy_rule
from tests.e2e.local import sync_at_once
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import DAILY, HOME, WORK, Event, People, at, day, starts
from tests.e2e.test_busy_blocks import exceptions, settles


def rule() -> BusyRule:
    return BusyRule.objects.get(target__remote_id=HOME)


def respect() -> None:
    change_busy_rule(rule=rule(), on_edit="respect", on_delete="respect")


def series_block(people: People) -> Event:
    return next(block for block in people.blocks(HOME) if "recurrence" in block)


def test_edits_and_deletions_stand_where_the_rule_respects_them(
    blocking: Lockstep, people: People
) -> None:
    lunch = people.add(WORK, "Lunch")
    people.add(WORK, "Dinner", **at(1, "19:00"))
    respect()
    sync_at_once()
    first, second = people.blocks(HOME)
    people.edit(HOME, first["id"], **at(1, "11:00"))
    people.delete(HOME, second["id"])

    blocking.sync()
    change_busy_rule(rule=rule(), title_template="Away")
    blocking.sync("--force-full")
    assert [starts(block) for block in people.blocks(HOME)] == [starts(at(1, "11:00"))]
    settles(people)

    people.edit(WORK, lunch, **at(4, "12:00"))
    blocking.sync()
    assert [starts(block) for block in people.blocks(HOME)] == [starts(at(4, "12:00"))]
    settles(people)


@pytest.mark.parametrize("respected", [False, True])
def test_occurrences_of_a_block_that_people_move_or_cancel(
    blocking: Lockstep, people: People, respected: bool
) -> None:
    people.add_series(WORK, "Stand-up")
    if respected:
        respect()
    sync_at_once()
    block = series_block(people)["id"]
    people.edit(HOME, block, on=3, **at(3, "15:00"))
    people.delete(HOME, block, on=4)

    blocking.sync()

    found = {slot: (status, when) for slot, status, when in exceptions(people, HOME)}
    moved, cancelled = (found[slot] for slot in sorted(found))
    if respected:
        assert moved == ("confirmed", starts(at(3, "15:00")))
        assert cancelled[0] == "cancelled"
    else:
        assert moved == ("confirmed", starts(at(3, "09:00")))
        assert cancelled == ("confirmed", starts(at(4, "09:00")))
    settles(people)
    assert people.titles(WORK) == ["Stand-up"]


def test_a_copy_made_by_hand_is_adopted_and_the_plan_says_so(
    connected: Lockstep, people: People
) -> None:
    people.add(WORK, "Lunch")
    copy = people.add(HOME, "Lunch")
    connected.sync()
    connected.run("busy_rule", "add", "--source", WORK, "--target", HOME)
    seen = json.loads(connected.run("busy_rule", "preview", str(rule().pk), "--json").out)
    assert [line["what"] for line in seen["lines"]] == ["adopts a copy"]

    planned = connected.preview()
    done = connected.sync()

    assert planned.changes == done.changes
    assert [event["id"] for event in people.blocks(HOME)] == [copy]
    assert people.titles(HOME) == ["Busy"]
    settles(people)


def test_a_rule_that_goes_leaves_what_is_over_and_ends_the_series_that_goes_on(
    blocking: Lockstep, people: People
) -> None:
    people.add(WORK, "Lunch")
    people.add(WORK, "Breakfast", **at(-2, "08:00"))
    people.add(WORK, "Stand-up", recurrence=[DAILY], **at(-3, "09:00"))
    sync_at_once()

    blocking.run("busy_rule", "remove", str(rule().pk), "--yes", "--blocks", "future")
    blocking.sync()

    over, series = sorted(people.blocks(HOME), key=lambda block: "recurrence" in block)
    assert starts(over) == starts(at(-2, "08:00"))
    assert "UNTIL=" + day(0).replace("-", "") in series["recurrence"][0]
    settles(people)
    blocking.run("cleanup_orphaned")
    assert people.titles(HOME) == ["Busy", "Busy"]


def test_the_audit_reads_what_is_really_there(blocking: Lockstep, people: People) -> None:
    people.add(WORK, "Merger talks", location="Harbour office")
    blocking.sync()
    assert "nothing leaked" in blocking.run("audit_privacy").out
    (block,) = people.blocks(HOME)
    people.edit(HOME, block["id"], description="about the harbour")
    people.secrets.discard("")

    said = blocking.run("audit_privacy", "--json", code=1)

    document = json.loads(said.out)
    (found,) = [one for calendar in document["calendars"] for one in calendar["findings"]]
    assert (found["field"], found["from"], found["ours"]) == ("description", "location", False)
    assert "harbour" not in said.out.casefold()
    blocking.sync()
    blocking.run("audit_privacy")
