"""A feed of a calendar that we block, from a real CalDAV server: our blocks there are no events."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from calendars.models import Event
from calendars.services import add_busy_rule
from integrations.connecting import connect_caldav_account, connect_feed
from integrations.models import Collection, Workspace
from sync.echoes import EVIDENCE
from sync.invariants import check_all
from sync.models import Mapping
from sync.services import sync_collections
from tests.integrations.caldav.odd import OddServer, serving
from tests.integrations.caldav.test_files import calendar
from tests.radicale import PEOPLE, Radicale, start

pytestmark = pytest.mark.django_db(transaction=True)


class Export:
    """Two people's calendars, and a feed that shows the whole of the second one."""

    def __init__(self, radicale: Radicale, site: OddServer) -> None:
        self.radicale = radicale
        site.script = lambda request: (200, {}, self.shown())
        self.workspace = Workspace.objects.create(name="Team")
        for user, password in PEOPLE.items():
            radicale.make_calendar(user, user)
            connect_caldav_account(
                url=f"{radicale.url}/",
                user=user,
                password=password,
                workspace=self.workspace,
                owner=None,
                now=timezone.now(),
            )
        self.put("work", "Meeting", hour=9)
        self.put("home", "Dentist", hour=14)
        self.connect(self.workspace, site.url)

    def connect(self, workspace: Workspace, url: str) -> Collection:
        connected = connect_feed(
            url=url, name="Export", workspace=workspace, owner=None, now=timezone.now()
        )
        return connected.account.collections.get()

    def put(self, user: str, title: str, *, hour: int) -> None:
        """A person makes an event of an hour tomorrow."""
        day = (timezone.now() + timedelta(days=1)).strftime("%Y%m%d")
        times = (f"DTSTART:{day}T{hour:02}0000Z", f"DTEND:{day}T{hour + 1:02}0000Z")
        lines = ("BEGIN:VEVENT", f"UID:{title}", f"DTSTAMP:{day}T000000Z", *times)
        text = calendar(*lines, f"SUMMARY:{title}", "END:VEVENT")
        self.radicale.put(user, f"/{user}/{user}/{title}.ics", text)

    def shown(self) -> bytes:
        """What the server hands out as the whole calendar."""
        return self.radicale.get("home", "/home/home/")

    def block(self, source: str, target: str) -> None:
        """Let every event of a calendar block another one, whatever that shows itself."""
        named = {calendar.name: calendar for calendar in Collection.objects.all()}
        either = {"once_per_meeting": False, "skip_invited": False}
        add_busy_rule(source=named[source], target=named[target], **either)

    def sync(self) -> list[dict[str, int]]:
        collections = Collection.objects.syncing().select_related("account").in_order()
        reports = sync_collections(collections=collections, clock=timezone.now, trigger="test")
        assert {report.state for report in reports} == {"done"}, [r.error for r in reports]
        return [report.counts for report in reports if report.counts]

    def settle(self) -> None:
        for _ in range(6):
            if not self.sync():
                return
        raise AssertionError("the calendars do not come to rest")

    def titles(self, user: str) -> list[str]:
        files = self.radicale.collection(user, user).glob("*.ics")
        said = [line for file in files for line in file.read_text().splitlines()]
        return sorted(line.removeprefix("SUMMARY:") for line in said if line.startswith("SUMMARY:"))


@pytest.fixture
def export(tmp_path: Path) -> Iterator[Export]:
    radicale = start(tmp_path / "radicale")
    with serving(OddServer()) as site:
        try:
            yield Export(radicale, site)
        finally:
            radicale.stop()


def test_a_feed_that_shows_our_blocks_does_not_block_with_them(export: Export) -> None:
    export.block("work", "home")
    export.block("Export", "work")

    export.settle()

    assert export.titles("home") == ["Busy", "Dentist"]
    assert export.titles("work") == ["Busy", "Meeting"]


def test_a_calendar_that_its_own_feed_blocks_does_not_fill_up(export: Export) -> None:
    export.block("Export", "home")

    export.settle()

    assert export.titles("home") == ["Busy", "Dentist"]


def test_a_block_that_was_taken_for_an_event_is_taken_back(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.block("work", "home")
    export.block("Export", "work")
    with monkeypatch.context() as before:
        before.setattr("sync.observing.without_echoes", lambda run, page: page)
        for _ in range(3):
            export.sync()
    assert export.titles("work") == ["Busy", "Busy", "Meeting"]
    export.put("home", "Lunch", hour=12)

    export.settle()

    assert export.titles("home") == ["Busy", "Dentist", "Lunch"]
    assert export.titles("work") == ["Busy", "Busy", "Meeting"]
    assert Mapping.objects.filter(evidence=EVIDENCE).exists()
    assert not [finding for finding in check_all(timezone.now()) if finding.rows]


def test_a_block_that_is_gone_and_that_the_feed_still_shows_stays_out(export: Export) -> None:
    export.block("work", "home")
    export.settle()
    late = export.shown()
    export.radicale.delete("work", "/work/work/Meeting.ics")
    export.sync()
    export.shown = lambda: late + b"\r\n"

    export.settle()

    assert not Event.objects.filter(title="Busy", item__deleted_at=None, busy_rule=None).exists()


def test_another_workspace_sees_busy_times_as_they_are(export: Export) -> None:
    export.block("work", "home")
    export.settle()
    others = Workspace.objects.create(name="Others")
    site = OddServer()
    site.script = lambda request: (200, {}, export.shown())
    with serving(site):
        feed = export.connect(others, site.url)
        export.sync()

    shown = Event.objects.filter(item__home=feed, item__deleted_at=None)
    assert sorted(shown.values_list("title", flat=True)) == ["Busy", "Dentist"]
