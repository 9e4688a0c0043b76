"""Ways to spoil the engine, one safeguard at a time, to see whether the simulator notices."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

from integrations.models import Collection
from sync import engine, journal, observing, outward, preview, staging, tracking
from sync.core import absorb
from sync.core.absorb import Verdict
from sync.core.provider import Copy
from sync.models import Mapping, SyncItem
from sync.observing import Batch, Sighting, observe
from sync.run import Run
from tests.sync.remote import RemoteProvider


def cursor_before_its_pages() -> AbstractContextManager[Any]:
    """The cursor is saved first, and the pages it covers after it."""

    def spoiled(run: Run) -> Iterator[Batch]:
        batches = list(observe(run))
        yield Batch([], cursor=batches[-1].cursor)
        for batch in batches:
            yield Batch(batch.sightings, answered=batch.answered)

    return mock.patch.object(engine, "observe", spoiled)


def unconditional_writes() -> AbstractContextManager[Any]:
    """Writes go out without the version they rest on."""
    check = RemoteProvider._check

    def spoiled(self: Any, write: Any, there: Any) -> None:
        if there is None or there.fields is None:
            check(self, write, there)

    return mock.patch.object(RemoteProvider, "_check", spoiled)


def base_is_what_is_there() -> AbstractContextManager[Any]:
    """When a write of ours is found, the base becomes what is there now, not what we wrote."""
    proven = staging._proven

    def spoiled(page: Any, mapping: Any, known: Any, copy: Copy) -> Any:
        attempt = proven(page, mapping, known, copy)
        if attempt is not None:
            attempt.after = copy.fields
        return attempt

    return mock.patch.object(staging, "_proven", spoiled)


def absence_is_believed() -> AbstractContextManager[Any]:
    """What a complete listing does not show counts as deleted, without a read by id."""

    def spoiled(run: Run, seen: set[str]) -> Iterator[Sighting]:
        known = Mapping.objects.filter(collection=run.collection).exclude(remote_hash="")
        for mapping in known.exclude(remote_id__in=seen).exclude(remote_id=""):
            yield Sighting(Copy(mapping.remote_id, evidence="not listed"), strong=True)

    return mock.patch.object(observing, "_missing", spoiled)


def any_observation_is_news() -> AbstractContextManager[Any]:
    """An older version replaces a newer one."""
    return mock.patch.object(absorb, "_compare", return_value=Verdict.NEWS)


def losses_are_not_kept() -> AbstractContextManager[Any]:
    """What a strategy overwrites is not written down."""
    return mock.patch.object(journal, "keep_losses")


@contextmanager
def names_are_the_services() -> Iterator[None]:
    """Creations bear no name of ours, and nothing looks for those that were not answered."""
    with ExitStack() as stack:
        for module in (tracking, outward):
            stack.enter_context(mock.patch.object(module, "name_copy", return_value=""))
        stack.enter_context(mock.patch.object(staging, "_nameless", return_value=None))
        yield


def marks_are_not_read() -> AbstractContextManager[Any]:
    """A write that was not answered is never recognised."""
    return mock.patch.object(staging, "_attempts", return_value={})


def the_fence_is_not_checked() -> AbstractContextManager[Any]:
    """A worker that slept through its lease commits all the same."""
    return mock.patch.object(Collection, "prove_lease")


def writes_are_not_announced() -> AbstractContextManager[Any]:
    """What is sent is not written down before."""
    announce = journal.write_intents

    def spoiled(*args: Any) -> Any:
        intents = announce(*args)
        SyncItem.objects.filter(pk__in=[intent.pk for intent in intents]).delete()
        return intents

    return mock.patch.object(journal, "write_intents", spoiled)


def dry_runs_are_kept() -> AbstractContextManager[Any]:
    """What a dry run wrote to find out stays written."""
    return mock.patch.object(preview.transaction, "set_rollback")


MUTANTS: tuple[Callable[[], AbstractContextManager[Any]], ...] = (
    cursor_before_its_pages,
    unconditional_writes,
    base_is_what_is_there,
    absence_is_believed,
    any_observation_is_news,
    losses_are_not_kept,
    names_are_the_services,
    marks_are_not_read,
    the_fence_is_not_checked,
    writes_are_not_announced,
    dry_runs_are_kept,
)
