"""Accounts, blocks and strays on a CalDAV server are taken away, and nothing else is."""

import pytest

from calendars.models import BusyRule
from calendars.services import add_busy_rule
from integrations.models import Account
from tests import radicale
from tests.e2e.conftest import connect_family
from tests.e2e.dav import FAMILY, Family
from tests.e2e.local import collection, sync_at_once
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import WORK, People, at
from tests.machine.backup import forget_everything

ACCOUNT = "home@127.0.0.1"
MEETINGS = 3


@pytest.fixture
def blocked(both: Lockstep, people: People, family: Family) -> Lockstep:
    """WORK and the family's calendar block each other; each has events, each has blocks."""
    add_busy_rule(source=collection(WORK), target=collection(FAMILY))
    add_busy_rule(source=collection(FAMILY), target=collection(WORK))
    for number in range(MEETINGS):
        people.add(WORK, f"Meeting {number}", **at(1 + number, "10:00"))
    family.add("Swimming", hour=17)
    sync_at_once()
    assert family.titles() == [*["Busy"] * MEETINGS, "Swimming"]
    assert people.titles(WORK) == ["Busy", *(f"Meeting {n}" for n in range(MEETINGS))]
    return both


@pytest.mark.parametrize(("blocks", "left"), [("all", 0), ("keep", 1)])
def test_an_account_that_is_disconnected_takes_its_blocks_along(
    blocked: Lockstep, people: People, family: Family, blocks: str, left: int
) -> None:
    command = ("disconnect_account", ACCOUNT, "--blocks", blocks)
    assert "Say so with --yes" in blocked.run(*command, code=2).err

    blocked.run(*command, "--yes")

    assert family.titles() == [*["Busy"] * MEETINGS * left, "Swimming"]
    assert people.titles(WORK).count("Busy") == left
    assert not BusyRule.objects.filter(removed_at=None).exists()
    account = Account.objects.get(service="caldav")
    assert (account.credentials, account.email) == ("", ACCOUNT)
    written = family.gate.writes()
    blocked.sync()
    assert family.gate.writes() == written
    family.connect(blocked)
    blocked.sync()
    assert people.titles(WORK).count("Busy") == left


def test_a_server_that_is_down_keeps_the_account_until_its_blocks_are_gone(
    blocked: Lockstep, people: People, family: Family
) -> None:
    port = int(family.radicale.url.rpartition(":")[2])
    command = ("disconnect_account", ACCOUNT, "--blocks", "all", "--yes", "--data", "delete")
    family.radicale.stop()
    try:
        assert "Not disconnected yet" in blocked.run(*command, code=1).out
        assert Account.objects.filter(service="caldav").exclude(credentials="").exists()
    finally:
        family.radicale.process = radicale.start(family.radicale.folder, port=port).process

    blocked.run(*command)

    assert family.titles() == ["Swimming"]
    assert "Busy" not in people.titles(WORK)
    assert not Account.objects.filter(service="caldav").exists()


def test_a_reset_takes_away_the_blocks_and_no_event(blocked: Lockstep, family: Family) -> None:
    name = next(n for n, text in family.texts().items() if "SUMMARY:Busy" in text)
    copied = family.texts()[name].replace("\r\nUID:", "\r\nUID:copy-of-")
    family.radicale.put("home", f"{FAMILY}copy.ics", copied.encode())
    family.put("busy", "SUMMARY:Busy")
    family.secrets.discard("Busy")
    command = ("reset_calendar", "--calendar-id", FAMILY)
    assert str(MEETINGS) in blocked.run(*command, "--dry-run").out
    assert len(family.texts()) == MEETINGS + 3

    blocked.run(*command, "--confirm")

    assert set(family.texts()) == {"copy.ics", "busy.ics", "desktop-1.ics"}
    blocked.sync()
    assert family.titles() == [*["Busy"] * (MEETINGS + 2), "Swimming"]


def test_after_the_database_was_lost_a_cleanup_removes_the_blocks_and_nothing_else(
    blocked: Lockstep, family: Family
) -> None:
    forget_everything()
    connect_family(family)
    sync_at_once()
    assert family.titles() == [*["Busy"] * MEETINGS, "Swimming"]

    blocked.run("cleanup_orphaned", "--dry-run")
    assert len(family.texts()) == MEETINGS + 1
    blocked.run("cleanup_orphaned")

    assert family.titles() == ["Swimming"]
    assert sync_at_once() == 0
