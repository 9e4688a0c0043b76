"""What can be asked of the calendars: busy rules, and their blocks kept in line."""

import uuid
from collections.abc import Collection as Ids
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from calendars import blocks
from calendars.audit import masked
from calendars.families import copies_elsewhere, heads_of, uids_of
from calendars.filters import COLOURS
from calendars.hours import WEEKDAYS
from calendars.knobs import RELATED, circle_of, homes_of, knobs_of
from calendars.locking import lock_rules
from calendars.models import BusyRule
from calendars.preview import Preview, preview_rule
from calendars.removal import Leaving, take_away
from calendars.rulebook import EVENT_TYPES, PLAIN, SHOWABLE
from integrations.models import Account, Collection
from sync.core.records import Direction, Kind

__all__ = [
    "COLOURS",
    "EVENT_TYPES",
    "KNOBS",
    "REMOVALS",
    "SHOWABLE",
    "WEEKDAYS",
    "InvalidRule",
    "Leaving",
    "Refreshed",
    "UnknownRule",
    "add_busy_rule",
    "change_busy_rule",
    "default_of",
    "describe_busy_rule",
    "find_busy_rule",
    "list_busy_rules",
    "masked",
    "preview_busy_rule",
    "preview_new_rule",
    "problems_of",
    "refresh_busy_blocks",
    "remove_busy_rule",
    "rules_of",
]

# What can be said of a rule beside its title and what it shows: the fields of `BusyRule` with these
# names.
KNOBS = (
    *("visibility", "colour", "link_back"),
    *("skip_declined", "skip_free", "tentative", "unanswered", "all_day", "private_events"),
    *("skip_event_types", "include", "exclude", "skip_invited", "once_per_meeting"),
    *("hours_from", "hours_to", "weekdays", "minimum_minutes"),
    *("buffer_before", "buffer_after", "travel_minutes", "merge"),
    *("past_days", "future_days", "active_from", "active_until"),
    *("on_edit", "on_delete", "adopts"),
)

# What may become of the blocks of a rule that is taken away.
REMOVALS = tuple(BusyRule.Removal.values)

# Access roles that may write; "" where a service has no roles.
WRITING_ROLES = ("", "owner", "writer", "writerWithoutPrivateAccess")

_TWIN = "this calendar blocks that one already; change or remove it"


def default_of(knob: str) -> Any:
    """Return what holds where nothing was said of a knob, as a JSON value."""
    return _plain(BusyRule._meta.get_field(knob).get_default())  # type: ignore[union-attr]


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

    def add(self, rule: BusyRule, changes: Iterable[blocks.Changes]) -> None:
        """Count what was changed in the target of a rule."""
        for some in changes:
            self.created += len(some.create)
            self.updated += len(some.update)
            self.removed += len(some.remove)
            if some.create or some.update or some.remove:
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
    if source and item_ids is not None:
        for rule, heads in _concerned(source, item_ids):
            _follow(rule, heads, now, refreshed)
        return refreshed
    rules = BusyRule.objects.filter(removed_at=None)
    if source:
        rules = rules.filter(source__in=circle_of(source))
    for rule in _in_order(rules):
        if not rule.rests(now):
            _apply(rule, now, refreshed)
        elif rule.applied:
            # What happens while it rests goes unseen, so that later everything is looked at.
            BusyRule.objects.filter(pk=rule.pk).update(applied="")
    return refreshed


def _in_order(rules: QuerySet[BusyRule]) -> list[BusyRule]:
    """Return rules, always in the same order, so that no two workers cross locks."""
    return list(rules.select_related(*RELATED).order_by("target_id", "pk"))


def _concerned(
    calendar: Collection, item_ids: Ids[uuid.UUID]
) -> list[tuple[BusyRule, list[uuid.UUID]]]:
    """Return the rules that changed items may concern, each with the heads to look at.

    These are the rules of their calendar, and those into it: where the target has a meeting itself
    now, or has it no more, the copies of that in other calendars are looked at.
    """
    alike = circle_of(calendar)
    out_of, into = Q(source__in=alike), Q(target__in=alike, skip_invited=True)
    found = BusyRule.objects.filter(out_of | into, removed_at=None)
    if not found.exists():  # as for most changes; a rule is read with all that it hangs on
        return []
    rules = _in_order(found)
    mine = [rule for rule in rules if rule.source_id in alike]
    heads = heads_of(item_ids) if mine else []
    concerned = [(rule, heads) for rule in mine]
    theirs = [rule for rule in rules if rule.target_id in alike and rule.skip_invited]
    concerned += _met_elsewhere(theirs, item_ids)
    return sorted(concerned, key=lambda pair: (pair[0].target_id, pair[0].pk))


