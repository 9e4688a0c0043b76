"""Faults on request: rules that make chosen answers go wrong in chosen ways.

A rule is a JSON object with a `kind` and, all optional, what it matches: `operation` (as in the
discovery document, or `batch`, `oauth.token`, `oauth.revoke`, `oauth.userinfo`), `method`, `path`
(regular expression), `account`, `calendar`, `page` (of a listing, from 1), `part` (true: only
inside batches, false: only outside). `nth` (from 1) skips earlier matches, `times` limits the hits
(default 1, null for no limit), `probability` with `seed` leaves it to chance. KINDS names the
kinds and their own fields.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.errors import invalid
from integrations.sandbox.world import World

KINDS: dict[str, dict[str, Any]] = {
    # the connection
    "lost_request": {},  # closed before anything happened
    "lost_answer": {},  # applied, then closed without an answer
    "delay": {"seconds": 1.0},
    # refusals; with `applied` the operation has happened all the same
    "error": {
        "status": 503,
        "reason": "backendError",
        "message": "Backend Error",
        "domain": "global",
        "location": "",
        "retry_after": "",
        "applied": False,
    },
    "conflict": {},  # 409 for an item inside a batch
    "oauth_error": {  # the token endpoint's own family; match it with operation oauth.token
        "status": 400,
        "error": "invalid_grant",
        "description": "Token has been expired or revoked.",
        "subtype": "",
    },
    # broken answers
    "truncated_json": {},
    "html": {"status": 200},
    "empty": {"status": 200},
    "gzip_cut": {},
    # listings that misbehave
    "no_sync_token": {},
    "short_page": {"size": 1},
    "empty_page": {},
    "repeat_page": {},
    "duplicate_items": {"count": 1},
    "missing_items": {"ids": [], "every": 0},
    "lag": {"writes": 0, "seconds": 0.0},
    # push
    "drop_message": {},  # the change is made, its channel messages are not sent
    "repeat_message": {},
}
_MATCHERS = ("operation", "method", "path", "account", "calendar", "page", "part")
_COUNTERS = {"nth": 1, "times": 1, "probability": 1.0, "seed": 0}
REASONS = {
    "rateLimitExceeded": ("usageLimits", "Rate Limit Exceeded"),
    "userRateLimitExceeded": ("usageLimits", "User Rate Limit Exceeded"),
    "quotaExceeded": ("usageLimits", "Calendar usage limits exceeded."),
    "fullSyncRequired": ("calendar", "Sync token is no longer valid, a full sync is required."),
    "updatedMinTooLongAgo": ("calendar", "The minimum modification time lies too far back."),
    "deleted": ("global", "Resource has been deleted"),
    "authError": ("global", "Invalid Credentials"),
    "notFound": ("global", "Not Found"),
    "conflict": ("global", "Conflict"),
}
_LOCATIONS = {"fullSyncRequired": "syncToken", "updatedMinTooLongAgo": "updatedMin"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule is matched against."""

    operation: str
    method: str
    path: str
    account: str
    calendar: str
    page: int
    part: bool


class Faults:
    """The rules in force, kept in the store with how often they matched and hit."""

    def __init__(self, world: World) -> None:
        self._store = world.store

    def add(self, rule: dict[str, Any]) -> dict[str, Any]:
        """Check a rule, number it and put it in force; raise the 400 that says what is wrong."""
        kind = rule.get("kind")
        if kind not in KINDS:
            raise invalid(f"Unknown fault kind {kind!r}; kinds are {', '.join(KINDS)}.")
        known = {"kind", *_MATCHERS, *_COUNTERS, *KINDS[kind]}
        if unknown := sorted(rule.keys() - known):
            raise invalid(f"Unknown field {unknown[0]!r}; {kind} takes {', '.join(sorted(known))}.")
        self._check_path(rule)
        number = max([int(key) for key in self._store["fault"]], default=0) + 1
        filled = {**_COUNTERS, **self._defaults(rule), **rule}
        row = filled | {"number": number, "matched": 0, "hits": 0}
        return self._store.put("fault", str(number), row)

    def _check_path(self, rule: dict[str, Any]) -> None:
        try:
            re.compile(rule.get("path") or "")
        except re.error as error:
            raise invalid(f"path is no regular expression: {error}") from None

    def _defaults(self, rule: dict[str, Any]) -> dict[str, Any]:
        defaults = dict(KINDS[rule["kind"]])
        if rule["kind"] == "error" and rule.get("reason") in REASONS:
            defaults["domain"], defaults["message"] = REASONS[rule["reason"]]
            defaults["location"] = _LOCATIONS.get(rule["reason"], "")
        return defaults

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules, spent ones included."""
        return list(self._store["fault"].values())

    def clear(self) -> None:
        """Take every rule out of force."""
        for key in list(self._store["fault"]):
            self._store.drop("fault", key)

    def pick(self, asked: Asked) -> dict[str, dict[str, Any]]:
        """Return the rules that hit this request, by kind, and count them."""
        hit: dict[str, dict[str, Any]] = {}
        for rule in self.rules():
            if rule["kind"] not in hit and _matches(rule, asked) and self._count(rule):
                hit[rule["kind"]] = rule
        return hit

    def _count(self, rule: dict[str, Any]) -> bool:
        """Return whether a matching rule hits this time."""
        matched = rule["matched"] + 1
        spent = rule["times"] is not None and rule["hits"] >= rule["times"]
        chance = random.Random(f"{rule['seed']} {rule['number']} {matched}").random()
        hits = matched >= rule["nth"] and not spent and chance < rule["probability"]
        counted = rule | {"matched": matched, "hits": rule["hits"] + hits}
        self._store.put("fault", str(rule["number"]), counted)
        return bool(hits)


def _matches(rule: dict[str, Any], asked: Asked) -> bool:
    if rule["kind"] == "conflict" and not asked.part:
        return False
    if rule.get("path") and not re.search(rule["path"], asked.path):
        return False
    exact = [name for name in _MATCHERS if name != "path" and rule.get(name) is not None]
    return all(getattr(asked, name) == rule[name] for name in exact)


def play(hit: dict[str, dict[str, Any]], world: World, calendar: str) -> dict[str, Any]:
    """Return how a listing should misbehave, in the words of `listing`."""
    acts: dict[str, Any] = {}
    if "short_page" in hit:
        acts["size"] = hit["short_page"]["size"]
    if "duplicate_items" in hit:
        acts["duplicate"] = hit["duplicate_items"]["count"]
    if "missing_items" in hit:
        acts["missing"] = _missing(hit["missing_items"], world, calendar)
    if "lag" in hit:
        acts["visible_seq"] = _visible_seq(hit["lag"], world, calendar)
    flags = {"empty_page": "empty", "repeat_page": "repeat", "no_sync_token": "no_sync_token"}
    return acts | {flag: True for kind, flag in flags.items() if kind in hit}


def _missing(rule: dict[str, Any], world: World, calendar: str) -> set[str]:
    names = set(rule["ids"])
    if rule["every"]:
        living = [event.id for event in world.store.book(calendar) if not event.cancelled]
        names |= set(living[:: rule["every"]])
    return names


def _visible_seq(rule: dict[str, Any], world: World, calendar: str) -> int:
    """Return the change number up to which a lagging listing sees."""
    writes = [(at, seq) for at, seq, written in world.writes if written == calendar]
    hidden = writes[-rule["writes"] :] if rule["writes"] else []
    since = world.clock.now().timestamp() - rule["seconds"]
    hidden += [(at, seq) for at, seq in writes if rule["seconds"] and at > since]
    return min([seq for _, seq in hidden], default=world.store.seq + 1) - 1
