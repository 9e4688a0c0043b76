"""The two halves of a run, in the order of `sync.engine`."""

from sync.core.plan import Draft
from sync.core.provider import Copy
from tests.sync.pure.doing import apply_here, apply_there
from tests.sync.pure.looking import intended, observe, stage_it
from tests.sync.pure.planning import draft, track
from tests.sync.pure.run import Call, Commit, Run, Steps

ROUNDS = 3


def pull(run: Run) -> Steps:
    """See what changed remotely, and let local items follow."""
    yield from observe(run)
    drafted = yield from prepare(run)
    yield from apply_here(run, drafted.local)
    run.holds += drafted.local.holds
    yield from _catch_up(run, drafted)


def push(run: Run) -> Steps:
    """Let remote copies follow, planning anew while copies move meanwhile."""
    for _ in range(ROUNDS):
        drafted = yield from prepare(run)
        if drafted.local.changes:
            yield from apply_here(run, drafted.local)
            drafted = yield from prepare(run)
        yield from _catch_up(run, drafted)
        yield from apply_there(run, drafted.remote)
        if not run.look_again:
            break
        yield from _look_again(run)
    run.holds += drafted.remote.holds
    run.failures += len(run.look_again)


def prepare(run: Run) -> Steps:
    """Give untied items their ties, and plan."""
    yield Commit(lambda: track(run))
    return draft(run)


def _look_again(run: Run) -> Steps:
    """Read the copies that a write found changed, or whose write was not answered."""
    names, run.look_again = [name for name in run.look_again if name], []
    intents = intended(run)
    for name in names:
        copy: Copy = yield Call("read", (name,))
        mine = [intent for intent in intents if intent.remote_id == name]
        yield stage_it(run, [(copy, True)], answered=mine)
    yield stage_it(run, [], answered=[intent for intent in intents if not intent.remote_id])


def _catch_up(run: Run, drafted: Draft) -> Steps:
    """Note for copies that need nothing that they have seen their items' latest revision."""
    if drafted.in_step:
        yield Commit(lambda: _note(run, drafted))


def _note(run: Run, drafted: Draft) -> None:
    for pk, _, revision in drafted.in_step:
        run.store.ties[pk].synced_revision = revision
