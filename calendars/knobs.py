"""Stored busy rules as the pure mirror needs them, with what it has to know of their calendars."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from calendars.models import BusyRule
from calendars.rulebook import Rule
from integrations.models import Collection
from sync.core.records import Service

# What `knobs_of` reads beside the rule itself.
RELATED = ("source__account", "target__account", "target__calendar")


def knobs_of(rule: BusyRule) -> Rule:
    """Return what the pure mirror needs of a stored rule."""
    calendar = getattr(rule.target, "calendar", None)
    return Rule(
        title=rule.title_template,
        show=frozenset(rule.fields),
        visibility=rule.visibility,
        colour=rule.colour,
        link_back=rule.link_back,
        skip_declined=rule.skip_declined,
        skip_free=rule.skip_free,
        skip_event_types=frozenset(rule.skip_event_types),
        tentative=rule.tentative,
        unanswered=rule.unanswered,
        all_day=rule.all_day,
        private_events=rule.private_events,
        include=tuple(rule.include),
        exclude=tuple(rule.exclude),
        hours_from=rule.hours_from,
        hours_to=rule.hours_to,
        weekdays=frozenset(rule.weekdays),
        minimum_minutes=rule.minimum_minutes,
        skip_invited=rule.skip_invited,
        once_per_meeting=rule.once_per_meeting,
        buffer_before=rule.buffer_before,
        buffer_after=rule.buffer_after,
        travel_minutes=rule.travel_minutes,
        merge=rule.merge,
        past_days=rule.past_days,
        future_days=rule.future_days,
        active_from=rule.active_from,
        active_until=rule.active_until,
        zone=calendar.time_zone if calendar else "UTC",
        addresses=addresses_of(rule.target),
        one_owner=_have_one_owner(rule),
    )


def content_of(rule: BusyRule, now: datetime) -> str:
    """Return a hash of all that the blocks of a rule depend on beside their sources."""
    return knobs_of(rule).content(rule.source.name, now)


def ended_rules(target: Collection, now: datetime) -> list[uuid.UUID]:
    """Name the rules that draw into a calendar and whose last day is over."""
    rules = BusyRule.objects.filter(target=target, active_until__isnull=False)
    return [rule.pk for rule in rules.select_related(*RELATED) if knobs_of(rule).has_ended(now)]


def addresses_of(calendar: Collection) -> frozenset[str]:
    """Return the addresses whose invitations come to a calendar, in lower case.

    A calendar's own id may be its address. That of its account leads to the account's main
    calendar only; which one that is, only Google says.
    """
    account, said = calendar.account, getattr(calendar, "calendar", None)
    own = {calendar.remote_id} if account.service == Service.GOOGLE else set()
    main = {account.email} if said and said.primary else set()
    return frozenset(text.lower() for text in own | main if "@" in text)


def _have_one_owner(rule: BusyRule) -> bool:
    owner = rule.source.account.owner_id
    return owner is not None and owner == rule.target.account.owner_id


def homes_of(rules: Iterable[BusyRule]) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
    """Return, by rule, the calendars whose events it mirrors: its source, and all of its circle."""
    sources = {rule.pk: rule.source for rule in rules}
    # Members of one circle have the same circle: each is asked for once.
    circles = {source.circle_id or source.pk: source for source in sources.values()}
    found = {name: circle_of(source) for name, source in circles.items()}
    return {pk: found[source.circle_id or source.pk] for pk, source in sources.items()}


def circle_of(calendar: Collection) -> frozenset[uuid.UUID]:
    """Return the calendars that show the same events as this one, which is always among them."""
    if calendar.circle_id is None:
        return frozenset({calendar.pk})
    return frozenset(Collection.objects.alike(calendar).values_list("pk", flat=True))
