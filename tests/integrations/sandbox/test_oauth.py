"""Consent, codes with PKCE, refresh, expiry, revocation, identity."""

import base64
import hashlib
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from google_auth_oauthlib.flow import Flow

from integrations.sandbox import Sandbox
from tests.integrations.sandbox.caller import HOME, WORK, Caller, refusal

CALLBACK = "http://127.0.0.1:9999/callback"
EVENTS = "https://www.googleapis.com/auth/calendar.events"
LIST = "https://www.googleapis.com/auth/calendar.calendarlist.readonly"
VERIFIER = "v" * 50
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)


def asked(sandbox: Sandbox, **changes: str) -> dict[str, str]:
    return {
        "client_id": sandbox.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": f"openid email {EVENTS} {LIST}",
        "state": "the-state",
        "access_type": "offline",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes


def consent(
    sandbox: Sandbox, decision: str = "allow", granted: list[str] | None = None, **changes: str
) -> dict[str, str]:
    """Fill in the consent page as a person would; return what reaches the callback."""
    query = asked(sandbox, **changes)
    address = f"{sandbox.url}/o/oauth2/v2/auth"
    page = requests.get(address, params=query, timeout=10).text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    offered = re.findall(r'name="granted" value="([^"]*)"', page)
    form = hidden | {"account": WORK, "decision": decision}
    form["granted"] = offered if granted is None else granted
    answer = requests.post(address, data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    parts = urlsplit(answer.headers["Location"])
    assert answer.headers["Location"].startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


def token(sandbox: Sandbox, **form: str) -> requests.Response:
    client = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    return requests.post(f"{sandbox.url}/token", data=client | form, timeout=10)


def exchange(sandbox: Sandbox, code: str, **changes: str) -> requests.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    return token(sandbox, **form | {"code_verifier": VERIFIER} | changes)


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_a_person_consents_and_the_code_becomes_tokens(sandbox):
    back = consent(sandbox)
    assert back["state"] == "the-state"
    tokens = exchange(sandbox, back["code"]).json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    assert {"access_token", "refresh_token", "id_token"} <= tokens.keys()


def test_a_code_works_once_with_its_redirect_and_its_verifier(sandbox):
    code = consent(sandbox)["code"]
    wrong = exchange(sandbox, code, code_verifier="w" * 50)
    assert error(wrong) == (400, "invalid_grant")
    code = consent(sandbox)["code"]
    other = exchange(sandbox, code, redirect_uri=f"{CALLBACK}/other")
    assert error(other) == (400, "redirect_uri_mismatch")
    code = consent(sandbox)["code"]
    assert exchange(sandbox, code).ok
    assert error(exchange(sandbox, code)) == (400, "invalid_grant")


def test_a_code_expires(sandbox):
    code = consent(sandbox)["code"]
    sandbox.post("options", clock_offset_seconds=601)
    assert error(exchange(sandbox, code)) == (400, "invalid_grant")


def test_a_second_consent_brings_a_refresh_token_only_when_prompted(sandbox):
    assert "refresh_token" in exchange(sandbox, consent(sandbox)["code"]).json()
    assert "refresh_token" not in exchange(sandbox, consent(sandbox)["code"]).json()
    code = consent(sandbox, prompt="consent")["code"]
    assert "refresh_token" in exchange(sandbox, code).json()


def test_a_person_may_refuse_or_untick_scopes(sandbox):
    assert consent(sandbox, decision="deny")["error"] == "access_denied"
    back = consent(sandbox, granted=[LIST])
    tokens = exchange(sandbox, back["code"]).json()
    assert tokens["scope"] == LIST
    head = {"Authorization": f"Bearer {tokens['access_token']}"}
    api = f"{sandbox.url}/calendar/v3"
    listed = requests.get(f"{api}/users/me/calendarList", headers=head, timeout=10)
    assert listed.ok
    events = requests.get(f"{api}/calendars/primary/events", headers=head, timeout=10)
    assert refusal(events) == (403, "insufficientPermissions")


def test_short_identity_scopes_are_granted_by_their_long_names(sandbox):
    tokens = exchange(sandbox, consent(sandbox, scope="openid email")["code"]).json()
    assert tokens["scope"] == "openid https://www.googleapis.com/auth/userinfo.email"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"client_id": "unknown"}, 401),
        ({"redirect_uri": "https://evil.example.com/"}, 400),
        ({"response_type": "token"}, 400),
        ({"scope": ""}, 400),
    ],
)
def test_a_bad_request_never_reaches_the_redirect_address(sandbox, changes, status):
    query = asked(sandbox) | changes
    address = f"{sandbox.url}/o/oauth2/v2/auth"
    answer = requests.get(address, params=query, allow_redirects=False, timeout=10)
    assert answer.status_code == status
    assert "Location" not in answer.headers


def test_a_registered_redirect_address_must_match_exactly(sandbox):
    callback = "https://hub.example.com/oauth/google/callback"
    sandbox.post("clients", client_id="web", client_secret="s", redirect_uris=[callback])
    address, query = f"{sandbox.url}/o/oauth2/v2/auth", asked(sandbox, client_id="web")
    for uri, status in ((callback, 200), (f"{callback}/", 400)):
        answer = requests.get(address, params=query | {"redirect_uri": uri}, timeout=10)
        assert answer.status_code == status


