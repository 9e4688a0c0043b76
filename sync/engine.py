"""The engine: fetch, stage, plan, guard, execute. One run over one collection, in two halves.

Each function is a generator that stops at every boundary: nothing is half done there, so its
caller may show progress, run out of time, let another worker go first, or die.
"""

from sync import inward, journal, outward
from sync.adopting import adopt
from sync.core.plan import Draft, Plan
from sync.models import SyncItem
from sync.observing import Batch, Sighting, observe
from sync.planning import draft
from sync.run import Run, Step, Steps
from sync.staging import stage
from sync.tracking import track

# How often a run plans anew because a copy moved between looking and writing.
ROUNDS = 3


def pull(run: Run) -> Steps:
    """The first half: see what changed remotely, and let local items follow."""
    staged = 0
    for batch in observe(run):
        yield Step("fetched", staged)
        with run.commit():
            stage(run, batch)
        staged += len(batch.sightings)
        yield Step("staged", staged)
    yield from take_in(run)


def take_in(run: Run) -> Steps:
    """Plan, and carry out the local half of the plan."""
    drafted = prepare(run)
    yield from inward.apply(run, drafted.local)
    _write_held(run, drafted.local)
    inward.catch_up(run, drafted.in_step)
    inward.let_rest(run)


def push(run: Run) -> Steps:
    """The second half: let remote copies follow, planning anew while copies move meanwhile."""
    with run.commit():
        adopt(run)
    for _ in range(ROUNDS):
        drafted = prepare(run)
        if drafted.local.changes:
            yield from inward.apply(run, drafted.local)
            drafted = prepare(run)
        inward.catch_up(run, drafted.in_step)
        yield from outward.apply(run, drafted.remote)
        if not run.look_again:
            break
        yield from _look_again(run)
    _write_held(run, drafted.remote)
    inward.let_rest(run)
    run.failures += len(run.look_again)


def prepare(run: Run) -> Draft:
    """Give untracked items their mappings, and plan."""
    with run.commit():
        track(run)
    return draft(run)


def _look_again(run: Run) -> Steps:
    """Read the copies that a write found changed, or whose write was not answered."""
    names, run.look_again = [name for name in run.look_again if name], []
    unanswered = SyncItem.objects.filter(operation=run.operation, state=SyncItem.State.INTENDED)
    intents = list(unanswered)
    for name in names:
        copy = run.provider.read(name)
        yield Step("fetched", 0)
        with run.commit():
            mine = [intent for intent in intents if intent.remote_id == name]
            stage(run, Batch([Sighting(copy, strong=True)], answered=mine))
    with run.commit():
        stage(run, Batch([], answered=[intent for intent in intents if not intent.remote_id]))


def _write_held(run: Run, half: Plan) -> None:
    """Write down what the guard holds, and close what it no longer does."""
    if half.held:
        run.operation.holds += half.holds
        run.operation.plan_hash = half.hash
    with run.commit():
        journal.write_held(run, half.side, half.held, half.holds)
