"""Connecting an account at a CalDAV server, and keeping it in step."""

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from calendars.models import Event
from config.demo.here import rename
from integrations.credentials import opened
from integrations.models import Account, Collection, Workspace
from integrations.services import (
    CannotConnect,
    Refusal,
    WrongDirection,
    connect_caldav_account,
    describe_account,
    refresh_collections,
    select_collections,
)
from sync.core.records import Direction
from sync.services import sync_collections
from tests.integrations.caldav.odd import OddServer, serving
from tests.integrations.caldav.test_discovery import SITE, site
from tests.integrations.caldav.test_files import SERIES, calendar, event, exception
from tests.radicale import PEOPLE, Radicale, start

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PASSWORD = PEOPLE["home"]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Radicale]:
    """A Radicale of this test's own, with one calendar of one event."""
    radicale = start(tmp_path / "radicale")
    radicale.make_calendar("home", "cal", title="Home things")
    radicale.put("home", "/home/cal/one.ics", calendar(event("one", title="Dentist")))
    yield radicale
    radicale.stop()


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Band")


def connect(
    url: str, workspace: Workspace, user: str = "home", password: str = PASSWORD
) -> Account:
    connected = connect_caldav_account(
        url=url, user=user, password=password, workspace=workspace, owner=None, now=NOW
    )
    return connected.account


def sync() -> list[str]:
    collections = list(Collection.objects.syncing().in_order())
    reports = sync_collections(collections=collections, clock=timezone.now, trigger="test")
    return [report.state for report in reports]


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


class TestTheService:
    """What entry points call."""

    def test_the_only_calendar_takes_part(self, own: Radicale, workspace: Workspace) -> None:
        account = connect(own.url, workspace)
        collection = account.collections.get()
        assert (collection.remote_id, collection.name) == ("/home/cal/", "Home things")
        assert (collection.selected, collection.direction) == (True, Direction.TWO_WAY)
        assert str(account) == "home@127.0.0.1 (caldav)"

    def test_of_several_calendars_none_takes_part_unless_it_was_named(
        self, own: Radicale, workspace: Workspace
    ) -> None:
        own.make_calendar("home", "more")
        account = connect(own.url, workspace)
        assert not account.collections.filter(selected=True).exists()
        account.delete()
        account = connect(f"{own.url}/home/more/", workspace)
        assert account.collections.get(selected=True).remote_id == "/home/more/"

    def test_the_same_person_keeps_the_account_whatever_address_was_given(
        self, own: Radicale, workspace: Workspace
    ) -> None:
        first = connect(own.url, workspace)
        assert connect(f"{own.url}/home/cal/", workspace) == first
        assert Account.objects.count() == 1

    def test_a_reader_only_pulls(self, workspace: Workspace) -> None:
        with serving(OddServer()) as odd:
            odd.script = site(SITE)
            account = connect(odd.url, workspace, "me")
        assert account.email == "me@example.com"
        shared = account.collections.get(access_role="reader")
        assert shared.direction == Direction.PULL
        with pytest.raises(WrongDirection):
            select_collections(account, [shared.remote_id], direction=Direction.TWO_WAY)

    def test_the_password_is_sealed_and_shown_nowhere(
        self, own: Radicale, workspace: Workspace
    ) -> None:
        account = connect(own.url, workspace)
        account.refresh_from_db()
        assert PASSWORD not in account.credentials
        assert json.loads(opened(account))["password"] == PASSWORD
        assert PASSWORD not in repr(describe_account(account))

    @pytest.mark.parametrize(
        ("address", "said"),
        [
            ("ftp://x", "begins with https"),
            ("http://127.0.0.1:9", "nobody answers"),
            ("http://no-such-host.invalid", "nobody answers"),
        ],
    )
    def test_an_address_that_leads_nowhere_is_called_so(
        self, workspace: Workspace, address: str, said: str
    ) -> None:
        with pytest.raises(CannotConnect, match=said):
            connect(address, workspace)
        assert not Account.objects.exists()

    def test_a_wrong_password_is_called_so(self, own: Radicale, workspace: Workspace) -> None:
        with pytest.raises(CannotConnect, match="name and password") as error:
            connect(own.url, workspace, password="canary")
        assert "canary" not in str(error.value)

    def test_what_is_no_caldav_server_is_called_so(self, workspace: Workspace) -> None:
        with serving(OddServer()) as odd:
            odd.script = lambda r: (200, {"Content-Type": "text/html"}, b"<html>Hello</html>")
            with pytest.raises(CannotConnect, match="no CalDAV server answers"):
                connect(odd.url, workspace)

    def test_a_server_without_encryption_behind_https_is_called_so(
        self, own: Radicale, workspace: Workspace
    ) -> None:
        with pytest.raises(CannotConnect, match="certificate"):
            connect(own.url.replace("http:", "https:"), workspace)

    def test_another_server_is_named_and_not_told(self, workspace: Workspace) -> None:
        with serving(OddServer()) as odd:
            odd.script = lambda r: (301, {"Location": "https://dav.example.com/x"}, b"")
            with pytest.raises(CannotConnect, match=r"leads to https://dav\.example\.com,"):
                connect(odd.url, workspace)

    def test_somebody_without_calendars_is_told(self, own: Radicale, workspace: Workspace) -> None:
        with pytest.raises(CannotConnect, match="no calendar for events"):
            connect(own.url, workspace, "work", PEOPLE["work"])

    def test_a_look_at_the_list_adds_and_marks_gone(
        self, own: Radicale, workspace: Workspace
    ) -> None:
        account = connect(own.url, workspace)
        own.make_calendar("home", "new")
        own.delete("home", "/home/cal/")
        report = refresh_collections(account, now=NOW + timedelta(minutes=1))
        assert (report.new, report.gone, report.complete) == (1, 1, True)

    def test_a_dead_password_freezes_the_account_and_a_new_one_thaws_it(
        self, own: Radicale, workspace: Workspace
    ) -> None:
        account = connect(own.url, workspace)
        assert sync() == ["done"]
        (own.folder / "users").write_text("home:changed\n")
        assert sync() == ["failed"]
        account.refresh_from_db()
        assert account.state == Account.State.NEEDS_RECONNECT
        assert "401" in account.state_reason
        with pytest.raises(Refusal):
            refresh_collections(account, now=NOW)
        assert connect(own.url, workspace, password="changed") == account
        assert sync() == ["done"]


