"""What a busy block consists of, built from nothing, field by field; pure."""

import re
from datetime import timedelta
from typing import Any, Final

from calendars.fitness import PRIVATE, Source, look_of
from calendars.occurrences import earlier, moved
from calendars.recurrence import rule_lines
from calendars.rulebook import PLAIN, As, Rule, template_parts
from sync.core.events import EMPTY
from sync.core.records import Fields

# The private extended property that leads back to the event.
LINK: Final = "source"

_TEXT_OF_THE_EVENT: Final = frozenset({"title", "description", "location"})
_QUIET: Final = {"default": False, "overrides": []}


def fields_of_block(rule: Rule, source: Source, *, early: bool = True) -> dict[str, Any]:
    """Build a block; without `early`, one that begins with its event whatever the rule says."""
    fields, shown = source.fields, _shown(rule, source.fields)
    look = look_of(rule, fields)
    return {
        **EMPTY,
        "title": _title(rule, source, shown),
        "description": fields.get("description", "") if "description" in shown else "",
        "location": fields.get("location", "") if "location" in shown else "",
        "colour": fields.get("colour", "") if "colour" in shown else rule.colour,
        **_times(rule, fields, early=early),
        "status": "tentative" if look == As.TENTATIVE else "confirmed",
        "transparency": "transparent" if look == As.FREE else "opaque",
        "visibility": rule.visibility,
        "reminders": dict(_QUIET),
        "metadata": {"private": {LINK: source.link}} if rule.links and source.link else {},
    }


def _times(rule: Rule, fields: Fields, *, early: bool) -> dict[str, Any]:
    """Return when a block takes place: its event with what the rule adds before and after."""
    before, after = padding(rule, fields)
    begun = earlier(fields, before) if early and before else None
    return {
        "start": dict((begun or fields)["start"]),
        "end": moved(fields["end"], after),
        "recurrence": rule_lines(begun or fields),
    }


def padding(rule: Rule, fields: Fields) -> tuple[timedelta, timedelta]:
    """Return what is added before and after an event; an all-day one has its whole days already."""
    if "date" in (fields.get("start") or {}):
        return timedelta(0), timedelta(0)
    way = rule.travel_minutes if str(fields.get("location") or "").strip() else 0
    return (
        timedelta(minutes=rule.buffer_before + way),
        timedelta(minutes=rule.buffer_after + way),
    )


def _shown(rule: Rule, fields: Fields) -> frozenset[str]:
    private = fields.get("visibility") in PRIVATE
    return rule.show - _TEXT_OF_THE_EVENT if private else rule.show


def _title(rule: Rule, source: Source, shown: frozenset[str]) -> str:
    """Fill in the template; a word that may not be shown makes the whole title plain."""
    parts = template_parts(rule.title)
    if parts is None or any(word and word not in shown for _, word in parts):
        return PLAIN
    said = {**source.fields, "calendar": source.calendar}
    text = "".join(literal + str(said.get(word) or "") for literal, word in parts)
    return re.sub(r"\s+", " ", text).strip() or PLAIN
