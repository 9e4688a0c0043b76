"""Blocks that overlap or touch made into one; pure.

Only blocks of one sort merge: all-day ones with all-day ones, free with free. What they show is
shown of the whole only if all of them say the same.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from calendars.recurrence import instant
from calendars.rulebook import PLAIN
from sync.core.records import Fields

Key = TypeVar("Key", bound=Hashable)

# What is shown where the parts do not say the same.
_OTHERWISE: Final[Mapping[str, Any]] = {
    "title": PLAIN,
    "description": "",
    "location": "",
    "colour": "",
    "metadata": {},
}


@dataclass(frozen=True, slots=True)
class Merged(Generic[Key]):
    """One block made of several parts; it goes by the name of one of them, its host."""

    host: Key
    fields: Fields
    parts: frozenset[Key]


def merge(parts: Mapping[Key, Fields], hosts: Collection[Key]) -> list[Merged[Key]]:
    """Merge the parts that overlap or touch; a part that is a host already stays one."""
    return [_merged(spell, parts, hosts) for spell in _spells(parts)]


def _spells(parts: Mapping[Key, Fields]) -> Iterator[list[Key]]:
    """Yield the parts of each unbroken spell of one sort, in order."""
    order = sorted(parts, key=lambda key: (_sort(parts[key]), *_times(parts[key]), str(key)))
    spell, ends = order[:1], max([_times(parts[key])[1] for key in order[:1]], default=None)
    for key in order[1:]:
        start, end = _times(parts[key])
        if ends is None or start > ends or _sort(parts[key]) != _sort(parts[spell[0]]):
            yield spell
            spell, ends = [], end
        spell.append(key)
        ends = max(ends, end)
    if spell:
        yield spell


def _sort(fields: Fields) -> tuple[bool, str]:
    return "date" in fields["start"], fields["transparency"]


def _times(fields: Fields) -> tuple[datetime, datetime]:
    return instant(fields["start"]), instant(fields["end"])


def _merged(spell: list[Key], parts: Mapping[Key, Fields], hosts: Collection[Key]) -> Merged[Key]:
    fields = [parts[key] for key in spell]
    known = sorted((key for key in spell if key in hosts), key=str)
    return Merged(known[0] if known else spell[0], _together(fields), frozenset(spell))


def _together(fields: list[Fields]) -> dict[str, Any]:
    alike = {
        name: fields[0][name] if all(one[name] == fields[0][name] for one in fields) else otherwise
        for name, otherwise in _OTHERWISE.items()
    }
    sure = any(one["status"] == "confirmed" for one in fields)
    return {
        **fields[0],
        **alike,
        "status": "confirmed" if sure else "tentative",
        "end": max(fields, key=lambda one: instant(one["end"]))["end"],
    }
