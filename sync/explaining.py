"""Explain one event: what it is, where it lives, what happened to it, and why."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from calendars.adoption import is_adopted
from calendars.event_fields import COLUMNS, fields_of
from calendars.models import BlockPart, BusyRule, Event, Item
from calendars.skipping import skipped
from conflicts.models import Conflict
from integrations.models import Collection
from sync.core.records import Direction, Fields
from sync.models import Mapping, SyncItem
from sync.wanted import wanted_in


class NothingFound(LookupError):
    """Nothing is known by this id; the text says which ids there are."""


@dataclass(frozen=True, slots=True)
class Place:
    """One remote copy: where, under which name and version, when it was seen, and how it stands."""

    calendar: str
    remote_id: str
    version: str
    seen: str
    standing: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the journal: when, what was done to which side, why, and what became of it."""

    at: str
    calendar: str
    side: str
    action: str
    fields: tuple[str, ...]
    reason: str
    evidence: str
    state: str
    attempts: int
    error: str
    operation: str
    trigger: str


@dataclass(frozen=True, slots=True)
class Clash:
    """One conflict: the fields both sides changed, how it was settled, and who won which."""

    at: str
    calendar: str
    fields: tuple[str, ...]
    outcome: str
    strategy: str
    winners: dict[str, str]
    ruled_by: str


