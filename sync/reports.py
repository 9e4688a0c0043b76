"""What comes out of a run or a preview of one, as its callers see it."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integrations.models import Collection
from sync.core.plan import Change, Plan
from sync.kinds import KINDS
from sync.models import Mapping, SyncOperation
from sync.run import Step

Clock = Callable[[], datetime]
Watch = Callable[[Collection, Step], None]

State = SyncOperation.State
BUSY = "busy"
# How many records of a preview are known by their titles; more than this nobody reads.
MOST_TITLES = 1_000


@dataclass(slots=True)
class Report:
    """What a run over one collection did, or a preview of one would do.

    `state` is an operation's state, or "busy" when another run holds the lease. `plans` and
    `titles` (by mapping) are filled by a preview only; what a run did is in its operation's items.
    """

    collection: Collection
    state: str = ""
    operation: SyncOperation | None = None
    plans: list[Plan] = field(default_factory=list)
    titles: dict[uuid.UUID | None, str] = field(default_factory=dict)
    holds: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def changes(self) -> list[Change]:
        """The lines of a preview, in the order in which they would be carried out."""
        return [change for plan in self.plans for change in plan.changes]


def titles_of(
    collection: Collection, mapping_ids: Sequence[uuid.UUID | None]
) -> dict[uuid.UUID | None, str]:
    """Return what a person knows the records of these mappings by, the first thousand of them."""
    ids = [pk for pk in mapping_ids if pk][:MOST_TITLES]
    items = dict(Mapping.objects.filter(pk__in=ids).values_list("pk", "item_id"))
    labels = KINDS[collection.kind].labels([i for i in items.values() if i])
    return {pk: labels[item] for pk, item in items.items() if item in labels}
