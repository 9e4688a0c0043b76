"""Which busy block an event of one calendar makes in another; pure.

A block is built from nothing, field by field, from what its rule allows: what is not named here
cannot get through. A private event shows no text of its own, whatever the rule allows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from string import Formatter
from typing import Any, Final

from calendars.recurrence import (
    at_slot,
    excluding,
    has_slot,
    instant,
    is_series,
    reaches,
    rule_lines,
)
from sync.core.events import EMPTY
from sync.core.records import Fields, fingerprint

PLAIN: Final = "Busy"
WORDS: Final = ("title", "location", "calendar")
SHOWABLE: Final = ("title", "description", "location", "calendar", "colour")
EVENT_TYPES: Final = (
    "default",
    "outOfOffice",
    "focusTime",
    "workingLocation",
    "birthday",
    "fromGmail",
)
LONGEST_TITLE: Final = 200
MOST_DAYS: Final = 3650

_PRIVATE: Final = frozenset({"private", "confidential"})
_TEXT_OF_THE_EVENT: Final = frozenset({"title", "description", "location"})
_QUIET: Final[Mapping[str, Any]] = {"default": False, "overrides": []}


class Skip(StrEnum):
    """Why an event makes no block."""

    GONE = "deleted, or in another calendar"
    NO_SERIES = "its series does not repeat any more"
    CANCELLED = "cancelled"
    NO_TIMES = "no times"
    EVENT_TYPE = "event type"
    ALL_DAY = "all day"
    FREE = "free"
    DECLINED = "declined"
    TENTATIVE = "tentative"
    OVER = "over before the window"
    NOT_YET = "after the window"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a busy rule shows and skips, and its window in days around now.

    `title` is a template: `{title}`, `{location}` and `{calendar}` stand for what the event or its
    calendar is called, as far as `show` allows it.
    """

    title: str = PLAIN
    show: frozenset[str] = frozenset()
    skip_declined: bool = True
    skip_tentative: bool = False
    skip_free: bool = True
    skip_all_day: bool = False
    skip_event_types: frozenset[str] = frozenset()
    past_days: int = 7
    future_days: int = 365

    def problems(self) -> list[str]:
        """Say what is wrong with the rule, in words for whoever made it; empty if nothing is."""
        return [
            *_unknown("cannot be shown; what can", self.show, SHOWABLE),
            *_unknown("is no event type; there are", self.skip_event_types, EVENT_TYPES),
            *_template_problems(self.title, self.show),
            *_window_problems(self.past_days, self.future_days),
        ]

    def content(self, calendar: str) -> str:
        """Return a hash of all that the blocks of this rule depend on beside their sources."""
        name = calendar if "calendar" in self.show else ""
        knobs = {k: sorted(v) if isinstance(v, frozenset) else v for k, v in asdict(self).items()}
        return fingerprint(knobs | {"calendar": name})


@dataclass(frozen=True, slots=True)
class Source:
    """One event of the source calendar as a rule looks at it.

    `calendar` is the name of that calendar, `slot` the original start of an exception, "" for a
    head: an event that is no exception. `gone` says that it was deleted or has left the calendar,
    `has_block` that a block stands for it already, `apart` that the block of this exception is (or
    was) one of its own: it does not move into the block of its series later.
    """

    fields: Fields
    calendar: str = ""
    slot: str = ""
    gone: bool = False
    has_block: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A busy block as it should be; with a `slot` it is an exception in the block of its series."""

    fields: Fields
    slot: str = ""


def mirror(
    rule: Rule, head: Source, exceptions: Sequence[Source], now: datetime
) -> list[Block | Skip]:
    """Return what blocks a head and its exceptions make, in this order, or why they make none.

    A mirrored series has its exceptions in its block. Of a series that is not mirrored (declined,
    say), an exception that fits the rule (accepted) makes a block of its own; it keeps that when
    the series is mirrored later, and the series' block leaves its place empty.
    """
    series = alone(rule, head, now)
    if head.gone:
        return [series, *[Skip.GONE for _ in exceptions]]
    if not is_series(head.fields):
        return [series, *[Skip.NO_SERIES for _ in exceptions]]
    if isinstance(series, Block):
        within = [_within(rule, part, series.fields) for part in exceptions]
        return [_leaving_out(series, exceptions), *within]
    return [series, *[alone(rule, part, now) for part in exceptions]]


def alone(rule: Rule, source: Source, now: datetime) -> Block | Skip:
    """Return the block of an event that is looked at by itself, or why it makes none.

    A block that exists is not given up because its time has passed.
    """
    skip = Skip.GONE if source.gone else _unfit(rule, source) or _outside(rule, source.fields, now)
    if skip is None or (skip is Skip.OVER and source.has_block):
        return Block(_fields(rule, source))
    return skip


def _leaving_out(series: Block, exceptions: Sequence[Source]) -> Block:
    """Exclude the occurrences that have a block of their own."""
    slots = [part.slot for part in exceptions if part.apart and not part.gone]
    lines = [*series.fields["recurrence"], *map(excluding, slots)]
    return Block({**series.fields, "recurrence": lines})


def _within(rule: Rule, source: Source, series: Fields) -> Block | Skip:
    """Return the exception that an exception makes in the block `series`.

    An occurrence that is cancelled or that the rule skips is cancelled in the block too; one that
    is no exception any more becomes what the series says. The window is the series' affair.
    """
    if source.gone:
        back = source.has_block and not source.apart and has_slot(series, source.slot)
        return Block(at_slot(series, source.slot), source.slot) if back else Skip.GONE
    unfit = _unfit(rule, source)
    if source.apart:
        return unfit or Block({**_fields(rule, source), "recurrence": []})
    if unfit:
        return Block({**at_slot(series, source.slot), "status": "cancelled"}, source.slot)
    return Block({**_fields(rule, source), "recurrence": []}, source.slot)


def window(rule: Rule, now: datetime) -> tuple[datetime, datetime]:
    """Return when the window of a rule begins and ends."""
    return now - timedelta(days=rule.past_days), now + timedelta(days=rule.future_days)


def _unfit(rule: Rule, source: Source) -> Skip | None:
    """Say why an event makes no block whenever it takes place."""
    fields = source.fields
    own = _own_response(fields)
    unsure = own in ("tentative", "needsAction") or fields.get("status") == "tentative"
    reasons = (
        (Skip.CANCELLED, fields.get("status") == "cancelled"),
        (Skip.NO_TIMES, not (fields.get("start") and fields.get("end"))),
        (Skip.EVENT_TYPE, fields.get("event_type") in rule.skip_event_types),
        (Skip.ALL_DAY, rule.skip_all_day and "date" in (fields.get("start") or {})),
        (Skip.FREE, rule.skip_free and fields.get("transparency") == "transparent"),
        (Skip.DECLINED, rule.skip_declined and own == "declined"),
        (Skip.TENTATIVE, rule.skip_tentative and unsure),
    )
    return next((skip for skip, applies in reasons if applies), None)


def _own_response(fields: Fields) -> str:
    """Return what the calendar's owner answered to the invitation, "" if there was none."""
    guests = fields.get("attendees") or []
    return next((str(g.get("response", "")) for g in guests if g.get("self")), "")