@dataclass(frozen=True, slots=True)
class Block:
    """What one busy rule made of a source event: a block, or a reason why there is none."""

    rule: str
    target: str
    block: str
    why_not: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of one event, or of a remote copy without an event here (`item` is "")."""

    what: str
    item: str = ""
    title: str = ""
    state: str = ""
    when: str = ""
    home: str = ""
    revision: int = 0
    rule: str = ""
    source: str = ""
    places: tuple[Place, ...] = ()
    blocks: tuple[Block, ...] = ()
    history: tuple[Moment, ...] = ()
    conflicts: tuple[Clash, ...] = ()


def explain(wanted: str, now: datetime) -> list[Explanation]:
    """Explain every event with this id, be it ours or a service's. Raises `NothingFound`.

    A service's id may be that of several events: guests of a meeting share it.
    """
    mappings = Mapping.objects.filter(remote_id=wanted)
    if _is_uuid(wanted):
        mappings = Mapping.objects.filter(Q(remote_id=wanted) | Q(item=wanted))
    ids = [pk for pk in mappings.values_list("item", flat=True).distinct() if pk]
    if _is_uuid(wanted):
        ids = sorted({*ids, *Item.objects.filter(pk=wanted).values_list("pk", flat=True)})
    events = Event.objects.filter(pk__in=ids).select_related(*_RELATED)
    found = [_explain(event, now) for event in events.order_by("pk")]
    loose = mappings.filter(item=None).select_related("collection__account")
    found += [_explain_copy(mapping) for mapping in loose]
    if not found and (history := tuple(_history(Q(remote_id=wanted)))):
        found = [Explanation("a remote copy that nothing here belongs to", history=history)]
    if not found:
        raise NothingFound(
            f"nothing is known by the id {wanted!r}; give the id of an item (sync_calendars "
            "--json and the admin show it) or the service's id of an event"
        )
    return found


_RELATED = (
    "item__home__account",
    "busy_rule__source__account",
    "busy_rule__target__account",
    "source__event",
    "series__event__item",
)


def _explain(event: Event, now: datetime) -> Explanation:
    item = event.item
    mappings = list(
        item.mappings.select_related("collection__account", "item").order_by("collection_id")
    )
    rule = event.busy_rule
    return Explanation(
        item=str(item.pk),
        title=event.title,
        what=_what(event),
        state=f"deleted {_time(item.deleted_at)}" if item.deleted_at else "alive",
        when=_when(_fields(event.pk)),
        home=str(item.home or ""),
        revision=item.revision,
        rule=f"{rule.pk}: {rule}" if rule else "",
        source=f"{event.source_id} ({event.source.event.title})" if event.source else "",
        places=tuple(_place(mapping) for mapping in mappings) + tuple(_nowhere(item, mappings)),
        blocks=tuple(_blocks(event, now)),
        history=tuple(_history(Q(item=item) | Q(mapping__in=mappings))),
        conflicts=tuple(_conflicts(mappings)),
    )


def _explain_copy(mapping: Mapping) -> Explanation:
    """Explain a remote copy that was not taken in, or whose event is long forgotten."""
    of_it = Q(remote_id=mapping.remote_id, operation__collection=mapping.collection)
    return Explanation(
        what="a remote copy without an event here",
        places=(_place(mapping),),
        history=tuple(_history(Q(mapping=mapping) | of_it)),
        conflicts=tuple(_conflicts([mapping])),
    )


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _time(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""


def _fields(pk: uuid.UUID) -> Fields:
    return fields_of(Event.objects.values(*COLUMNS).get(pk=pk))


def _what(event: Event) -> str:
    kind = "a busy block" if event.busy_rule else "an event"
    if event.busy_rule and event.busy_rule.removal in BusyRule.KEPT:
        kind = "what was a busy block, kept when its rule was removed"
    if event.series:
        return f"{kind}, one occurrence ({event.slot}) of the series {event.series_id}"
    return f"{kind}, a series" if event.recurrence else kind


def _when(fields: Fields) -> str:
    said = [_moment(fields[name]) for name in ("start", "end") if fields[name]]
    return " to ".join(said)


def _moment(moment: Fields) -> str:
    if "date" in moment:
        return str(moment["date"])
    return f"{moment['at']} {moment.get('zone', '')}".strip()


def _place(mapping: Mapping) -> Place:
    return Place(
        calendar=str(mapping.collection),
        remote_id=mapping.remote_id,
        version=mapping.version,
        seen=_time(mapping.seen_at),
        standing=standing(mapping),
    )


def _nowhere(item: Item, mappings: Sequence[Mapping]) -> Iterator[Place]:
    """Say why an event has no copy in a calendar that should hold it."""
    if item.home is None or item.deleted_at:
        return
    there = {mapping.collection_id for mapping in mappings}
    for calendar in Collection.objects.alike(item.home).select_related("account").in_order():
        if calendar.pk not in there and wanted_in(calendar).filter(pk=item.pk).exists():
            yield Place(str(calendar), "", "", "", _why_nowhere(calendar))


def _why_nowhere(calendar: Collection) -> str:
    if not calendar.selected:
        return "not there: the calendar takes no part in syncing"
    if calendar.direction == Direction.PULL:
        return "not there: the calendar is only read"
    return "not there yet: the next sync makes it"


def standing(mapping: Mapping) -> str:
    """Say in words how a copy stands to its item: in step, or what it waits for."""
    if not mapping.remote_hash and not mapping.base_hash:
        return _without_copy(mapping)
    reasons = [reason for reason, applies in _reasons(mapping) if applies]
    return "; ".join(reasons) or "in step"


def _without_copy(mapping: Mapping) -> str:
    if mapping.evidence:
        return f"gone: {mapping.evidence}"
    tried = f": {mapping.last_error}" if mapping.last_error else ""
    return f"not there yet{tried}"


def _only_hides(mapping: Mapping) -> bool:
    """Say whether a copy differs from what was agreed only by what its reader does not see."""
    base, shown = mapping.base or {}, mapping.remote or {}
    return mapping.partial and all(base.get(name) == value for name, value in shown.items())


def _reasons(mapping: Mapping) -> Iterator[tuple[str, bool]]:
    """Yield what may keep a copy from being in step, and whether it does."""
    item, moved = mapping.item, mapping.remote_hash != mapping.base_hash
    waits = mapping.conflicts.filter(outcome__in=["open", "ruled"]).exists()
    held = mapping.history.filter(state=SyncItem.State.HELD, operation__state="held").exists()
    yield "waits for a person to settle a conflict", waits
    yield "held by the guard in an earlier run", held and (moved or _is_behind(mapping))
    yield f"one-way: {mapping.obstacle}", bool(mapping.obstacle)
    yield f"refused {mapping.attempts} times: {mapping.last_error}", bool(mapping.last_error)
    yield "a write of ours was never answered", mapping.unanswered
    yield f"deleted there ({mapping.evidence})", moved and not mapping.remote_hash
    yield "new there", moved and not mapping.base_hash
    changed = moved and bool(mapping.remote_hash and mapping.base_hash)
    yield "changed there", changed and not _only_hides(mapping)
    yield "not taken in: the calendar only receives", item is None and _only_receives(mapping)
    yield "made by us and forgotten; waits for its item", mapping.unclaimed
    yield "not taken in yet", item is None and not _only_receives(mapping)
    yield "changed here since", _is_behind(mapping)
    yield "the calendar takes no part in syncing", not mapping.collection.selected


def _only_receives(mapping: Mapping) -> bool:
    return mapping.collection.direction == Direction.PUSH


def _is_behind(mapping: Mapping) -> bool:
    return mapping.item is not None and mapping.synced_revision < mapping.item.revision


def _blocks(event: Event, now: datetime) -> Iterator[Block]:
    """Yield, for each rule of the event's calendar, its block or why there is none."""
    if event.busy_rule or event.item.home is None:
        return
    circle = Collection.objects.alike(event.item.home)
    rules = BusyRule.objects.filter(source__in=circle, removed_at=None)
    made = Event.objects.filter(source=event.item, item__deleted_at=None)
    blocks = {block.busy_rule_id: block for block in made}
    gone = Event.objects.filter(source=event.item, item__deleted_at__isnull=False, left_alone=True)
    deleted = set(gone.values_list("busy_rule", flat=True))
    for rule in rules.select_related("source", "target__account").order_by("created_at"):
        block = blocks.get(rule.pk)
        if block is None:
            why_not = _DELETED if rule.pk in deleted else _why_not(rule, event, now)
            yield Block(str(rule.pk), str(rule.target), "", why_not)
        else:
            yield Block(str(rule.pk), str(rule.target), str(block.pk), _note(block))


