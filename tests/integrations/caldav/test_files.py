"""Files that hold more, less or something else than one event."""

from collections.abc import Sequence

import pytest

from sync.core.marks import Marker
from tests.integrations.caldav.odd import OddServer
from tests.integrations.caldav.person import KEY, Person
from tests.integrations.provider_contract import delete, listed, one, refused, update

SLOT = "2026-12-02T09:00:00Z"
SERIES = "RRULE:FREQ=DAILY;COUNT=5"


def event(uid: str, *lines: str, title: str = "title", start: str = "20261201T090000Z") -> str:
    said = [f"UID:{uid}", "DTSTAMP:20260101T000000Z", f"DTSTART:{start}", "DURATION:PT1H"]
    return "\r\n".join(["BEGIN:VEVENT", *said, f"SUMMARY:{title}", *lines, "END:VEVENT"])


def exception(uid: str, day: int, *lines: str) -> str:
    recurrence = f"RECURRENCE-ID:202612{day:02}T090000Z"
    return event(uid, recurrence, *lines, title="moved", start=f"202612{day:02}T120000Z")


def calendar(*parts: str) -> bytes:
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Somebody//Else//EN"]
    return "\r\n".join([*head, *parts, "END:VCALENDAR", ""]).encode()


def put(odd: OddServer, file: str, *parts: str) -> None:
    """Store a file as the server's own web page might: whatever the standard says."""
    odd.files[file] = calendar(*parts)
    odd.history.append(file)


def shown(me: Person, cursor: str = "") -> tuple[dict[str, object], str]:
    """Return the titles by name, None for a tombstone."""
    copies, after = listed(me.open(), cursor)
    return {
        n: (c.fields or {}).get("title") if c.fields else None for n, c in copies.items()
    }, after


def test_a_series_names_its_exceptions_and_each_bears_its_place(odd: OddServer, me: Person) -> None:
    put(odd, "s.ics", event("s", SERIES), exception("s", 2), exception("s", 3))
    copies, _ = listed(me.open())
    assert copies.keys() == {"s.ics", f"s.ics#{SLOT}", "s.ics#2026-12-03T09:00:00Z"}
    assert copies["s.ics"].occurrences == copies.keys() - {"s.ics"}
    assert (copies[f"s.ics#{SLOT}"].parent, copies[f"s.ics#{SLOT}"].slot) == ("s.ics", SLOT)


def test_an_exception_moves_without_moving_its_series(odd: OddServer, me: Person) -> None:
    put(odd, "s.ics", event("s", SERIES), exception("s", 2))
    before, cursor = listed(me.open())
    put(odd, "s.ics", event("s", SERIES), exception("s", 2, "LOCATION:here"))
    after, _ = listed(me.open(), cursor)
    assert after["s.ics"].version == before["s.ics"].version
    assert after[f"s.ics#{SLOT}"].version != before[f"s.ics#{SLOT}"].version


def test_an_exception_alone_is_an_event_of_its_own(odd: OddServer, me: Person) -> None:
    put(odd, "s.ics", exception("s", 2))
    copies, cursor = listed(me.open())
    (copy,) = copies.values()
    assert (copy.remote_id, copy.parent, copy.slot) == (f"s.ics#{SLOT}", "", "")
    assert me.open().read(copy.remote_id).fields == copy.fields
    del odd.files["s.ics"]
    odd.history.append("s.ics")
    gone, _ = shown(me, cursor)
    assert gone == {"s.ics": None, f"s.ics#{SLOT}": None}


def test_an_exception_alone_is_joined_by_its_series(odd: OddServer, me: Person) -> None:
    put(odd, "s.ics", exception("s", 2))
    _, cursor = listed(me.open())
    put(odd, "s.ics", event("s", SERIES), exception("s", 2))
    copies, cursor = listed(me.open(), cursor)
    assert copies[f"s.ics#{SLOT}"].parent == "s.ics"
    del odd.files["s.ics"]
    odd.history.append("s.ics")
    assert shown(me, cursor)[0] == {"s.ics": None}


def test_several_uids_in_one_file_are_several_events(odd: OddServer, me: Person) -> None:
    put(odd, "x.ics", event("a", title="A"), event("b/#", SERIES, title="B"), exception("b/#", 2))
    titles, cursor = shown(me)
    series = "x.ics##b%2F%23"
    assert titles == {"x.ics##a": "A", series: "B", f"{series}#{SLOT}": "moved"}
    copies, _ = listed(me.open())
    assert copies[f"{series}#{SLOT}"].parent == series
    put(odd, "x.ics", event("b/#", SERIES, title="B"), exception("b/#", 2))
    after, cursor = shown(me, cursor)
    assert after["x.ics##a"] is None
    assert after["x.ics"] == "B"
    assert after[series] is None


def test_one_of_several_events_is_changed_and_deleted_by_itself(odd: OddServer, me: Person) -> None:
    put(odd, "x.ics", event("a", title="A"), event("b", title="B"))
    provider = me.open()
    copies, _ = listed(provider)
    one(provider, update(copies["x.ics##a"], title="new"))
    one(provider, delete(copies["x.ics##b"]))
    assert b"SUMMARY:new" in odd.files["x.ics"]
    assert b"UID:b" not in odd.files["x.ics"]


