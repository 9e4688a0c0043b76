"""What Google's refusals mean: the one table (service, call, status, reason) -> remedy.

Read with the error guide of the Calendar API (developers.google.com/workspace/calendar/api/guides/
errors) beside it. A status alone says little: 410 has three meanings and 403 six, so the reason and
the call decide. What no row knows is parked; it is never taken for "nothing there".
"""

import json
from collections.abc import Mapping
from itertools import product
from typing import Any, Final

from integrations.wire import seconds_of
from sync.core.provider import Refusal, Remedy

ANY: Final = "*"

# "events.sync" is events.list with a sync token: there a refusal speaks of the token.
TABLE: Final[Mapping[tuple[str, str, int, str], Remedy]] = {
    (ANY, ANY, 401, ANY): Remedy.REFRESH,
    (ANY, ANY, 403, "rateLimitExceeded"): Remedy.RETRY,
    (ANY, ANY, 403, "userRateLimitExceeded"): Remedy.RETRY,
    (ANY, ANY, 403, "quotaExceeded"): Remedy.HOLD,  # the anti-abuse limit lasts for hours
    (ANY, ANY, 403, "dailyLimitExceeded"): Remedy.HOLD,
    (ANY, ANY, 429, "quotaExceeded"): Remedy.HOLD,
    (ANY, ANY, 429, ANY): Remedy.RETRY,
    (ANY, ANY, 403, "insufficientPermissions"): Remedy.FREEZE,
    (ANY, ANY, 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"): Remedy.FREEZE,
    (ANY, ANY, 403, "accessNotConfigured"): Remedy.FREEZE,
    (ANY, ANY, 403, "domainPolicy"): Remedy.FREEZE,
    (ANY, ANY, 403, "requiredAccessLevel"): Remedy.FREEZE,
    (ANY, ANY, 408, ANY): Remedy.RETRY,
    (ANY, ANY, 412, ANY): Remedy.REREAD,
    ("calendar", ANY, 409, "conflict"): Remedy.RETRY,  # parts of one batch collided
    ("calendar", "events.list", 403, ANY): Remedy.FREEZE,
    ("calendar", "events.list", 404, "notFound"): Remedy.FREEZE,  # the calendar, not an event
    ("calendar", "events.sync", 403, ANY): Remedy.FREEZE,
    ("calendar", "events.sync", 404, "notFound"): Remedy.FREEZE,
    ("calendar", "events.sync", 410, "fullSyncRequired"): Remedy.RESYNC,
    ("calendar", "events.sync", 410, "updatedMinTooLongAgo"): Remedy.RESYNC,
    # Nothing else in this request varies, so what is wrong with it is the token.
    ("calendar", "events.sync", 400, ANY): Remedy.RESYNC,
    ("calendar", "events.search", 403, ANY): Remedy.FREEZE,
    ("calendar", "events.search", 404, "notFound"): Remedy.FREEZE,
    ("calendar", "events.get", 403, ANY): Remedy.FREEZE,
    ("calendar", "events.get", 404, "notFound"): Remedy.GONE,
    ("calendar", "events.get", 410, "deleted"): Remedy.GONE,
    ("calendar", "events.instances", 403, ANY): Remedy.FREEZE,
    ("calendar", "events.insert", 403, "forbidden"): Remedy.FREEZE,
    ("calendar", "events.insert", 404, "notFound"): Remedy.FREEZE,
    ("calendar", "events.insert", 409, "duplicate"): Remedy.ADOPT,
    ("calendar", "events.patch", 403, "forbiddenForNonOrganizer"): Remedy.PARK,
    ("calendar", "events.patch", 404, "notFound"): Remedy.REREAD,
    ("calendar", "events.patch", 410, "deleted"): Remedy.REREAD,
    ("calendar", "events.delete", 404, "notFound"): Remedy.GONE,
    ("calendar", "events.delete", 410, "deleted"): Remedy.GONE,
    ("calendar", "calendarList.list", 403, ANY): Remedy.FREEZE,
    ("calendar", "calendarList.list", 410, "fullSyncRequired"): Remedy.RESYNC,
    ("calendar", "calendarList.list", 400, ANY): Remedy.RESYNC,
    ("oauth2", "userinfo", 403, ANY): Remedy.FREEZE,
    ("oauth2", "token", 400, "temporarily_unavailable"): Remedy.RETRY,
    ("oauth2", "token", 400, "server_error"): Remedy.RETRY,
    ("oauth2", "token", 400, "internal_failure"): Remedy.RETRY,
    # invalid_grant, invalid_client, admin_policy_enforced, deleted_client, org_internal...
    ("oauth2", "token", 400, ANY): Remedy.FREEZE,
    ("oauth2", "token", 401, ANY): Remedy.FREEZE,
    ("oauth2", "token", 403, ANY): Remedy.FREEZE,
    ("oauth2", "revoke", 400, ANY): Remedy.GONE,
}


def remedy_for(service: str, call: str, status: int, reason: str) -> Remedy:
    """Look a refusal up: a row that names the reason before one for any, then the nearest call."""
    if status < 400 or status >= 500:
        return Remedy.RETRY  # a redirect or a page of somebody in between, or a server's trouble
    for why, where, what in product((reason, ANY), (service, ANY), (call, ANY)):
        if (where, what, status, why) in TABLE:
            return TABLE[where, what, status, why]
    return Remedy.PARK


def refusal(
    service: str, call: str, status: int, content: bytes, headers: Mapping[str, str]
) -> Refusal:
    """Turn an answer that is not a success into the port's error."""
    reason = reason_of(content)
    return Refusal(
        remedy_for(service, call, status, reason),
        call=f"{service}.{call}",
        status=status,
        reason=reason,
        retry_after=seconds_of(headers.get("retry-after", "")),
        certain=400 <= status < 500 and status != 408,
    )


def misread(service: str, call: str, status: int, problem: str) -> Refusal:
    """Return the error for a success whose content is not what the service says it is."""
    return Refusal(
        Remedy.RETRY, call=f"{service}.{call}", status=status, reason=problem, certain=False
    )


def reason_of(content: bytes) -> str:
    """Return the reason in any of Google's error bodies, "" if it is none of them.

    The older APIs say `error.errors[0].reason`, the newer ones `error.details[].reason` (ErrorInfo)
    or at least `error.status`; the token endpoint says `error` and `error_subtype` as text.
    """
    try:
        error = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    for entry in (*_dicts(error.get("errors")), *_dicts(error.get("details"))):
        if entry.get("reason"):
            return str(entry["reason"])
    return str(error.get("status") or "")


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
