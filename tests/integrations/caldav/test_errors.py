"""What refusals mean: one case for each row of the table, and what no row knows."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from integrations.caldav.errors import ANY, TABLE, misread, refusal, remedy_for
from sync.core.provider import Remedy

CASES = [
    ("get", 401, "", Remedy.FREEZE),
    ("create", 401, "need-privileges", Remedy.FREEZE),
    ("get", 408, "", Remedy.RETRY),
    ("update", 423, "lock-token-submitted", Remedy.RETRY),
    ("get", 425, "", Remedy.RETRY),
    ("multiget", 429, "", Remedy.RETRY),
    ("create", 507, "", Remedy.HOLD),
    ("create", 403, "quota-not-exceeded", Remedy.HOLD),
    ("update", 403, "sufficient-disk-space", Remedy.HOLD),
    ("collection", 403, "", Remedy.FREEZE),
    ("collection", 404, "", Remedy.FREEZE),
    ("collection", 405, "", Remedy.FREEZE),
    ("collection", 410, "", Remedy.FREEZE),
    ("list", 403, "need-privileges", Remedy.FREEZE),
    ("list", 404, "", Remedy.FREEZE),
    ("list", 405, "", Remedy.FREEZE),
    ("list", 410, "", Remedy.FREEZE),
    ("delta", 400, "", Remedy.RESYNC),
    ("delta", 403, "valid-sync-token", Remedy.RESYNC),
    ("delta", 404, "", Remedy.RESYNC),
    ("delta", 405, "", Remedy.RESYNC),
    ("delta", 409, "valid-sync-token", Remedy.RESYNC),
    ("delta", 410, "", Remedy.RESYNC),
    ("delta", 412, "", Remedy.RESYNC),
    ("delta", 415, "", Remedy.RESYNC),
    ("delta", 418, "", Remedy.RESYNC),
    ("delta", 422, "", Remedy.RESYNC),
    ("delta", 501, "", Remedy.RESYNC),
    ("delta", 507, "number-of-matches-within-limits", Remedy.RESYNC),
    ("get", 404, "", Remedy.GONE),
    ("get", 410, "", Remedy.GONE),
    ("create", 403, "need-privileges", Remedy.FREEZE),
    ("create", 412, "", Remedy.ADOPT),
    ("create", 403, "no-uid-conflict", Remedy.ADOPT),
    ("create", 409, "no-uid-conflict", Remedy.ADOPT),
    ("update", 404, "", Remedy.REREAD),
    ("update", 410, "", Remedy.REREAD),
    ("update", 412, "", Remedy.REREAD),
    ("delete", 404, "", Remedy.GONE),
    ("delete", 410, "", Remedy.GONE),
    ("delete", 412, "", Remedy.REREAD),
]
UNKNOWN = [
    ("create", 403, "valid-calendar-data", Remedy.PARK),
    ("create", 403, "", Remedy.PARK),
    ("update", 403, "need-privileges", Remedy.PARK),
    ("create", 413, "", Remedy.PARK),
    ("delete", 403, "", Remedy.PARK),
    ("create", 500, "", Remedy.RETRY),
    ("get", 503, "", Remedy.RETRY),
    ("get", 302, "", Remedy.RETRY),
]


@pytest.mark.parametrize(("call", "status", "reason", "remedy"), CASES + UNKNOWN)
def test_a_refusal_has_its_remedy(call: str, status: int, reason: str, remedy: Remedy) -> None:
    assert remedy_for(call, status, reason) is remedy


def test_every_row_has_a_case() -> None:
    def row(call: str, status: int, reason: str) -> tuple[str, int, str]:
        rows = [(c, status, r) for r in (reason, ANY) for c in (call, ANY)]
        return next(row for row in rows if row in TABLE)

    assert {row(call, status, reason) for call, status, reason, _ in CASES} == TABLE.keys()


@pytest.mark.parametrize(("status", "certain"), [(403, True), (408, False), (500, False)])
def test_only_a_clear_no_is_certain(status: int, certain: bool) -> None:
    assert refusal("create", status, b"", {}).certain is certain


def test_how_long_to_wait_is_taken_in_seconds_or_as_a_date() -> None:
    assert refusal("get", 503, b"", {"retry-after": "7"}).retry_after == 7
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)
    waited = refusal("get", 503, b"", {"retry-after": later}).retry_after
    assert waited is not None
    assert 50 < waited <= 60
    assert refusal("get", 503, b"", {"retry-after": "soon"}).retry_after is None


def test_a_refusal_quotes_nothing_of_the_answer() -> None:
    body = b'<error xmlns="DAV:"><need-privileges>canary</need-privileges></error>'
    assert "canary" not in str(refusal("create", 403, body, {}))


def test_a_success_that_makes_no_sense_is_not_certain() -> None:
    assert not misread("list", 200, "a page").certain