def test_a_task_in_the_file_of_an_event_outlives_it(odd: OddServer, me: Person) -> None:
    put(odd, "x.ics", event("x"), event("x").replace("VEVENT", "VTODO"))
    provider = me.open()
    copies, _ = listed(provider)
    one(provider, delete(copies["x.ics"]))
    assert b"BEGIN:VTODO" in odd.files["x.ics"]
    assert b"BEGIN:VEVENT" not in odd.files["x.ics"]


@pytest.mark.parametrize("kind", ["VTODO", "VJOURNAL", "VFREEBUSY"])
def test_what_is_no_event_is_passed_over(odd: OddServer, me: Person, kind: str) -> None:
    put(odd, "t.ics", event("t").replace("VEVENT", kind))
    assert shown(me)[0] == {}


def test_an_event_that_became_a_task_is_gone(odd: OddServer, me: Person) -> None:
    put(odd, "t.ics", event("t"))
    _, cursor = listed(me.open())
    put(odd, "t.ics", event("t").replace("VEVENT", "VTODO"))
    assert shown(me, cursor)[0] == {"t.ics": None}
    assert me.open().read("t.ics").evidence == "read: not in its file"


BROKEN: Sequence[bytes] = (
    b"",
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\n",
    b"no calendar at all",
    b"\xff\xfe\x00\x00",
    calendar(event("x", start="yesterday")),
)


@pytest.mark.parametrize("text", BROKEN, ids=["empty", "cut", "prose", "binary", "no date"])
def test_a_file_that_cannot_be_read_costs_only_itself(
    odd: OddServer, me: Person, text: bytes
) -> None:
    put(odd, "good.ics", event("good"))
    odd.files["bad.ics"] = text.decode("latin-1").encode() if text[:1] == b"\xff" else text
    odd.history.append("bad.ics")
    pages = list(me.open().changes(""))
    assert [c.remote_id for page in pages for c in page.copies] == ["good.ics"]
    assert [u.remote_id for page in pages for u in page.unreadable] == ["bad.ics"]
    assert all("yesterday" not in u.problem for page in pages for u in page.unreadable)


def test_a_name_that_nobody_can_keep_costs_only_itself(odd: OddServer, me: Person) -> None:
    put(odd, "x.ics", event("a", title="A"), event("b" * 2000, title="B"))
    (page,) = me.open().changes("")
    assert [copy.remote_id for copy in page.copies] == ["x.ics##a"]
    assert [len(bad.remote_id) for bad in page.unreadable] == [1024]


def test_what_cannot_be_read_any_more_is_not_gone(odd: OddServer, me: Person) -> None:
    put(odd, "s.ics", event("s", SERIES), exception("s", 2))
    _, cursor = listed(me.open())
    odd.files["s.ics"] = b"no calendar at all"
    odd.history.append("s.ics")
    (page,) = me.open().changes(cursor)
    assert page.copies == []
    assert [bad.remote_id for bad in page.unreadable] == ["s.ics"]


def test_a_damaged_exception_is_no_exception_let_go(odd: OddServer, me: Person) -> None:
    put(odd, "s.ics", event("s", SERIES), exception("s", 2).replace("T120000Z", "noon"))
    (page,) = me.open().changes("")
    (series,) = page.copies
    assert series.occurrences is None
    assert len(page.unreadable) == 1


def test_a_mark_that_came_along_from_the_series_is_inherited(odd: OddServer, me: Person) -> None:
    mark = Marker([KEY], odd.path).sign("s.ics", attempt="a1", rule="r1")
    line = f"X-LOCKSTEP-MARK:{mark}"
    put(odd, "s.ics", event("s", SERIES, line), exception("s", 2, line))
    copies, _ = listed(me.open())
    series, moved = copies["s.ics"].mark, copies[f"s.ics#{SLOT}"].mark
    assert series is not None
    assert moved is not None
    assert (series.inherited, moved.inherited) == (False, True)


def test_a_forged_mark_is_no_mark(odd: OddServer, me: Person) -> None:
    mark = Marker([b"x" * 32], odd.path).sign("s.ics", attempt="a1", rule="r1")
    put(odd, "s.ics", event("s", f"X-LOCKSTEP-MARK:{mark}"))
    copies, _ = listed(me.open())
    assert copies["s.ics"].mark is None


def test_floating_times_are_the_calendars(odd: OddServer, me: Person) -> None:
    put(odd, "f.ics", event("f", start="20261201T090000"))
    copies, _ = listed(me.open(zone="America/New_York"))
    assert (copies["f.ics"].fields or {})["start"]["at"] == "2026-12-01T14:00:00Z"


def test_a_guests_copy_is_changed_only_in_what_is_the_guests(odd: OddServer, me: Person) -> None:
    put(
        odd,
        "i.ics",
        event(
            "i",
            "ORGANIZER:mailto:boss@example.com",
            "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:me@example.com",
        ),
    )
    provider = me.open(me=frozenset({"me@example.com"}))
    copies, _ = listed(provider)
    refusal = refused(provider, update(copies["i.ics"], title="mine"))
    assert "belongs to the organiser: title" in str(refusal)
    (guest,) = (copies["i.ics"].fields or {})["attendees"]
    answer = [{**guest, "response": "accepted"}]
    one(provider, update(copies["i.ics"], attendees=answer))
    assert b"PARTSTAT=ACCEPTED" in odd.files["i.ics"]
