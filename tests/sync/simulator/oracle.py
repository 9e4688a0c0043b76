"""What people wrote, and what each of them had seen: the judge of lost and risen versions.

Every value that a person writes bears a token of its own. A token is superseded once a person who
had seen it writes another value in its place, or deletes the record; what is not superseded must be
somewhere after the dust has settled. No knowledge of how the engine decides is needed.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"w\d+w")
_THING = re.compile(r"^e\d+e\b")


def tokens(value: Any) -> frozenset[str]:
    """Find the tokens in a value, however deep."""
    return frozenset(_TOKEN.findall(json.dumps(value)))


def thing_of(fields: Mapping[str, Any] | None) -> str:
    """Name what a record is about, "" if it does not say so."""
    found = _THING.match((fields or {}).get("title", ""))
    return found.group() if found else ""


@dataclass(slots=True)
class Oracle:
    """All tokens by what they are about, those that somebody superseded, and what was deleted."""

    written: dict[str, set[str]] = field(default_factory=dict)
    superseded: set[str] = field(default_factory=set)
    # Written where the collection's direction lets nobody have a say.
    voiceless: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    series_of: dict[str, str] = field(default_factory=dict)
    number: int = 0

    def new_thing(self) -> str:
        self.number += 1
        return f"e{self.number}e"

    def new_token(self, thing: str) -> str:
        self.number += 1
        token = f"w{self.number}w"
        self.written.setdefault(thing, set()).add(token)
        return token

    def person_wrote(self, saw: Any, wrote: Any, *, counts: bool) -> None:
        """A person put one value in the place of another; it `counts` if that side has a say.

        Where it has none, it supersedes only what was written there without a say.
        """
        gone = tokens(saw) - tokens(wrote)
        self.superseded |= gone if counts else gone & self.voiceless
        if not counts:
            self.voiceless |= tokens(wrote) - tokens(saw)

    def person_deleted(self, saw: Mapping[str, Any], *, counts: bool) -> None:
        """A person deleted a record as it stood."""
        self.superseded |= tokens(saw) if counts else tokens(saw) & self.voiceless
        if counts:
            self.deleted.add(thing_of(saw))

    def was_deleted(self, thing: str) -> bool:
        """True if a person deleted it, or the series that it is an exception of."""
        return thing in self.deleted or self.series_of.get(thing) in self.deleted

    def person_ruled(self, fields: Mapping[str, Any] | None) -> None:
        """A person decided what a record should be, so its values count anew."""
        self.superseded -= tokens(fields)

    def leaves(self) -> dict[str, set[str]]:
        """The tokens that nobody superseded, by what they are about."""
        return {thing: mine - self.superseded for thing, mine in self.written.items()}

    def lost(self, kept: Iterable[Any]) -> dict[str, set[str]]:
        """The leaves that are nowhere among what was kept."""
        present = frozenset[str]().union(*(tokens(value) for value in kept))
        missing = {thing: mine - present for thing, mine in self.leaves().items()}
        return {thing: mine for thing, mine in missing.items() if mine}

    def dead(self) -> set[str]:
        """What must be alive nowhere: every version of it was seen by somebody who deleted it.

        An exception lives as long as its series does.
        """
        leaves = self.leaves()
        return {
            thing
            for thing, mine in leaves.items()
            if not mine and thing in self.deleted and not leaves.get(self.series_of.get(thing, ""))
        }
