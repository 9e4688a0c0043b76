"""Audit: read the busy blocks that are really there, and say whether any tells too much.

Changes nothing, here or there, and takes no lease: what a run writes meanwhile is judged as it was
when it was read.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from django.db.models import QuerySet

from calendars.audit import SPEAKING, Leak, leaks
from calendars.event_fields import COLUMNS, fields_of
from calendars.families import families_of, heads_of, source_of
from calendars.fitness import Source
from calendars.knobs import RELATED, homes_of, knobs_of
from calendars.models import BlockPart, BusyRule, Event
from integrations import registry
from integrations.models import Collection
from integrations.vault import CannotOpen
from sync.core.provider import Copy, Provider, Refusal
from sync.core.records import Fields
from sync.models import Mapping
from sync.reports import Clock


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in one block that its rule does not account for.

    `ours` says that Lockstep wrote it. `leak` is a word of a source event; without one, somebody
    else put something into a field of the block.
    """

    rule: uuid.UUID
    remote_id: str
    item: uuid.UUID | None
    field: str
    ours: bool
    leak: Leak | None = None


@dataclass(slots=True)
class Audit:
    """What was found in one calendar.

    `blocks` were compared with their events; of the `unclaimed` nothing here knows the event.
    """

    collection: Collection
    blocks: int = 0
    unclaimed: int = 0
    findings: list[Finding] = field(default_factory=list)
    error: str = ""

    @property
    def leaks(self) -> list[Finding]:
        """The findings in which a word of a source event is told."""
        return [finding for finding in self.findings if finding.leak]

    @property
    def clean(self) -> bool:
        """True if the calendar was read and no block in it tells too much."""
        return not self.error and not self.leaks


def audit_privacy(*, rules: Sequence[BusyRule], clock: Clock) -> list[Audit]:
    """Read the live blocks of these rules and compare them with their source events."""
    ids = [rule.pk for rule in rules]
    loaded = BusyRule.objects.filter(pk__in=ids).select_related(*RELATED).order_by("pk")
    by_target: dict[uuid.UUID, list[BusyRule]] = {}
    for rule in loaded:
        by_target.setdefault(rule.target_id, []).append(rule)
    targets = Collection.objects.filter(pk__in=by_target).select_related("account").in_order()
    return [_audit(target, by_target[target.pk], clock) for target in targets]


def _audit(target: Collection, rules: Sequence[BusyRule], clock: Clock) -> Audit:
    audit = Audit(target)
    try:
        provider = registry.open_provider(target, now=clock(), keep=False)
        copies = list(_copies(provider, target, rules))
    except (Refusal, CannotOpen) as trouble:
        audit.error = str(trouble)[:500]
        return audit
    for rule in rules:
        known = {m.remote_id: m for m in _mappings(target, [rule])}
        for copy in copies:
            mapping = known.get(copy.remote_id) or known.get(copy.parent)
            if mapping:
                audit.blocks += 1
                audit.findings += _judge(rule, copy, mapping, provider)
            elif copy.mark and copy.mark.rule == rule.pk.hex:
                audit.unclaimed += 1
    return audit


def _copies(provider: Provider, target: Collection, rules: Sequence[BusyRule]) -> Iterator[Copy]:
    """Yield the blocks that are there: those with our mark, and those known to have lost it."""
    seen = set()
    for copy in provider.marked():
        seen.add(copy.remote_id)
        yield replace(copy, raw=None)
    for mapping in _mappings(target, rules):
        if mapping.remote_id and mapping.remote_hash and mapping.remote_id not in seen:
            yield provider.read(mapping.remote_id)


def _mappings(target: Collection, rules: Sequence[BusyRule]) -> QuerySet[Mapping]:
    blocks = Mapping.objects.filter(collection=target, item__event__busy_rule__in=rules)
    return blocks.select_related("item__event").defer("raw").order_by("pk")


def _judge(rule: BusyRule, copy: Copy, mapping: Mapping, provider: Provider) -> Iterator[Finding]:
    """Yield what a block says that its rule does not account for."""
    event = Event.objects.get(pk=mapping.item_id)
    row = Event.objects.values(*COLUMNS).get(pk=event.pk)
    written = (mapping.base or {}, provider.normalise(fields_of(row)))
    live = copy.fields or {}
    foreign = {name for name in SPEAKING if _is_foreign(live, name, written)}
    about = (rule.pk, copy.remote_id, event.pk)
    found = leaks(knobs_of(rule), _sources(rule, event), live)
    for leak in found:
        ours = leak.field not in foreign and not event.left_alone
        yield Finding(*about, leak.field, ours, leak)
    told = {leak.field for leak in found}
    yield from (Finding(*about, name, False) for name in sorted(foreign - told))


def _is_foreign(live: Fields, name: str, written: Sequence[Fields]) -> bool:
    """Say whether something is in a field of a block that we did not write there."""
    return bool(live.get(name)) and all(live[name] != ours.get(name) for ours in written)


def _sources(rule: BusyRule, event: Event) -> list[Source]:
    """Return the events that a block stands for; of an exception also its series."""
    parts = BlockPart.objects.filter(block=event.pk).values_list("source", flat=True)
    ids = {*parts, *([event.source_id] if event.source_id else [])}
    homes = homes_of([rule])[rule.pk]
    return [
        source_of(row, rule, homes, {})
        for family in families_of(heads_of(ids))
        for row in family
        if row["item_id"] in ids or row is family[0]
    ]
