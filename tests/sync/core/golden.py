"""Write the golden tables anew: `python -m tests.sync.core.golden`; then review the difference."""

from collections.abc import Iterator
from pathlib import Path

from sync.core.merge import Clash
from sync.core.reconcile import State, reconcile
from sync.core.records import Direction, Side
from tests.sync.core.small_world import TIMES, TREES, decide, pairs, policy, state

HERE = Path(__file__).parent
DECISIONS = HERE / "golden_decisions.txt"
STRATEGIES = HERE / "golden_strategies.txt"

_DECISIONS_HEAD = """\
# What is decided for every small state, under the default strategies (merge, then a person).
# A record is two fields, x and y, as two digits; "--" is absent. A cell says what both sides become
# and what that means for the local and for the remote side (. nothing, + create, ~ update,
# x delete), then every clash: the field ("*" the whole record) and who won it (< local, > remote,
# ? a person will say). "settle" and "forget" write down an agreement, "skip" leaves both alone.
# "unanswered": a write to the remote copy was never answered. "unwritable" in push: the remote copy
# cannot be written; in two-way it is the same as pull.
"""
_STRATEGIES_HEAD = """\
# Who wins when both sides moved, for every strategy and fallback, by which side is known to have
# changed last. "both": nothing contradicts. "ask": a person decides.
"""

# One state of each kind in which both sides differ from the base and from each other.
EXAMPLES = {
    "edited differently": ("00", "10", "20"),
    "different fields edited": ("00", "10", "01"),
    "edited here, deleted there": ("00", "10", "--"),
    "deleted here, edited there": ("00", "--", "10"),
    "never agreed": ("--", "10", "20"),
}


def decisions() -> str:
    """Return the table of every small state by direction."""
    head = ("base", "here", "there", "pull", "push", "two-way", "two-way, unanswered")
    rows = [_row((*head, "push, unwritable"))]
    for trees in TREES:
        cells = (
            decide(trees, Direction.PULL),
            decide(trees, Direction.PUSH),
            decide(trees, Direction.TWO_WAY),
            decide(trees, Direction.TWO_WAY, unanswered=True),
            decide(trees, Direction.PUSH, obstacle="locked"),
        )
        rows.append(_row((*trees, *cells)))
    return _DECISIONS_HEAD + "\n".join(rows) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    widths = (4, 4, 5, 11, 13, 13, 19, 16)
    return " | ".join(f"{c:{w}}" for c, w in zip(cells, widths, strict=True)).rstrip()


def strategies() -> str:
    """Return the table of every strategy with every fallback by kind of disagreement."""
    lines = [f"{'strategy':15} | {'fallback':15} | " + " | ".join(f"{t:12}" for t in TIMES)]
    for kind, trees in EXAMPLES.items():
        lines += ["", f"[{kind}: {' '.join(trees)}]", *_by_strategy(trees)]
    return _STRATEGIES_HEAD + "\n".join(line.rstrip() for line in lines) + "\n"


def _by_strategy(trees: tuple[str, str, str]) -> Iterator[str]:
    for first, second in pairs():
        wins = []
        for times in TIMES.values():
            decided = reconcile(
                state(*trees, times=times), policy(Direction.TWO_WAY, first, second)
            )
            wins.append(winner(decided.clashes))
        yield f"{first:15} | {second:15} | " + " | ".join(f"{w:12}" for w in wins)


def winner(clashes: tuple[Clash, ...]) -> str:
    """Return who won all clashes, in a word of the table."""
    if not clashes:
        return "both"
    (side,) = {clash.winner for clash in clashes}
    return {Side.LOCAL: "local", Side.REMOTE: "remote", None: "ask"}[side]


def kind_of(of: State) -> str | None:
    """Name the kind of disagreement, None if a side did not move or both moved alike."""
    if of.local == of.remote or of.base in (of.local, of.remote):
        return None
    if of.local is None or of.remote is None:
        return "deleted here, edited there" if of.local is None else "edited here, deleted there"
    if of.base is None:
        return "never agreed"
    base, local, remote = of.base, of.local, of.remote
    clash = any(len({base[n], local[n], remote[n]}) == 3 for n in base)
    return "edited differently" if clash else "different fields edited"


if __name__ == "__main__":
    DECISIONS.write_text(decisions())
    STRATEGIES.write_text(strategies())
