"""Whatever happens between Lockstep and a CalDAV server: nothing is lost, nothing is doubled."""

from collections.abc import Callable, Iterator

import pytest

from calendars.services import add_busy_rule
from config.demo.here import fingerprint
from integrations.models import Account
from tests import radicale
from tests.e2e.dav import FAMILY, HTML, USER, WRITES, Family, resource
from tests.e2e.local import (
    collection,
    is_quiet,
    let_the_lease_run_out,
    local_titles,
    rename,
    sync_at_once,
)
from tests.e2e.lockstep import Lockstep, killed_at_the_end
from tests.e2e.people import HOME, WORK, People, at
from tests.integrations.caldav.odd import Answer, Request
from tests.waiting import wait_until

MANY, BLOCKS = 130, 12  # files are read a hundred at a time
TITLES = [f"Lesson {number}" for number in range(8)]
NOTHING = (
    b'<?xml version="1.0"?><multistatus xmlns="DAV:">'
    b"<sync-token>http://example.com/ns/another</sync-token></multistatus>"
)
XML = {"Content-Type": "application/xml; charset=utf-8"}


def settles(family: Family) -> None:
    """Two further syncs change and write nothing, and no write waits for an answer."""
    written = family.gate.writes()
    assert [sync_at_once() for _ in range(2)] == [0, 0]
    assert family.gate.writes() == written
    assert is_quiet()


@pytest.mark.parametrize("requests", [1, 3])
def test_killed_in_the_middle_of_a_first_import(
    at_home: Lockstep, family: Family, requests: int
) -> None:
    titles = sorted(f"Lesson {number}" for number in range(MANY))
    for title in titles:
        name = f"{title.replace(' ', '-')}.ics"
        (family.folder / name).write_bytes(resource(name, f"SUMMARY:{title}"))
    family.gate.seconds = 0.4
    before = len(family.gate.passed)
    with killed_at_the_end(at_home.start("sync_calendars")) as running:
        wait_until(lambda: len(family.gate.passed) >= before + requests)
        running.kill()
    assert local_titles(FAMILY) != titles
    let_the_lease_run_out()
    family.gate.open()

    at_home.sync(code=0)

    assert local_titles(FAMILY) == titles
    assert len(family.texts()) == MANY
    settles(family)


@pytest.fixture
def blocked(both: Lockstep, people: People) -> Lockstep:
    """WORK has many events, each of which is to block the family's calendar."""
    add_busy_rule(source=collection(WORK), target=collection(FAMILY))
    for number in range(BLOCKS):
        people.add(WORK, f"Meeting {number}", **at(1 + number % 3, f"{8 + number // 3:02d}:00"))
    return both


