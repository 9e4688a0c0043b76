"""Every row of the table of Google's refusals, by a body as Google sends it."""

import json
from typing import Any

import pytest

from integrations.google.errors import ANY, TABLE, reason_of, refusal, remedy_for
from sync.core.provider import Remedy

RETRY, REFRESH, RESYNC = Remedy.RETRY, Remedy.REFRESH, Remedy.RESYNC
REREAD, ADOPT, GONE = Remedy.REREAD, Remedy.ADOPT, Remedy.GONE
PARK, FREEZE, HOLD = Remedy.PARK, Remedy.FREEZE, Remedy.HOLD

# (service, call, status, reason as Google says it, remedy), one line for each row of the table.
CASES = [
    ("calendar", "events.patch", 401, "authError", REFRESH),
    ("calendar", "events.insert", 403, "rateLimitExceeded", RETRY),
    ("calendar", "events.list", 403, "userRateLimitExceeded", RETRY),
    ("calendar", "events.insert", 403, "quotaExceeded", HOLD),
    ("calendar", "events.list", 403, "dailyLimitExceeded", HOLD),
    ("calendar", "events.list", 429, "quotaExceeded", HOLD),
    ("calendar", "events.patch", 429, "rateLimitExceeded", RETRY),
    ("calendar", "events.patch", 403, "insufficientPermissions", FREEZE),
    ("calendar", "events.patch", 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", FREEZE),
    ("calendar", "events.delete", 403, "accessNotConfigured", FREEZE),
    ("calendar", "events.delete", 403, "domainPolicy", FREEZE),
    ("calendar", "events.patch", 403, "requiredAccessLevel", FREEZE),
    ("calendar", "events.patch", 408, "", RETRY),
    ("calendar", "events.patch", 412, "conditionNotMet", REREAD),
    ("calendar", "events.patch", 409, "conflict", RETRY),
    ("calendar", "events.list", 403, "forbidden", FREEZE),
    ("calendar", "events.list", 404, "notFound", FREEZE),
    ("calendar", "events.sync", 403, "forbidden", FREEZE),
    ("calendar", "events.sync", 404, "notFound", FREEZE),
    ("calendar", "events.sync", 410, "fullSyncRequired", RESYNC),
    ("calendar", "events.sync", 410, "updatedMinTooLongAgo", RESYNC),
    ("calendar", "events.sync", 400, "invalid", RESYNC),
    ("calendar", "events.search", 403, "forbidden", FREEZE),
    ("calendar", "events.search", 404, "notFound", FREEZE),
    ("calendar", "events.get", 403, "forbidden", FREEZE),
    ("calendar", "events.get", 404, "notFound", GONE),
    ("calendar", "events.get", 410, "deleted", GONE),
    ("calendar", "events.instances", 403, "forbidden", FREEZE),
    ("calendar", "events.insert", 403, "forbidden", FREEZE),
    ("calendar", "events.insert", 404, "notFound", FREEZE),
    ("calendar", "events.insert", 409, "duplicate", ADOPT),
    ("calendar", "events.patch", 403, "forbiddenForNonOrganizer", PARK),
    ("calendar", "events.patch", 404, "notFound", REREAD),
    ("calendar", "events.patch", 410, "deleted", REREAD),
    ("calendar", "events.delete", 404, "notFound", GONE),
    ("calendar", "events.delete", 410, "deleted", GONE),
    ("calendar", "calendarList.list", 403, "forbidden", FREEZE),
    ("calendar", "calendarList.list", 410, "fullSyncRequired", RESYNC),
    ("calendar", "calendarList.list", 400, "invalid", RESYNC),
    ("oauth2", "userinfo", 403, "PERMISSION_DENIED", FREEZE),
    ("oauth2", "token", 400, "temporarily_unavailable", RETRY),
    ("oauth2", "token", 400, "server_error", RETRY),
    ("oauth2", "token", 400, "internal_failure", RETRY),
    ("oauth2", "token", 400, "invalid_grant", FREEZE),
    ("oauth2", "token", 401, "invalid_client", FREEZE),
    ("oauth2", "token", 403, "admin_policy_enforced", FREEZE),
    ("oauth2", "revoke", 400, "invalid_token", GONE),
]
# What no row names: never taken for "nothing there", never tried again at once.
UNKNOWN = [
    ("calendar", "events.insert", 400, "timeRangeEmpty"),
    ("calendar", "events.patch", 403, "forbidden"),
    ("calendar", "events.patch", 403, "somethingNew"),
    ("calendar", "events.get", 404, ""),  # a page of a proxy, not Google's
    ("calendar", "events.get", 410, "somethingNew"),
    ("calendar", "events.delete", 404, ""),
    ("calendar", "events.list", 410, "fullSyncRequired"),  # there was no token in the request
    ("calendar", "events.sync", 410, "deleted"),
    ("calendar", "events.insert", 409, "somethingNew"),
    ("calendar", "batch", 404, "notFound"),
    ("calendar", "events.instances", 404, "notFound"),
]


def legacy(reason: str) -> bytes:
    """An error body of the older APIs."""
    entry = {"domain": "global", "reason": reason, "message": "canary text"}
    return json.dumps({"error": {"errors": [entry], "code": 400, "message": "canary"}}).encode()


@pytest.mark.parametrize(("service", "call", "status", "reason", "remedy"), CASES)
def test_a_refusal_leads_to_its_remedy(
    service: str, call: str, status: int, reason: str, remedy: Remedy
) -> None:
    body = json.dumps({"error": reason}).encode() if service == "oauth2" else legacy(reason)
    error = refusal(service, call, status, body, {})
    assert (error.remedy, error.status, error.reason) == (remedy, status, reason)
    assert error.call == f"{service}.{call}"
    assert "canary" not in str(error)


def test_every_row_has_a_case() -> None:
    def row(service: str, call: str, status: int, reason: str) -> Any:
        for key in TABLE:
            wanted = (service, call, status, reason)
            if all(k in (ANY, w) for k, w in zip(key, wanted, strict=True)):
                yield key

    met = {key for case in CASES for key in row(*case[:4])}
    assert met == TABLE.keys()


@pytest.mark.parametrize(("service", "call", "status", "reason"), UNKNOWN)
def test_what_no_row_knows_is_parked(service: str, call: str, status: int, reason: str) -> None:
    assert remedy_for(service, call, status, reason) is PARK


@pytest.mark.parametrize("status", [301, 302, 500, 502, 503, 504, 599])
def test_trouble_on_the_way_is_tried_again_and_is_not_certain(status: int) -> None:
    error = refusal("calendar", "events.insert", status, b"<html>", {})
    assert (error.remedy, error.certain) == (RETRY, False)


def test_a_server_error_is_not_certain_but_a_refusal_is() -> None:
    assert not refusal("calendar", "events.insert", 503, legacy("backendError"), {}).certain
    assert refusal("calendar", "events.insert", 403, legacy("rateLimitExceeded"), {}).certain
    assert not refusal("calendar", "events.insert", 408, b"", {}).certain


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (legacy("deleted"), "deleted"),
        (
            b'{"error": {"code": 400, "status": "FAILED_PRECONDITION", "details": [{"@type": '
            b'"type.googleapis.com/google.rpc.ErrorInfo", "reason": "EXPIRED_SYNC_TOKEN"}]}}',
            "EXPIRED_SYNC_TOKEN",
        ),
        (b'{"error": {"code": 404, "status": "NOT_FOUND", "details": [{"x": 1}]}}', "NOT_FOUND"),
        (b'{"error": "invalid_grant", "error_description": "canary"}', "invalid_grant"),
        (b"<html>gateway</html>", ""),
        (b'{"error": null}', ""),
        (b'{"error": {"errors": "odd"}}', ""),
        (b"[]", ""),
        (b"", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_the_reason_is_found_in_every_kind_of_body(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("", None), ("soon", None), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0)],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    headers = {"retry-after": header} if header else {}
    assert refusal("calendar", "events.list", 429, b"", headers).retry_after == seconds
