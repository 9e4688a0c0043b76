"""Consent in a browser, and tokens that are renewed, against the sandbox."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from integrations.google.loopback import ConsentRefused, ConsentTimedOut, Loopback
from integrations.google.oauth import (
    CALENDAR_LIST,
    EVENTS,
    SCOPES,
    Grant,
    OAuthClient,
    missing_scopes,
    renew,
    revoke,
)
from integrations.google.session import AuthorizedHttp
from integrations.http import Http
from integrations.sandbox import Sandbox
from sync.core.provider import Refusal, Remedy
from tests.integrations.google.conftest import WORK, Google, Purse
from tests.integrations.provider_contract import create, listed, refused, update
from tests.integrations.samples import plain

CALENDAR = "https://www.googleapis.com/auth/calendar"


class Browser:
    """A person's browser: it opens the consent page, decides, and follows the way back."""

    def __init__(self, loopback: Loopback, client: OAuthClient) -> None:
        self.query = parse_qs(urlsplit(loopback.consent.address(client, email_hint=WORK)).query)
        self.asked = {name: values[0] for name, values in self.query.items()}
        self.page = client.auth_uri

    def decide(self, decision: str = "allow", scopes: tuple[str, ...] = SCOPES) -> None:
        form = [*self.asked.items(), ("account", WORK), ("decision", decision)]
        form += [("granted", scope) for scope in scopes]
        with urllib.request.urlopen(self.page, urlencode(form).encode(), timeout=5) as answer:
            assert answer.status == 200

    def visit(self, **query: str) -> int:
        """Go to the way back directly; return the status."""
        try:
            with urllib.request.urlopen(
                f"{self.asked['redirect_uri']}/?{urlencode(query)}", timeout=5
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def loopback(google: Google) -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def browser(loopback: Loopback, google: Google) -> Browser:
    return Browser(loopback, google.client())


def meanwhile(*acts: Any) -> threading.Thread:
    """Let the browser act while we wait."""
    thread = threading.Thread(target=lambda: [act() for act in acts])
    thread.start()
    return thread


def test_a_person_consents_and_we_get_a_grant(
    google: Google, loopback: Loopback, browser: Browser
) -> None:
    thread = meanwhile(browser.decide)
    code = loopback.wait(5)
    thread.join()
    grant = loopback.consent.exchange(google.client(), code, Http(), clock=lambda: 1000.0)
    assert grant.refresh_token
    assert grant.fresh(1000.0)
    assert missing_scopes(grant.scopes) == ()


def test_the_address_asks_for_what_is_needed_and_proves_itself(browser: Browser) -> None:
    assert browser.asked["code_challenge_method"] == "S256"
    assert browser.asked["access_type"] == "offline"
    assert browser.asked["prompt"] == "consent"
    assert browser.asked["login_hint"] == WORK
    assert len(browser.asked["state"]) >= 32
    assert set(browser.asked["scope"].split()) == {"openid", "email", EVENTS, CALENDAR_LIST}


def test_a_code_is_worth_nothing_to_another_attempt(
    google: Google, loopback: Loopback, browser: Browser
) -> None:
    thread = meanwhile(browser.decide)
    code = loopback.wait(5)
    thread.join()
    with Loopback() as other, pytest.raises(Refusal) as refusal:
        other.consent.exchange(google.client(), code, Http(), clock=lambda: 0.0)
    assert refusal.value.remedy is Remedy.FREEZE


def test_a_person_says_no(loopback: Loopback, browser: Browser) -> None:
    thread = meanwhile(lambda: browser.decide("deny"))
    with pytest.raises(ConsentRefused, match="access_denied"):
        loopback.wait(5)
    thread.join()


def test_nobody_comes(loopback: Loopback) -> None:
    with pytest.raises(ConsentTimedOut):
        loopback.wait(0.05)


def test_strangers_are_turned_away_and_do_not_end_the_wait(
    loopback: Loopback, browser: Browser
) -> None:
    seen: list[int] = []
    thread = meanwhile(
        lambda: seen.append(browser.visit()),
        lambda: seen.append(browser.visit(code="stolen")),
        lambda: seen.append(browser.visit(code="stolen", state="forged-ü")),
        lambda: seen.append(browser.visit(state=browser.asked["state"])),
        browser.decide,
    )
    assert loopback.wait(5) != "stolen"
    thread.join()
    assert seen == [400, 400, 400, 400]


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ([CALENDAR, "email"], ()),
        ([EVENTS, CALENDAR_LIST, f"{CALENDAR[:-8]}userinfo.email"], ()),
        ([EVENTS, "email"], (CALENDAR_LIST,)),
        ([f"{EVENTS}.readonly", f"{CALENDAR}.readonly", "email"], (EVENTS,)),
        ([], (EVENTS, CALENDAR_LIST, "email")),
    ],
)
def test_missing_scopes_are_named(granted: list[str], missing: tuple[str, ...]) -> None:
    assert missing_scopes(granted) == missing


