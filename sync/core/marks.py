"""The signed mark that Lockstep leaves on every remote copy it writes."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

_VERSION = "1"
_NO_RULE = "0"


@dataclass(frozen=True, slots=True)
class Mark:
    """A genuine mark found on a remote copy.

    `attempt` names the write that left it (the id of its journal row), `rule` the busy rule whose
    block this is ("" for an ordinary record). `inherited` says that the mark was written to the
    series this occurrence belongs to and came along when a person changed the occurrence.
    """

    attempt: str
    rule: str
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Marker:
    """Signs and verifies the marks of one collection.

    The signature covers the collection's and the copy's remote id, so a mark that a person's copy
    and paste, or a split of a series, carried to another id is not genuine there. The first key
    signs, every key verifies.
    """

    keys: Sequence[bytes]
    collection: str

    def sign(self, remote_id: str, *, attempt: str, rule: str = "") -> str:
        """Return the mark's text (under 200 characters) for one write to one copy."""
        body = ".".join((_VERSION, attempt, rule or _NO_RULE))
        return f"{body}.{self._signature(self.keys[0], body, remote_id)}"

    def read(self, text: str, remote_id: str, parent: str = "") -> Mark | None:
        """Return the mark if it is genuine for this copy or for its series, else None."""
        body, _, signature = text.rpartition(".")
        parts = body.split(".")
        if len(parts) != 3 or parts[0] != _VERSION:
            return None
        rule = "" if parts[2] == _NO_RULE else parts[2]
        if self._genuine(body, signature, remote_id):
            return Mark(parts[1], rule)
        if parent and self._genuine(body, signature, parent):
            return Mark(parts[1], rule, inherited=True)
        return None

    def _genuine(self, body: str, signature: str, remote_id: str) -> bool:
        given = signature.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(self._signature(key, body, remote_id).encode(), given)
            for key in self.keys
        )

    def _signature(self, key: bytes, body: str, remote_id: str) -> str:
        message = "\n".join((body, self.collection, remote_id)).encode()
        return hmac.new(key, message, sha256).hexdigest()[:32]
