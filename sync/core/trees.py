"""The trees of one mapping: what both sides last agreed on, and what the service last showed.

The functions work on any row with these columns, be it in the database or in a test's memory.
"""

from collections.abc import Container
from datetime import datetime
from typing import Any, Protocol

from sync.core.absorb import Known, overlay
from sync.core.provider import Copy
from sync.core.records import Fields, fingerprint


class Trees(Protocol):
    """The columns of a mapping that looking and writing change; see `sync.models.Mapping`."""

    remote_id: str
    predecessor: str
    parent: str
    slot: str
    version: str
    ordinal: str
    base: Any
    base_hash: str
    remote: Any
    remote_hash: str
    facts: Any
    raw: Any
    partial: bool
    obstacle: str
    evidence: str
    unanswered: bool
    attempts: int
    next_attempt_at: datetime | None
    last_error: str
    seen_at: datetime


def remote_tree(trees: Trees) -> Fields | None:
    """Return the remote tree, which is stored only where it differs from the base."""
    if not trees.remote_hash:
        return None
    tree: Fields | None = trees.base if trees.remote_hash == trees.base_hash else trees.remote
    return tree


def known(trees: Trees) -> Known:
    """Return what is known of the copy, as far as weighing an observation needs it."""
    there: Fields | None = {} if trees.remote_hash else None
    return Known(trees.version, trees.ordinal, there, True, trees.partial)


def set_base(trees: Trees, fields: Fields | None) -> None:
    """Move what both sides agreed on, keeping the remote tree as it is.

    Of a field that is not among them (it is hidden now) stays what they agreed on before.
    """
    remote = remote_tree(trees)
    trees.base = None if fields is None else {**(trees.base or {}), **fields}
    trees.base_hash = fingerprint(trees.base)
    trees.remote = None if trees.remote_hash == trees.base_hash else remote


def show(trees: Trees, copy: Copy, *, now: datetime, conditional: bool) -> None:
    """Let the remote tree be what the copy shows.

    Where writes are `conditional`, one that rested on an older version can no longer arrive.
    """
    fields = overlay(remote_tree(trees), copy, trees.base)
    trees.remote_hash = fingerprint(fields)
    trees.remote = None if trees.remote_hash == trees.base_hash else fields
    trees.remote_id = copy.remote_id
    trees.version = copy.version or trees.version
    trees.ordinal = copy.ordinal or trees.ordinal
    trees.seen_at = now
    trees.evidence = copy.evidence
    trees.attempts, trees.next_attempt_at, trees.last_error = 0, None, ""
    if copy.fields is not None:
        trees.unanswered = trees.unanswered and not conditional
        trees.parent, trees.slot = copy.parent or trees.parent, copy.slot or trees.slot
        trees.facts, trees.raw = dict(copy.facts), copy.raw
        trees.obstacle, trees.partial = copy.obstacle, copy.partial


def depart(trees: Trees) -> bool:
    """Make room for a copy made again: the dead one becomes its predecessor, if there was one.

    The new name is made from the dead one's, so that two workers cannot make two. Returns whether
    a copy was ever seen; if so, its name cannot be used again.
    """
    seen = bool(trees.version or trees.ordinal or trees.evidence)
    if seen and trees.remote_id:
        trees.predecessor = trees.remote_id
        trees.version = trees.ordinal = trees.evidence = ""
    return seen


def as_seen(
    local: Fields, base: Fields | None, remote: Fields | None, empty: Fields
) -> tuple[Fields, Fields | None]:
    """Return the local tree as this remote copy's reader could know it, and the base beside it.

    A reader with few rights sees few fields, and a field that neither tree knows is left out. One
    that only the remote tree knows, and that is empty locally, was never seen before: both sides
    agreed on its being empty, or a reader who gains a right would look like a person who edits.
    """
    if base is None:
        return (local if remote is None else only(local, remote)), None
    new = only(local, (remote or {}).keys() - base.keys())
    unseen = {name: value for name, value in new.items() if value == empty.get(name)}
    return {**only(local, base), **new}, {**base, **unseen}


def only(fields: Fields, names: Container[str]) -> Fields:
    """Return a record without the fields that are not among the names."""
    return {name: value for name, value in fields.items() if name in names}


def nothing_said(empty: Fields) -> Fields:
    """Return the base of two versions that never agreed: what says nothing gives way."""
    return {name: value for name, value in empty.items() if value in _NOTHING}


_NOTHING: tuple[Any, ...] = (None, "", [], {})


def taken_in(known: Fields, seen: Fields | None, decided: Fields) -> Fields:
    """Return an item's fields after what was decided with one copy is taken in.

    `known` are the item's fields now, `seen` how this copy's service would hand them back. Only
    what differs from that is taken: what the service cannot hold, or tidies, stays as it is here.
    """
    before = seen or {}
    changed = {n: v for n, v in decided.items() if n not in before or before[n] != v}
    return {**known, **changed}
