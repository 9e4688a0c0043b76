"""A server or a feed under a new address: the account goes on, if it really is the same one."""

import io
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from calendars.models import Event, Item
from integrations.models import Account, Collection, Workspace
from integrations.services import (
    CannotConnect,
    connect_caldav_account,
    connect_feed,
    letting_go,
)
from sync.circles import add_to_circle
from sync.models import Mapping
from sync.services import sync_collections
from tests.integrations.caldav.odd import OddServer, serving
from tests.integrations.caldav.test_files import calendar, event
from tests.radicale import PEOPLE, Radicale, start

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PASSWORD = PEOPLE["home"]
TITLES = ["Event 0", "Event 1", "Event 2", "Event 3"]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Callable[..., Radicale]]:
    """Starts servers: an empty one, or one with the files of another."""
    running: list[Radicale] = []

    def new(like: Radicale | None = None) -> Radicale:
        folder = tmp_path / f"radicale{len(running)}"
        if like:
            shutil.copytree(like.folder / "collections", folder / "collections")
        running.append(start(folder))
        return running[-1]

    yield new
    for radicale in running:
        radicale.stop()


@pytest.fixture
def old(servers: Callable[..., Radicale]) -> Radicale:
    """A server with a calendar of four events that are known here."""
    radicale = servers()
    radicale.make_calendar("home", "cal", title="Home things")
    for number, title in enumerate(TITLES):
        text = calendar(event(f"e{number}", title=title))
        radicale.put("home", f"/home/cal/e{number}.ics", text)
    connect(radicale)
    sync()
    assert titles() == TITLES
    return radicale


def connect(radicale: Radicale, moved: Account | None = None) -> Account:
    workspace, _ = Workspace.objects.get_or_create(name="Band")
    return connect_caldav_account(
        url=radicale.url,
        user="home",
        password=PASSWORD,
        workspace=workspace,
        owner=None,
        now=NOW,
        moved=moved,
    ).account


def sync() -> dict[str, int]:
    collections = list(Collection.objects.syncing().in_order())
    (report,) = sync_collections(collections=collections, clock=lambda: NOW, trigger="test")
    assert report.state == "done", report.error
    return report.counts


def titles() -> list[str]:
    there = Event.objects.filter(item__deleted_at=None)
    return sorted(there.values_list("title", flat=True))


def rows() -> list[list[object]]:
    """All that a failed move must leave as it is."""
    return [
        list(Account.objects.values()),
        list(Collection.objects.values()),
        sorted(Mapping.objects.values_list("pk", "item", "remote_id")),
    ]


def test_an_account_whose_server_moved_goes_on_where_it_was(
    old: Radicale, servers: Callable[..., Radicale]
) -> None:
    account, known = Account.objects.get(), rows()[2]
    new = servers(like=old)
    old.stop()

    assert connect(new, moved=account) == account

    assert sync() == {}
    assert (titles(), rows()[2]) == (TITLES, known)
    assert Collection.objects.get().gone_at is None


def test_afterwards_changes_travel_both_ways(
    old: Radicale, servers: Callable[..., Radicale]
) -> None:
    new = servers(like=old)
    connect(new, moved=Account.objects.get())
    new.put("home", "/home/cal/e0.ics", calendar(event("e0", title="Edited there")))
    new.delete("home", "/home/cal/e1.ics")
    Event.objects.filter(title="Event 2").update(title="Edited here")
    Item.objects.filter(event__title="Edited here").touch()

    sync()

    assert titles() == ["Edited here", "Edited there", "Event 3"]
    assert b"Edited here" in new.get("home", "/home/cal/e2.ics")
    assert b"Event 2" in old.get("home", "/home/cal/e2.ics")


def test_an_empty_calendar_of_the_same_name_is_not_taken_for_it(
    old: Radicale, servers: Callable[..., Radicale]
) -> None:
    empty, before = servers(), rows()
    empty.make_calendar("home", "cal")

    with pytest.raises(CannotConnect, match="of 4 known events of /home/cal/ only 0 are there"):
        connect(empty, moved=Account.objects.get())

    assert rows() == before
    assert sync() == {}
    assert titles() == TITLES


def test_calendars_of_other_names_are_not_taken_for_them(
    old: Radicale, servers: Callable[..., Radicale]
) -> None:
    other, before = servers(), rows()
    other.make_calendar("home", "elsewhere")

    with pytest.raises(CannotConnect, match="there is no calendar /home/cal/"):
        connect(other, moved=Account.objects.get())

    assert rows() == before


