"""Connecting a calendar feed, and keeping it in step."""

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from calendars.models import Event
from integrations.models import Account, Collection, Workspace
from integrations.services import (
    CannotConnect,
    WrongDirection,
    connect_feed,
    describe_account,
    refresh_collections,
    select_collections,
)
from sync.core.records import Direction
from sync.services import sync_collections
from tests.integrations.caldav.odd import Answer, OddServer, serving
from tests.integrations.caldav.test_files import SERIES, calendar, event, exception

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "/private-canary/feed.ics"


def feed(*parts: str, status: int = 200) -> Answer:
    return status, {"Content-Type": "text/calendar"}, calendar("X-WR-CALNAME:Fixtures", *parts)


@pytest.fixture
def site() -> Iterator[OddServer]:
    """A web server that hands out a feed with one event."""
    with serving(OddServer()) as server:
        server.script = lambda request: feed(event("one", title="Match"))
        yield server


def connect(site: OddServer, name: str = "") -> Account:
    workspace, _ = Workspace.objects.get_or_create(name="Band")
    return connect_feed(
        url=site.url + SECRET, name=name, workspace=workspace, owner=None, now=NOW
    ).account


def sync() -> list[str]:
    collections = list(Collection.objects.syncing().in_order())
    reports = sync_collections(collections=collections, clock=lambda: NOW, trigger="test")
    return [report.state for report in reports]


def titles() -> set[str]:
    return set(Event.objects.filter(item__deleted_at=None).values_list("title", flat=True))


def test_a_feed_is_one_calendar_that_is_only_pulled(site: OddServer) -> None:
    account = connect(site)
    collection = account.collections.get()
    assert (collection.name, collection.selected) == ("Fixtures", True)
    assert (collection.access_role, collection.direction) == ("reader", Direction.PULL)
    with pytest.raises(WrongDirection):
        select_collections(account, ["feed"], direction=Direction.TWO_WAY)
    assert (str(account), str(connect(site, "Football"))) == ("Fixtures (ics)", "Football (ics)")
    assert Account.objects.count() == 1


def test_the_address_is_sealed_and_shown_nowhere(site: OddServer) -> None:
    account = connect(site)
    sync()
    account.refresh_from_db()
    said = repr([describe_account(account), str(account), account.identity, account.credentials])
    assert "canary" not in said
    assert "canary" not in repr(list(account.collections.values()))


def test_what_is_in_the_feed_comes_and_what_leaves_it_goes(site: OddServer) -> None:
    connect(site)
    assert sync() == ["done"]
    assert titles() == {"Match"}
    site.script = lambda request: feed(event("two", SERIES, title="League"), exception("two", 2))
    assert sync() == ["done"]
    assert titles() == {"League", "moved"}


def test_a_feed_that_breaks_changes_nothing(site: OddServer) -> None:
    connect(site)
    sync()
    for answer in ((200, {"Content-Type": "text/html"}, b"<html>"), (404, {}, b"")):
        site.script = lambda request, answer=answer: answer
        sync()
        assert titles() == {"Match"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b""), "no feed at this address"),
        ((403, {}, b""), "ask its owner"),
        ((200, {}, b"<html>Sign in</html>"), "no calendar"),
        ((500, {}, b""), "cannot be reached properly"),
    ],
)
def test_what_is_no_feed_is_called_so(site: OddServer, answer: Answer, said: str) -> None:
    site.script = lambda request: answer
    with pytest.raises(CannotConnect, match=said) as error:
        connect(site)
    assert "canary" not in str(error.value)
    assert not Account.objects.exists()


def test_a_new_name_and_zone_are_noticed(site: OddServer) -> None:
    account = connect(site)
    parts = ("X-WR-TIMEZONE:Europe/Berlin", event("one"))
    site.script = lambda request: feed(*parts)
    refresh_collections(account, now=NOW, complete=True)
    assert account.collections.get().calendar.time_zone == "Europe/Berlin"


class TestTheCommand:
    """What a person types."""

    def run(self, *args: str) -> str:
        out = io.StringIO()
        call_command("connect_account", "ics", *args, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    def test_an_address_and_a_name(self, site: OddServer) -> None:
        document = json.loads(self.run(site.url + SECRET, "--name", "Football", "--json"))
        assert document["account"]["email"] == "Football"
        assert [(c["name"], c["selected"]) for c in document["calendars"]] == [("Football", True)]

    def test_the_address_from_standard_input(
        self, site: OddServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{site.url}{SECRET}\n"))
        said = self.run("-")
        assert "Connected." in said
        assert "canary" not in said

    @pytest.mark.parametrize(("args", "code"), [([], 2), (["ftp://x/y"], 1), (["nonsense"], 1)])
    def test_what_is_no_address_fails(self, args: list[str], code: int) -> None:
        with pytest.raises(CommandError) as error:
            self.run(*args)
        assert error.value.returncode == code