def test_refresh_tokens_refresh_until_they_are_revoked(sandbox):
    text = sandbox.refresh_token(WORK)
    form = {"grant_type": "refresh_token", "refresh_token": text}
    answer = token(sandbox, **form)
    assert answer.ok
    assert "refresh_token" not in answer.json()
    revoke = f"{sandbox.url}/revoke"
    assert requests.post(revoke, params={"token": text}, timeout=10).status_code == 200
    assert requests.post(revoke, params={"token": text}, timeout=10).status_code == 400
    assert error(token(sandbox, **form)) == (400, "invalid_grant")


def test_revoking_an_access_token_ends_the_whole_grant(sandbox, work):
    text = sandbox.refresh_token(WORK)
    access = work.session.headers["Authorization"].split()[1]
    requests.post(f"{sandbox.url}/revoke", data={"token": access}, timeout=10)
    form = {"grant_type": "refresh_token", "refresh_token": text}
    assert error(token(sandbox, **form)) == (400, "invalid_grant")
    assert work.refused("GET", "colors") == (401, "authError")


def test_the_token_endpoint_names_what_is_wrong(sandbox):
    assert error(token(sandbox, grant_type="password")) == (400, "unsupported_grant_type")
    assert error(token(sandbox)) == (400, "invalid_request")
    form = {"grant_type": "refresh_token", "refresh_token": sandbox.refresh_token(WORK)}
    assert error(token(sandbox, **form, client_secret="wrong")) == (401, "invalid_client")
    assert error(token(sandbox, **form, client_id="unknown")) == (401, "invalid_client")


def test_rotation_and_the_session_policy_can_be_played(sandbox):
    form = {"grant_type": "refresh_token", "refresh_token": sandbox.refresh_token(WORK)}
    sandbox.fault("oauth_error", operation="oauth.token", subtype="invalid_rapt")
    answer = token(sandbox, **form)
    assert answer.json()["error_subtype"] == "invalid_rapt"
    sandbox.post("options", rotate_refresh_tokens=True)
    new = token(sandbox, **form).json()["refresh_token"]
    assert error(token(sandbox, **form)) == (400, "invalid_grant")
    assert token(sandbox, **form | {"refresh_token": new}).ok


def test_access_tokens_expire_by_time_and_by_hand(work, sandbox):
    work.ok("GET", "colors")
    sandbox.post("options", clock_offset_seconds=3601)
    assert work.refused("GET", "colors") == (401, "authError")
    sandbox.post("options", clock_offset_seconds=0)
    work.ok("GET", "colors")
    sandbox.post("tokens/expire_access", account=HOME)
    work.ok("GET", "colors")
    sandbox.post("tokens/expire_access", account=WORK)
    assert work.refused("GET", "colors") == (401, "authError")


def test_the_hundred_and_first_refresh_token_silences_the_first(sandbox):
    texts = [sandbox.refresh_token(WORK) for _ in range(101)]
    answers = [token(sandbox, grant_type="refresh_token", refresh_token=t).ok for t in texts]
    assert answers == [False] + [True] * 100


def test_who_signed_in_is_in_the_id_token_and_at_both_userinfo_addresses(sandbox):
    tokens = exchange(sandbox, consent(sandbox)["code"]).json()
    payload = tokens["id_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert (claims["email"], claims["aud"]) == (WORK, sandbox.client_id)
    head = {"Authorization": f"Bearer {tokens['access_token']}"}
    old, new = (
        requests.get(f"{sandbox.url}/oauth2/{version}/userinfo", headers=head, timeout=10).json()
        for version in ("v2", "v3")
    )
    assert old["email"] == new["email"] == WORK
    assert old["id"] == new["sub"] == claims["sub"]


def test_the_id_token_is_signed_with_the_published_key(sandbox):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    text = exchange(sandbox, consent(sandbox)["code"]).json()["id_token"]
    signed, _, signature = text.rpartition(".")
    (key,) = requests.get(f"{sandbox.url}/oauth2/v3/certs", timeout=10).json()["keys"]
    numbers = [int.from_bytes(decoded(key[name]), "big") for name in ("e", "n")]
    public = rsa.RSAPublicNumbers(*numbers).public_key()
    public.verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_the_official_flow_signs_in(sandbox, monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("OAUTHLIB_RELAX_TOKEN_SCOPE", "1")
    config = {
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "auth_uri": f"{sandbox.url}/o/oauth2/v2/auth",
        "token_uri": f"{sandbox.url}/token",
    }
    scopes = ["openid", "https://www.googleapis.com/auth/userinfo.email", EVENTS]
    flow = Flow.from_client_config({"web": config}, scopes, redirect_uri=CALLBACK)
    url, state = flow.authorization_url(access_type="offline", prompt="consent")
    query = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
    back = consent(sandbox, **query)
    assert back["state"] == state
    flow.fetch_token(code=back["code"])
    assert flow.credentials.refresh_token
    flow.oauth2session.close()


def test_a_missing_or_unknown_token_is_unauthorized(sandbox, work):
    del work.session.headers["Authorization"]
    assert refusal(work("GET", "colors"))[0] == 401
    work.session.headers["Authorization"] = "Bearer nonsense"
    answer = work("GET", "colors")
    assert refusal(answer) == (401, "authError")
    assert answer.json()["error"]["errors"][0]["location"] == "Authorization"


def test_a_grant_revoked_by_the_person_stops_everything(sandbox, work):
    sandbox.post("grants/revoke", account=WORK)
    assert work.refused("GET", "colors") == (401, "authError")
    home = Caller(sandbox, HOME)
    home.ok("GET", "colors")
    home.session.close()
