"""What the engine writes down, in memory: rows like those of the database, and their backups.

A commit changes the rows in one go and cannot fail halfway, so nothing needs to be rolled back: a
process that dies in a commit dies either before it or after it.
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync.core.reconcile import Policy
from sync.core.records import Direction, Fields

EMPTY: Fields = {"title": "", "place": "", "note": "", "start": "", "end": ""}


@dataclass(slots=True)
class Place:
    """One calendar that takes part, with its cursor and its lease; a collection's row."""

    name: str
    policy: Policy
    cursor: str = ""
    shape: str = ""
    fence: int = 0
    lease_until: datetime | None = None
    frozen: bool = False
    # Why deletions are not believed here, "" if they are.
    distrust: str = ""
    caught_up_at: datetime | None = None

    @property
    def direction(self) -> Direction:
        return self.policy.direction


@dataclass(slots=True)
class Item:
    """One event as Lockstep holds it; `fields` is None once it is deleted, `grave` what it was."""

    pk: str
    home: str
    fields: Fields | None
    updated_at: datetime
    revision: int = 1
    grave: Fields | None = None

    def bury(self) -> None:
        """Delete the event."""
        self.grave, self.fields = self.fields, None


@dataclass(slots=True)
class Tie:
    """One item's tie to one copy; the columns of `sync.models.Mapping` that decisions rest on."""

    pk: int
    place: str
    item_id: str | None
    seen_at: datetime
    remote_id: str = ""
    predecessor: str = ""
    parent: str = ""
    slot: str = ""
    version: str = ""
    ordinal: str = ""
    base: Any = None
    base_hash: str = ""
    remote: Any = None
    remote_hash: str = ""
    facts: Any = None
    raw: Any = None
    partial: bool = False
    obstacle: str = ""
    evidence: str = ""
    unanswered: bool = False
    attempts: int = 0
    next_attempt_at: datetime | None = None
    tried_revision: int = 0
    last_error: str = ""
    synced_revision: int = 0
    # It bears a mark of ours that nothing here knows: its item may still come back.
    unclaimed: bool = False


@dataclass(slots=True)
class Intent:
    """One write announced before it was sent; a journal line."""

    pk: str
    place: str
    tie: int
    remote_id: str
    action: str
    before: Fields | None
    after: Fields | None
    version: str
    evidence: str
    run: int
    ruled: bool = False
    state: str = "intended"


@dataclass(slots=True)
class Conflict:
    """Both versions of what was overwritten, or of what waits for a person."""

    tie: int
    local: Fields | None
    remote: Fields | None
    local_hash: str
    remote_hash: str
    outcome: str
    ruling: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """One deletion that was carried out, for the guard's day."""

    place: str
    side: str
    run: int
    at: datetime


@dataclass(slots=True)
class Store:
    """All rows. `links` says which calendars show each other's events."""

    links: dict[str, list[str]]
    places: dict[str, Place] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    ties: dict[int, Tie] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    number: int = 0
    _by_place: dict[str, dict[int, Tie]] = field(default_factory=dict)

    def add_tie(self, tie: Tie) -> None:
        """Insert a tie."""
        self.ties[tie.pk] = tie
        self._by_place.setdefault(tie.place, {})[tie.pk] = tie

    def remove_tie(self, tie: Tie) -> None:
        """Delete a tie."""
        del self.ties[tie.pk], self._by_place[tie.place][tie.pk]

    def new_number(self) -> int:
        """Return a number that no row has had."""
        self.number += 1
        return self.number

    def at(self, place: str) -> Iterable[Tie]:
        """Return the ties of one calendar."""
        return self._by_place.get(place, {}).values()

    def mates(self, place: str) -> list[str]:
        """Name the calendars that hold the same events as this one, itself first."""
        found = [place]
        for name in found:
            found += [other for other in self.links[name] if other not in found]
        return found

    def tie(self, place: str, remote_id: str) -> Tie | None:
        """Find the tie of one copy."""
        return next((tie for tie in self.at(place) if tie.remote_id == remote_id), None)

    def item_of(self, tie: Tie) -> Item | None:
        """Find the item that a tie belongs to."""
        return self.items.get(tie.item_id) if tie.item_id else None

    def conflict(self, tie: Tie) -> Conflict | None:
        """Find the conflict about a tie that is not settled yet."""
        unsettled = ("open", "ruled")
        mine = (c for c in self.conflicts if c.tie == tie.pk and c.outcome in unsettled)
        return next(mine, None)

    def untied(self, place: str) -> list[Item]:
        """List the living items that this calendar is to show and has no copy of."""
        tied = {tie.item_id for tie in self.at(place)}
        shown = {place, *self.links[place]}
        near = {tie.item_id for other in shown for tie in self.at(other)}
        return [
            item
            for item in self.items.values()
            if item.fields is not None
            and item.pk not in tied
            and (item.home in shown or item.pk in near)
        ]

    def backup(self) -> "Store":
        """Return a copy of every row; trees are replaced, never changed, and may be shared."""
        store = Store(
            self.links,
            {name: copy(place) for name, place in self.places.items()},
            {pk: copy(item) for pk, item in self.items.items()},
            intents={pk: copy(intent) for pk, intent in self.intents.items()},
            conflicts=[copy(conflict) for conflict in self.conflicts],
            deletions=list(self.deletions),
            number=self.number,
        )
        for tie in self.ties.values():
            store.add_tie(copy(tie))
        return store