def test_renewing_keeps_the_refresh_token_unless_a_new_one_comes(
    sandbox: Sandbox, google: Google
) -> None:
    before = google.purse.grant
    after = renew(before, google.client(), Http())
    assert after.refresh_token == before.refresh_token
    assert after.access_token
    sandbox.post("options", rotate_refresh_tokens=True)
    rotated = renew(after, google.client(), Http())
    assert rotated.refresh_token not in ("", before.refresh_token)


def test_a_revoked_grant_freezes(google: Google) -> None:
    revoke(google.purse.grant, google.client(), Http())
    with pytest.raises(Refusal) as refusal:
        listed(google.open())
    assert (refusal.value.remedy, refusal.value.reason) == (Remedy.FREEZE, "invalid_grant")
    revoke(google.purse.grant, google.client(), Http())  # it is gone already: no complaint


@pytest.mark.parametrize(
    "fault",
    [{"kind": "lost_answer"}, {"kind": "oauth_error", "status": 503, "error": "internal_failure"}],
)
def test_a_token_endpoint_in_trouble_freezes_nothing_and_nothing_was_sent(
    google: Google, fault: dict[str, Any]
) -> None:
    google.sandbox.fault(operation="oauth.token", times=None, **fault)
    provider = google.open()
    refusal = refused(provider, create(provider.name("x"), plain()))
    assert (refusal.remedy, refusal.certain) == (Remedy.RETRY, True)
    assert google.requests() == []


def test_a_token_is_used_until_it_is_nearly_over(google: Google) -> None:
    listed(google.open())
    listed(google.open())
    assert google.purse.saved == 1


def test_a_token_that_dies_early_is_renewed_once_and_the_call_made_again(google: Google) -> None:
    listed(google.open())
    google.sandbox.post("tokens/expire_access")
    listed(google.open())
    assert google.purse.saved == 2


def test_a_token_that_stays_refused_freezes(google: Google) -> None:
    google.sandbox.fault(
        "error", operation="events.list", status=401, reason="authError", times=None
    )
    with pytest.raises(Refusal) as refusal:
        listed(google.open())
    assert refusal.value.remedy is Remedy.FREEZE


def test_another_process_that_renewed_first_is_believed(google: Google) -> None:
    listed(google.open())
    slow = AuthorizedHttp(Http(), google.client(), google.purse)
    google.sandbox.post("tokens/expire_access")
    listed(google.open())  # the fast process renews and saves
    saved = google.purse.saved
    head, _ = slow.request(f"{google.sandbox.url}/oauth2/v2/userinfo")
    assert head.status == 200
    assert google.purse.saved == saved


def test_a_refresh_token_that_lost_a_race_is_not_a_dead_grant(google: Google) -> None:
    google.sandbox.post("options", rotate_refresh_tokens=True)

    class Race(Purse):
        """Another process renews, and so rotates, between our look and our call."""

        def load(self) -> Grant:
            mine = self.grant
            if self.loads == 1:
                self.grant = renew(mine, google.client(), Http())
            self.loads += 1
            return mine

        loads = 0

    race = Race(google.purse.grant)
    http = AuthorizedHttp(Http(), google.client(), race)
    head, _ = http.request(f"{google.sandbox.url}/oauth2/v2/userinfo")
    assert head.status == 200


def test_neither_tokens_nor_content_reach_the_logs(
    google: Google, caplog: pytest.LogCaptureFixture
) -> None:
    for library in ("", "urllib3", "googleapiclient"):
        caplog.set_level("DEBUG", logger=library)
    provider = google.open()
    writes = [create(provider.name(str(n)), plain("canary-title")) for n in range(2)]
    copies = [outcome.copy for outcome in provider.write(writes) if outcome.copy]
    google.change(copies[0].remote_id, {"title": "canary-other"})
    refused(provider, update(copies[0], description="canary-text"))
    listed(provider)
    assert caplog.records
    for secret in ("canary", google.purse.grant.access_token, google.purse.grant.refresh_token):
        assert secret not in caplog.text


def test_secrets_are_never_shown(google: Google) -> None:
    grant = Grant("canary-refresh", "canary-access", 1.0, ("s",))
    assert "canary" not in repr(grant)
    assert Grant.from_json(grant.to_json()) == grant
    client = google.client()
    assert client.client_secret not in repr(client)
    with pytest.raises(Refusal) as refusal:
        renew(grant, client, Http())
    assert "canary" not in f"{refusal.value!r} {refusal.value.__dict__}"
