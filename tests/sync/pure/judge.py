"""What must hold, by the numbers of the invariants; each function raises AssertionError.

While a world lives: I-4, I-6, I-7, I-13, I-14, I-18 at each write, I-9, I-16, I-20, I-23 at each
commit. Once it has settled: I-1 to I-3, I-5 to I-7, I-11, I-12, I-18, I-19, I-21, I-27. By
construction: I-8 (every recovery is a second run over the same rows), I-10 (a listing that breaks
off has no cursor to store), I-17 (a commit cannot call).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sync.core.provider import Write, WriteKind
from sync.core.records import Direction
from sync.core.trees import remote_tree
from tests.sync.pure.planning import draft
from tests.sync.pure.service import Service, Version, covers
from tests.sync.pure.settled import (
    another_cycle_does_nothing,
    bases_are_true,
    nothing_is_left_open,
    nothing_is_lost,
    nothing_is_there_twice,
    nothing_rises_again,
    pair_agrees,
    rows_of,
    the_guard_held,
)
from tests.sync.pure.store import Intent, Place, Tie
from tests.sync.simulator.oracle import thing_of, tokens

if TYPE_CHECKING:
    from tests.sync.pure.worker import Worker
    from tests.sync.pure.world import World


class Judge:
    """Watches one world, and judges it at its end.

    Not `strict`: only the harm done counts (I-1 to I-7, I-9), not a safeguard that is missing.
    `forgiving`: where services are weak, what they cannot keep (I-3, I-5, I-7) is not asked for.
    """

    def __init__(self, *, strict: bool = True, forgiving: bool = True) -> None:
        self.strict, self.forgiving = strict, forgiving
        self.heirs: dict[tuple[str, str, str], str] = {}
        self.forgiven: set[tuple[str, str]] = set()
        self.holders: dict[str, int] = {}
        self.seen: dict[tuple[str, str], int] = {}
        self.cursors: dict[str, str] = {}

    # While it lives

    def hidden(self, service: Service, versions: Iterable[Version]) -> None:
        """A complete listing did not show these, and its cursor lies past them."""
        self.forgiven |= {(service.name, version.remote_id) for version in versions}

    def write(self, world: "World", service: Service, write: Write, there: Version | None) -> None:
        """Judge one write at the moment the service carries it out."""
        place = world.store.places[service.name]
        assert place.direction is not Direction.PULL, "I-14: a write against the direction"
        intent = world.store.intents.get(write.attempt)
        if self.strict and (intent or not world.restored):
            _was_announced(intent, write)
        if write.kind is WriteKind.CREATE:
            self._named_once(world, service, write)
            if not world.restored and there is None:
                _is_new(service, write)
            return
        assert there is not None
        assert world.restored or world.store.tie(service.name, write.remote_id), "I-13: a stranger"
        if write.kind is WriteKind.DELETE:
            thing = thing_of(there.fields)
            assert not thing or thing in world.people.deleted, f"I-6: nobody deleted {thing}"
        if service.manners.traits.conditional:
            held = write.version == str(there.number)
            assert held or not self.strict, "I-6: not conditional"
            _loser_was_kept(world, write, there)
            idle = [n for n in write.changed if (there.fields or {}).get(n) == write.fields.get(n)]
            assert not idle or not self.strict, f"I-13: touched for nothing: {idle}"

    def _named_once(self, world: "World", service: Service, write: Write) -> None:
        """I-7: whoever makes a dead copy again, and however often, gives it the same name."""
        tie = world.store.tie(service.name, write.remote_id) if write.remote_id else None
        if tie is None or not tie.predecessor or not self.strict:
            return
        dead = (service.name, tie.item_id or "", tie.predecessor)
        assert self.heirs.setdefault(dead, write.remote_id) == write.remote_id, "I-7: two heirs"

    def commit(self, world: "World", worker: "Worker") -> None:
        """Judge the rows of one calendar right after a commit."""
        run = worker.run
        assert run is not None
        place = world.store.places[worker.place]
        stale = run.fence < self.holders.get(place.name, 0)
        assert not stale or not self.strict, "I-16: a stale commit"
        self.holders[place.name] = run.fence
        cursor = place.cursor
        if cursor != self.cursors.get(place.name):
            self.cursors[place.name] = cursor
            self._cursor_is_safe(world, worker, place)
        self._never_older(world, place)
        if world.rng.random() < 0.02:
            before = rows_of(world)
            draft(run)
            assert rows_of(world) == before, "I-23: planning changed something"

    def forget(self) -> None:
        """A backup was restored: what was known since then is not known any more."""
        self.holders.clear()
        self.seen.clear()
        self.cursors.clear()

    def _cursor_is_safe(self, world: "World", worker: "Worker", place: Place) -> None:
        """I-9: all that a stored cursor covers has been written down in the same commit."""
        service, only = worker.service, worker.only
        latest = {v.remote_id: v for v in service.history[: int(place.cursor or 0)]}
        known = {tie.remote_id: tie for tie in world.store.at(place.name)}
        for remote_id, version in latest.items():
            tie, now = known.get(remote_id), service.current[remote_id]
            if tie is None:
                fine = now.fields is None or self._unwanted(service, place, version, only)
                assert fine, f"I-9: {remote_id} was passed over"
            elif not tie.remote_hash:
                fine = now.fields is None or self._passed_over(tie)
                fine = fine or not covers(now.fields or {}, only)
                assert fine or version.fields is None, f"I-9: {remote_id} is not dead"
            else:
                behind = int(tie.version or 0) < version.number
                # What the filter hides is left alone, dead or alive.
                covered = covers(version.fields or remote_tree(tie) or {}, only)
                assert not (behind and covered), f"I-9: {remote_id} is behind"

    def _unwanted(self, service: Service, place: Place, version: Version, only: int) -> bool:
        hidden = version.fields is None or not covers(version.fields, only)
        forgiven = (place.name, version.remote_id) in self.forgiven or bool(version.mark)
        return hidden or forgiven or place.direction is Direction.PUSH

    def _passed_over(self, tie: Tie) -> bool:
        """A copy that the database forgot, and its name: the next write finds the name taken."""
        never_seen = not (tie.version or tie.ordinal or tie.evidence)
        return never_seen and (tie.place, tie.remote_id) in self.forgiven

    def _never_older(self, world: "World", place: Place) -> None:
        """I-20: what is known of a copy is never replaced by something older."""
        names = [tie.remote_id for tie in world.store.at(place.name) if tie.remote_id]
        assert len(names) == len(set(names)), "two ties for one copy"
        for tie in world.store.at(place.name):
            if not tie.remote_id or not tie.version:
                continue
            key, now = (place.name, tie.remote_id), int(tie.version)
            assert now >= self.seen.get(key, 0), f"I-20: {tie.remote_id} went back"
            self.seen[key] = now

    # Once it has settled

    def end(self, world: "World") -> None:
        """Check all that can be checked once a world has settled."""
        strong = _all_strong(world) or not self.forgiving
        self._agreement(world)
        nothing_is_left_open(world)
        bases_are_true(world)
        the_guard_held(world)
        if strong:
            nothing_is_lost(world)
        if strong and not world.restored:
            nothing_rises_again(world)
            nothing_is_there_twice(world)
        another_cycle_does_nothing(world)

    def _agreement(self, world: "World") -> None:
        """I-1: each pair of copies is alike, or an open conflict names it; nobody was forgotten."""
        for place in world.store.places.values():
            service = world.services[place.name]
            if service.shut:
                continue
            for tie in world.store.at(place.name):
                pair_agrees(world, service, tie)
            self._all_are_mapped(world, service, place)

    def _all_are_mapped(self, world: "World", service: Service, place: Place) -> None:
        known = {tie.remote_id for tie in world.store.at(place.name)}
        for remote_id in service.alive().keys() - known:
            unwanted = self._unwanted(service, place, service.current[remote_id], service.only)
            assert unwanted, f"I-9: {remote_id} was never taken in"
        if place.direction is not Direction.PULL:
            left = world.store.untied(place.name)
            assert not left, f"I-1: never sent to {place.name}: {left}"


def _was_announced(intent: Intent | None, write: Write) -> None:
    """I-18: a committed intent says what this write is; I-6: and why, if it deletes."""
    assert intent is not None, "I-18: a write that nothing announced"
    assert intent.action == write.kind.value, "I-18: another intent"
    assert intent.state in ("intended", "lost"), f"I-18: the intent is {intent.state}"
    assert write.kind is not WriteKind.DELETE or intent.evidence, "I-6: no evidence"


def _all_strong(world: "World") -> bool:
    return all(service.manners.strong for service in world.services.values())


def _is_new(service: Service, write: Write) -> None:
    """I-7: at no moment is there a second live copy."""
    thing = thing_of(write.fields)
    if thing and service.manners.strong:
        there = {thing_of(fields) for fields in service.alive().values()}
        assert thing not in there, f"I-7: a second {thing}"


def _loser_was_kept(world: "World", write: Write, there: Version) -> None:
    """I-4: a version that nobody superseded is in a conflict before it is overwritten."""
    after = {**(there.fields or {}), **{n: write.fields.get(n) for n in write.changed}}
    staying = after if write.kind is WriteKind.UPDATE else None
    going = tokens(there.fields) - tokens(staying) - world.oracle.superseded
    if any(service.manners.narrow for service in world.services.values()):
        # Whoever deletes an event where its place is not shown deletes the place, too.
        going -= tokens((there.fields or {}).get("place"))
    owner = world.people.owned.get(thing_of(there.fields), "")
    if owner:
        # Elsewhere nobody has a say about it: whatever happens there, its own calendar mends.
        going -= tokens(list(world.services[owner].alive().values()))
    if going:
        kept = tokens([[c.local, c.remote] for c in world.store.conflicts])
        assert going <= kept, f"I-4: overwritten unkept: {going - kept}"
