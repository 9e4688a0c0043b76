"""What a CalDAV server's refusals mean: the one table (call, status, precondition) -> remedy.

Preconditions from RFC 4791 §5.3.2.1, §7, RFC 4918 §16, RFC 3744 §7, RFC 6578 §3.2, RFC 6638 §3.2.
Servers differ in the status they put beside them, and many name none, so the call decides together
with the status. What no row knows is parked; it is never taken for "nothing there".
"""

from collections.abc import Mapping
from itertools import product
from typing import Any, Final

from integrations.caldav.multistatus import precondition
from integrations.wire import seconds_of
from sync.core.provider import Refusal, Remedy

ANY: Final[Any] = "*"

# Calls: "collection" looks at the calendar itself, "list" lists its members, "sync" does so from
# the beginning and "delta" from a token, "multiget", "query" and "get" read resources, "create" and
# "update" put them.
TABLE: Final[Mapping[tuple[str, int, str], Remedy]] = {
    (ANY, 401, ANY): Remedy.FREEZE,
    (ANY, 408, ANY): Remedy.RETRY,
    (ANY, 423, ANY): Remedy.RETRY,  # somebody holds a lock (RFC 4918 §11.3)
    (ANY, 425, ANY): Remedy.RETRY,
    (ANY, 429, ANY): Remedy.RETRY,
    (ANY, 507, ANY): Remedy.HOLD,  # no space, or a quota
    (ANY, 403, "quota-not-exceeded"): Remedy.HOLD,
    (ANY, 403, "sufficient-disk-space"): Remedy.HOLD,
    # The calendar itself is shut to us, or gone.
    ("collection", 403, ANY): Remedy.FREEZE,
    ("collection", 404, ANY): Remedy.FREEZE,
    ("collection", 405, ANY): Remedy.FREEZE,
    ("collection", 410, ANY): Remedy.FREEZE,
    ("list", 403, ANY): Remedy.FREEZE,
    ("list", 404, ANY): Remedy.FREEZE,
    ("list", 405, ANY): Remedy.FREEZE,
    ("list", 410, ANY): Remedy.FREEZE,
    # Nothing else in this request varies, so what is wrong with it is the token; a complete listing
    # tells whether it was the calendar after all. 418 and 415 have been seen at large hosts.
    ("delta", 400, ANY): Remedy.RESYNC,
    ("delta", 403, ANY): Remedy.RESYNC,
    ("delta", 404, ANY): Remedy.RESYNC,
    ("delta", 405, ANY): Remedy.RESYNC,
    ("delta", 409, ANY): Remedy.RESYNC,
    ("delta", 410, ANY): Remedy.RESYNC,
    ("delta", 412, ANY): Remedy.RESYNC,
    ("delta", 415, ANY): Remedy.RESYNC,
    ("delta", 418, ANY): Remedy.RESYNC,
    ("delta", 422, ANY): Remedy.RESYNC,
    ("delta", 501, ANY): Remedy.RESYNC,
    ("delta", 507, ANY): Remedy.RESYNC,
    ("get", 404, ANY): Remedy.GONE,
    ("get", 410, ANY): Remedy.GONE,
    ("create", 403, "need-privileges"): Remedy.FREEZE,  # to bind is a right to the calendar
    ("create", 412, ANY): Remedy.ADOPT,
    ("create", 403, "no-uid-conflict"): Remedy.ADOPT,
    ("create", 409, "no-uid-conflict"): Remedy.ADOPT,
    ("update", 404, ANY): Remedy.REREAD,
    ("update", 410, ANY): Remedy.REREAD,
    ("update", 412, ANY): Remedy.REREAD,
    ("delete", 404, ANY): Remedy.GONE,
    ("delete", 410, ANY): Remedy.GONE,
    ("delete", 412, ANY): Remedy.REREAD,
}


def remedy_for(call: str, status: int, reason: str) -> Remedy:
    """Look a refusal up: a row that names the reason before one for any, then the nearest call."""
    for why, what in product((reason, ANY), (call, ANY)):
        if (what, status, why) in TABLE:
            return TABLE[what, status, why]
    # A redirect that leads nowhere, a page of somebody in between, or a server's trouble.
    return Remedy.PARK if 400 <= status < 500 else Remedy.RETRY


def refusal(call: str, status: int, content: bytes, headers: Mapping[str, str]) -> Refusal:
    """Turn an answer that is not a success into the port's error."""
    reason = precondition(content)
    return Refusal(
        remedy_for(call, status, reason),
        call=f"caldav.{call}",
        status=status,
        reason=reason,
        retry_after=seconds_of(headers.get("retry-after", "")),
        certain=status < 500 and status != 408,
    )


def misread(call: str, status: int, problem: str) -> Refusal:
    """Return the error for a success whose content is not what CalDAV says it is."""
    return Refusal(
        Remedy.RETRY, call=f"caldav.{call}", status=status, reason=problem, certain=False
    )


def refused(remedy: Remedy, call: str, reason: str) -> Refusal:
    """Return an error that we see ourselves, before anything is sent."""
    return Refusal(remedy, call=f"caldav.{call}", reason=reason)
