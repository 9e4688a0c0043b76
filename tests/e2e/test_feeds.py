"""Calendar feeds from a web server on this machine: read, and never believed blindly."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from calendars.services import add_busy_rule
from conflicts.models import Conflict
from integrations.models import Account, Collection
from tests.e2e.dav import FAMILY, Family
from tests.e2e.local import local_titles, sync_at_once, tables_that_tell
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import HOME, People, at, day, starts
from tests.integrations.ical.texts import calendar, vevent
from tests.integrations.ics.server import start

SECRET = "secret=canary"
MATCHES = [f"Match {number}" for number in range(8)]


class Site:
    """Somebody's web server with one feed."""

    def __init__(self, server: Any, url: str) -> None:
        self.feed, self.url = server.feed, url

    def publish(self, *titles: str, etag: str = "") -> None:
        """Hand out a feed of these matches, at ten in Berlin on the days after tomorrow."""
        headers = {"etag": f'"{etag}"'} if etag else {}
        self.feed.serve(feed_of(*titles), **headers)

    def asked(self) -> list[str]:
        """What each request knew of the feed: its ETag, or nothing."""
        return [headers.get("if-none-match", "") for _, headers in self.feed.asked]


def feed_of(*titles: str) -> bytes:
    """A feed with these matches, one a day."""
    parts = [
        vevent(f"SUMMARY:{title}", "DURATION:PT1H", uid=title, start=_start(number))
        for number, title in enumerate(titles)
    ]
    return bytes(calendar("X-WR-CALNAME:Fixtures", *parts))


def _start(number: int) -> str:
    return f"DTSTART;TZID=Europe/Berlin:{day(1 + number).replace('-', '')}T100000"


@pytest.fixture
def site(people: People) -> Iterator[Site]:
    """A feed of eight matches."""
    server, url = start()
    people.secrets |= {SECRET, "canary"}
    site = Site(server, url)
    site.publish(*MATCHES, etag="1")
    yield site
    server.shutdown()
    server.server_close()


def feed_titles() -> list[str]:
    """What Lockstep knows of the feed."""
    return local_titles(Collection.objects.get(account__service="ics").remote_id)


def connect(lockstep: Lockstep, site: Site, *options: str, code: int = 0) -> str:
    """Connect the feed as a script does, its address on standard input."""
    said = lockstep.run("connect_account", "ics", "-", *options, stdin=f"{site.url}\n", code=code)
    return said.out + said.err


def test_from_nothing_to_the_events_of_a_feed_with_commands_alone(
    lockstep: Lockstep, site: Site
) -> None:
    document = json.loads(connect(lockstep, site, "--name", "Football", "--json"))
    (listed,) = document["calendars"]
    assert (listed["name"], listed["selected"], listed["direction"]) == ("Football", True, "pull")
    assert "Football" in lockstep.run("list_calendars").out

    planned = lockstep.preview()
    done = lockstep.sync()

    assert planned.changes == done.changes
    assert done.counts() == {"local.create": 8}
    assert feed_titles() == MATCHES
    assert tables_that_tell("canary") == []


def test_an_event_that_cannot_be_read_is_named_and_costs_only_itself(
    lockstep: Lockstep, site: Site
) -> None:
    broken = vevent("SUMMARY:canary", uid="bro\0ken", start="DTSTART:the canary's day")
    site.feed.serve(
        feed_of("Match").replace(b"END:VCALENDAR", broken.encode() + b"\r\nEND:VCALENDAR")
    )
    connect(lockstep, site)

    said = lockstep.run("sync_calendars").out

    assert feed_titles() == ["Match"]
    assert "take in 1, could not read 1" in said
    assert "could not read broken: DTSTART" in said
    assert "canary" not in said


def test_a_change_of_all_later_occurrences_counts_for_each_until_it_is_taken_back(
    lockstep: Lockstep, site: Site
) -> None:
    series = vevent("RRULE:FREQ=WEEKLY;COUNT=4", "SUMMARY:Match", start=_start(0))
    name = _start(7).replace("DTSTART", "RECURRENCE-ID;RANGE=THISANDFUTURE")
    change = vevent(name, "SUMMARY:Replay", start=_start(8))
    site.feed.serve(calendar(series, change))
    connect(lockstep, site)

    sync_at_once()
    assert feed_titles() == ["Match", "Replay", "Replay", "Replay"]
    assert sync_at_once() == 0

    site.feed.serve(calendar(series))
    sync_at_once()
    assert feed_titles() == ["Match"]
    assert sync_at_once() == 0


@pytest.fixture
def synced(lockstep: Lockstep, site: Site) -> Lockstep:
    """All matches are known."""
    connect(lockstep, site)
    sync_at_once()
    assert feed_titles() == MATCHES
    site.feed.asked.clear()
    site.feed.answered.clear()
    return lockstep


def test_an_unchanged_feed_is_not_sent_again(synced: Lockstep, site: Site) -> None:
    assert synced.sync().changes == set()

    assert site.asked() == ['"1"']
    assert site.feed.answered == [304]


def test_a_changed_feed_changes_what_is_known(synced: Lockstep, site: Site) -> None:
    site.publish(*MATCHES[:6], "Final", "Replay", etag="2")

    planned = synced.preview()
    done = synced.sync()

    assert planned.changes == done.changes
    assert done.counts() == {"local.create": 2, "local.delete": 2}
    assert feed_titles() == ["Final", *MATCHES[:6], "Replay"]
    assert sync_at_once() == 0


