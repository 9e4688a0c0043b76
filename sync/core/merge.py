"""Three-way merge of two versions of one record, field by field."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Any

from sync.core.records import Fields, Side, Strategy
from sync.core.text import same_words


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
    """How clashes are settled: an owner per field first, then the strategies in order.

    The fields of a unit make sense only together (a start of one side with an end of the other may
    be no time at all): a unit is taken whole from one side.
    """

    strategies: tuple[Strategy, ...] = (Strategy.MERGE_CHANGES, Strategy.MANUAL_REVIEW)
    owners: Mapping[str, Side] = field(default_factory=dict)
    equal_within: timedelta = timedelta(seconds=5)
    units: tuple[tuple[str, ...], ...] = (("start", "end"),)


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
    side does not show at all (missing, not empty) is the other side's business alone. Where nothing
    was ever agreed, an empty value gives way to a value, and of two ways to say the same ours is
    kept.
    """
    once = not (local.get("recurrence") or remote.get("recurrence"))
    merged: dict[str, Any] = {}
    clashes: list[Clash] = []
    for names in _units({*local, *remote}, policy):
        was, ours, theirs = (_part(side, names) for side in (base or {}, local, remote))
        if _gives_way(theirs, ours, was):
            merged |= {**theirs, **ours}
        elif _gives_way(ours, theirs, was):
            merged |= {**ours, **theirs}
        else:
            alike = _said_alike(was, ours, theirs, once)
            values, settled = _settle(names, was, ours, theirs, policy, times, alike)
            merged |= values
            clashes += settled
    return Merged(merged, tuple(sorted(clashes, key=lambda clash: clash.field)))


def _units(names: set[str], policy: MergePolicy) -> list[tuple[str, ...]]:
    """List the fields in the groups that are decided together; most fields stand alone."""
    whole = [tuple(n for n in unit if n in names) for unit in policy.units]
    alone = sorted(names - {n for unit in whole for n in unit})
    return [unit for unit in whole if unit] + [(n,) for n in alone]


def _part(side: Fields, names: tuple[str, ...]) -> dict[str, Any]:
    return {n: side[n] for n in names if n in side}


def _gives_way(side: Fields, other: Fields, was: Fields) -> bool:
    """True if taking the other side's values loses nothing that this side had to say."""
    return all(
        value == other.get(n, value) or (value == was[n] if n in was else value in _EMPTY_VALUES)
        for n, value in side.items()
    )


_EMPTY_VALUES: tuple[Any, ...] = (None, "", [], {})


def _settle(
    names: tuple[str, ...],
    was: Fields,
    ours: Fields,
    theirs: Fields,
    policy: MergePolicy,
    times: Times,
    alike: bool,
) -> tuple[Fields, list[Clash]]:
    """Decide what both sides changed: the values and, unless both fit, what they clash in."""
    winner = None
    for strategy in _strategies(names, policy):
        level = strategy is Strategy.LAST_WRITE_WINS and _level(times, policy.equal_within)
        merges = strategy is Strategy.MERGE_CHANGES or level
        if merges and len(names) == 1:
            value = merge_values(*(side.get(names[0]) for side in (was, ours, theirs)))
            if value is not None:
                return {names[0]: value}, []
        if merges and alike:
            winner = Side.LOCAL
            break
        winner = winning_side(strategy, times, policy.equal_within)
        if winner or strategy is Strategy.MANUAL_REVIEW:
            break
    kept = {**ours, **theirs} if winner is Side.REMOTE else {**theirs, **ours}
    clashes = [
        Clash(n, was.get(n), ours[n], theirs[n], winner)
        for n in names
        if n in ours and n in theirs and ours[n] != theirs[n]
    ]
    return kept, clashes


def _said_alike(was: Fields, ours: Fields, theirs: Fields, once: bool) -> bool:
    """True if nothing was ever agreed and both sides say the same in other words.

    Texts that differ in upper case and spaces only, and moments of what takes place `once` that
    were said in different zones. Nobody changed one into the other, so nobody has to be asked.
    """
    if any(was.values()) or ours.keys() != theirs.keys():
        return False
    return all(_same_meaning(ours[n], theirs[n], once) for n in ours)


def _same_meaning(one: Any, other: Any, once: bool) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return same_words(one) == same_words(other)
    if once and isinstance(one, dict) and isinstance(other, dict):
        return "at" in one and one["at"] == other.get("at")
    return bool(one == other)


def _strategies(names: tuple[str, ...], policy: MergePolicy) -> tuple[Strategy, ...]:
    owner = next((policy.owners[n] for n in names if n in policy.owners), None)
    return _of_owner(owner) if owner else policy.strategies


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
    sides = (base, local, remote)
    key = _key_of([x for side in sides for x in side])
    if key is None or any(len({key(x) for x in side}) < len(side) for side in sides):
        return None
    merged = _merge_mappings(*({key(x): x for x in side} for side in sides))
    if merged is None:
        return None
    orders = [[key(x) for x in side] for side in sides]
    if any(order != sorted(order) for order in orders):
        return [merged[k] for k in dict.fromkeys([*orders[0], *merged]) if k in merged]
    return list(merged.values())


def _key_of(values: Sequence[Any]) -> Callable[[Any], str] | None:
    """Find what tells the members of a list apart: themselves, or one of the usual identifiers."""
    if all(isinstance(v, str) for v in values):
        return _line_key
    for name in ("email", "id", "fileId"):
        if all(isinstance(v, dict) and v.get(name) for v in values):
            return lambda v, name=name: str(v[name])  # type: ignore[misc]
    return None


def _line_key(line: str) -> str:
    """A series has one rule, so two different rules are one member changed, not two members."""
    return "RRULE" if line.startswith("RRULE") else line


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
