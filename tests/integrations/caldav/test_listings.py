"""Listings and deltas at servers of every habit: nothing is lost, nothing is invented."""

import re

import pytest

from integrations.caldav.cursor import DeadCursor, parse_cursor
from sync.core.provider import Copy, Refusal, Remedy
from tests.integrations.caldav.odd import XML, Answer, Manners, OddServer, Request
from tests.integrations.caldav.person import Person
from tests.integrations.provider_contract import create, listed, one
from tests.integrations.samples import plain
from tests.waiting import wait_until

DEAD = {
    "403 with the precondition": (403, "<valid-sync-token/>"),
    "403 with nothing": (403, ""),
    "409": (409, "<valid-sync-token/>"),
    "409 with nothing": (409, ""),
    "410": (410, ""),
    "412": (412, "<valid-sync-token/>"),
    "412 with nothing": (412, ""),
    "400": (400, ""),
    "415": (415, ""),
    "418": (418, ""),
    "501": (501, ""),
    "507 as a whole": (507, "<number-of-matches-within-limits/>"),
}


def error(status: int, named: str) -> Answer:
    return status, XML, f'<error xmlns="DAV:">{named}</error>'.encode() if named else b""


def delta(request: Request) -> bool:
    return "sync-token>data" in request.body


@pytest.mark.parametrize("dead", DEAD)
def test_a_dead_token_asks_for_a_complete_listing_however_it_is_said(
    odd: OddServer, me: Person, dead: str
) -> None:
    _, cursor = listed(me.open())
    odd.script = lambda request: error(*DEAD[dead]) if delta(request) else None
    with pytest.raises(Refusal) as refusal:
        listed(me.open(), cursor)
    assert refusal.value.remedy is Remedy.RESYNC


def test_a_delta_without_a_token_asks_for_a_complete_listing(odd: OddServer, me: Person) -> None:
    _, cursor = listed(me.open())
    empty = b'<multistatus xmlns="DAV:"/>'
    odd.script = lambda request: (207, XML, empty) if delta(request) else None
    with pytest.raises(Refusal) as refusal:
        listed(me.open(), cursor)
    assert refusal.value.remedy is Remedy.RESYNC


