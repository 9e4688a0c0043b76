"""Whether an event makes a busy block at all, by its rule, and how busy it looks; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from calendars import filters
from calendars.recurrence import instant
from calendars.rulebook import As, Rule
from sync.core.records import Fields

PRIVATE: Final = frozenset({"private", "confidential"})


class Skip(StrEnum):
    """Why an event makes no block."""

    RESTS = "the rule is not active today"
    GONE = "deleted, or in another calendar"
    NO_SERIES = "its series does not repeat any more"
    CANCELLED = "cancelled"
    NO_TIMES = "no times"
    EVENT_TYPE = "event type"
    PRIVATE = "private"
    ALL_DAY = "all day"
    FREE = "free"
    DECLINED = "declined"
    UNANSWERED = "not answered yet"
    TENTATIVE = "tentative"
    SHORT = "shorter than the rule asks for"
    FILTERED = "left out by a filter"
    SLOW_FILTER = "left out: a filter took too long"
    INVITED = "the target is invited itself"
    SHOWN = "the target shows this meeting itself"
    MET = "the same meeting blocks the target through another calendar"
    OFF_HOURS = "outside the working hours"
    OVER = "over before the window"
    NOT_YET = "after the window"


@dataclass(frozen=True, slots=True)
class Source:
    """One event of the source calendar as a rule looks at it.

    `calendar` is the name of that calendar, `slot` the original start of an exception, "" for a
    head: an event that is no exception. `organiser` holds who organises it, address and name, and
    `link` leads to it at its service. `gone` says that it was deleted or has left the calendar,
    `has_block` that a block stands for it already, `apart` that the block of this exception is (or
    was) one of its own: it does not move into the block of its series later. `drawn` names the
    occurrences that have blocks of their own.
    """

    fields: Fields
    calendar: str = ""
    slot: str = ""
    gone: bool = False
    has_block: bool = False
    apart: bool = False
    organiser: tuple[str, ...] = ()
    link: str = ""
    drawn: frozenset[str] = frozenset()


def unfit(rule: Rule, source: Source) -> Skip | None:
    """Say why an event makes no block whenever it takes place."""
    fields = source.fields
    sorts = dict(_sorts(rule, fields))
    reasons = (
        (Skip.CANCELLED, fields.get("status") == "cancelled"),
        (Skip.NO_TIMES, not (fields.get("start") and fields.get("end"))),
        (Skip.EVENT_TYPE, fields.get("event_type") in rule.skip_event_types),
        (Skip.PRIVATE, rule.private_events == As.SKIP and fields.get("visibility") in PRIVATE),
        (Skip.FREE, rule.skip_free and fields.get("transparency") == "transparent"),
        (Skip.DECLINED, rule.skip_declined and _own_response(fields) == "declined"),
        *((skip, shown == As.SKIP) for skip, shown in sorts.items()),
        (Skip.INVITED, rule.skip_invited and _is_invited(rule, fields)),
    )
    skip = next((skip for skip, applies in reasons if applies), None)
    return skip or _too_short(rule, fields) or _filtered(rule, source)


def _sorts(rule: Rule, fields: Fields) -> Iterator[tuple[Skip, str]]:
    """Yield of which sorts an event is that a rule may show in a way of their own, and how."""
    own = _own_response(fields)
    if "date" in (fields.get("start") or {}):
        yield Skip.ALL_DAY, rule.all_day
    if own == "needsAction":
        yield Skip.UNANSWERED, rule.unanswered
    if own == "tentative" or fields.get("status") == "tentative":
        yield Skip.TENTATIVE, rule.tentative


def takes_up_time(source: Source) -> bool:
    """Say whether an event keeps the owner of its calendar busy."""
    fields = source.fields
    there = not source.gone and bool(fields.get("start") and fields.get("end"))
    wanted = fields.get("status") != "cancelled" and _own_response(fields) != "declined"
    return there and wanted and fields.get("transparency") != "transparent"


def _own_response(fields: Fields) -> str:
    """Return what the calendar's owner answered to the invitation, "" if there was none."""
    guests = fields.get("attendees") or []
    return next((str(g.get("response", "")) for g in guests if g.get("self")), "")


def _is_invited(rule: Rule, fields: Fields) -> bool:
    """Say whether the target is among the guests and has not declined."""
    guests = fields.get("attendees") or []
    return any(
        str(g.get("email", "")).lower() in rule.addresses and g.get("response") != "declined"
        for g in guests
    )


def _too_short(rule: Rule, fields: Fields) -> Skip | None:
    length = instant(fields["end"]) - instant(fields["start"])
    return Skip.SHORT if length < timedelta(minutes=rule.minimum_minutes) else None


def _filtered(rule: Rule, source: Source) -> Skip | None:
    if not (rule.include or rule.exclude):
        return None
    said = {
        "title": (str(source.fields.get("title") or ""),),
        "organiser": source.organiser,
        "colour": (str(source.fields.get("colour") or ""),),
    }
    match filters.judge(rule.include, rule.exclude, said):
        case filters.Verdict.LEFT_OUT:
            return Skip.FILTERED
        case filters.Verdict.TOO_SLOW:
            return Skip.SLOW_FILTER
        case _:
            return None


def off_hours(rule: Rule, fields: Fields) -> Skip | None:
    """Say whether a single event is wholly outside the working hours."""
    if not rule.hours:
        return None
    start, end = (_plain_time(fields[part]) for part in ("start", "end"))
    return None if rule.hours.meet(start, end) else Skip.OFF_HOURS


def _plain_time(moment: Fields) -> datetime | date:
    return date.fromisoformat(moment["date"]) if "date" in moment else instant(moment)


def look_of(rule: Rule, fields: Fields) -> str:
    """Return how a block looks: the freest of what its event and the rule say."""
    looks = {shown for _, shown in _sorts(rule, fields)}
    if fields.get("transparency") == "transparent" or As.FREE in looks:
        return As.FREE
    return As.TENTATIVE if As.TENTATIVE in looks else As.BUSY
