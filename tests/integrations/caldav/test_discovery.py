"""From an address to a person's calendars, at servers of every habit."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import httplib2
import pytest

from integrations.caldav.calendars import list_calendars
from integrations.caldav.client import Astray, Dav
from integrations.caldav.discovery import Found, NotCalDav, discover, introduce
from integrations.caldav.login import Login
from integrations.caldav.urls import resolve
from integrations.collection_list import Listed
from integrations.http import Http, verbatim
from sync.core.provider import Refusal, Remedy
from tests.integrations.caldav.odd import XML, Answer, OddServer, Request, serving
from tests.radicale import PEOPLE, Radicale


def introduced(url: str, user: str = "work", password: str = PEOPLE["work"]) -> Login:
    return introduce(Http(clean=verbatim), url, user, password, sleep=lambda seconds: None)


def listed(login: Login) -> list[Listed]:
    return list(list_calendars(Dav(Http(clean=verbatim), login), login.url).entries)


@pytest.fixture(scope="module")
def homely(radicale: Radicale) -> Radicale:
    """A server where somebody has one calendar and one list of tasks."""
    radicale.make_calendar("home", "first", title="First & only")
    radicale.make_calendar("home", "tasks", components=("VTODO",))
    return radicale


class TestAtARadicale:
    """A real server."""

    @pytest.mark.parametrize("start", ["", "/", "/home/", "/home/first/", "/home/first"])
    def test_any_address_leads_to_the_person_and_the_calendars(
        self, homely: Radicale, start: str
    ) -> None:
        login = introduced(homely.url + start, "home", PEOPLE["home"])
        assert login.principal == f"{homely.url}/home/"
        (calendar,) = listed(login)
        assert (calendar.remote_id, calendar.name) == ("/home/first/", "First & only")
        assert (calendar.role, calendar.primary) == ("owner", True)

    def test_a_wrong_password_is_refused(self, homely: Radicale) -> None:
        with pytest.raises(Refusal) as refusal:
            introduced(homely.url, "home", "canary")
        assert refusal.value.status == 401
        assert "canary" not in str(refusal.value)


def prop(path: str, found: str, missing: str = "") -> str:
    lost = f"<propstat><prop>{missing}</prop><status>HTTP/1.1 404 Not Found</status></propstat>"
    return (
        f"<response><href>{path}</href><propstat><prop>{found}</prop>"
        f"<status>HTTP/1.1 200 OK</status></propstat>{lost if missing else ''}</response>"
    )


def multistatus(*responses: str) -> Answer:
    text = (
        '<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" '
        f'xmlns:A="http://apple.com/ns/ical/">{"".join(responses)}</multistatus>'
    )
    return 207, XML, text.encode()


PERSON = prop(
    "/me/",
    "<C:calendar-home-set><href>/home%20of%20me</href></C:calendar-home-set>"
    "<C:calendar-user-address-set><href>mailto:Me@Example.com</href><href>/me/</href>"
    "<href>mailto:other%2Bme@example.com</href></C:calendar-user-address-set>",
)
CALENDAR = "<resourcetype><collection/><C:calendar/></resourcetype>"
WHO = prop("/", "<current-user-principal><href>/me/</href></current-user-principal>")


def site(pages: dict[str, Answer | list[Answer]]) -> Callable[[Request], Answer]:
    """Answer PROPFINDs by path; whatever is not named is not there."""

    def script(request: Request) -> Answer:
        page = pages.get(request.path, (404, {}, b""))
        return page.pop(0) if isinstance(page, list) else page

    return script


HOME = multistatus(
    prop("/home%20of%20me/", "<resourcetype><collection/></resourcetype>", "<displayname/>"),
    prop(
        "/home%20of%20me/plain",
        f"{CALENDAR}<displayname>Plain</displayname><A:calendar-color>#FF00aaFF</A:calendar-color>"
        "<C:calendar-timezone>BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\n"
        "END:VTIMEZONE\nEND:VCALENDAR</C:calendar-timezone>",
    ),
    prop(
        "/home of me/sh%C3%A4red/",
        f"{CALENDAR}<current-user-privilege-set><privilege><read/></privilege>"
        "</current-user-privilege-set><C:calendar-timezone-id>Mars/Olympus</C:calendar-timezone-id>",
        "<displayname/>",
    ),
    prop(
        "/home%20of%20me/tasks/",
        f"{CALENDAR}<C:supported-calendar-component-set><C:comp name='VTODO'/>"
        "</C:supported-calendar-component-set>",
    ),
    prop("/home%20of%20me/inbox/", "<resourcetype><collection/><C:schedule-inbox/></resourcetype>"),
)
SITE: dict[str, Answer | list[Answer]] = {
    "/.well-known/caldav": (301, {"Location": "/"}, b""),
    "/": multistatus(WHO),
    "/me/": multistatus(PERSON),
    "/home%20of%20me/": HOME,
}


@pytest.fixture
def site_of_me(odd: OddServer) -> OddServer:
    odd.script = site(SITE)
    return odd


def test_names_roles_zones_and_colours_are_taken_as_they_come(site_of_me: OddServer) -> None:
    login = introduced(site_of_me.url, "me", "secret")
    assert login.addresses == ("me@example.com", "other+me@example.com")
    plain, shared = listed(login)
    assert (plain.remote_id, plain.name, plain.role) == ("/home%20of%20me/plain/", "Plain", "owner")
    assert (plain.time_zone, plain.colour, plain.primary) == ("Europe/Berlin", "#ff00aa", True)
    assert (shared.remote_id, shared.name) == ("/home%20of%20me/sh%C3%A4red/", "shäred")
    assert (shared.role, shared.time_zone, shared.writable) == ("reader", "UTC", False)


def test_a_calendar_that_is_named_comes_first(odd: OddServer) -> None:
    calendar = multistatus(
        prop("/cal/", CALENDAR + WHO.partition("<prop>")[2].partition("</prop>")[0])
    )
    odd.script = site({**SITE, "/cal": calendar, "/cal/": calendar})
    entries = listed(introduced(f"{odd.url}/cal", "me", "secret"))
    assert {e.remote_id for e in entries if e.primary} == {"/cal/"}
    assert len(entries) == 3


def test_the_password_is_not_shown_before_the_server_has_asked_for_it(odd: OddServer) -> None:
    def script(request: Request) -> Answer:
        if "authorization" not in request.headers:
            return 401, {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}, b""
        return site(SITE)(request)

    odd.script = script
    login = introduced(odd.url, "me", "secret")
    assert login.scheme == "digest"
    said = [r.headers["authorization"] for r in odd.seen if "authorization" in r.headers]
    assert all(word.startswith("Digest ") for word in said)
    assert said


class Spread:
    """HTTP to a service that keeps each person's calendars on another of its own servers."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[httplib2.Response, bytes]:
        self.asked.append(uri)
        parts = urlsplit(uri)
        there = "https://p42-caldav.icloud.com/7/calendars/"
        pages: dict[str, Answer | list[Answer]] = {
            "/": multistatus(WHO),
            "/me/": multistatus(
                prop("/me/", f"<C:calendar-home-set><href>{there}</href></C:calendar-home-set>")
            ),
            "/7/calendars/": multistatus(prop("/7/calendars/home/", CALENDAR)),
        }
        status, said, content = site(pages)(Request(method, parts.path, {}, ""))
        return httplib2.Response({**said, "status": str(status)}), content


