"""Access roles: who may do what with a calendar."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.errors import ApiError, not_found
from integrations.sandbox.world import Call

ROLES = ("none", "freeBusyReader", "reader", "writerWithoutPrivateAccess", "writer", "owner")


def rank(role: str) -> int:
    """Return a number that grows with what a role may do."""
    return ROLES.index(role)


def role_of(calendar: dict[str, Any], account: str) -> str:
    """Return an account's role on a calendar: its own rule or the public one, the higher."""
    if calendar["owner"] == account:
        return "owner"
    rules = calendar["acl"]
    given = [rules.get(key, {}).get("role", "none") for key in (f"user:{account}", "default")]
    return str(max(given, key=rank))


def find_calendar(call: Call, name: str, at_least: str = "freeBusyReader") -> dict[str, Any]:
    """Return the calendar that `name` (or `primary`) means to the caller.

    Raises 404 where the caller sees nothing at all, 403 where the role is too weak.
    """
    calendar = call.world.store["calendar"].get(call.account if name == "primary" else name)
    if calendar is None or role_of(calendar, call.account) == "none":
        raise not_found()
    call.note["calendar"] = calendar["id"]
    if rank(role_of(calendar, call.account)) < rank(at_least):
        raise ApiError(
            403,
            "requiredAccessLevel",
            f"You need to have {at_least} access to this calendar.",
            domain="calendar",
        )
    return calendar
