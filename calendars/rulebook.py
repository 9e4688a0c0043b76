"""What a busy rule can say: its knobs, what is wrong with them, and what its blocks depend on."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from enum import StrEnum
from string import Formatter
from typing import Any, Final

from calendars import filters
from calendars.filters import COLOURS
from calendars.hours import WEEKDAYS, Hours, zone_of
from sync.core.records import fingerprint

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
VISIBILITIES: Final = ("private", "public", "default")
LONGEST_TITLE: Final = 200
MOST_DAYS: Final = 3650
MOST_MINUTES: Final = 1440


class As(StrEnum):
    """How an event of some sort is shown."""

    BUSY = "busy"
    TENTATIVE = "tentative"
    FREE = "free"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a busy rule shows and skips, and its window in days around now.

    `title` is a template: `{title}`, `{location}` and `{calendar}` stand for what the event or its
    calendar is called, as far as `show` allows it. Buffers, the way there (for events that have a
    place) and the shortest length are in minutes. `zone`, `addresses` (under which the target is
    invited) and `one_owner` (both accounts are one person's) are facts about the two calendars.
    """

    title: str = PLAIN
    show: frozenset[str] = frozenset()
    visibility: str = "private"
    colour: str = ""
    link_back: bool = False
    skip_declined: bool = True
    skip_free: bool = True
    skip_event_types: frozenset[str] = frozenset()
    tentative: str = As.BUSY
    unanswered: str = As.BUSY
    all_day: str = As.BUSY
    private_events: str = As.BUSY
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hours_from: time | None = None
    hours_to: time | None = None
    weekdays: frozenset[str] = frozenset()
    minimum_minutes: int = 0
    skip_invited: bool = True
    once_per_meeting: bool = True
    buffer_before: int = 0
    buffer_after: int = 0
    travel_minutes: int = 0
    merge: bool = False
    past_days: int = 7
    future_days: int = 365
    active_from: date | None = None
    active_until: date | None = None
    zone: str = "UTC"
    addresses: frozenset[str] = frozenset()
    one_owner: bool = False

    @property
    def hours(self) -> Hours:
        """Return when events count, by the clock of the target."""
        return Hours(self.hours_from, self.hours_to, self.weekdays, self.zone)

    @property
    def links(self) -> bool:
        """Say whether blocks lead back to their events: only where nobody else can follow."""
        return self.link_back and self.one_owner and self.visibility == "private"

    @property
    def looks_at_occurrences(self) -> bool:
        """Say whether it may take the single occurrences of a series to know its blocks."""
        earlier = self.buffer_before or self.travel_minutes
        return bool(self.merge or self.hours or earlier)

    def is_active(self, now: datetime) -> bool:
        """Say whether the rule has blocks today; both dates belong to its time."""
        today = now.astimezone(zone_of(self.zone)).date()
        begun = self.active_from is None or self.active_from <= today
        return begun and not self.has_ended(now)

    def has_ended(self, now: datetime) -> bool:
        """Say whether the last day of the rule is over, by the clock of the target."""
        return has_ended(self.active_until, self.zone, now)

    def problems(self) -> list[str]:
        """Say what is wrong with the rule, in words for whoever made it; empty if nothing is."""
        return [
            *_unknown("cannot be shown; what can", self.show, SHOWABLE),
            *_unknown("is no event type; there are", self.skip_event_types, EVENT_TYPES),
            *_unknown("is no weekday; there are", self.weekdays, WEEKDAYS),
            *_template_problems(self.title, self.show),
            *_look_problems(self),
            *_sort_problems(self),
            *filters.problems(self.include),
            *filters.problems(self.exclude),
            *_time_problems(self),
            *_window_problems(self.past_days, self.future_days),
        ]

    def content(self, calendar: str, now: datetime) -> str:
        """Return a hash of all that the blocks of this rule depend on beside their sources."""
        name = calendar if "calendar" in self.show else ""
        knobs = {key: _plain(value) for key, value in asdict(self).items()}
        return fingerprint(knobs | {"calendar": name, "active": self.is_active(now)})


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.isoformat() if isinstance(value, date | time) else value


def template_parts(template: str) -> list[tuple[str, str]] | None:
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


def has_ended(last_day: date | None, zone: str, at: datetime) -> bool:
    """Say whether a last day, if there is one, was over at some time, by the clock of a zone."""
    return last_day is not None and at.astimezone(zone_of(zone)).date() > last_day


def _template_problems(template: str, show: frozenset[str]) -> list[str]:
    parts = template_parts(template)
    words = ", ".join("{" + word + "}" for word in WORDS)
    if parts is None:
        return [f"the title template knows only the words {words}; write {{{{ for a brace"]
    if not template.strip() or len(template) > LONGEST_TITLE:
        return [f"the title template must have 1 to {LONGEST_TITLE} characters"]
    hidden = dict.fromkeys(word for _, word in parts if word and word not in show)
    return [f"the title holds {{{word}}}, so {word!r} must be shown too" for word in hidden]


def _look_problems(rule: Rule) -> Iterator[str]:
    if rule.visibility not in VISIBILITIES:
        yield f"{rule.visibility!r} is no visibility; there are: {', '.join(VISIBILITIES)}"
    if rule.colour and rule.colour not in COLOURS:
        yield f"{rule.colour!r} is no colour; there are 1 to {COLOURS[-1]}, or none"
    if rule.colour and "colour" in rule.show:
        yield "a block has either a colour of its own or that of its event; choose one"
    if rule.link_back and rule.visibility != "private":
        yield "a link back needs private blocks: else others could follow it"
    if rule.link_back and not rule.one_owner:
        yield "a link back needs two accounts with one and the same owner; set it on both accounts"


def _sort_problems(rule: Rule) -> Iterator[str]:
    possible = {
        "tentative": tuple(As),
        "unanswered": tuple(As),
        "all_day": (As.BUSY, As.FREE, As.SKIP),
        "private_events": (As.BUSY, As.SKIP),
    }
    for name, words in possible.items():
        if (said := getattr(rule, name)) not in words:
            yield f"{name.replace('_', ' ')}: {said!r} is not one of {', '.join(words)}"


def _time_problems(rule: Rule) -> Iterator[str]:
    if rule.hours_to and (rule.hours_from or time()) >= rule.hours_to:
        yield "working hours must begin before they end; leave one of them out for all of its day"
    if rule.active_from and rule.active_until and rule.active_from > rule.active_until:
        yield "the rule's time must begin before it ends"
    for name in ("minimum_minutes", "buffer_before", "buffer_after", "travel_minutes"):
        if not 0 <= getattr(rule, name) <= MOST_MINUTES:
            yield f"{name.replace('_', ' ')}: 0 to {MOST_MINUTES} minutes"


def _window_problems(*days: int) -> Iterable[str]:
    if not all(0 <= number <= MOST_DAYS for number in days):
        yield f"the window reaches 0 to {MOST_DAYS} days back and ahead"