def test_calendars_on_another_server_of_the_same_service_are_named_in_full() -> None:
    http = Spread()
    login = introduce(http, "caldav.icloud.com", "me", "secret", sleep=lambda seconds: None)
    (calendar,) = list_calendars(Dav(http, login), login.url).entries
    assert calendar.remote_id == "https://p42-caldav.icloud.com/7/calendars/home/"
    assert resolve(login.url, calendar.remote_id) == calendar.remote_id


class Encrypting:
    """HTTP to a server that leads everybody from http to https; there it wants a password."""

    def __init__(self) -> None:
        self.shown: set[str] = set()

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[httplib2.Response, bytes]:
        parts = urlsplit(uri)
        proved = "authorization" in (headers or {})
        if proved:
            self.shown.add(parts.scheme)
        if parts.scheme == "http":
            status, said, content = 301, {"location": f"https://{parts.netloc}{parts.path}"}, b""
        elif not proved:
            status, said, content = 401, {"www-authenticate": 'Basic realm="x"'}, b""
        else:
            status, said, content = site(SITE)(Request(method, parts.path, {}, ""))
        return httplib2.Response({**said, "status": str(status)}), content


def test_the_password_is_sent_where_the_server_leads_to_encryption_only() -> None:
    http = Encrypting()
    login = introduce(http, "http://dav.example.com", "me", "secret", sleep=lambda seconds: None)
    assert login.url == "https://dav.example.com/"
    assert http.shown == {"https"}


def test_a_server_without_principals_is_taken_at_the_address_given(odd: OddServer) -> None:
    home = multistatus(prop("/home/", "<resourcetype><collection/></resourcetype>"))
    odd.script = site({"/home/": home})
    dav = Dav(Http(clean=verbatim), Login(f"{odd.url}/home/", "me", "secret"))
    assert discover(dav, f"{odd.url}/home/") == Found(homes=[f"{odd.url}/home/"])


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, b""),
        (405, {}, b""),
        (403, {}, b""),
        (200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"),
        multistatus(prop("/", "<resourcetype><collection/></resourcetype>")),
        multistatus(),
    ],
)
def test_what_is_no_caldav_server_is_called_so(odd: OddServer, answer: Answer) -> None:
    odd.script = lambda request: answer
    with pytest.raises(NotCalDav):
        introduced(odd.url, "me", "secret")


def test_a_broken_server_is_no_proof_of_another_kind(odd: OddServer) -> None:
    odd.script = lambda request: (500, {}, b"")
    with pytest.raises(Refusal) as refusal:
        introduced(odd.url, "me", "secret")
    assert refusal.value.remedy is Remedy.RETRY


@pytest.mark.parametrize("where", ["well-known", "principal", "home"])
def test_another_server_gets_neither_password_nor_question(odd: OddServer, where: str) -> None:
    with serving(OddServer()) as other:
        there = f"<href>{other.url}/me/</href>"
        pages = dict(SITE)
        if where == "well-known":
            pages["/.well-known/caldav"] = (302, {"Location": other.url}, b"")
        elif where == "principal":
            pages["/"] = multistatus(
                prop("/", f"<current-user-principal>{there}</current-user-principal>")
            )
        else:
            pages["/me/"] = multistatus(
                prop("/me/", f"<C:calendar-home-set>{there}</C:calendar-home-set>")
            )
        odd.script = site(pages)
        with pytest.raises(Astray) as astray:
            listed(introduced(odd.url, "me", "secret"))
        assert astray.value.origin == other.url
        assert other.seen == []
