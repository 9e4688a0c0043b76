"""Dry runs: they change nothing, and foretell the next run if nothing happens in between."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from integrations import registry
from integrations.models import Account, Collection
from sync.preview import preview_collections
from sync.rendering import Line, done_lines, planned_lines
from sync.reports import State
from sync.services import sync_collections
from tests.sync.simulator import tables

if TYPE_CHECKING:
    from tests.sync.simulator.world import Simulation


def changes_nothing(simulation: "Simulation") -> None:
    """I-23: a dry run writes nowhere, here or there."""
    rows, writes = tables.digest(), _writes(simulation)
    with _providers(simulation):
        preview_collections(collections=_chosen(simulation), clock=simulation.clock)
    after = tables.digest()
    changed = [table for table in rows if rows[table] != after[table]]
    assert not changed, f"I-23: a dry run changed {changed}"
    assert _writes(simulation) == writes, "I-23: a dry run wrote to a service"


def foretells_the_run(simulation: "Simulation") -> None:
    """I-23: what a dry run says is what the run after it does, line by line."""
    Account.objects.update(listed_at=simulation.clock())
    chosen = _chosen(simulation)
    with _providers(simulation):
        said = preview_collections(collections=chosen, clock=simulation.clock)
        done = sync_collections(collections=chosen, clock=simulation.clock, trigger="simulation")
    for before, after in zip(said, done, strict=True):
        assert {before.state, after.state} <= {State.DONE, State.HELD}, (before, after)
        planned = _lines(planned_lines(before), "planned")
        did = _lines(done_lines(after), "done")
        assert planned == did, f"I-23: said {planned - did}, did {did - planned}"


def _lines(lines: Iterable[Line], state: str) -> Counter[Any]:
    shown = [line for line in lines if line.state == state]
    return Counter((line.side, line.action, line.record, line.fields) for line in shown)


def _chosen(simulation: "Simulation") -> list[Collection]:
    chosen = Collection.objects.filter(pk__in=[c.pk for c in simulation.collections])
    return list(chosen.syncing().in_order().select_related("account__workspace"))


def _writes(simulation: "Simulation") -> int:
    return sum(len(calendar.writes) for calendar in simulation.calendars.values())


@contextmanager
def _providers(simulation: "Simulation") -> Iterator[None]:
    """Let the service functions open the providers of this world."""

    def opened(collection: Collection, **how: object) -> object:
        return simulation.provider(collection, None)

    with mock.patch.object(registry, "open_provider", opened):
        yield
