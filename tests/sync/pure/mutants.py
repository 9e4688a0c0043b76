"""Ways to spoil the design, one safeguard at a time, to see whether the simulator notices.

Each is a switch of the ablation that the design rests on. What a mutant patches is the code shared
with the real engine (`sync.core`) where the safeguard is there, and the world or the engine's loop
where it is a matter of order.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from sync.core import proof
from sync.core.absorb import Known, Verdict, weigh
from sync.core.provider import Copy
from sync.core.reconcile import Decision, Policy, State, reconcile
from sync.core.records import Strategy
from tests.sync.pure import doing, looking, planning
from tests.sync.pure.faults import BROKEN_OFF, LATE, LOST, RESTORING, SAVAGE
from tests.sync.pure.run import Call, Run, Steps
from tests.sync.pure.service import Service
from tests.sync.pure.store import Intent, Tie
from tests.sync.pure.worker import Worker

Mutant = Callable[[], AbstractContextManager[Any]]


def names_are_the_services() -> AbstractContextManager[Any]:
    """No deterministic ids: creations bear no name of ours."""
    return mock.patch.object(planning, "_name", return_value="")


def unconditional_writes() -> AbstractContextManager[Any]:
    """No If-Match: writes go out without the version they rest on."""
    return mock.patch.object(Service, "is_stale", return_value=False)


def no_lease() -> AbstractContextManager[Any]:
    """No lease and no fence: everybody may commit."""
    always, never = mock.Mock(return_value=True), mock.Mock(return_value=False)
    return mock.patch.multiple(Worker, holds_lease=always, is_shut_out=never)


@contextmanager
def no_lease_and_unconditional() -> Iterator[None]:
    """Neither lease nor If-Match."""
    with no_lease(), unconditional_writes():
        yield


def cursor_before_its_pages() -> AbstractContextManager[Any]:
    """The cursor is saved first, and the pages it covers after it."""

    def spoiled(run: Run, cursor: str, seen: set[str] | None) -> Steps:
        pages, number, last = [], 0, False
        while not last:
            page, last = yield Call("page", (cursor, number))
            pages.append(page)
            number += 1
        yield looking.stage_it(run, [], page.cursor or "")
        for page in pages:
            sightings = yield from looking._clear(run, page.copies, set())
            yield looking.stage_it(run, sightings)

    return mock.patch.object(looking, "_listing", spoiled)


def losses_are_not_kept() -> AbstractContextManager[Any]:
    """No history: what a strategy overwrites is not written down."""
    return mock.patch.object(doing, "keep_losses")


def absence_is_believed() -> AbstractContextManager[Any]:
    """No GET: what a complete listing does not show counts as deleted."""

    def spoiled(run: Run, seen: set[str]) -> Steps:
        known = [tie for tie in run.store.at(run.place.name) if tie.remote_hash and tie.remote_id]
        return [(Copy(t.remote_id, evidence="?"), True) for t in known if t.remote_id not in seen]
        yield

    return mock.patch.object(looking, "_missing", spoiled)


@contextmanager
def updates_are_not_stamped() -> Iterator[None]:
    """Only creations bear a mark that says which write it was, and no doubt about others is kept.

    Without the mark alone a person is asked more often, but nothing is lost.
    """

    def spoiled(run: Run, copy: Copy) -> Intent | None:
        intent = _attempt(run, copy)
        return intent if intent and intent.action == "create" else None

    _attempt = looking._attempt
    with (
        mock.patch.object(looking, "_attempt", spoiled),
        mock.patch.object(proof, "leaves_doubt", return_value=False),
    ):
        yield


def any_observation_is_news() -> AbstractContextManager[Any]:
    """No ordering guard: an older version replaces a newer one."""

    def spoiled(known: Known, copy: Copy, *, strong: bool) -> Verdict:
        verdict = weigh(known, copy, strong=strong)
        return Verdict.NEWS if verdict in (Verdict.STALE, Verdict.UNCLEAR) else verdict

    return mock.patch.object(looking, "weigh", spoiled)


def counted_incarnations() -> AbstractContextManager[Any]:
    """A copy made again is named by a counter, not after the dead one."""

    def spoiled(run: Run, tie: Tie) -> str:
        made = (i for i in run.store.intents.values() if i.tie == tie.pk and i.action == "create")
        return _name(run, replace(tie, predecessor=str(sum(1 for _ in made) or "")))

    _name = planning._name
    return mock.patch.object(planning, "_name", spoiled)


def no_intents() -> AbstractContextManager[Any]:
    """Writes are not announced: nothing says afterwards that one may have arrived."""

    def spoiled(run: Run, chunk: Any) -> list[Any]:
        sendings: list[Any] = _intend(run, chunk)
        for sending in sendings:
            del run.store.intents[sending.intent.pk]
        return sendings

    _intend = doing._intend
    return mock.patch.object(doing, "_intend", spoiled)


@contextmanager
def no_base_but_a_window() -> Iterator[None]:
    """No base snapshot: what is seen within 5 s of our own write is its echo, the rest is news."""
    written: dict[tuple[int, str, str], datetime] = {}

    def close(run: Run, sending: Any, outcome: Any) -> None:
        written[id(run.place), run.place.name, sending.write.remote_id] = run.clock()
        _close(run, sending, outcome)

    def absorb(run: Run, copy: Copy, *, strong: bool) -> None:
        at = written.get((id(run.place), run.place.name, copy.remote_id))
        if strong or at is None or run.clock() - at > timedelta(seconds=5):
            _absorb(run, copy, strong=strong)

    def decided(state: State, policy: Policy) -> Decision:
        strategies = (Strategy.LAST_WRITE_WINS, Strategy.PRESERVE_REMOTE)
        blind = replace(policy, merging=replace(policy.merging, strategies=strategies))
        return reconcile(replace(state, base=None), blind)

    _close, _absorb = doing.close, looking.absorb
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(doing, "close", close))
        stack.enter_context(mock.patch.object(looking, "absorb", absorb))
        stack.enter_context(mock.patch.object(planning, "reconcile", decided))
        yield


@contextmanager
def naive() -> Iterator[None]:
    """A window, the last writer wins unkept, the service's names, the cursor first."""
    with ExitStack() as stack:
        for part in (
            no_base_but_a_window,
            losses_are_not_kept,
            names_are_the_services,
            cursor_before_its_pages,
        ):
            stack.enter_context(part())
        yield


