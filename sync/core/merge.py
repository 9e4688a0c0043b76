"""Three-way merge of two versions of one record, field by field."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Any

from sync.core.records import Fields, Side, Strategy


@dataclass(frozen=True, slots=True)
class Clash:
    """One field that both sides changed differently; `winner` is None while nobody decided."""

    field: str
    base: Any
    local: Any
    remote: Any
    winner: Side | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """When each side was last changed, as far as known; naive guesses are None."""

    local: datetime | None = None
    remote: datetime | None = None


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """How clashes are settled: an owner per field first, then the strategies in order."""

    strategies: tuple[Strategy, ...] = (Strategy.MERGE_CHANGES, Strategy.MANUAL_REVIEW)
    owners: Mapping[str, Side] = field(default_factory=dict)
    equal_within: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged record and every clash met; it is settled when each clash has a winner."""

    fields: Fields
    clashes: tuple[Clash, ...] = ()

    @property
    def settled(self) -> bool:
        """True if nothing is left for a person to decide."""
        return all(clash.winner for clash in self.clashes)


_MISSING = object()


def merge(
    base: Fields | None, local: Fields, remote: Fields, policy: MergePolicy, times: Times
) -> Merged:
    """Merge two versions against what both sides last agreed on (None: they never did).

    A change on one side only is taken, the same change on both sides is no clash. A field that one
    side does not show at all (missing, not empty) is the other side's business alone.
    """
    merged: dict[str, Any] = {}
    clashes: list[Clash] = []
    for name in sorted({*local, *remote}):
        ours, theirs = local.get(name, _MISSING), remote.get(name, _MISSING)
        was = (base or {}).get(name, _MISSING)
        if theirs is _MISSING or theirs == ours:
            merged[name] = ours
        elif ours is _MISSING or ours == was:
            merged[name] = theirs
        elif theirs == was:
            merged[name] = ours
        else:
            value, clash = _settle(
                name, None if was is _MISSING else was, ours, theirs, policy, times
            )
            merged[name] = value
            clashes += [clash] if clash else []
    return Merged(merged, tuple(clashes))


def _settle(
    name: str, was: Any, ours: Any, theirs: Any, policy: MergePolicy, times: Times
) -> tuple[Any, Clash | None]:
    """Decide one field that both sides changed; the value and, unless both fit, the clash."""
    owner = policy.owners.get(name)
    strategies = _of_owner(owner) if owner else policy.strategies
    for strategy in strategies:
        if strategy is Strategy.MERGE_CHANGES:
            value = merge_values(was, ours, theirs)
            if value is not None:
                return value, None
        if strategy is Strategy.LAST_WRITE_WINS and _level(times, policy.equal_within):
            value = merge_values(was, ours, theirs)
            if value is not None:
                return value, None
        winner = winning_side(strategy, times, policy.equal_within)
        if winner:
            value = ours if winner is Side.LOCAL else theirs
            return value, Clash(name, was, ours, theirs, winner)
        if strategy is Strategy.MANUAL_REVIEW:
            break
    return ours, Clash(name, was, ours, theirs)


def _of_owner(owner: Side) -> tuple[Strategy, ...]:
    local = owner is Side.LOCAL
    return (Strategy.PRESERVE_LOCAL if local else Strategy.PRESERVE_REMOTE,)


def winning_side(strategy: Strategy, times: Times, equal_within: timedelta) -> Side | None:
    """Name the side that a strategy prefers, None if it does not prefer one."""
    match strategy:
        case Strategy.PRESERVE_LOCAL:
            return Side.LOCAL
        case Strategy.PRESERVE_REMOTE:
            return Side.REMOTE
        case Strategy.LAST_WRITE_WINS if not _level(times, equal_within):
            return Side.LOCAL if _later(times) else Side.REMOTE
        case _:
            return None


def _level(times: Times, equal_within: timedelta) -> bool:
    """True if neither side is known to be later: clocks differ, so close times mean nothing."""
    if times.local is None or times.remote is None:
        return True
    return abs(times.local - times.remote) <= equal_within


def _later(times: Times) -> bool:
    """True if the local change is the later one; only asked when both times are known."""
    return times.local is not None and times.remote is not None and times.local > times.remote


def merge_values(base: Any, local: Any, remote: Any) -> Any | None:
    """Merge two changed values of one field; None if they contradict each other.

    Lists are merged as sets (dictionaries in them by their "email", "id" or "fileId"), mappings key
    by key, text of several lines line by line.
    """
    if isinstance(local, list) and isinstance(remote, list):
        return _merge_lists(base if isinstance(base, list) else [], local, remote)
    if isinstance(local, dict) and isinstance(remote, dict):
        return _merge_mappings(base if isinstance(base, dict) else {}, local, remote)
    if isinstance(local, str) and isinstance(remote, str) and isinstance(base, str):
        return merge_text(base, local, remote)
    return None


def _merge_mappings(
    base: Mapping[str, Any], local: Mapping[str, Any], remote: Mapping[str, Any]
) -> dict[str, Any] | None:
    merged: dict[str, Any] = {}
    for key in sorted({*local, *remote}):
        was, ours, theirs = (side.get(key, _MISSING) for side in (base, local, remote))
        value = _pick(was, ours, theirs)
        if value is _CONTRADICTION and isinstance(ours, dict) and isinstance(theirs, dict):
            inner = _merge_mappings(was if isinstance(was, dict) else {}, ours, theirs)
            value = _CONTRADICTION if inner is None else inner
        if value is _CONTRADICTION:
            return None
        if value is not _MISSING:
            merged[key] = value
    return merged


_CONTRADICTION = object()


def _pick(was: Any, ours: Any, theirs: Any) -> Any:
    """Take the side that changed; `_CONTRADICTION` if both did, differently."""
    if ours == theirs or theirs == was:
        return ours
    return theirs if ours == was else _CONTRADICTION


def _merge_lists(
    base: Sequence[Any], local: Sequence[Any], remote: Sequence[Any]
) -> list[Any] | None:
    key = _key_of([*base, *local, *remote])
    if key is None:
        return None
    merged = _merge_mappings(*({key(x): x for x in side} for side in (base, local, remote)))
    if merged is None:
        return None
    order = [key(x) for x in [*local, *remote]]
    return [merged[k] for k in dict.fromkeys(order) if k in merged]


def _key_of(values: Sequence[Any]) -> Callable[[Any], str] | None:
    """Find what tells the members of a list apart: themselves, or one of the usual identifiers."""
    if all(isinstance(v, str) for v in values):
        return str
    for name in ("email", "id", "fileId"):
        if all(isinstance(v, dict) and v.get(name) for v in values):
            return lambda v, name=name: str(v[name])  # type: ignore[misc]
    return None


def merge_text(base: str, local: str, remote: str) -> str | None:
    """Merge two edits of one text line by line (diff3); None if they touch the same lines.

    Lines next to each other count as the same place, so that two edits of one thought do not end up
    side by side without anybody having read both.
    """
    lines = base.splitlines(keepends=True)
    edits = sorted({*_edits(lines, local), *_edits(lines, remote)})
    merged: list[str] = []
    at = 0
    for number, (start, end, new) in enumerate(edits):
        if number and start <= edits[number - 1][1]:
            return None
        merged += [*lines[at:start], *new]
        at = end
    return "".join([*merged, *lines[at:]])


def _edits(base: list[str], text: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """List where a text differs from its base: first line, line after the last, new lines."""
    lines = text.splitlines(keepends=True)
    matcher = SequenceMatcher(None, base, lines, autojunk=False)
    return [
        (i1, i2, tuple(lines[j1:j2]))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]