class TestSyncing:
    """Both ways, through the engine."""

    def test_what_is_there_comes_and_what_changes_here_goes(
        self, own: Radicale, workspace: Workspace
    ) -> None:
        own.put("home", "/home/cal/s.ics", calendar(event("s", SERIES), exception("s", 2)))
        connect(own.url, workspace)
        assert sync() == ["done"]
        rename("Dentist", "Dentist at last")
        rename("moved", "moved again")
        assert sync() == ["done"]
        assert b"SUMMARY:Dentist at last" in own.get("home", "/home/cal/one.ics")
        text = own.get("home", "/home/cal/s.ics")
        assert b"SUMMARY:moved again" in text
        assert b"SUMMARY:title" in text

    def test_a_quiet_calendar_is_one_call(self, own: Radicale, workspace: Workspace) -> None:
        account = connect(own.url, workspace)
        sync()
        sync()
        operation = account.collections.get().operations.order_by("-started_at")[0]
        assert (operation.calls, operation.counts) == (1, {})

    def test_a_dead_token_changes_nothing(self, own: Radicale, workspace: Workspace) -> None:
        account = connect(own.url, workspace)
        sync()
        own.put("home", "/home/cal/two.ics", calendar(event("two")))
        own.forget_sync_tokens("home", "cal")
        assert sync() == ["done"]
        operation = account.collections.get().operations.order_by("-started_at")[0]
        assert operation.complete_listing
        assert own.get("home", "/home/cal/one.ics")

    def test_what_cannot_be_read_any_more_stays_and_stops_nothing(
        self, own: Radicale, workspace: Workspace
    ) -> None:
        own.put("home", "/home/cal/s.ics", calendar(event("s", SERIES), exception("s", 2)))
        account = connect(own.url, workspace)
        sync()
        file = own.collection("home", "cal") / "s.ics"
        file.write_text(file.read_text().replace("T120000Z", "T990000Z"))
        own.put("home", "/home/cal/two.ics", calendar(event("two", title="Two")))
        account.collections.list_anew(now=timezone.now() + timedelta(days=1))
        assert sync() == ["done"]
        titles = Event.objects.filter(item__deleted_at=None).values_list("title", flat=True)
        assert set(titles) == {"Dentist", "title", "moved", "Two"}


class TestTheCommand:
    """What a person types."""

    def test_the_password_from_standard_input(
        self, own: Radicale, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
        args = ("--url", own.url, "--user", "home", "--password-file", "-")
        said = run("connect_account", "caldav", *args)
        assert "Connected." in said
        assert "/home/cal/" in said
        assert PASSWORD not in said

    def test_the_password_from_a_file_as_json(self, own: Radicale, tmp_path: Path) -> None:
        file = tmp_path / "password"
        file.write_text(f"{PASSWORD}\nsecond line\n")
        args = ("--url", own.url, "--user", "home", "--password-file", str(file), "--json")
        document = json.loads(run("connect_account", "caldav", *args))
        assert document["account"]["service"] == "caldav"
        assert [c["selected"] for c in document["calendars"]] == [True]

    def test_the_password_from_the_environment_and_a_calendar(
        self, own: Radicale, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CALDAV_PASSWORD", PASSWORD)
        own.make_calendar("home", "more")
        args = ("--url", own.url, "--user", "home", "--calendar", "/home/more/")
        run("connect_account", "caldav", *args, "--direction", "pull")
        chosen = Collection.objects.get(selected=True)
        assert (chosen.remote_id, chosen.direction) == ("/home/more/", Direction.PULL)

    @pytest.mark.parametrize(
        "args",
        [
            ["--user", "home"],
            ["--url", "http://127.0.0.1:9"],
            ["--url", "http://127.0.0.1:9", "--user", "home", "--password-file", "/no/such/file"],
            ["--url", "http://127.0.0.1:9", "--user", "home", "--password-file", "/dev/null"],
        ],
    )
    def test_wrong_usage_fails_with_2(self, args: list[str]) -> None:
        with pytest.raises(CommandError) as error:
            run("connect_account", "caldav", *args)
        assert error.value.returncode == 2

    def test_a_refusal_fails_with_1(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CALDAV_PASSWORD", "canary")
        args = ("--url", "http://127.0.0.1:9", "--user", "home")
        with pytest.raises(CommandError, match="nobody answers") as error:
            run("connect_account", "caldav", *args)
        assert error.value.returncode == 1
        assert "canary" not in str(error.value)
