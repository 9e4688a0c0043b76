"""Two calendars with events on both sides, and the ways to bring them in step."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from unittest import mock

from django.db import connection
from django.db.models import QuerySet

from calendars.models import Event
from calendars.services import refresh_busy_blocks
from conflicts.models import Conflict
from integrations import registry
from integrations.models import Collection, LeaseLost
from sync import engine, errands
from sync.core.provider import Refusal, Write
from sync.invariants import check_all
from sync.models import SyncItem
from sync.run import LEASE_SECONDS, Run
from sync.services import redraw
from tests.sync.crashes.boundaries import Boundaries, FragileRun
from tests.sync.remote import RemoteCalendar, RemoteProvider, Stored, at
from tests.sync.simulator import tables
from tests.sync.world import World, finish

DAILY = ["RRULE:FREQ=DAILY;COUNT=5"]
SLOT = "2026-05-06T07:00:00Z"
NO_FAULT: Callable[[str, str], None] = lambda call, moment: None  # noqa: E731

# What a write was: its kind, to a head or an exception, of an ordinary record or a busy block.
Sort = tuple[str, str, str]

# What is done in a scene; each boundary that it comes to is told.
Doing = Callable[["Scene", Callable[[str, str], None]], None]


class Scene(World):
    """A calendar with a single event, a series and an exception, which both sides know."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self.collection("main")
        self.taking_part = [self.main]
        self.sorts: set[Sort] = set()
        self.remote.add("a", title="Talk", location="Room 1")
        self.remote.add("s", title="Daily", recurrence=DAILY)
        times = {"start": at(15, 6), "end": at(16, 6)}
        self.remote.add(f"s_{SLOT}", title="Later", parent="s", slot=SLOT, **times)
        self.bring_in_step()

    @property
    def remote(self) -> RemoteCalendar:
        """The first calendar at the service."""
        return self.calendars["main"]

    def open_another(self, name: str = "other") -> RemoteCalendar:
        """Connect another calendar of the same account, with one event."""
        self.taking_part.append(self.collection(name))
        self.calendars[name].add(f"{name} meeting", title=f"Meeting {name}")
        self.bring_in_step()
        return self.calendars[name]

    def settings(self, **columns: Any) -> None:
        """Change the settings of the first calendar."""
        Collection.objects.filter(pk=self.main.pk).update(**columns)

    def provider(
        self, collection: Collection, fault: Callable[[str, str], None] = NO_FAULT
    ) -> RemoteProvider:
        """Open a calendar; every call and every commit is a boundary for `fault`."""
        provider = super().provider(collection)
        provider.fault, provider.witness, provider.prompt = fault, self._witness, True
        return provider

    def _witness(self, write: Write, there: Stored | None) -> None:
        place = "exception" if write.parent else "head"
        self.sorts.add((str(write.kind), place, "block" if write.rule else "ordinary"))

    def bring_in_step(self, fault: Callable[[str, str], None] = NO_FAULT, **how: bool) -> None:
        """One sync of all calendars: pull all, draw the blocks, push all."""
        runs = [self._opened(c, fault, **how) for c in self.taking_part]
        for run in runs:
            self._half(run, engine.pull)
        refresh_busy_blocks(now=self.clock())
        for run in runs:
            self._half(run, engine.push)
        for run in runs:
            self.close(run)

    def _opened(self, collection: Collection, fault: Callable[..., None], **how: bool) -> Run:
        plain = self.run(collection, self.provider(collection, fault), **how)
        run = FragileRun(*(getattr(plain, name) for name in _PARTS), **how)
        run.on_local_change = redraw(run.collection, self.clock)
        return run

    def _half(self, run: Run, half: Callable[[Run], Any]) -> None:
        """Drive one half; what one calendar is refused does not stop the other."""
        with suppress(Refusal, LeaseLost):
            finish(half(run))

    @contextmanager
    def service(self, fault: Callable[[str, str], None]) -> Iterator[None]:
        """Let the service functions open these calendars, and make fragile runs."""

        def opened(collection: Collection, **how: object) -> RemoteProvider:
            return self.provider(collection, fault)

        with (
            mock.patch.object(registry, "open_provider", opened),
            mock.patch.object(errands, "Run", FragileRun),
        ):
            yield

    def collections(self) -> Sequence[Collection]:
        """All calendars, as they are stored now."""
        return list(Collection.objects.in_order().select_related("account__workspace"))

    # A scene is prepared once, and lived through many times

    def keep(self, seen_by: Any = connection) -> "Kept":
        """Keep aside what is there now: stored here, as that connection sees it, and there."""
        return Kept(tables.back_up(seen_by), self.twin())

    def twin(self) -> "Scene":
        """Return the same scene with services of its own."""
        same = object.__new__(Scene)
        same.account, same.main, same.taking_part = self.account, self.main, self.taking_part
        same.clock, same.calendars = deepcopy(self.clock), deepcopy(self.calendars)
        for calendar in same.calendars.values():
            calendar.clock = same.clock
        same.sorts = set()
        return same

    def break_off(self, do: Doing, boundaries: Boundaries) -> None:
        """Do what may break off."""
        with suppress(Refusal):
            do(self, boundaries)

    def recover(self, do: Doing) -> dict[str, Any]:
        """Do it again after its lease is over, and sync once more; returns the outcome."""
        self.clock.advance(seconds=LEASE_SECONDS + 1)
        self.clock.advance(days=2)
        do(self, NO_FAULT)
        self.clock.advance(days=2)
        self.bring_in_step()
        return self.outcome()

    def outcome(self) -> dict[str, Any]:
        """All that a person can see of the end, and how often the services were written to."""
        here = Event.objects.filter(item__deleted_at=None)
        columns = ("item__home__name", "title", "location", "status", "slot")
        there = [
            (name, fields["title"], fields["location"], str(fields["start"]))
            for name, calendar in self.calendars.items()
            for fields in calendar.alive().values()
        ]
        return {
            "here": sorted(here.values_list(*columns)),
            "there": sorted(there),
            "writes": Counter(kind for c in self.calendars.values() for kind, _ in c.writes),
            "conflicts": sorted(_conflicts().values_list("outcome", "fields")),
            "in doubt": SyncItem.objects.filter(state=SyncItem.State.INTENDED).count(),
            "broken": [finding.name for finding in check_all(self.clock()) if finding.rows],
        }


@dataclass(slots=True)
class Kept:
    """A scene kept aside: its rows, and a twin that nothing happens to."""

    rows: tables.Backup
    scene: Scene

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Kept):
            return NotImplemented
        return self.rows == other.rows and self._there() == other._there()

    def _there(self) -> tuple[object, ...]:
        """What the services hold, and when that was."""
        return self.scene.clock, self.scene.calendars

    def again(self) -> Scene:
        """Return the scene as it was kept."""
        tables.restore(self.rows)
        return self.scene.twin()


def _conflicts() -> QuerySet[Conflict]:
    """Leave out what was settled at once about whole records.

    An occurrence whose deletion was never answered shows up cancelled; that settles itself, with a
    line more than if the answer had come.
    """
    return Conflict.objects.exclude(outcome=Conflict.Outcome.AUTOMATIC, fields=["*"])


_PARTS = ("collection", "provider", "operation", "clock", "on_local_change")
