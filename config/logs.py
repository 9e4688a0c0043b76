"""Log lines: plain for people, JSON for machines, and never a secret in either.

Event text stays out of the log by not being logged; the one place where it slips into errors, the
row that PostgreSQL quotes when a constraint fails, is cut out here.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured

HIDDEN = "[hidden]"
_NAMES = (
    "access_token|refresh_token|id_token|token|client_secret|code_verifier|password|api_key"
    "|secret_key|token_encryption_keys"
)
_OPEN = r"[\"']?\s*[:=,]\s*(?:b?[\"'])?"  # what stands between a name and its value
_VALUE = r"[^\s\"'&,;})\]]+"
SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<keep>\bauthorization{_OPEN}(?:(?:bearer|basic)\s+)?){_VALUE}",
        r"(?P<keep>\b(?:bearer|basic)\s+)[\w.~+/-]{16,}=*",
        rf"(?P<keep>\b(?:{_NAMES}){_OPEN}){_VALUE}",
        # the answer to a consent page, and what somebody searched for
        r"(?P<keep>[?&](?:code|state|q)=)[^\s&\"']+",
        r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)",  # a password in an address
        r"(?P<keep>)\b(?:ya29\.|1//|GOCSPX-|secret_|ntn_)[\w.~-]{20,}",  # Google's and Notion's
    )
)
# "DETAIL:  Failing row contains (...)", "CONTEXT:  COPY ..., column title: ..."
QUOTED_ROW = re.compile(r"^(DETAIL|CONTEXT):.*?(?=\n\n(?:The above|During)|\Z)", re.DOTALL | re.M)
LOUD = {
    "celery.app.trace": "WARNING",  # these tell of every tick
    "celery.beat": "WARNING",
    "celery.worker.strategy": "WARNING",
    "googleapiclient": "WARNING",  # these write addresses, and so search words, at INFO or DEBUG
    "google.auth": "WARNING",
    "google_auth_oauthlib": "WARNING",
    "oauthlib": "WARNING",
    "requests_oauthlib": "WARNING",
    "urllib3": "WARNING",
    "django.db.backends": "INFO",  # DEBUG writes the rows
}


def redact(line: str) -> str:
    """The line with secrets and quoted rows replaced by `[hidden]`."""
    for pattern in SECRETS:
        line = pattern.sub(rf"\g<keep>{HIDDEN}", line)
    return QUOTED_ROW.sub(rf"\1: {HIDDEN}", line)


class PlainFormatter(logging.Formatter):
    """`2026-01-31 10:00:00 WARNING sync.engine: the message`, the traceback below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The whole entry, redacted last, so that arguments and tracebacks are covered."""
        return redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message and, where there is one, error."""

    def format(self, record: logging.LogRecord) -> str:
        """Each text is redacted before it is quoted, so that escapes hide nothing."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            entry["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


FORMATTERS = {"plain": PlainFormatter, "json": JsonFormatter}


def configuration(style: str, level: str) -> dict[str, Any]:
    """Django's LOGGING: everything to stderr, in one style.

    Raises ImproperlyConfigured for an unknown style or level.
    """
    if style not in FORMATTERS:
        raise ImproperlyConfigured(f"LOG_FORMAT must be one of: {', '.join(FORMATTERS)}.")
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured("LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": FORMATTERS[style]}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            **{name: {"level": loudest} for name, loudest in LOUD.items()},
        },
    }