def _outside(rule: Rule, fields: Fields, now: datetime) -> Skip | None:
    since, until = window(rule, now)
    if reaches(fields, since, until):
        return None
    return (
        Skip.NOT_YET if instant(fields["start"]) >= until or _goes_on(fields, until) else Skip.OVER
    )


def _goes_on(fields: Fields, until: datetime) -> bool:
    """Say whether a series that pauses during the window is resumed after it."""
    return reaches(fields, until, datetime.max.replace(tzinfo=until.tzinfo))


def _fields(rule: Rule, source: Source) -> Fields:
    fields, shown = source.fields, _shown(rule, source.fields)
    return {
        **EMPTY,
        "title": _title(rule, source, shown),
        "description": fields.get("description", "") if "description" in shown else "",
        "location": fields.get("location", "") if "location" in shown else "",
        "colour": fields.get("colour", "") if "colour" in shown else "",
        "start": dict(fields["start"]),
        "end": dict(fields["end"]),
        "recurrence": rule_lines(fields),
        "transparency": "transparent" if fields.get("transparency") == "transparent" else "opaque",
        "visibility": "private",
        "reminders": dict(_QUIET),
    }


def _shown(rule: Rule, fields: Fields) -> frozenset[str]:
    private = fields.get("visibility") in _PRIVATE
    return rule.show - _TEXT_OF_THE_EVENT if private else rule.show


def _title(rule: Rule, source: Source, shown: frozenset[str]) -> str:
    """Fill in the template; a word that may not be shown makes the whole title plain."""
    parts = _parts(rule.title)
    if parts is None or any(word and word not in shown for _, word in parts):
        return PLAIN
    said = {**source.fields, "calendar": source.calendar}
    text = "".join(literal + str(said.get(word) or "") for literal, word in parts)
    return re.sub(r"\s+", " ", text).strip() or PLAIN


def _parts(template: str) -> list[tuple[str, str]] | None:
    """Take a template apart into pairs of text and the word after it; None if it is none.

    Only plain words are let through: a template reaches no attribute and no format of anything.
    """
    try:
        pieces = list(Formatter().parse(template))
    except ValueError:
        return None
    if any(
        word is not None and (word not in WORDS or spec or how) for _, word, spec, how in pieces
    ):
        return None
    return [(literal, word or "") for literal, word, _, _ in pieces]


def _unknown(what: str, names: frozenset[str], known: tuple[str, ...]) -> list[str]:
    return [f"{name!r} {what}: {', '.join(known)}" for name in sorted(names - {*known})]


def _template_problems(template: str, show: frozenset[str]) -> list[str]:
    parts = _parts(template)
    words = ", ".join("{" + word + "}" for word in WORDS)
    if parts is None:
        return [f"the title template knows only the words {words}; write {{{{ for a brace"]
    if not template.strip() or len(template) > LONGEST_TITLE:
        return [f"the title template must have 1 to {LONGEST_TITLE} characters"]
    hidden = dict.fromkeys(word for _, word in parts if word and word not in show)
    return [f"the title holds {{{word}}}, so {word!r} must be shown too" for word in hidden]


def _window_problems(*days: int) -> list[str]:
    if all(0 <= number <= MOST_DAYS for number in days):
        return []
    return [f"the window reaches 0 to {MOST_DAYS} days back and ahead"]
