"""What can be asked of the calendars: busy rules, and their blocks kept in line."""

import uuid
from collections.abc import Collection as Ids
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from calendars import blocks
from calendars.mirror import EVENT_TYPES, PLAIN, SHOWABLE
from calendars.models import BusyRule
from integrations.models import Collection
from sync.core.records import Direction, Kind

__all__ = [
    "EVENT_TYPES",
    "KNOBS",
    "SHOWABLE",
    "InvalidRule",
    "Refreshed",
    "UnknownRule",
    "add_busy_rule",
    "change_busy_rule",
    "describe_busy_rule",
    "find_busy_rule",
    "list_busy_rules",
    "problems_of",
    "refresh_busy_blocks",
    "remove_busy_rule",
]

# What a rule skips, and its window: the fields of `BusyRule` with these names.
KNOBS = (
    "skip_declined",
    "skip_tentative",
    "skip_free",
    "skip_all_day",
    "skip_event_types",
    "past_days",
    "future_days",
)

# Access roles that may write; "" where a service has no roles.
WRITING_ROLES = ("", "owner", "writer", "writerWithoutPrivateAccess")

_TWIN = "this calendar blocks that one already; change or remove it"


class InvalidRule(ValueError):
    """A busy rule cannot be as asked; `problems` says why, in words for whoever asked."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


@dataclass(slots=True)
class Refreshed:
    """How many blocks were changed locally, and the calendars that have something to send now."""

    created: int = 0
    updated: int = 0
    removed: int = 0
    targets: frozenset[uuid.UUID] = frozenset()

    def add(self, rule: BusyRule, changes: blocks.Changes) -> None:
        """Count what was changed for a rule."""
        self.created += len(changes.create)
        self.updated += len(changes.update)
        self.removed += len(changes.remove)
        if changes.create or changes.update or changes.remove:
            self.targets |= {rule.target_id}


def refresh_busy_blocks(
    *, now: datetime, source: Collection | None = None, item_ids: Ids[uuid.UUID] | None = None
) -> Refreshed:
    """Bring the local busy blocks in line with their sources; no remote call is made.

    With `item_ids`, the items of `source` that were just changed: looks at these, best in the
    transaction that changed them. Without, brings the rules of that calendar, or of all calendars,
    up to date that are new, were changed, or whose window has moved on since they were last
    applied; that costs one query when there are none, and otherwise streams in transactions of its
    own. Two workers at once take turns.
    """
    refreshed = Refreshed()
    for rule in _rules(source):
        if item_ids is not None:
            _follow(rule, item_ids, now, refreshed)
        elif rule.enabled:
            _apply(rule, now, refreshed)
        elif rule.applied:
            # What happens while it is off goes unseen, so that later everything is looked at.
            BusyRule.objects.filter(pk=rule.pk).update(applied="")
    return refreshed


def _rules(source: Collection | None) -> list[BusyRule]:
    """Return the rules, always in the same order, so that no two workers cross locks."""
    rules = BusyRule.objects.filter(removed_at=None).select_related("source").order_by("pk")
    return list(rules.filter(source=source) if source else rules)


def _apply(rule: BusyRule, now: datetime, refreshed: Refreshed) -> None:
    batches = blocks.due_heads(rule, now)
    if batches is None:
        return
    for heads in batches:
        changes = blocks.refresh(rule, heads, now)
        if changes is None:
            return
        refreshed.add(rule, changes)
    BusyRule.objects.filter(pk=rule.pk).update(applied=blocks.stamp(rule, now))


def _follow(rule: BusyRule, item_ids: Ids[uuid.UUID], now: datetime, refreshed: Refreshed) -> None:
    heads = blocks.heads_of(item_ids)
    for start in range(0, len(heads), blocks.BATCH):
        changes = blocks.refresh(rule, heads[start : start + blocks.BATCH], now)
        if changes is not None:
            refreshed.add(rule, changes)


class UnknownRule(LookupError):
    """There is no such busy rule; the text lists those there are."""


def find_busy_rule(rule_id: str) -> BusyRule:
    """Return the rule with this id, or the only one whose id begins so. Raises `UnknownRule`."""
    rules = list_busy_rules()
    found = [rule for rule in rules if str(rule.pk).startswith(rule_id.lower())]
    if len(found) != 1 or not rule_id:
        known = "; ".join(f"{rule.pk} ({rule})" for rule in rules) or "none"
        raise UnknownRule(f"no busy rule {rule_id!r}; there are: {known}")
    return found[0]


def list_busy_rules() -> QuerySet[BusyRule]:
    """Return the rules that nobody took away, oldest first."""
    rules = BusyRule.objects.filter(removed_at=None).order_by("created_at", "pk")
    return rules.select_related("source__account", "target__account")


def describe_busy_rule(rule: BusyRule) -> dict[str, Any]:
    """Return a rule as JSON values, with its two calendars and how many blocks it has made."""
    return {
        "id": str(rule.pk),
        "source": _describe_calendar(rule.source),
        "target": _describe_calendar(rule.target),
        "title": rule.title_template,
        "show": rule.fields,
        **{name: getattr(rule, name) for name in KNOBS},
        "enabled": rule.enabled,
        "blocks": rule.blocks.filter(item__deleted_at=None).count(),
    }


def _describe_calendar(calendar: Collection) -> dict[str, str]:
    return {"id": str(calendar.pk), "name": calendar.name, "account": calendar.account.email}


def add_busy_rule(
    *, source: Collection, target: Collection, title: str = "", **knobs: Any
) -> BusyRule:
    """Let the events of one calendar block another, and let both take part in syncing.

    `knobs` are other fields of `BusyRule`. Without a `title`, blocks are called "Busy", or as their
    event if "title" is among the `fields` that may be shown. The blocks are made by the next sync.
    Raises `InvalidRule`.
    """
    shows_title = "title" in knobs.get("fields", ())
    rule = BusyRule(source=source, target=target, **knobs)
    rule.title_template = title or ("{title}" if shows_title else PLAIN)
    _check(rule)
    try:
        with transaction.atomic():
            rule.save(force_insert=True)
            pair = Collection.objects.filter(pk__in=[source.pk, target.pk], selected=False)
            pair.update(selected=True)
    except IntegrityError as error:
        if "one_busy_rule_per_source_and_target" not in str(error):
            raise
        raise InvalidRule([_TWIN]) from error
    return rule


def change_busy_rule(*, rule: BusyRule, **knobs: Any) -> BusyRule:
    """Change what a rule shows or skips; the next sync rewrites its blocks. Raises `InvalidRule`.

    `knobs` are fields of `BusyRule`, except its two calendars: for others, make another rule.
    """
    for name, value in knobs.items():
        setattr(rule, name, value)
    _check(rule)
    rule.applied = ""
    rule.save(update_fields=[*knobs, "applied"])
    return rule


def remove_busy_rule(*, rule: BusyRule, now: datetime) -> int:
    """Take a rule and all its blocks away; returns how many blocks the next sync will delete.

    The row itself goes once its last block is gone everywhere (cleanup).
    """
    with transaction.atomic():
        locked = BusyRule.objects.select_for_update(no_key=True).get(pk=rule.pk)
        locked.removed_at = locked.removed_at or now
        locked.save(update_fields=["removed_at"])
        return blocks.remove_all(locked, now)


def problems_of(rule: BusyRule) -> list[str]:
    """Say why a rule cannot be as it is, in words for whoever made it; empty if it can."""
    twins = BusyRule.objects.filter(source=rule.source, target=rule.target, removed_at=None)
    return [
        *blocks.knobs_of(rule).problems(),
        *_calendar_problems(rule.source, rule.target),
        *([_TWIN] if twins.exclude(pk=rule.pk).exists() else []),
    ]


def _check(rule: BusyRule) -> None:
    if problems := problems_of(rule):
        raise InvalidRule(problems)


def _calendar_problems(source: Collection, target: Collection) -> Iterable[str]:
    """Say why one calendar cannot block the other."""
    if source.pk == target.pk:
        yield "a calendar does not block itself; choose two"
    if source.account.workspace_id != target.account.workspace_id:
        yield "the two calendars belong to different workspaces"
    if {source.kind, target.kind} != {Kind.EVENT}:
        yield "both have to be calendars"
    if target.direction == Direction.PULL:
        yield "the target is only read (direction pull); set it to push or two-way first"
    if target.access_role not in WRITING_ROLES:
        yield f"the target is shared with us as {target.access_role}: nothing can be written to it"
    for name, calendar in (("source", source), ("target", target)):
        if calendar.gone_at:
            yield f"the {name} calendar is gone from its account"