def test_the_next_files_are_asked_for_while_some_are_looked_through(
    odd: OddServer, me: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in ("REPORT_SIZE", "PAGE_SIZE"):
        monkeypatch.setattr(f"integrations.caldav.provider.{size}", 2)
    names = {me.add(plain(str(number))) for number in range(5)}
    odd.seen.clear()
    pages = me.open().changes("")
    shown = {copy.remote_id for copy in next(pages).copies}
    wait_until(lambda: len(odd.seen) == 3)  # which files there are, and twice two of them
    shown |= {copy.remote_id for page in pages for copy in page.copies}
    assert (shown, len(odd.seen)) == (names, 4)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_calendar_that_is_shut_or_gone_is_no_empty_calendar(
    odd: OddServer, me: Person, status: int
) -> None:
    odd.script = lambda request: (status, {}, b"")
    with pytest.raises(Refusal) as refusal:
        listed(me.open())
    assert refusal.value.remedy is Remedy.FREEZE


@pytest.mark.parametrize(
    "answer",
    [
        (207, XML, b"<multistatus xmlns='DAV:'><response>"),
        (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"),
        (207, XML, b"<!DOCTYPE x [<!ENTITY a 'b'>]><multistatus xmlns='DAV:'>&a;</multistatus>"),
        (503, {"Retry-After": "1"}, b""),
    ],
    ids=["cut off", "a page", "an entity", "busy"],
)
def test_trouble_is_no_empty_calendar(odd: OddServer, me: Person, answer: Answer) -> None:
    me.add(plain())
    _, cursor = listed(me.open())
    odd.script = lambda request: answer
    for known in ("", cursor):
        with pytest.raises(Refusal) as refusal:
            listed(me.open(), known)
        assert refusal.value.remedy is Remedy.RETRY


def test_a_listing_of_another_place_is_no_listing(odd: OddServer, me: Person) -> None:
    me.add(plain())
    elsewhere = (
        b'<multistatus xmlns="DAV:"><response><href>/else/a.ics</href><propstat><prop><getetag>1'
        b"</getetag></prop></propstat></response><sync-token>t</sync-token></multistatus>"
    )
    odd.script = lambda request: (207, XML, elsewhere)
    with pytest.raises(Refusal, match="another place"):
        listed(me.open())


def test_an_answer_about_nothing_at_all_is_no_empty_calendar(odd: OddServer, me: Person) -> None:
    odd.manners.sync = False
    me.add(plain())
    odd.script = lambda r: (207, XML, b'<multistatus xmlns="DAV:"/>')
    with pytest.raises(Refusal, match="listing of nothing"):
        listed(me.open())


def test_a_listing_may_leave_out_the_calendar_itself(odd: OddServer, me: Person) -> None:
    odd.manners.sync = False
    name = me.add(plain())

    def script(request: Request) -> Answer | None:
        if request.method != "PROPFIND":
            return None
        status, headers, body = odd.answer_itself(request)
        head, _, rest = body.partition(b"<response>")
        return status, headers, head + b"<response>" + rest.partition(b"<response>")[2]

    odd.script = script
    assert listed(me.open())[0].keys() == {name}


def test_parts_of_a_report_are_put_together(odd: OddServer, me: Person) -> None:
    names = {me.add(plain(str(n))) for n in range(5)}
    odd.manners.parts = 2
    copies, cursor = listed(me.open())
    assert copies.keys() == names
    assert odd.calls("REPORT") == 3 + 1  # three parts, and one look at the files
    for name in names:
        me.change(name, {"title": "new"})
    copies, _ = listed(me.open(), cursor)
    assert copies.keys() == names


def test_a_file_that_one_part_calls_gone_and_the_next_one_changed_is_looked_at(
    odd: OddServer, me: Person
) -> None:
    name = me.add(plain("first"))
    _, cursor = listed(me.open())
    odd.manners.parts = 1
    text = odd.files.pop(name)
    odd.history.append(name)

    def script(request: Request) -> Answer | None:
        if delta(request) and sum(map(delta, odd.seen)) == 2:
            odd.files[name] = text
            odd.history.append(name)
        return None

    odd.history.append("another.ics")
    odd.seen.clear()
    odd.script = script
    copies, _ = listed(me.open(), cursor)
    assert copies[name].fields is not None


def test_a_server_that_repeats_itself_for_ever_is_given_up(odd: OddServer, me: Person) -> None:
    page = (
        '<multistatus xmlns="DAV:"><response><href>{path}</href>'
        "<status>HTTP/1.1 507 Insufficient Storage</status></response>"
        "<sync-token>same</sync-token></multistatus>"
    )
    odd.script = lambda request: (207, XML, page.format(path=odd.path).encode())
    with pytest.raises(Refusal, match="again and again"):
        listed(me.open())


def test_a_status_of_its_own_is_no_deletion(odd: OddServer, me: Person) -> None:
    """Nextcloud has called what was deleted a teapot; what is not a plain 404 is looked at."""
    kept, gone = me.add(plain("kept")), me.add(plain("gone"))
    _, cursor = listed(me.open())
    odd.files.pop(gone)
    strange = "".join(
        f"<response><href>{odd.path}{name}</href><status>HTTP/1.1 418 I'm a teapot</status>"
        "</response>"
        for name in (kept, gone)
    )
    page = f'<multistatus xmlns="DAV:">{strange}<sync-token>data:,1-9</sync-token></multistatus>'
    odd.script = lambda request: (207, XML, page.encode()) if delta(request) else None
    copies, _ = listed(me.open(), cursor)
    assert copies[kept].fields is not None
    assert copies[gone].fields is None
    assert copies[gone].evidence == "multiget: 404"


@pytest.mark.parametrize("multiget", [True, False])
def test_without_a_sync_report_a_deletion_is_proven_by_asking(
    odd: OddServer, me: Person, multiget: bool
) -> None:
    odd.manners = Manners(sync=False, multiget=multiget)
    kept, gone = me.add(plain("kept")), me.add(plain("gone"))
    _, cursor = listed(me.open())
    me.remove(gone)
    copies, _ = listed(me.open(), cursor)
    assert copies.keys() == {gone}
    assert copies[gone].evidence == ("multiget: 404" if multiget else "read: 404")
    assert kept not in copies


def test_without_a_sync_report_what_is_only_not_listed_is_not_gone(
    odd: OddServer, me: Person
) -> None:
    odd.manners = Manners(sync=False, tag=False)
    name = me.add(plain())
    _, cursor = listed(me.open())
    text = odd.files.pop(name)

    def script(request: Request) -> Answer | None:
        if "multiget" in request.body:
            odd.files[name] = text  # it was there all the time, only the list did not say so
        return None

    odd.script = script
    copies, _ = listed(me.open(), cursor)
    assert copies[name].fields is not None


def test_without_a_sync_report_an_unchanged_tag_is_one_call(odd: OddServer, me: Person) -> None:
    odd.manners = Manners(sync=False)
    me.add(plain())
    _, cursor = listed(me.open())
    provider = me.open()
    copies, again = listed(provider, cursor)
    assert (provider.calls, copies, again) == (1, {}, cursor)


def test_a_file_that_is_not_handed_out_costs_only_itself(odd: OddServer, me: Person) -> None:
    names = [me.add(plain(str(n))) for n in range(3)]
    odd.manners.multiget = False
    odd.script = lambda r: (500, {}, b"") if r.method == "GET" and names[1] in r.path else None
    pages = list(me.open().changes(""))
    assert {c.remote_id for page in pages for c in page.copies} == {names[0], names[2]}
    assert [u.remote_id for page in pages for u in page.unreadable] == [names[1]]
    assert pages[-1].cursor


def test_the_only_file_not_handed_out_is_no_reason_to_stop(odd: OddServer, me: Person) -> None:
    me.add(plain())
    odd.manners.multiget = False
    odd.script = lambda r: (500, {}, b"") if r.method == "GET" else None
    (page,) = me.open().changes("")
    assert len(page.unreadable) == 1
    assert page.cursor


@pytest.mark.parametrize("status", [413, 500, 507])
def test_a_report_that_asks_for_too_much_is_asked_in_parts(
    odd: OddServer, me: Person, status: int
) -> None:
    names = {me.add(plain(str(n))) for n in range(9)}
    odd.seen.clear()
    odd.script = lambda r: (status, {}, b"") if r.body.count("<D:href>") > 2 else None
    copies, _ = listed(me.open())
    assert copies.keys() == names
    assert odd.calls("GET") == 0


def test_a_file_that_breaks_the_report_costs_only_itself(odd: OddServer, me: Person) -> None:
    names = [me.add(plain(str(n))) for n in range(9)]
    odd.script = lambda r: (
        (500, {}, b"") if f"{names[4]}<" in r.body or names[4] in r.path else None
    )
    pages = list(me.open().changes(""))
    assert {c.remote_id for page in pages for c in page.copies} == {*names} - {names[4]}
    assert [u.remote_id for page in pages for u in page.unreadable] == [names[4]]


def test_a_server_without_multiget_is_asked_only_once_for_it(odd: OddServer, me: Person) -> None:
    odd.manners.multiget = False
    for n in range(3):
        me.add(plain(str(n)))
    provider = me.open()
    listed(provider)
    listed(provider)
    assert sum("multiget" in request.body for request in odd.seen) == 1


def test_a_file_left_out_of_the_report_is_asked_for_by_itself(odd: OddServer, me: Person) -> None:
    kept, gone = me.add(plain("kept")), me.add(plain("gone"))
    _, cursor = listed(me.open())
    for name in (kept, gone):
        me.change(name, {"title": "new"})

    def script(request: Request) -> Answer | None:
        if "multiget" not in request.body:
            return None
        odd.files.pop(gone)
        return 207, XML, b'<multistatus xmlns="DAV:"/>'

    odd.script = script
    copies, _ = listed(me.open(), cursor)
    assert copies[kept].fields is not None
    assert copies[gone].evidence == "read: 404"


def test_nothing_is_gone_from_a_calendar_that_is_gone(odd: OddServer, me: Person) -> None:
    name = me.add(plain())
    odd.script = lambda request: (404, {}, b"")
    with pytest.raises(Refusal) as refusal:
        me.open().read(name)
    assert refusal.value.remedy is Remedy.FREEZE


@pytest.mark.parametrize(
    "file", ["two words.ics", "ünïcode 你.ics", "100%.ics", "a#b?c.ics", "me@example.com.ics", "x"]
)
def test_files_may_be_called_anything(odd: OddServer, me: Person, file: str) -> None:
    name = me.add(plain())
    odd.files[file] = odd.files.pop(name)
    odd.history = [file]
    copies, cursor = listed(me.open())
    (copy,) = copies.values()
    assert me.open().read(copy.remote_id).fields == copy.fields
    del odd.files[file]
    odd.history.append(file)
    gone, _ = listed(me.open(), cursor)
    assert [c.fields for c in gone.values()] == [None]
    assert gone.keys() == copies.keys()


def test_one_spelling_of_an_href_is_one_copy(odd: OddServer, me: Person) -> None:
    name = me.add(plain())
    odd.files["a b~@.ics"] = odd.files.pop(name)
    odd.history = ["a b~@.ics"]
    first, _ = listed(me.open())
    for spelling in ("a%20b~@.ics", "a%20b%7e%40.ics", "a b%7E@.ics"):

        def script(request: Request, spelling: str = spelling) -> Answer | None:
            status, headers, body = odd.answer_itself(request)
            return status, headers, re.sub(rb"a%20b~%40\.ics", spelling.encode(), body)

        odd.script = script
        assert listed(me.open())[0].keys() == first.keys()


@pytest.mark.parametrize("text", ["", "{}", '{"v":2}', "null", "x" * 99, '{"v":1,"etags":"!"}'])
def test_a_cursor_that_is_not_ours_is_dead(me: Person, text: str) -> None:
    with pytest.raises(DeadCursor):
        parse_cursor(text)
    if text:
        with pytest.raises(Refusal) as refusal:
            listed(me.open(), text)
        assert refusal.value.remedy is Remedy.RESYNC


def test_a_cursor_belongs_to_a_calendar_and_to_how_it_is_read(me: Person) -> None:
    shapes = {me.open().shape, me.open(zone="Europe/Berlin").shape, me.open(role="reader").shape}
    assert len(shapes) == 3


def test_what_a_page_shows_was_read_as_it_stands(me: Person) -> None:
    me.add(plain())
    assert all(page.strong for page in me.open().changes(""))


def test_a_reader_is_told_why_nothing_can_be_written(me: Person) -> None:
    name = me.add(plain())
    copies, _ = listed(me.open(role="reader"))
    assert copies[name].obstacle == "the calendar is shared with us as reader"


def test_marks_are_looked_for_in_every_file_where_a_search_finds_none(
    odd: OddServer, me: Person
) -> None:
    provider = me.open()
    block: Copy = one(provider, create(provider.name("block"), plain("Busy"), rule="rule1"))
    nothing = b'<multistatus xmlns="DAV:"/>'
    odd.script = lambda r: (207, XML, nothing) if "calendar-query" in r.body else None
    assert [copy.remote_id for copy in me.open().marked()] == [block.remote_id]
