"""No secret and no row of the database reaches a log line."""

import json
import logging
import sys

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError

from config import logs

SECRET = "s3cr3t-" + 24 * "x"
TITLE = "a private title"


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: {SECRET}",
        f"{{'Authorization': 'Bearer {SECRET}', 'x': 1}}",
        f"('authorization', 'Basic {SECRET}')",
        f'{{"headers": {{"authorization": "{SECRET}"}}}}',
        f"sent with bearer {SECRET}",
        f"POST grant_type=refresh_token&refresh_token={SECRET}&client_id=1",
        f'{{"access_token": "{SECRET}", "expires_in": 3599}}',
        f"client_secret = b'{SECRET}'",
        f"code_verifier={SECRET}",
        f"GET /oauth/google/callback?state={SECRET}&scope=calendar",
        f"GET /oauth/google/callback?scope=calendar&code={SECRET}",
        f"cannot reach postgresql://ada:{SECRET}@db.example.com/lockstep",
        f"redis://:{SECRET}@cache.example.com:6379/0",
        f'127.0.0.1:5 - "GET /admin/calendars/event/?q={SECRET}+party HTTP/1.1" 200',
        f"got ya29.{SECRET}",
        f"got 1//{SECRET}",
        f"TOKEN_ENCRYPTION_KEYS=k1:{SECRET}",
    ],
)
@pytest.mark.parametrize("formatter", [logs.PlainFormatter(), logs.JsonFormatter()])
def test_a_secret_is_hidden_wherever_it_stands(line: str, formatter: logging.Formatter) -> None:
    in_message = _record(line)
    in_arguments = _record("answer: %s", line)
    in_error = _record("failed", error=ValueError(line))
    for record in (in_message, in_arguments, in_error):
        written = formatter.format(record)
        assert SECRET not in written
        assert logs.HIDDEN in written


@pytest.mark.parametrize(
    "line",
    [
        "status code: 404, state: active",
        "Task sync.tasks.tick[0b7c] received",
        "GET /sync/operations?page=2 HTTP/1.1",
        "Connected to redis://cache.example.com:6379/0",
        "collection 7 has no sync token and is listed completely",
    ],
)
def test_an_ordinary_line_stays_as_it_is(line: str) -> None:
    assert logs.redact(line) == line


@pytest.mark.django_db
def test_a_row_that_the_database_quotes_is_hidden() -> None:
    Group.objects.create(name=TITLE)
    with pytest.raises(IntegrityError) as refused:
        Group.objects.create(name=TITLE)
    assert TITLE in str(refused.value)
    written = logs.PlainFormatter().format(_record("cannot store", error=refused.value))
    assert TITLE not in written
    assert "duplicate key value" in written
    assert "IntegrityError" in written


def test_a_quoted_row_of_several_lines_is_hidden_whole() -> None:
    quoted = "DETAIL:  Failing row contains (7, first\n\nsecond line of a description)."
    assert logs.redact(f"violates check\n{quoted}") == "violates check\nDETAIL: [hidden]"


def test_json_lines_are_one_object_each_with_the_error_inside() -> None:
    entry = json.loads(logs.JsonFormatter().format(_record("two\nlines", error=ValueError("why"))))
    assert (entry["level"], entry["logger"], entry["message"]) == ("ERROR", "trial", "two\nlines")
    assert entry["error"].endswith("ValueError: why")
    assert entry["time"].endswith("+00:00")


def test_libraries_that_write_addresses_or_rows_stay_quiet_at_debug() -> None:
    loggers = logs.configuration("plain", "DEBUG")["loggers"]
    assert loggers["urllib3"]["level"] == "WARNING"
    assert loggers["django.db.backends"]["level"] == "INFO"


def _record(message: str, *arguments: object, error: Exception | None = None) -> logging.LogRecord:
    """A record as `logger.error` makes it, in a handler of `error` where there is one."""
    try:
        if error:
            raise error
    except Exception:
        caught = sys.exc_info()
    else:
        caught = None
    return logging.LogRecord("trial", logging.ERROR, __file__, 1, message, arguments, caught)