def _met_elsewhere(
    rules: Ids[BusyRule], item_ids: Ids[uuid.UUID]
) -> list[tuple[BusyRule, list[uuid.UUID]]]:
    """Return the rules whose sources hold copies of these meetings, with the heads of those."""
    uids = uids_of(item_ids) if rules else set()
    homes = homes_of(rules)
    copies = copies_elsewhere(uids, frozenset[uuid.UUID]().union(*homes.values()))
    met = {
        rule: sorted(h for h, home in copies.items() if home in homes[rule.pk]) for rule in rules
    }
    return [(rule, heads) for rule, heads in met.items() if heads]


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


def _follow(rule: BusyRule, heads: list[uuid.UUID], now: datetime, refreshed: Refreshed) -> None:
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


def rules_of(account: Account | None = None) -> QuerySet[BusyRule]:
    """Return the rules from or to an account, or all; also removed ones that still have blocks."""
    rules = BusyRule.objects.order_by("created_at", "pk")
    if account:
        rules = rules.filter(Q(source__account=account) | Q(target__account=account))
    return rules.select_related("source__account", "target__account")


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
        **{name: _plain(getattr(rule, name)) for name in KNOBS},
        "enabled": rule.enabled,
        "paused_until": _plain(rule.paused_until),
        "rests": rule.rests(timezone.now()),
        "blocks": rule.blocks.filter(item__deleted_at=None).count(),
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | time) else value


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
    rule = _new_rule(source, target, title, knobs)
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


def _new_rule(
    source: Collection, target: Collection, title: str, knobs: dict[str, Any]
) -> BusyRule:
    shows_title = "title" in knobs.get("fields", ())
    rule = BusyRule(source=source, target=target, **knobs)
    rule.title_template = title or ("{title}" if shows_title else PLAIN)
    _check(rule)
    return rule


def preview_new_rule(
    *,
    source: Collection,
    target: Collection,
    title: str = "",
    now: datetime,
    since: date | None = None,
    days: int = 7,
    **knobs: Any,
) -> Preview:
    """Say what a rule that does not exist would show in its target; see `add_busy_rule`."""
    rule = _new_rule(source, target, title, knobs)
    return preview_rule(rule=rule, now=now, since=since, days=days)


def preview_busy_rule(
    *, rule: BusyRule, now: datetime, since: date | None = None, days: int = 7, **knobs: Any
) -> Preview:
    """Say what a rule would show in its target, with these knobs changed. Raises `InvalidRule`."""
    for name, value in knobs.items():
        setattr(rule, name, value)
    _check(rule)
    return preview_rule(rule=rule, now=now, since=since, days=days)


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


def remove_busy_rule(
    *, rule: BusyRule, now: datetime, removal: str = BusyRule.Removal.ALL
) -> Leaving:
    """Take a rule away, and with it all its blocks, those to come, or none; returns how many.

    No call is made: the next sync of the target lets the copies follow, whenever that will be. So
    it is possible while either account is out of reach. Doing it twice does no harm, and a later
    removal may go further than an earlier one. The row goes once its last block is gone (cleanup).
    """
    with transaction.atomic():
        lock_rules([rule.target_id])
        locked = BusyRule.objects.get(pk=rule.pk)
        locked.removed_at, locked.removal = locked.removed_at or now, removal
        locked.save(update_fields=["removed_at", "removal"])
        blocks.wake_rivals(locked)
        return take_away(locked, removal, now)


def problems_of(rule: BusyRule) -> list[str]:
    """Say why a rule cannot be as it is, in words for whoever made it; empty if it can."""
    twins = BusyRule.objects.filter(source=rule.source, target=rule.target, removed_at=None)
    return [
        *knobs_of(rule).problems(),
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
    if source.circle_id and source.circle_id == target.circle_id:
        yield "the two calendars are in one circle: they show the same events already"
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
