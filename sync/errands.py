"""One errand to one calendar besides syncing it: under its lease, with an operation of its own."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations import registry
from integrations.models import Collection, LeaseLost
from integrations.services import freeze_account
from integrations.vault import CannotOpen
from sync.core.provider import Copy, Provider, Refusal, Remedy
from sync.models import SyncOperation
from sync.reports import BUSY, Clock, State, Watch
from sync.run import LEASE_SECONDS, Run, Steps


@dataclass(slots=True)
class Errand:
    """What an errand did in one calendar, or would do.

    `state` is an operation's state, or "busy" while another run holds the lease. `found` is the
    number of remote copies that were there to be removed; `counts` is what was done, by
    "side.action" as in an operation.
    """

    collection: Collection
    trigger: str
    clock: Clock
    state: str = ""
    found: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    operation: SyncOperation | None = None
    error: str = ""

    def look(self, find: Callable[[Provider], Sequence[Copy]]) -> None:
        """Count what would be removed, and change nothing; trouble ends in the report."""
        try:
            provider = registry.open_provider(self.collection, now=self.clock(), keep=False)
            self.found, self.state = len(find(provider)), State.DONE
        except (Refusal, CannotOpen) as trouble:
            self.state, self.error = State.FAILED, str(trouble)[:500]

    def run(self, steps: Callable[[Run], Steps], watch: Watch | None = None) -> None:
        """Drive the steps of a run under the lease; trouble ends in the report, not here."""
        holder = f"{socket.gethostname()}:{os.getpid()}"
        if not self.collection.take_lease(holder=holder, now=self.clock(), seconds=LEASE_SECONDS):
            self.state, self.error = BUSY, "another run is busy with this calendar; try again later"
            return
        try:
            self._drive(steps, watch)
        except (Refusal, LeaseLost, CannotOpen) as trouble:
            self._note(trouble)
        finally:
            self.collection.return_lease()

    def _drive(self, steps: Callable[[Run], Steps], watch: Watch | None) -> None:
        operation = self.open()
        provider = registry.open_provider(self.collection, now=self.clock())
        # A block is never the source of another: nothing follows from what changes here.
        run = Run(self.collection, provider, operation, self.clock, lambda item_ids: None)
        try:
            for step in steps(run):
                if watch:
                    watch(self.collection, step)
        finally:
            operation.calls = provider.calls
        if run.failures:
            self.state = State.FAILED

    def _note(self, trouble: Exception) -> None:
        self.state = State.ABANDONED if isinstance(trouble, LeaseLost) else State.FAILED
        self.error = str(trouble)[:500]
        if isinstance(trouble, Refusal) and trouble.remedy is Remedy.FREEZE:
            freeze_account(self.collection.account, trouble)

    def open(self) -> SyncOperation:
        """Return the operation of this errand, made when it is first needed."""
        if self.operation is None:
            self.operation = SyncOperation.objects.create(
                collection=self.collection,
                trigger=self.trigger,
                started_at=self.clock(),
                fence=self.collection.lease_fence,
            )
        return self.operation

    def close(self) -> None:
        """Write down how the errand ended."""
        self.state = self.state or State.DONE
        if self.operation is None:
            return
        self.counts = self.operation.counts
        self.operation.state = State.FAILED if self.state == BUSY else self.state
        self.operation.error = self.error
        self.operation.ended_at = self.clock()
        self.operation.save()


def as_json(errand: Errand) -> dict[str, Any]:
    """Return an errand as plain data."""
    return {
        "collection": str(errand.collection.pk),
        "name": errand.collection.name,
        "account": str(errand.collection.account),
        "state": errand.state,
        "operation": str(errand.operation.pk) if errand.operation else None,
        "found": errand.found,
        "counts": errand.counts,
        "error": errand.error,
    }
