"""Every small state there is: records of two fields, written as two digits, "--" for absent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

from sync.core.merge import Clash, MergePolicy, Times
from sync.core.reconcile import Action, Decision, Policy, State, reconcile
from sync.core.records import Direction, Fields, Side, Strategy

# "10" and "01" edit different fields of "00", "10" and "20" the same one.
RECORDS = ("--", "00", "10", "01", "20")
TREES = tuple(product(RECORDS, repeat=3))

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
TIMES = {
    "unknown": Times(),
    "local later": Times(NOON + timedelta(minutes=1), NOON),
    "remote later": Times(NOON, NOON + timedelta(minutes=1)),
}

_SIGNS = {
    Action.NOTHING: ".",
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.DELETE: "x",
}
_WORDS = {
    Action.SETTLE: "settle",
    Action.FORGET: "forget",
    Action.SKIP: "skip",
    Action.CONFLICT: "ask",
}


def record(digits: str) -> Fields | None:
    """Read a record of the small world: "10" is {"x": 1, "y": 0}."""
    return None if digits == "--" else {"x": int(digits[0]), "y": int(digits[1])}


def digits(fields: Fields | None) -> str:
    """Write a record of the small world."""
    return "--" if fields is None else f"{fields['x']}{fields['y']}"


def state(base: str, local: str, remote: str, **more: object) -> State:
    """Return the state of three records given as digits."""
    return State(record(base), record(local), record(remote), **more)  # type: ignore[arg-type]


def policy(direction: Direction, *strategies: Strategy) -> Policy:
    """Return a policy with these strategies, or the default ones."""
    return Policy(direction, MergePolicy(strategies) if strategies else MergePolicy())


def pairs() -> Iterator[tuple[Strategy, Strategy]]:
    """Yield every strategy with every fallback."""
    return product(Strategy, repeat=2)


def cell(decision: Decision) -> str:
    """Write a decision as a few characters; the head of the golden table explains them."""
    acts = (decision.on_local, decision.on_remote)
    clashes = " ".join(map(_clash, decision.clashes))
    if acts[0] in _WORDS or acts[1] in _WORDS:
        word = _WORDS[acts[0]] if acts[0] is acts[1] else "BROKEN"
        return f"{word} {clashes}".rstrip()
    if acts == (Action.NOTHING, Action.NOTHING) and not decision.clashes:
        return f"in step {digits(decision.fields)}"
    signs = "".join(_SIGNS[act] for act in acts)
    return f"{digits(decision.fields)} {signs} {clashes}".rstrip()


def _clash(clash: Clash) -> str:
    signs = {Side.LOCAL: "<", Side.REMOTE: ">", None: "?"}
    return f"{clash.field}{signs[clash.winner]}"


def decide(trees: tuple[str, str, str], direction: Direction, **more: object) -> str:
    """Return the cell for three records under the default strategies."""
    return cell(reconcile(state(*trees, **more), policy(direction)))
