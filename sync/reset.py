"""Reset a calendar: take away every busy block that Lockstep made there, and nothing else."""

from calendars.models import BusyRule, Item
from integrations.models import Collection
from sync.errands import Errand
from sync.planning import RESET
from sync.removal import blocks_in, remove, retire, settle
from sync.reports import Clock, Watch
from sync.run import Run, Step, Steps

_REASON = "the calendar was reset"


def preview_reset(*, collection: Collection, clock: Clock) -> Errand:
    """Count the blocks that a reset would remove, and change nothing, here or there."""
    errand = Errand(collection, RESET, clock)
    errand.look(blocks_in)
    return errand


def reset_calendar(*, collection: Collection, clock: Clock, watch: Watch | None = None) -> Errand:
    """Remove every busy block with a genuine mark, whether or not this database knows it.

    That includes blocks that stayed when their rule was removed, as long as they bear the mark. A
    run that died is simply started again. The guard has no say: a person asked for exactly this.
    """
    errand = Errand(collection, RESET, clock)

    def steps(run: Run) -> Steps:
        yield from settle(run)
        blocks = blocks_in(run.provider)
        errand.found = len(blocks)
        yield Step("found", len(blocks))
        yield from remove(run, blocks, _REASON)
        here = Item.objects.filter(home=collection, event__busy_rule__isnull=False)
        here = here.exclude(event__busy_rule__removal__in=BusyRule.KEPT)
        retired = retire(run.operation, here, _REASON, "a person asked for it", clock())
        if retired:
            run.count("local.delete", retired)

    errand.run(steps, watch)
    errand.close()
    return errand


def rules_into(collection: Collection) -> int:
    """Count the busy rules that draw blocks in a calendar, and will do so again."""
    return BusyRule.objects.filter(target=collection, removed_at=None, enabled=True).count()
