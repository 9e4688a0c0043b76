"""A run may die at any boundary: what it leaves behind ends as if it had not died.

The boundaries of each scenario are counted in a clean run first; then the scenario is lived through
once for each of them and for each way in which it can go wrong there.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import pytest

from calendars.models import Event
from conflicts.models import Conflict
from integrations.models import Collection
from sync import engine
from sync.core.provider import Refusal, Remedy
from sync.models import SyncItem
from sync.run import LEASE_SECONDS, Run
from tests.sync.simulator.faults import Killed
from tests.sync.simulator.world import forget_everything
from tests.sync.world import (
    World,
    add_locally,
    delete_locally,
    edit_locally,
    except_locally,
    finish,
)

pytestmark = pytest.mark.django_db

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]
SLOT = "2026-05-06T07:00:00Z"


class Boundaries:
    """Counts the boundaries that a run comes to, and lets it fail at one of them."""

    def __init__(self, fail_at: int = -1, how: str = "") -> None:
        self.fail_at, self.how = fail_at, how
        self.met: list[tuple[str, str]] = []

    def __call__(self, where: str, moment: str) -> None:
        self.met.append((where, moment))
        if len(self.met) - 1 != self.fail_at:
            return
        if self.how == "die":
            raise Killed(f"{moment} {where}")
        raise Refusal(Remedy.RETRY, call=where, certain=False)

    def cases(self) -> Iterator[tuple[int, str]]:
        """Each boundary with each failure: dying, or a request or an answer that is lost.

        To die before something is to die after what came before it.
        """
        for number, (where, moment) in enumerate(self.met):
            if moment != "before":
                yield number, "die"
            if where != "commit":
                yield number, "lose"


class FragileRun(Run):
    """A run whose commits are boundaries: before, inside and after the transaction."""

    @contextmanager
    def commit(self) -> Iterator[None]:
        fault = self.provider.fault
        fault("commit", "before")
        with Run.commit(self):
            yield
            fault("commit", "in")
        fault("commit", "after")


class Scene(World):
    """One calendar with a single event, a series and an exception; both sides know them."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.collection()
        self.remote = self.calendars["main"]
        self.remote.add("a", title="Talk", location="Room 1")
        self.remote.add("s", title="Daily", recurrence=DAILY)
        self.remote.add(f"s_{SLOT}", title="Later", parent="s", slot=SLOT)
        self.sync(self.main)

    @property
    def now(self) -> datetime:
        return self.clock()

    def live_through(self, boundaries: Boundaries) -> None:
        """One run that may break off, and two clean ones after its lease is over."""
        provider = self.provider(self.main)
        provider.fault = boundaries
        plain = self.run(self.main, provider)
        run = FragileRun(*(getattr(plain, name) for name in _PARTS))
        with suppress(Killed, Refusal):
            finish(engine.pull(run))
            finish(engine.push(run))
        provider.fault = lambda call, moment: None
        self.clock.advance(seconds=LEASE_SECONDS + 1)
        self.clock.advance(days=1)
        self.sync(self.main)
        self.sync(self.main)

    def outcome(self) -> dict[str, Any]:
        """All that a person can see of the end, and how often the service was written to."""
        here = Event.objects.filter(item__home=self.main, item__deleted_at=None)
        kept = Conflict.objects.filter(mapping__collection=self.main)
        open_intents = SyncItem.objects.filter(operation__collection=self.main, state="intended")
        return {
            "here": sorted(here.values_list("title", "location", "status")),
            "there": sorted((f["title"], f["location"]) for f in self.remote.alive().values()),
            "writes": Counter(kind for kind, _ in self.remote.writes),
            "conflicts": sorted(kept.values_list("outcome", "fields")),
            "in doubt": open_intents.count(),
        }


_PARTS = ("collection", "provider", "operation", "clock", "on_local_change")


def a_creation(scene: Scene) -> None:
    add_locally(scene.main, scene.now, title="New")


def an_update(scene: Scene) -> None:
    edit_locally("Talk", scene.now, title="Lecture")


def a_deletion(scene: Scene) -> None:
    delete_locally("Talk", scene.now)


def remote_changes(scene: Scene) -> None:
    scene.remote.add("b", title="Lunch")
    scene.remote.edit("s", title="Every day")
    scene.remote.delete("a")


def a_merge(scene: Scene) -> None:
    scene.remote.edit("a", location="Hall")
    edit_locally("Talk", scene.now, title="Lecture")


def a_conflict(scene: Scene) -> None:
    scene.remote.edit("a", title="Their lecture")
    edit_locally("Talk", scene.now, title="Our lecture")


def a_clash_that_local_wins(scene: Scene) -> None:
    Collection.objects.filter(pk=scene.main.pk).update(strategy="preserve_local")
    a_conflict(scene)


def a_new_series_with_an_exception(scene: Scene) -> None:
    add_locally(scene.main, scene.now, title="Weekly", recurrence=DAILY)
    except_locally("Weekly", SLOT, scene.now, title="Just once")


def a_series_deleted_here(scene: Scene) -> None:
    delete_locally("Daily", scene.now)


def a_series_deleted_there_and_edited_here(scene: Scene) -> None:
    scene.remote.delete("s")
    edit_locally("Daily", scene.now, title="Still daily")


SCENARIOS = (
    a_creation,
    an_update,
    a_deletion,
    remote_changes,
    a_merge,
    a_conflict,
    a_clash_that_local_wins,
    a_new_series_with_an_exception,
    a_series_deleted_here,
    a_series_deleted_there_and_edited_here,
)


@pytest.mark.parametrize("happens", SCENARIOS, ids=lambda happens: happens.__name__)
def test_a_run_that_breaks_off_anywhere_ends_as_if_it_had_not(
    happens: Callable[[Scene], None],
) -> None:
    boundaries = Boundaries()
    clean = _lived_through(happens, boundaries)

    for number, how in boundaries.cases():
        broken = _lived_through(happens, Boundaries(number, how))
        assert broken == clean, f"{how} at {boundaries.met[number]}, boundary {number}"


def _lived_through(happens: Callable[[Scene], None], boundaries: Boundaries) -> dict[str, Any]:
    forget_everything()
    scene = Scene()
    happens(scene)
    scene.live_through(boundaries)
    return scene.outcome()
