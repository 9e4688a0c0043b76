"""The one way to learn about a remote copy, be it a page, a read or an answer to a write."""

from dataclasses import dataclass
from enum import StrEnum

from sync.core.provider import Copy
from sync.core.records import Fields


@dataclass(frozen=True, slots=True)
class Known:
    """What we knew of a copy before: "" and None where nothing.

    `named` says that the name is of our making: whatever bears it was written by us. `partial` says
    that we did not see all of it.
    """

    version: str = ""
    ordinal: str = ""
    fields: Fields | None = None
    named: bool = False
    partial: bool = False

    @property
    def ever_seen(self) -> bool:
        """True if the service showed us this copy before, alive or dead."""
        return bool(self.version or self.ordinal or self.fields is not None)


class Verdict(StrEnum):
    """What an observation is worth."""

    NEWS = "news"
    SAME = "same"  # nothing that we did not know
    STALE = "stale"  # older than what we know
    UNCLEAR = "unclear"  # different, but neither older nor newer by what it says: read it by id


def weigh(known: Known, copy: Copy, *, strong: bool) -> Verdict:
    """Judge one observation against what is known.

    `strong` observations (a read by id, an acknowledged write) show the copy as it is now; a
    listing may lag behind, so there an older ordinal never replaces a newer one. That holds for a
    tombstone, too: its name may have been given once more. A tombstone under a name of ours says
    that our creation arrived and was deleted. The same version is news to a reader who now sees all
    of it.
    """
    if not known.ever_seen:
        existed = bool(copy.version or copy.ordinal or copy.mark)
        is_news = copy.fields is not None or (known.named and existed)
        return Verdict.NEWS if is_news else Verdict.SAME
    if copy.fields is None and known.fields is None:
        return Verdict.SAME
    alive = copy.fields is not None and known.fields is not None
    if alive and copy.version and copy.version == known.version:
        return Verdict.NEWS if known.partial and not copy.partial else Verdict.SAME
    if strong:
        return Verdict.NEWS
    return _compare(known, copy)


def _compare(known: Known, copy: Copy) -> Verdict:
    """Order two versions by what the service says about their time."""
    if not (copy.ordinal and known.ordinal) or copy.ordinal == known.ordinal:
        return Verdict.UNCLEAR
    return Verdict.NEWS if copy.ordinal > known.ordinal else Verdict.STALE


def overlay(known: Fields | None, copy: Copy, base: Fields | None = None) -> Fields | None:
    """Return the remote tree after an observation: what the copy shows, and no more.

    What is hidden may have changed unseen, so nothing that was known of it is kept. Only a
    cancelled occurrence hides nothing that counts: Google shows no more than that it is cancelled.
    The rest is as both sides agreed if that is agreed, else as it was known.
    """
    if copy.fields is None or not copy.partial or copy.fields.get("status") != "cancelled":
        return copy.fields
    agreed = base is not None and all(base.get(k) == v for k, v in copy.fields.items())
    return {**((base if agreed else known or base) or {}), **copy.fields}
