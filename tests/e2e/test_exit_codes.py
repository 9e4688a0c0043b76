"""What the exit code of `sync_calendars` tells cron, each produced for real."""

import pytest
from django.utils import timezone

from tests.e2e.local import collection, local_titles
from tests.e2e.lockstep import Lockstep, killed_at_the_end
from tests.e2e.people import HOME, WORK, People
from tests.waiting import wait_until


def test_0_when_all_is_done(connected: Lockstep, people: People) -> None:
    people.add(WORK, "Lunch")

    assert connected.sync(code=0).of(WORK)["state"] == "done"
    assert local_titles(WORK) == ["Lunch"]


def test_1_when_one_calendar_fails_and_the_other_syncs_all_the_same(
    connected: Lockstep, people: People
) -> None:
    people.add(WORK, "Lunch")
    people.add(HOME, "Yoga")
    people.fault("error", "events.list", calendar=HOME, status=500, times=None)

    reports = connected.sync(code=1)

    assert (reports.of(HOME)["state"], reports.of(WORK)["state"]) == ("failed", "done")
    assert "events.list" in reports.of(HOME)["error"]
    assert (local_titles(HOME), local_titles(WORK)) == ([], ["Lunch"])
    people.clear_faults()
    connected.sync(code=0)
    assert local_titles(HOME) == ["Yoga"]


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (("--calendar-id", "nowhere"), f"{WORK}"),
        (("--account-id", "nobody@example.com"), f"{HOME}"),
        (("--timeout", "0"), "above 0"),
        (("--timeout", "soon"), "invalid float value"),
        (("--everything",), "unrecognized arguments"),
    ],
)
def test_2_when_an_argument_is_wrong_with_the_values_that_are_valid(
    connected: Lockstep, options: tuple[str, ...], advice: str
) -> None:
    said = connected.run("sync_calendars", *options, code=2)

    assert advice in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_2_when_nothing_is_connected_yet_with_what_to_do(lockstep: Lockstep) -> None:
    assert "connect_account google" in lockstep.run("sync_calendars", code=2).err


def test_3_when_a_mass_deletion_is_held_until_somebody_allows_it(
    blocking: Lockstep, people: People
) -> None:
    names = [people.add(WORK, f"Meeting {number}") for number in range(8)]
    blocking.sync()
    for name in names[:7]:
        people.delete(WORK, name)

    held = blocking.sync(code=3)

    assert held.of(WORK)["state"] == "held"
    assert "7 of 8 deleted" in " ".join(held.of(WORK)["holds"])
    assert len(local_titles(WORK)) == 8
    assert len(people.blocks(HOME)) == 8
    blocking.preview(code=3)
    released = blocking.sync("--allow-mass-delete", code=0)
    assert released.counts() == {"local.delete": 7, "remote.delete": 7}
    assert local_titles(WORK) == ["Meeting 7"]
    assert len(people.blocks(HOME)) == 1


def test_4_when_another_run_holds_the_lease_and_all_others_sync(
    connected: Lockstep, people: People
) -> None:
    people.add(HOME, "Yoga")
    people.fault("delay", "events.list", calendar=WORK, seconds=8)
    with killed_at_the_end(connected.start("sync_calendars", "--calendar-id", WORK)) as other:
        wait_until(lambda: collection(WORK).lease_holder)

        reports = connected.sync(code=4)

        assert (reports.of(WORK)["state"], reports.of(HOME)["state"]) == ("busy", "done")
        assert other.end().code == 0
    connected.sync(code=0)


def test_a_lease_whose_holder_died_is_taken_over_when_it_has_run_out(connected: Lockstep) -> None:
    work = collection(WORK)
    assert work.take_lease(holder="a machine that is gone", now=timezone.now(), seconds=3)

    connected.sync(code=4)
    wait_until(lambda: timezone.now() > collection(WORK).lease_until)

    connected.sync(code=0)


def test_5_when_the_time_is_over_and_the_next_run_goes_on(
    connected: Lockstep, people: People
) -> None:
    for number in range(20):
        people.add(WORK, f"Meeting {number}")
    people.fault("short_page", "events.list", calendar=WORK, size=2, times=None)
    people.fault("delay", "events.list", calendar=WORK, seconds=0.5, times=None)

    stopped = connected.sync("--calendar-id", WORK, "--timeout", "1.2", code=5)

    assert stopped.of(WORK)["state"] == "timed_out"
    people.clear_faults()
    connected.sync(code=0)
    assert len(local_titles(WORK)) == 20
    assert connected.sync(code=0).changes == set()
