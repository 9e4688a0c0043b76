"""Which events a listing holds: the filters of `events.list`, and the expansion of series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.sandbox import eventtypes, series
from integrations.sandbox.book import Book, Event
from integrations.sandbox.errors import ApiError, invalid
from integrations.sandbox.times import parse_moment
from integrations.sandbox.world import Call

_SEARCHED = ("summary", "description", "location")


@dataclass(frozen=True, slots=True)
class Filters:
    """The parameters of a listing that choose among events; times are Unix seconds."""

    earliest: float = float("-inf")
    latest: float = float("inf")
    updated_min: str = ""
    deleted: bool = False
    expand: bool = False
    types: frozenset[str] = frozenset()
    ical_uid: str = ""
    text: str = ""
    private: tuple[tuple[str, str], ...] = ()
    shared: tuple[tuple[str, str], ...] = ()
    any_property: bool = False

    @property
    def reads_bodies(self) -> bool:
        """True if the index alone cannot answer."""
        return bool(self.text or self.private or self.shared)


def filters(call: Call, *, expand: bool) -> Filters:
    """Return the filters a request asks for; raise the 400s of bad values."""
    query = call.query
    earliest, latest = (_seconds(query.text(name), name) for name in ("timeMin", "timeMax"))
    if earliest is not None and latest is not None and latest <= earliest:
        raise ApiError(
            400, "timeRangeEmpty", "The specified time range is empty.",
            domain="calendar", location="timeMax",
        )  # fmt: skip
    kinds = query.many("eventTypes")
    for kind in kinds:
        if kind not in eventtypes.TYPES:
            raise invalid(f"Invalid value '{kind}'.", "eventTypes")
    return Filters(
        earliest=float("-inf") if earliest is None else earliest,
        latest=float("inf") if latest is None else latest,
        updated_min=_updated_min(call),
        deleted=query.flag("showDeleted") or "updatedMin" in query or "syncToken" in query,
        expand=expand,
        types=frozenset(kinds),
        ical_uid=query.text("iCalUID"),
        text=query.text("q").lower(),
        private=_pairs(query.many("privateExtendedProperty"), "privateExtendedProperty"),
        shared=_pairs(query.many("sharedExtendedProperty"), "sharedExtendedProperty"),
        any_property=call.world.option("property_filter") == "any",
    )


def _seconds(text: str, name: str) -> float | None:
    return parse_moment(text, name).replace(microsecond=0).timestamp() if text else None


def _updated_min(call: Call) -> str:
    text = call.query.text("updatedMin")
    if not text:
        return ""
    moment = parse_moment(text, "updatedMin")
    oldest = call.world.clock.now() - timedelta(days=call.world.option("updated_min_days"))
    if moment < oldest:
        raise ApiError(
            410, "updatedMinTooLongAgo",
            "The requested minimum modification time lies too far in the past.",
            domain="calendar", location="updatedMin",
        )  # fmt: skip
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pairs(values: list[str], name: str) -> tuple[tuple[str, str], ...]:
    if not all("=" in value for value in values):
        raise invalid("Extended property constraints look like name=value.", name)
    return tuple((v.split("=", 1)[0], v.split("=", 1)[1]) for v in values)


def matches(event: Event, wanted: Filters, calendar_zone: str) -> bool:
    """Return whether a stored event belongs to the listing."""
    if event.cancelled and not (wanted.deleted or (event.master and not wanted.expand)):
        return False
    if wanted.types and event.event_type not in wanted.types:
        return False
    if wanted.ical_uid and event.ical_uid != wanted.ical_uid:
        return False
    if wanted.updated_min and event.updated < wanted.updated_min:
        return False
    if wanted.reads_bodies and not _body_matches(event.body(), wanted):
        return False
    return _in_window(event, wanted, calendar_zone)


def _in_window(event: Event, wanted: Filters, calendar_zone: str) -> bool:
    if event.start >= wanted.latest:
        return False
    if event.end > wanted.earliest:
        return True
    if not event.recurring:
        return False
    late = datetime.fromtimestamp(min(wanted.latest, 4e9), UTC)
    early = datetime.fromtimestamp(wanted.earliest, UTC)
    return series.overlaps(event.body(), calendar_zone, early, late)


def _body_matches(body: dict[str, Any], wanted: Filters) -> bool:
    if wanted.text and wanted.text not in _searched(body):
        return False
    groups = body.get("extendedProperties", {})
    choose = any if wanted.any_property else all
    return all(
        not pairs or choose(groups.get(group, {}).get(k) == v for k, v in pairs)
        for group, pairs in (("private", wanted.private), ("shared", wanted.shared))
    )


def _searched(body: dict[str, Any]) -> str:
    people = [one.get(k, "") for one in body.get("attendees", []) for k in ("email", "displayName")]
    texts = [body.get(name, "") for name in _SEARCHED]
    return "\n".join(texts + people).lower()


def window(call: Call, wanted: Filters) -> tuple[datetime, datetime]:
    """Return how far series are expanded: the asked bounds, else the sandbox's horizon."""
    reach = timedelta(days=call.world.option("expansion_days"))
    now = call.world.clock.now()
    early, late = now - reach, now + reach
    if wanted.earliest != float("-inf"):
        early = datetime.fromtimestamp(wanted.earliest, UTC)
    if wanted.latest != float("inf"):
        late = min(late, datetime.fromtimestamp(wanted.latest, UTC))
    return early, late


def expanded(
    call: Call, book: Book, events: Iterable[Event], wanted: Filters, calendar_zone: str
) -> Iterator[dict[str, Any]]:
    """Yield single events: series as their untouched occurrences, everything else as it is."""
    early, late = window(call, wanted)
    for event in events:
        body = event.body()
        if not event.recurring:
            yield body
            continue
        touched = {exception.id for exception in book.living_exceptions(event.id)}
        for start in series.starts_between(body, calendar_zone, early, late):
            instance = series.instance(body, start, calendar_zone)
            if instance["id"] not in touched:
                yield instance
