"""People, syncs, crashes, dead tokens, restored backups: whatever the order, what must hold holds.

Everything is real: two Google accounts in the sandbox and a CalDAV server, over HTTP. HOME and the
CalDAV calendar hold the same events; WORK and HOME block each other, and WORK blocks the CalDAV
calendar. A step is what a person, a clock or a mishap does; at the end the dust settles, and both
the calendars and the versions that people wrote are judged.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis.strategies as st
import pytest
from django.core.management import call_command
from django.db.models import Q
from django.utils import timezone
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from calendars.event_fields import COLUMNS, fields_of
from calendars.models import BusyRule, Event
from calendars.services import change_busy_rule
from conflicts.models import Conflict
from integrations.models import Collection
from integrations.sandbox.client import ControlRefused
from sync.models import SyncItem
from sync.services import sync_collections
from tests.machine.backup import Backup, forget_everything, make_backup, restore
from tests.machine.crash import dies_at_call
from tests.machine.installation import Installation
from tests.machine.sides import GoogleSide, Seen, Shown, Side, shown
from tests.sync.simulator.oracle import Oracle, tokens

DAYS, HOURS = st.integers(1, 6), st.integers(6, 20)
PICK = st.integers(0, 1_000)
SETTINGS = settings(
    max_examples=8,
    stateful_step_count=20,
    deadline=None,
    phases=(Phase.generate,),  # to shrink takes minutes; worth it when there is something to find
    suppress_health_check=list(HealthCheck),
)
INSTALLATION = Installation()


class Machine(RuleBasedStateMachine):
    """One installation and the people around it."""

    @initialize()
    def connect(self) -> None:
        forget_everything()
        self.oracle = Oracle()
        self.backup: Backup | None = None
        self.sides = INSTALLATION.connect()
        self.rules = list(BusyRule.objects.order_by("pk"))
        for number in range(len(self.sides)):
            self.create(number, day=2, hour=9, repeats=True)
            self.create(number, day=1 + number, hour=8 + number, repeats=False)

    # People

    @rule(side=PICK, day=DAYS, hour=HOURS, repeats=st.booleans())
    def create(self, side: int, day: int, hour: int, repeats: bool) -> None:
        title, place = self._words()
        self._side(side).add(title, place, day=day, hour=hour, repeats=repeats)

    @rule(side=PICK, event=PICK, field=st.sampled_from(["title", "location"]))
    def edit(self, side: int, event: int, field: str) -> None:
        where, what = self._pick(side, event)
        if what is None:
            return
        thing = what.title.partition(" ")[0]
        token = self.oracle.new_token(thing)
        with self._acting(where):
            where.edit(what, **{field: f"{thing} {token}" if field == "title" else token})

    @rule(side=PICK, event=PICK, day=DAYS, hour=HOURS)
    def shift(self, side: int, event: int, day: int, hour: int) -> None:
        where, what = self._pick(side, event)
        if what and not what.series:
            with self._acting(where):
                where.shift(what, day=day, hour=hour)

    @rule(side=PICK, event=PICK)
    def delete(self, side: int, event: int) -> None:
        where, what = self._pick(side, event)
        if what is None:
            return
        for seen in [what, *[s for s in where.seen() if s.series == what.name]]:
            self.oracle.person_deleted({"title": seen.title, "place": seen.location}, counts=True)
        where.delete(what)

    @rule(side=PICK, event=PICK, number=st.integers(0, 5))
    def change_occurrence(self, side: int, event: int, number: int) -> None:
        where, what = self._pick_series(side, event)
        if what is None:
            return
        title, place = self._words(series=what.title.partition(" ")[0])
        with self._acting(where, title, place):
            where.change_occurrence(what, number, title, place)

    @rule(side=PICK, event=PICK, number=st.integers(0, 5))
    def cancel_occurrence(self, side: int, event: int, number: int) -> None:
        where, what = self._pick_series(side, event)
        if what is None:
            return
        with self._acting(where):
            where.cancel_occurrence(what, number)

    @rule(event=PICK)
    def move(self, event: int) -> None:
        """WORK's owner moves an event to the team's calendar."""
        work, team = self.sides[0], self.sides[1]
        assert isinstance(work, GoogleSide)
        movable = [seen for seen in work.seen() if not seen.series]
        if movable:
            work.move(movable[event % len(movable)], team.name)

    @rule(side=st.integers(0, 2), event=PICK, number=st.integers(1, 5))
    def split(self, side: int, event: int, number: int) -> None:
        """Somebody changes an occurrence "and all following"."""
        where, what = self._pick_series(side, event)
        if what is None:
            return
        assert isinstance(where, GoogleSide)
        title, place = self._words()
        with self._acting(where, title, place):
            where.split(what, number, title, place)

    # Whoever runs Lockstep

    @rule(which=PICK, title=st.sampled_from(["Busy", "Taken"]))
    def change_rule(self, which: int, title: str) -> None:
        changed = BusyRule.objects.get(pk=self.rules[which % len(self.rules)].pk)
        change_busy_rule(rule=changed, title_template=title)

    @rule()
    def sync(self) -> None:
        self._sync()

    @rule(call=st.integers(1, 25), answered=st.booleans())
    def sync_and_die(self, call: int, answered: bool) -> None:
        with dies_at_call(call, answered=answered):
            self._sync()
        Collection.objects.update(lease_until=None)

    @rule()
    def kill_tokens(self) -> None:
        INSTALLATION.kill_sync_tokens()

    @precondition(lambda self: not self.backup)
    @rule()
    def back_up(self) -> None:
        self._sync()
        self.backup = make_backup()

    @precondition(lambda self: self.backup)
    @rule()
    def restore(self) -> None:
        """What only newer rows knew is gone with them; what calendars show is not."""
        assert self.backup
        restore(self.backup)
        self.backup = None
        for lost in self.oracle.lost(self._kept()).values():
            self.oracle.superseded |= lost

    # The end

    def teardown(self) -> None:
        if not hasattr(self, "sides"):
            return
        for _ in range(4):
            self._sync(complete=_ == 1, released=True)
        self._same_events_where_they_belong()
        self._blocks_stand_for_events()
        assert not self.oracle.lost(self._kept()), "I-3: lost"
        self._nothing_rose()
        written = INSTALLATION.written()
        self._sync()
        assert INSTALLATION.written() == written, "I-2: it goes on writing"
        assert INSTALLATION.mails() == 0
        call_command("check_sync")

    def _sync(self, **how: bool) -> None:
        collections = list(Collection.objects.syncing().in_order())
        sync_collections(collections=collections, clock=timezone.now, trigger="machine", **how)

    def _side(self, number: int) -> Side:
        return self.sides[number % len(self.sides)]

    def _pick(self, side: int, event: int) -> tuple[Side, Seen | None]:
        where = self._side(side)
        seen = where.seen()
        return where, seen[event % len(seen)] if seen else None

    def _pick_series(self, side: int, event: int) -> tuple[Side, Seen | None]:
        where = self._side(side)
        series = [seen for seen in where.seen() if seen.repeats]
        return where, series[event % len(series)] if series else None

    def _words(self, series: str = "") -> tuple[str, str]:
        """A title and a place for something new, perhaps for an exception of a series."""
        thing = self.oracle.new_thing()
        if series:
            self.oracle.series_of[thing] = series
        return f"{thing} {self.oracle.new_token(thing)}", self.oracle.new_token(thing)

    @contextmanager
    def _acting(self, where: Side, *words: str) -> Iterator[None]:
        """What a person changes or makes go away, they have seen.

        The words that were meant for an occurrence that there is not (any more) were never written.
        """
        before = where.seen()
        try:
            yield
        except ControlRefused:
            self.oracle.superseded |= tokens(words)
        after = {seen.name: seen for seen in where.seen()}
        for old in before:
            new = after.get(old.name)
            said = (new.title, new.location) if new else ()
            self.oracle.person_wrote((old.title, old.location), said, counts=True)

    def _same_events_where_they_belong(self) -> None:
        """I-1: HOME and the CalDAV calendar show the same, except what waits for a person."""
        if Conflict.objects.filter(outcome=Conflict.Outcome.OPEN).exists():
            return
        home, dav = (shown(side)[0] for side in self.sides[2:4])
        assert home == dav, f"I-1: only at home {home - dav}, only on the server {dav - home}"

    def _blocks_stand_for_events(self) -> None:
        """I-1, I-7: one block at the time of each occurrence, and nothing else."""
        if Conflict.objects.filter(outcome=Conflict.Outcome.OPEN).exists():
            return
        work, _, home, dav = (shown(side) for side in self.sides)
        for source, target in ((work, home), (home, work), (work, dav)):
            wanted, drawn = _times(source[0]), _times(target[1])
            assert wanted == drawn, f"I-1: blocks {drawn - wanted}, without {wanted - drawn}"

    def _kept(self) -> list[Any]:
        live = [[(s.title, s.location) for s in side.seen()] for side in self.sides]
        rows = Event.objects.filter(item__deleted_at=None).values(*COLUMNS)
        conflicts = Conflict.objects.values_list("base", "local", "remote")
        history = SyncItem.objects.filter(~Q(before=None)).values_list("before", flat=True)
        local = [fields_of(row) | {"start": None, "end": None} for row in rows]
        return [*live, *local, *map(list, conflicts), *history]

    def _nothing_rose(self) -> None:
        dead = self.oracle.dead() - {
            title
            for pair in Conflict.objects.values_list("local", "remote")
            for title in _things(pair)
        }
        for side in self.sides:
            risen = {seen.title.partition(" ")[0] for seen in side.seen()} & dead
            assert not risen, f"I-5: {risen} rose in {side.name}"


def _things(value: Any) -> set[str]:
    return {str((fields or {}).get("title", "")).partition(" ")[0] for fields in value}


def _times(occurrences: Shown) -> Shown:
    times: Shown = Shown()
    for (_, _, start, end), number in occurrences.items():
        times["", "", start, end] += number
    return times


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(4))
def test_whatever_happens_in_whatever_order(number: int) -> None:
    class Seeded(Machine):
        """The same steps for the same number."""

    run_state_machine_as_test(seed(number)(Seeded), settings=SETTINGS)


@pytest.mark.django_db(transaction=True)
def test_a_forgotten_occurrence_of_a_block_is_found_again_by_its_exception() -> None:
    """After a restore, the block of an exception is drawn before its copy is seen again."""
    state = Machine()
    state.connect()
    state.sync()
    state.back_up()
    state.change_occurrence(side=2, event=0, number=3)
    state.sync()
    state.restore()
    state.change_occurrence(side=2, event=0, number=1)
    state.teardown()