def test_events_that_went_since_the_last_look_are_no_obstacle(
    old: Radicale, servers: Callable[..., Radicale]
) -> None:
    new = servers(like=old)
    new.delete("home", "/home/cal/e0.ics")

    connect(new, moved=Account.objects.get())

    assert sync() == {"local.delete": 1}
    assert titles() == TITLES[1:]


def test_calendars_under_another_path_take_over_in_a_circle(
    old: Radicale, servers: Callable[..., Radicale]
) -> None:
    """What the handbook says to do where a server has moved and keeps other paths."""
    account, new = Account.objects.get(), servers()
    new.make_calendar("home", "elsewhere")
    for number, title in enumerate(TITLES[1:], 1):
        text = calendar(event(f"e{number}", title=title))
        new.put("home", f"/home/elsewhere/{number}.ics", text)
    connect(new)
    both = list(Collection.objects.select_related("account"))
    add_to_circle(name="Moving", collections=both, clock=timezone.now)
    for _ in range(3):
        sync_collections(collections=both, clock=timezone.now, trigger="test")

    call_command(*letting_go(account).split()[1:], "--yes", stdout=io.StringIO())
    sync()

    assert sync() == {}
    assert titles() == TITLES
    assert len(list(new.collection("home", "elsewhere").glob("*.ics"))) == 4


def test_two_accounts_do_not_become_one(old: Radicale, servers: Callable[..., Radicale]) -> None:
    account, new = Account.objects.get(), servers(like=old)
    second = connect(new)

    with pytest.raises(CannotConnect, match=f"disconnect_account {second.pk}"):
        connect(new, moved=account)


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CALDAV_PASSWORD", PASSWORD)

    def run(self, *args: str) -> str:
        out = io.StringIO()
        call_command("connect_account", *args, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    def test_a_second_account_for_what_is_known_elsewhere_says_how_to_go_on(
        self, old: Radicale, servers: Callable[..., Radicale]
    ) -> None:
        account, new = Account.objects.get(), servers(like=old)
        address = ("caldav", "--url", new.url, "--user", "home")

        said = self.run(*address)

        second = Account.objects.exclude(pk=account.pk).get()
        let_go = f"disconnect_account {second.pk} --blocks keep --data delete"
        assert f"manage.py {let_go}, " in said
        assert f"--account-id {account.pk}" in said
        call_command(*let_go.split(), "--yes", stdout=io.StringIO())
        assert "Connected anew." in self.run(*address, "--account-id", str(account.pk))
        assert Account.objects.get() == account
        assert "has moved" not in self.run(*address)

    @pytest.mark.parametrize(
        ("args", "problem"),
        [
            (("caldav", "--url", "x", "--user", "y", "--account-id", "nobody"), "no account"),
            (("google", "--account-id", "nobody"), "goes with caldav and ics"),
        ],
    )
    def test_an_account_that_cannot_have_moved_is_wrong_usage(
        self, args: tuple[str, ...], problem: str
    ) -> None:
        with pytest.raises(CommandError, match=problem) as refused:
            self.run(*args)
        assert refused.value.returncode == 2


class TestFeeds:
    @pytest.fixture
    def site(self) -> Iterator[OddServer]:
        with serving(OddServer()) as server:
            parts = [event(f"e{number}", title=title) for number, title in enumerate(TITLES)]
            self.show(server, *parts)
            self.connect(f"{server.url}/old.ics")
            sync()
            yield server

    def show(self, server: OddServer, *parts: str) -> None:
        server.script = lambda request: (200, {}, calendar(*parts))

    def connect(self, url: str, moved: Account | None = None) -> Account:
        workspace, _ = Workspace.objects.get_or_create(name="Band")
        how = {"workspace": workspace, "owner": None, "now": NOW, "moved": moved}
        return connect_feed(url=url, name="Fixtures", **how).account

    def test_a_feed_with_a_new_address_goes_on_where_it_was(self, site: OddServer) -> None:
        account = Account.objects.get()

        assert self.connect(f"{site.url}/new.ics", moved=account) == account

        assert sync() == {}
        assert site.seen[-1].path == "/new.ics"
        assert titles() == TITLES

    def test_another_feed_is_not_taken_for_it(self, site: OddServer) -> None:
        before = rows()
        self.show(site, event("other", title="Something else"))

        with pytest.raises(CannotConnect, match="only 0 are there"):
            self.connect(f"{site.url}/new.ics", moved=Account.objects.get())

        assert rows() == before