def base_is_what_is_there() -> AbstractContextManager[Any]:
    """When a write of ours is found, the base becomes what is there now, not what we wrote."""

    def spoiled(run: Run, copy: Copy) -> Intent | None:
        intent = _attempt(run, copy)
        return replace(intent, after=copy.fields) if intent else None

    _attempt = looking._attempt
    return mock.patch.object(looking, "_attempt", spoiled)


def the_lost_stay_lost() -> AbstractContextManager[Any]:
    """A write given up for lost is not recognised when it arrives after all."""

    def spoiled(run: Run, copy: Copy) -> Intent | None:
        intent = _attempt(run, copy)
        return intent if intent and intent.state == "intended" else None

    _attempt = looking._attempt
    return mock.patch.object(looking, "_attempt", spoiled)


def old_cursor_kept() -> AbstractContextManager[Any]:
    """A complete listing that breaks off leaves the cursor from before it."""
    return mock.patch.object(looking, "_distrusts_the_old_cursor", return_value=False)


def found_writes_end_no_conflict() -> AbstractContextManager[Any]:
    """A ruling whose write was not answered stays ruled when the write is found."""
    return mock.patch.object(looking, "_end_conflicts")


# The switches of the ablation, in its order, each with the faults that bring it to light.
SWITCHES: dict[Mutant, dict[str, float]] = {
    names_are_the_services: SAVAGE,
    unconditional_writes: SAVAGE,
    no_lease: SAVAGE,
    no_lease_and_unconditional: SAVAGE,
    cursor_before_its_pages: SAVAGE,
    losses_are_not_kept: SAVAGE,
    absence_is_believed: SAVAGE,
    updates_are_not_stamped: LOST,
    any_observation_is_news: SAVAGE,
    counted_incarnations: RESTORING,
    no_intents: LOST,
    no_base_but_a_window: SAVAGE,
    naive: SAVAGE,
}
# Traps that careful designs fell into; the last two are ours.
TRAPS: dict[Mutant, dict[str, float]] = {
    base_is_what_is_there: SAVAGE,
    the_lost_stay_lost: LATE,
    old_cursor_kept: BROKEN_OFF,
    found_writes_end_no_conflict: LOST,
}
# What these small worlds come upon in thousands of seeds or never; tests of their own notice it.
RARE = frozenset({counted_incarnations, old_cursor_kept, found_writes_end_no_conflict})
