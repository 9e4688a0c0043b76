"""What people wrote, and what each of them had seen: the judge of lost and risen versions.

Every value that a person writes bears a token of its own. A token is superseded once a person who
had seen it writes another value in its place, or deletes the record; what is not superseded must be
somewhere after the dust has settled. No knowledge of how the engine decides is needed.
"""

import json
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

# A word, or a minute and second at which nothing else begins or ends.
TEXT_TOKEN = re.compile(r"w\d+w")
_TOKEN = re.compile(r"w\d+w|(?<=T0[78]:)(?!00:00)\d\d:\d\d")
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
    # Of these, the ones that somebody deleted in the database.
    deleted_here: set[str] = field(default_factory=set)
    # Deleted before a backup was restored, and still shown so by its database or a service.
    remembered: set[str] = field(default_factory=set)
    # Brought to another calendar by a person, once and for ever.
    moved: set[str] = field(default_factory=set)
    # In two calendars of a circle at once; whoever sees one first cannot know of the other.
    invited: set[str] = field(default_factory=set)
    # Of these, the ones that somebody deleted in one calendar before anybody could know that what
    # is in the other one is the same.
    apart: set[str] = field(default_factory=set)
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

    def new_time(self, thing: str) -> str:
        """Return a minute and second of an hour at which nothing else takes place."""
        self.number += 1
        time = f"{self.number // 60 % 60:02}:{self.number % 60:02}"
        self.written.setdefault(thing, set()).add(time)
        return time

    def person_wrote(self, saw: Any, wrote: Any, *, counts: bool) -> None:
        """A person put one value in the place of another; it `counts` if that side has a say.

        Where it has none, it supersedes only what was written there without a say.
        """
        gone = tokens(saw) - tokens(wrote)
        self.superseded |= gone if counts else gone & self.voiceless
        if not counts:
            self.voiceless |= tokens(wrote) - tokens(saw)

    def person_deleted(self, saw: Mapping[str, Any], *, counts: bool, here: bool = False) -> None:
        """A person deleted a record as it stood, at a service or `here`, in the database."""
        self.superseded |= tokens(saw) if counts else tokens(saw) & self.voiceless
        if counts:
            self.deleted.add(thing_of(saw))
            self.deleted_here |= {thing_of(saw)} if here else set()

    def was_deleted(self, thing: str) -> bool:
        """True if a person took it away from a calendar, or the series it is an exception of."""
        gone = self.deleted | self.remembered | self.moved
        return bool({thing, self.series_of.get(thing)} & gone)

    def person_ruled(self, fields: Mapping[str, Any] | None) -> None:
        """A person decided what a record should be, so its values count anew."""
        self.superseded -= tokens(fields)

    def forgets(
        self, kept: Iterable[Any], dead: Iterable[str], shown: Set[str], alive_here: Set[str]
    ) -> None:
        """The database is as it was: what is not among what was `kept` is lost for good.

        That somebody had deleted what is not `dead` at the services is forgotten as well: it may
        live on. So is what was deleted in the database, which has it `alive_here` again, with
        versions perhaps that whoever deleted it at a service had not seen. It may also go, if it is
        `shown` as deleted in the database or at a service.
        """
        self.remembered = (self.remembered | self.deleted) & shown
        values = list(kept)
        present = frozenset[str]().union(*(tokens(value) for value in values))
        alive = {thing_of(v) for v in values if isinstance(v, Mapping)} - {*dead, ""}
        for thing, mine in self.written.items():
            self.superseded |= mine - present
            if thing in alive or thing in self.deleted_here & alive_here:
                self.deleted.discard(thing)

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

        An exception lives as long as its series does, and so does an invitation of which only one
        copy was deleted.
        """
        leaves = self.leaves()
        return {
            thing
            for thing, mine in leaves.items()
            if not mine and thing in self.deleted and not leaves.get(self.series_of.get(thing, ""))
            if not {thing, self.series_of.get(thing)} & self.apart
        }
