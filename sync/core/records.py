"""What one record looks like to every part of Lockstep, whatever service it came from."""

import json
from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Any

# One record in canonical form: JSON values by field name. Every field is optional; a field that is
# missing is one the reader could not see, a field that is None is one that is empty.
Fields = Mapping[str, Any]


class Kind(StrEnum):
    """What a collection holds."""

    EVENT = "event"


class Service(StrEnum):
    """A remote service that Lockstep speaks to."""

    GOOGLE = "google"
    CALDAV = "caldav"
    ICS = "ics"


class Side(StrEnum):
    """One of the two copies that are kept in step."""

    LOCAL = "local"
    REMOTE = "remote"


class Direction(StrEnum):
    """Which way changes travel between Lockstep's database and a collection."""

    PULL = "pull"
    PUSH = "push"
    TWO_WAY = "two_way"


class Strategy(StrEnum):
    """What happens when both sides changed the same field."""

    LAST_WRITE_WINS = "last_write_wins"
    MERGE_CHANGES = "merge_changes"
    PRESERVE_LOCAL = "preserve_local"
    PRESERVE_REMOTE = "preserve_remote"
    MANUAL_REVIEW = "manual_review"


def fingerprint(fields: Fields | None) -> str:
    """Return a hash of a record's content; equal content, equal hash; "" for an absent record."""
    return "" if fields is None else hash_of(canonical(fields))


def canonical(fields: Fields) -> str:
    """Return a record as JSON; equal content, equal text."""
    return _ENCODER.encode(fields)


def hash_of(text: str) -> str:
    """Return the fingerprint of a record given as its canonical text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


# Made once: `json.dumps` would make one for every record.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def changed_fields(old: Fields | None, new: Fields | None) -> tuple[str, ...]:
    """Name the fields in which two records differ, sorted; a missing field equals an empty one."""
    before, after = old or {}, new or {}
    return tuple(sorted(k for k in {*before, *after} if before.get(k) != after.get(k)))