WHOLE = feed_of(*MATCHES)
BROKEN = {
    "empty": (200, b"", 1),
    "cut off": (200, WHOLE[: len(WHOLE) // 2], 1),
    "a web page": (200, b"<html><p>Please sign in</p></html>", 1),
    "without events": (200, feed_of(), 3),
    "almost without events": (200, feed_of("Match 0"), 3),
    "gone": (404, b"", 1),
    "forbidden": (403, b"", 1),
    "in trouble": (500, b"", 1),
}


@pytest.mark.parametrize("trouble", BROKEN)
def test_a_feed_that_is_broken_deletes_nothing(synced: Lockstep, site: Site, trouble: str) -> None:
    status, content, code = BROKEN[trouble]
    site.feed.serve(content)
    site.feed.status = status

    assert synced.sync(code=code).changes == set()

    assert feed_titles() == MATCHES
    site.publish(*MATCHES, "Final", etag="3")
    synced.run("connect_account", "ics", site.url)  # thaws it where it was frozen
    sync_at_once()
    assert feed_titles() == ["Final", *MATCHES]


def test_what_a_server_promises_and_does_not_send_deletes_nothing(
    synced: Lockstep, site: Site
) -> None:
    site.publish(*MATCHES[:7], etag="2")
    site.feed.cut = 500

    assert synced.sync(code=1).changes == set()

    assert feed_titles() == MATCHES


def test_what_is_no_feed_is_not_connected(lockstep: Lockstep, site: Site) -> None:
    site.feed.serve(b"<html><p>Please sign in</p></html>")

    assert "no calendar" in connect(lockstep, site, code=1)
    assert not Account.objects.exists()


@pytest.mark.parametrize("address", ["", "canary.ics", "http://[canary/x.ics", "ftp://x/canary"])
def test_what_is_no_address_is_not_connected(lockstep: Lockstep, site: Site, address: str) -> None:
    said = lockstep.start("connect_account", "ics", "-").end(f"{address}\n")

    assert said.code == (1 if address else 2)
    assert ("the address of" in said.err, "Traceback" in said.err) == (True, False)
    assert not Account.objects.exists()


def test_a_feed_blocks_a_google_calendar_and_is_disconnected(
    connected: Lockstep, people: People, site: Site
) -> None:
    connect(connected, site, "--name", "Football")
    feed = Collection.objects.get(account__service="ics")
    connected.run("busy_rule", "add", "--source", str(feed.pk), "--target", HOME)

    connected.sync()

    assert people.titles(HOME) == ["Busy"] * 8
    assert [starts(b) for b in people.blocks(HOME)] == [
        starts(at(1 + number, "10:00")) for number in range(8)
    ]
    site.publish(*MATCHES[:7], etag="2")
    assert connected.sync().counts() == {"local.delete": 1, "remote.delete": 1}
    assert sync_at_once() == 0
    connected.run("disconnect_account", "Football", "--blocks", "all", "--yes")
    assert people.titles(HOME) == []


def test_a_feed_of_a_google_calendar_that_we_block_does_not_block_it_once_more(
    connected: Lockstep, people: People, site: Site
) -> None:
    """What Google hands out as a feed names its events by their iCalUIDs, and shows no marks."""
    connect(connected, site, "--name", "Football")
    feed = Collection.objects.get(account__service="ics")
    connected.run("busy_rule", "add", "--source", str(feed.pk), "--target", HOME)
    connected.sync()
    blocks = [
        vevent("SUMMARY:Busy", "DURATION:PT1H", uid=block["iCalUID"], start=_start(number))
        for number, block in enumerate(people.blocks(HOME))
    ]

    site.feed.serve(feed_of(*MATCHES).replace(b"END:VCALENDAR", _joined(blocks)))

    assert connected.sync().changes == set()
    assert feed_titles() == MATCHES
    assert people.titles(HOME) == ["Busy"] * 8


def _joined(parts: list[str]) -> bytes:
    return "\r\n".join([*parts, "END:VCALENDAR"]).encode()


def test_a_feed_in_a_circle_gives_its_events_and_what_is_changed_of_them_is_put_right(
    both: Lockstep, people: People, family: Family, site: Site
) -> None:
    people.add(HOME, "Lunch")
    connect(both, site, "--name", "Football")
    feed = Collection.objects.get(account__service="ics")
    said = both.run("circle", "add", "All", "--collections", HOME, FAMILY, str(feed.pk))
    assert "it only contributes" in said.out

    planned = both.preview()
    done = both.sync()

    assert planned.changes == done.changes
    assert people.titles(HOME) == family.titles() == ["Lunch", *MATCHES]
    family.edit(family.find("Match 1"), location="Stadium")
    site.publish(*MATCHES[:7], etag="2")
    both.sync()
    assert people.titles(HOME) == family.titles() == ["Lunch", *MATCHES[:7]]
    assert "Stadium" not in "".join(family.texts().values())
    conflict = Conflict.objects.get()
    assert (conflict.outcome, conflict.local["location"]) == ("automatic", "Stadium")
    assert [sync_at_once() for _ in range(2)] == [0, 0]


def test_nothing_is_drawn_into_a_feed(connected: Lockstep, site: Site) -> None:
    connect(connected, site)
    feed = Collection.objects.get(account__service="ics")

    said = connected.run("busy_rule", "add", "--source", HOME, "--target", str(feed.pk), code=2)

    assert "Traceback" not in said.err
    with pytest.raises(Exception, match=r"\w"):
        add_busy_rule(source=Collection.objects.get(remote_id=HOME), target=feed)
