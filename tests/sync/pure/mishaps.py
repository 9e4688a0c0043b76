"""What happens to a simulated world around its workers, and what nobody can know any more then."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from tests.sync.pure.service import EVERYTHING, Service
from tests.sync.simulator.oracle import thing_of, tokens

if TYPE_CHECKING:
    from tests.sync.pure.world import World


def befall(world: "World", place: Service) -> None:
    """Let whatever strikes now happen to a calendar, or to the database."""
    for fault, mishap in _MISHAPS.items():
        if world.faults.strikes(fault):
            world.tell(fault, place.name)
            mishap(world, place)


def _revoke(world: "World", place: Service) -> None:
    place.shut = place.shut or "token revoked"


def _unshare(world: "World", place: Service) -> None:
    place.shut = place.shut or "calendar unshared"


def _delete_calendar(world: "World", place: Service) -> None:
    """Somebody deletes the whole calendar, for good, having seen what was in it."""
    place.shut = "calendar deleted"
    for fields in place.alive().values():
        world.oracle.superseded |= tokens(fields)
    _forgive_deletions(world)


def _make_anew(world: "World", place: Service) -> None:
    """Somebody deletes a calendar and makes an empty one of the same name."""
    if place.shut:
        return
    for remote_id in place.alive():
        world.people.delete_there(world.store, place, remote_id)
    place.dead_before = place.tick


def _change_filter(world: "World", place: Service) -> None:
    """Another part of the calendar is shown."""
    place.only = world.rng.choice((0, 1, EVERYTHING))


def _restore(world: "World", place: Service) -> None:
    """Everything stops, and the database comes back as it once was."""
    if world.backup is None:
        return
    for worker in list(world.workers):
        worker.end("killed")
    number = world.store.number
    world.store, world.restored = world.backup.backup(), True
    world.store.number = number
    _forgive(world)
    if world.judge:
        world.judge.forget()


def _forgive(world: "World") -> None:
    """What only the lost database knew is lost with it."""
    kept = frozenset[str]().union(*(tokens(value) for value in world.kept()))
    for leaves in world.oracle.leaves().values():
        world.oracle.superseded |= leaves - kept
    _forgive_deletions(world)


def _forgive_deletions(world: "World") -> None:
    """Nobody can know any more of deletions that were not heard of until now."""
    alive = {thing_of(item.fields) for item in world.store.items.values() if item.fields}
    world.oracle.deleted -= alive


_MISHAPS: Final[Mapping[str, Callable[["World", Service], None]]] = {
    "token revoked": _revoke,
    "calendar unshared": _unshare,
    "calendar deleted": _delete_calendar,
    "calendar made anew": _make_anew,
    "filter changed": _change_filter,
    "backup restored": _restore,
}
