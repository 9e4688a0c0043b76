"""What a rule would show in its target in the days to come, whether or not it exists yet.

The very functions that draw blocks draw them, in a transaction that is rolled back. No call is
made: what is shown rests on what was last seen of both calendars.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from calendars import blocks
from calendars.adoption import adoptions
from calendars.event_fields import COLUMNS, fields_of
from calendars.families import heads_of
from calendars.knobs import RELATED, homes_of, knobs_of
from calendars.models import BusyRule, Event
from calendars.occurrences import expand
from calendars.recurrence import instant, is_series
from calendars.skipping import skipped
from sync.core.records import Fields

NEW, CHANGED, THERE, GOES, ADOPTED = "new", "changed", "as it is", "goes", "adopts a copy"
SKIPPED = "no block"
APART = "outside the working hours, or part of another block"


@dataclass(frozen=True, slots=True)
class Line:
    """One block as it would be, or one event that makes none.

    `start` and `end` are moments in the target's zone, or dates. `what` is one of the words above,
    `title` what the block says, "" for an event without one, and `note` why there is none, or what
    the block overlaps. `event` is the title of the source event, for eyes that may see it. `marked`
    is "free" or "tentative" for a block that takes no time, or perhaps none.
    """

    start: datetime | date
    end: datetime | date
    what: str
    title: str = ""
    note: str = ""
    event: str = ""
    marked: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """The lines of some days, in order, and the zone that their times are meant in.

    `unread` names the calendars that were never synced, of which nothing is known yet.
    """

    zone: str
    since: date
    days: int
    lines: tuple[Line, ...]
    unread: tuple[str, ...] = ()


def preview_rule(*, rule: BusyRule, now: datetime, since: date | None, days: int) -> Preview:
    """Say what a rule would show during some days from `since` (default: today) in its target.

    The rule need not be saved. Nothing is written.
    """
    zone = ZoneInfo(knobs_of(rule).zone)
    span = _Span(zone, since or now.astimezone(zone).date(), days)
    with transaction.atomic():
        rule.save()
        rule = BusyRule.objects.select_related(*RELATED).get(pk=rule.pk)
        before = _revisions(rule)
        heads = _heads(rule, span)
        for start in range(0, len(heads), blocks.BATCH):
            blocks.refresh(rule, heads[start : start + blocks.BATCH], now)
        lines = [*_drawn(rule, span, before), *_without(rule, heads, span, now)]
        lines = _overlaps(rule, span, lines)
        transaction.set_rollback(True)
    ordered = sorted(lines, key=lambda line: (span.instant(line.start), line.what, line.title))
    unread = [one.name for one in (rule.source, rule.target) if one.synced_at is None]
    return Preview(str(zone), span.since, days, tuple(ordered), tuple(unread))


@dataclass(frozen=True, slots=True)
class _Span:
    """Some days in a zone."""

    zone: ZoneInfo
    since: date
    days: int

    @property
    def begin(self) -> datetime:
        return self.instant(self.since)

    @property
    def end(self) -> datetime:
        return self.instant(self.since + timedelta(days=self.days))

    def instant(self, at: datetime | date) -> datetime:
        return at if isinstance(at, datetime) else datetime.combine(at, time(), self.zone)

    def times(self, fields: Fields) -> Iterator[tuple[datetime | date, datetime | date, str]]:
        """Yield when an event takes place in these days: start, end, and which occurrence it is."""
        if not (fields.get("start") and fields.get("end")) or fields["status"] == "cancelled":
            return
        margin = timedelta(days=1)  # the days of an all-day event are meant in any zone
        all_day, found = "date" in fields["start"], None
        if is_series(fields):
            found = expand(fields, self.begin - margin, self.end + margin)
        single = (("", instant(fields["start"]), instant(fields["end"])),)
        for slot, start, end in (
            ((one.slot, one.start, one.end) for one in found) if found is not None else single
        ):
            first, last = (
                (start.date(), end.date())
                if all_day
                else (start.astimezone(self.zone), end.astimezone(self.zone))
            )
            ends = max(self.instant(last), self.instant(first) + timedelta(seconds=1))
            if self.instant(first) < self.end and ends > self.begin:
                yield first, last, slot


_NAMES = (*COLUMNS, *("item_id", "series_id", "slot", "source_id", "occurrence", "left_alone"))


def _rows(*which: Q, **more: Any) -> list[dict[str, Any]]:
    rows = Event.objects.filter(*which, **more, item__deleted_at=None)
    return list(rows.values(*_NAMES, "item__revision", "source__event__title"))


def _revisions(rule: BusyRule) -> Mapping[uuid.UUID, int]:
    alive = rule.blocks.filter(item__deleted_at=None)
    return dict(alive.values_list("item_id", "item__revision"))


def _reaching(span: _Span) -> Q:
    """Choose the events that may take place in a span; of series all that have begun."""
    margin = timedelta(days=1)
    last = span.begin - margin
    ends = Q(ends_at__gt=last) | Q(ends_on__gt=last.date()) | Q(begins_at__gt=last)
    return Q(begins_at__lt=span.end + margin) & (ends | ~Q(recurrence=[]))


def _heads(rule: BusyRule, span: _Span) -> list[uuid.UUID]:
    """Return the heads of the events that may make a block in a span; buffers reach into it."""
    wide = replace(span, since=span.since - timedelta(days=1), days=span.days + 2)
    homes = homes_of([rule])[rule.pk]
    events = Event.objects.filter(_reaching(wide), item__home__in=homes, busy_rule=None)
    return heads_of(events.filter(item__deleted_at=None).values_list("pk", flat=True))


def _drawn(rule: BusyRule, span: _Span, before: Mapping[uuid.UUID, int]) -> Iterator[Line]:
    """Yield the blocks that would be there, and those that would go."""
    rows = _rows(_reaching(span), busy_rule=rule)
    slots = {(row["series_id"], row["slot"]) for row in _rows(busy_rule=rule) if row["series_id"]}
    adopted = {adoption.block for adoption in adoptions(rule)}
    for row in rows:
        what = _what(row, before, adopted)
        note = "edited in the target; left alone" if row["left_alone"] else ""
        for start, end, slot in span.times(fields_of(row)):
            if (row["item_id"], slot) not in slots:
                event = row["source__event__title"] or ""
                yield Line(start, end, what, row["title"], note, event, _marked(row))
    gone = Event.objects.filter(pk__in=before.keys(), item__deleted_at__isnull=False)
    for row in gone.filter(_reaching(span)).values(*_NAMES, "source__event__title"):
        for start, end, _ in span.times(fields_of(row)):
            yield Line(start, end, GOES, row["title"], event=row["source__event__title"] or "")


def _marked(row: Mapping[str, Any]) -> str:
    if row["transparency"] == "transparent":
        return "free"
    return "tentative" if row["status"] == "tentative" else ""


def _what(row: Mapping[str, Any], before: Mapping[uuid.UUID, int], adopted: set[uuid.UUID]) -> str:
    if row["item_id"] in adopted:
        return ADOPTED
    if row["item_id"] not in before:
        return NEW
    return THERE if row["item__revision"] == before[row["item_id"]] else CHANGED


def _without(
    rule: BusyRule, heads: Sequence[uuid.UUID], span: _Span, now: datetime
) -> Iterator[Line]:
    """Yield the events that would make no block, with the reason."""
    reasons = {pk: skip.value for pk, skip in skipped(rule, heads, now).items()}
    reasons |= _deleted_by_people(rule)
    rows = _rows(Q(pk__in=heads) | Q(series__in=heads))
    slots = {(row["series_id"], row["slot"]) for row in rows if row["series_id"]}
    drawn = _rows(busy_rule=rule, source__in=[row["item_id"] for row in rows])
    whole = {row["source_id"] for row in drawn if not row["occurrence"]}
    single = {(row["source_id"], row["occurrence"]) for row in drawn if row["occurrence"]}
    for row in rows:
        if row["item_id"] in whole and row["item_id"] not in reasons:
            continue
        note = reasons.get(row["item_id"], APART)
        for start, end, slot in span.times(fields_of(row)):
            has_own = (row["item_id"], slot) in slots | single
            if not has_own:
                yield Line(start, end, SKIPPED, note=note, event=row["title"])


def _deleted_by_people(rule: BusyRule) -> dict[uuid.UUID, str]:
    blocks = rule.blocks.filter(left_alone=True)
    deleted = blocks.filter(Q(item__deleted_at__isnull=False) | Q(status="cancelled"))
    return dict.fromkeys(
        deleted.filter(occurrence="").values_list("source_id", flat=True),
        "deleted in the target by a person",
    )


def _overlaps(rule: BusyRule, span: _Span, lines: Sequence[Line]) -> list[Line]:
    """Note which blocks overlap what is in the target: events there, or other blocks."""
    theirs = Q(item__home=rule.target, transparency="opaque") & _reaching(span)
    taken = [
        (span.instant(start), span.instant(end), bool(row["source_id"]))
        for row in _rows(theirs & (Q(busy_rule=None) | ~Q(busy_rule=rule)))
        for start, end, _ in span.times(fields_of(row))
    ]
    taken += [
        (span.instant(one.start), span.instant(one.end), True) for one in lines if _takes(one)
    ]
    return [_with_overlap(line, span, taken) if _takes(line) else line for line in lines]


def _takes(line: Line) -> bool:
    """Say whether a line takes time that may overlap what else is there."""
    return line.what not in (ADOPTED, SKIPPED, GOES) and line.marked != "free"


def _with_overlap(
    line: Line, span: _Span, taken: Sequence[tuple[datetime, datetime, bool]]
) -> Line:
    start, end = span.instant(line.start), span.instant(line.end)
    met = [is_block for begins, ends, is_block in taken if begins < end and ends > start]
    events, others = met.count(False), met.count(True) - 1
    said = [f"overlaps {events} of its own events"] if events else []
    said += [f"overlaps {others} other block{'s' * (others > 1)}"] if others > 0 else []
    return replace(line, note="; ".join(filter(None, [line.note, *said])))