_DELETED = "deleted in the target; stays so until its event is moved"


def _note(block: Event) -> str:
    """Say what is special about a block."""
    if block.status == "cancelled":
        return _DELETED if block.left_alone else "cancelled in the block of its series"
    if block.left_alone:
        return "edited in the target; left alone until its event is moved"
    return "adopted: it was there before the rule" if _is_adopted(block) else ""


def _is_adopted(block: Event) -> bool:
    row = ("item_id", "busy_rule_id", "source_id", "occurrence", "series_id")
    return is_adopted({name: getattr(block, name) for name in row})


def _why_not(rule: BusyRule, event: Event, now: datetime) -> str:
    """Ask the mirror, as a sync would; an exception is looked at together with its series."""
    if not rule.enabled:
        return "the rule is switched off"
    if rule.rests(now):
        return "the rule is paused"
    skip = skipped(rule, [event.series_id or event.pk], now).get(event.pk)
    if skip:
        return skip.value
    held = BlockPart.objects.filter(rule=rule, source=event.item, block__deleted_at=None).first()
    return f"part of the block {held.block_id}" if held else "the next sync draws it"


def _history(which: Q) -> Iterator[Moment]:
    lines = SyncItem.objects.filter(which).select_related("operation__collection__account")
    for line in lines.order_by("created_at", "id").distinct():
        yield Moment(
            at=_time(line.created_at),
            calendar=str(line.operation.collection),
            side=line.side,
            action=line.action,
            fields=tuple(line.fields),
            reason=line.reason,
            evidence=line.evidence,
            state=line.state,
            attempts=line.attempts,
            error=line.error,
            operation=str(line.operation_id),
            trigger=line.operation.trigger,
        )


def _conflicts(mappings: Sequence[Mapping]) -> Iterator[Clash]:
    rows = Conflict.objects.filter(mapping__in=mappings)
    for row in rows.select_related("mapping__collection__account", "ruled_by").order_by("pk"):
        yield Clash(
            at=_time(row.created_at),
            calendar=str(row.mapping.collection),
            fields=tuple(row.fields),
            outcome=row.outcome,
            strategy=row.strategy,
            winners=row.winners,
            ruled_by=str(row.ruled_by or ""),
        )
