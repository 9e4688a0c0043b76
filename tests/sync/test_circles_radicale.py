"""A circle of two calendars at real CalDAV servers, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from calendars.models import Item
from integrations.connecting import connect_caldav_account
from integrations.models import Collection, Workspace
from sync.circles import add_to_circle
from sync.invariants import check_all
from sync.services import sync_collections
from tests.radicale import PEOPLE, Radicale, start

pytestmark = pytest.mark.django_db(transaction=True)

SERIES = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//example//EN\r
BEGIN:VEVENT\r
UID:daily\r
DTSTAMP:20260501T000000Z\r
DTSTART:20260505T070000Z\r
DTEND:20260505T080000Z\r
RRULE:FREQ=DAILY;COUNT=5\r
SUMMARY:Daily\r
ATTENDEE:mailto:guest@example.com\r
X-OTHER:kept\r
END:VEVENT\r
{exception}END:VCALENDAR\r
"""
EXCEPTION = """BEGIN:VEVENT\r
UID:daily\r
DTSTAMP:20260501T000000Z\r
RECURRENCE-ID:20260506T070000Z\r
DTSTART:20260506T090000Z\r
DTEND:20260506T100000Z\r
SUMMARY:Later\r
END:VEVENT\r
"""


class Pair:
    """The calendars of two people, which hold the same events."""

    def __init__(self, radicale: Radicale) -> None:
        self.radicale = radicale
        workspace = Workspace.objects.create(name="Team")
        for user, password in PEOPLE.items():
            radicale.make_calendar(user, "cal")
            connect_caldav_account(
                url=f"{radicale.url}/",
                user=user,
                password=password,
                workspace=workspace,
                owner=None,
                now=timezone.now(),
            )
        self.members = list(Collection.objects.select_related("account").in_order())
        assert len(self.members) == 2
        add_to_circle(name="ours", collections=self.members, clock=timezone.now)

    def sync(self) -> list[dict[str, int]]:
        members = Collection.objects.select_related("account").in_order()
        reports = sync_collections(collections=members, clock=timezone.now, trigger="test")
        assert {report.state for report in reports} == {"done"}, [r.error for r in reports]
        return [report.counts for report in reports]

    def put(self, user: str, name: str, text: str) -> None:
        self.radicale.put(user, f"/{user}/cal/{name}", text.encode())

    def texts(self, user: str) -> list[str]:
        """Every resource of a calendar, unfolded."""
        files = sorted(self.radicale.collection(user, "cal").glob("*.ics"))
        return [file.read_bytes().decode().replace("\r\n ", "") for file in files]

    def name(self, user: str) -> str:
        (file,) = self.radicale.collection(user, "cal").glob("*.ics")
        return file.name


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    radicale = start(tmp_path / "radicale")
    try:
        yield Pair(radicale)
    finally:
        radicale.stop()


def test_a_series_travels_both_ways_with_its_exceptions(pair: Pair) -> None:
    pair.put("work", "daily.ics", SERIES.format(exception=EXCEPTION))
    pair.sync()

    (copy,) = pair.texts("home")
    assert "SUMMARY:Daily" in copy
    assert "SUMMARY:Later" in copy
    assert "guest@example.com" not in copy
    assert "X-OTHER" not in copy

    moved = copy.replace("SUMMARY:Later", "SUMMARY:Much later")
    pair.put("home", pair.name("home"), moved)
    pair.sync()

    (there,) = pair.texts("work")
    assert "SUMMARY:Much later" in there
    assert "guest@example.com" in there
    assert "X-OTHER:kept" in there
    assert pair.sync() == [{}, {}]


def test_an_exception_taken_back_in_one_is_taken_back_in_the_other(pair: Pair) -> None:
    pair.put("work", "daily.ics", SERIES.format(exception=EXCEPTION))
    pair.sync()
    pair.put("work", "daily.ics", SERIES.format(exception=""))

    pair.sync()

    (copy,) = pair.texts("home")
    assert "RECURRENCE-ID" not in copy
    assert "EXDATE" not in copy
    assert "SUMMARY:Daily" in copy
    assert pair.sync() == [{}, {}]


def test_a_deletion_travels(pair: Pair) -> None:
    pair.put("work", "daily.ics", SERIES.format(exception=EXCEPTION))
    pair.sync()
    pair.radicale.delete("home", f"/home/cal/{pair.name('home')}")

    pair.sync()
    pair.sync()

    assert pair.texts("work") == pair.texts("home") == []
    assert not Item.objects.alive().exists()


def test_the_same_invitation_in_both_is_linked(pair: Pair) -> None:
    for user in PEOPLE:
        pair.put(user, f"{user}.ics", SERIES.format(exception=EXCEPTION))

    pair.sync()
    pair.sync()

    assert len(pair.texts("work")) == len(pair.texts("home")) == 1
    assert Item.objects.alive().count() == 2
    assert {f.name: f.rows for f in check_all(timezone.now()) if f.rows} == {}