@pytest.mark.parametrize("written", [0, BLOCKS // 2, BLOCKS])
def test_killed_in_the_middle_of_a_push(blocked: Lockstep, family: Family, written: int) -> None:
    """The server has done what it was asked, whether or not anybody waits for the answer."""
    family.gate.seconds = 0.2
    with killed_at_the_end(blocked.start("sync_calendars")) as running:
        wait_until(lambda: not is_quiet())
        wait_until(lambda: family.gate.writes() >= written)
        running.kill()
    let_the_lease_run_out()
    family.gate.open()

    sync_at_once()

    assert family.titles() == ["Busy"] * BLOCKS
    settles(family)


@pytest.mark.parametrize("applied", [False, True], ids=["request lost", "answer lost"])
def test_writes_without_an_answer_happen_once(
    blocked: Lockstep, family: Family, applied: bool
) -> None:
    lost: Answer = (502, {}, b"")
    if applied:
        family.gate.answered = lambda asked, said: lost if asked.method in WRITES else said
    else:
        family.gate.instead = lambda asked: lost if asked.method in WRITES else None

    blocked.start("sync_calendars").end()

    assert len(family.texts()) == (BLOCKS if applied else 0)
    family.gate.open()
    sync_at_once()
    assert family.titles() == ["Busy"] * BLOCKS
    settles(family)


def test_an_edit_between_our_look_and_our_write_is_kept(at_home: Lockstep, family: Family) -> None:
    family.add("Lunch", "Kitchen")
    sync_at_once()
    rename("Lunch", "Late lunch")
    edited: list[str] = []

    def edit_first(asked: Request) -> None:
        if asked.method == "PUT" and not edited:
            edited.append(asked.path)
            family.edit(family.find("Lunch"), location="Harbour")

    family.gate.instead = edit_first

    at_home.sync(code=0)
    sync_at_once()

    assert edited
    (text,) = family.texts().values()
    assert "SUMMARY:Late lunch" in text
    assert "LOCATION:Harbour" in text
    assert local_titles(FAMILY) == ["Late lunch"]
    settles(family)


@pytest.fixture
def synced(at_home: Lockstep, family: Family) -> Lockstep:
    """Eight events that both sides know of."""
    for number, title in enumerate(TITLES):
        family.add(title, day=1 + number)
    sync_at_once()
    return at_home


def test_a_dead_sync_token_means_one_complete_listing(synced: Lockstep, family: Family) -> None:
    family.add("The news", day=3)
    family.delete(family.find("Lesson 3"))
    family.radicale.forget_sync_tokens(USER, "family")

    done = synced.sync(code=0)

    assert done.counts() == {"local.create": 1, "local.delete": 1}
    assert local_titles(FAMILY) == family.titles()
    settles(family)


def test_a_server_that_is_down_costs_nothing_but_time(
    both: Lockstep, people: People, family: Family
) -> None:
    add_busy_rule(source=collection(WORK), target=collection(FAMILY))
    family.add("Swimming")
    sync_at_once()
    people.add(WORK, "Lunch")
    port = int(family.radicale.url.rpartition(":")[2])
    family.radicale.stop()
    try:
        reports = both.sync(code=1)
        assert (reports.of(WORK)["state"], reports.of("family")["state"]) == ("done", "failed")
        assert (local_titles(WORK), local_titles(FAMILY)) == (["Lunch"], ["Swimming"])
    finally:
        family.radicale.process = radicale.start(family.radicale.folder, port=port).process

    both.sync(code=0)

    assert family.titles() == ["Busy", "Swimming"]
    settles(family)


def test_a_server_that_dies_in_the_middle_of_a_push_has_everything_once_in_the_end(
    blocked: Lockstep, family: Family
) -> None:
    port = int(family.radicale.url.rpartition(":")[2])

    def die(asked: Request) -> None:
        if asked.method == "PUT" and family.gate.writes() == BLOCKS // 2:
            family.radicale.process.kill()
            family.radicale.process.wait()

    family.gate.instead = die
    blocked.sync(code=1)
    assert family.gate.writes() == BLOCKS // 2
    family.radicale.process = radicale.start(family.radicale.folder, port=port).process
    family.gate.open()

    sync_at_once()

    assert family.titles() == ["Busy"] * BLOCKS
    settles(family)


def _cut(asked: Request, said: Answer) -> Answer:
    return said[0], said[1], said[2][: len(said[2]) // 2]


def _page(asked: Request, said: Answer) -> Answer:
    return HTML


def _elsewhere(asked: Request, said: Answer) -> Answer:
    return 302, {"Location": "http://[no-address"}, b"moved"


def _nothing(asked: Request, said: Answer) -> Answer:
    return 207, XML, NOTHING


@pytest.mark.parametrize(
    ("answered", "code"),
    [(_page, 1), (_cut, 1), (_elsewhere, 1), (_nothing, 3)],
    ids=["page", "cut", "elsewhere", "nothing"],
)
def test_an_answer_that_is_none_deletes_nothing(
    synced: Lockstep, family: Family, answered: Callable[[Request, Answer], Answer], code: int
) -> None:
    """Also when everything is listed anew, and the answer says that there is nothing."""
    cursor = collection(FAMILY).cursor
    family.gate.answered = answered

    for options in ((), ("--force-full",)):
        expected = code if options or code == 1 else 0
        reports = synced.sync(*options, code=expected)
        assert reports.changes == set()

    assert local_titles(FAMILY) == TITLES
    assert code == 3 or collection(FAMILY).cursor == cursor
    family.gate.open()
    family.add("The news", day=3)
    sync_at_once()
    assert local_titles(FAMILY) == family.titles() == sorted([*TITLES, "The news"])
    settles(family)


@pytest.fixture
def another_password(family: Family) -> Iterator[str]:
    """Somebody changes the password at the server."""
    users = family.radicale.folder / "users"
    before = users.read_text()
    users.write_text(f"{USER}:another secret\n")
    family.secrets.add("another secret")
    yield "another secret"
    users.write_text(before)


def test_a_changed_password_freezes_the_account_until_it_is_connected_again(
    synced: Lockstep, family: Family, another_password: str
) -> None:
    rename("Lesson 0", "Lesson zero")

    assert synced.sync(code=1).all[0]["state"] == "failed"

    assert Account.objects.get().state == Account.State.NEEDS_RECONNECT
    assert "needs_reconnect" in synced.run("list_calendars").out
    before = fingerprint()
    assert "does not accept" in family.connect(synced, code=1)
    assert fingerprint() == before

    command = ("connect_account", "caldav", "--url", family.gate.url, "--user", USER)
    said = synced.run(*command, "--password-file", "-", stdin=another_password)
    assert "Connected anew." in said.out
    done = synced.sync(code=0)

    assert done.counts() == {"remote.update": 1}
    assert local_titles(FAMILY) == [*TITLES[1:], "Lesson zero"]
    settles(family)


def test_a_calendar_that_is_gone_deletes_nothing_here(
    circle: Lockstep, people: People, family: Family
) -> None:
    for number in range(3):
        people.add(HOME, f"Meeting {number}", **at(1 + number, "10:00"))
    sync_at_once()
    family.radicale.delete(USER, FAMILY)

    circle.sync(code=1)
    circle.sync("--force-full", "--allow-mass-delete", code=1)

    assert len(people.titles(HOME)) == 3
