"""The cursor: where the next look at a calendar begins, as text that the engine keeps for us."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import blake2b
from zlib import compress, decompress

_FORMAT = 1


class DeadCursor(ValueError):
    """A cursor that we did not write."""


@dataclass(slots=True)
class Cursor:
    """What is known of a calendar after a listing.

    `token` is a server's sync token (RFC 6578). Where there is none, `etags` holds a short hash of
    the ETag of each file, and `tag` the calendar's own ("" if it has none). `loose` names what each
    odd file held besides one series: a deletion speaks of files, not of what is in them.
    """

    token: str = ""
    tag: str = ""
    etags: dict[str, str] | None = None
    loose: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        said = {"v": _FORMAT, "token": self.token, "tag": self.tag, "loose": self.loose}
        if self.etags is not None:
            packed = compress(json.dumps(self.etags, separators=(",", ":")).encode())
            said["etags"] = b64encode(packed).decode()
        return json.dumps({k: v for k, v in said.items() if v}, separators=(",", ":"))


def parse_cursor(text: str) -> Cursor:
    """Read what `str` wrote. Raises `DeadCursor`."""
    try:
        said = json.loads(text)
        if said.pop("v") != _FORMAT:
            raise DeadCursor
        packed = said.pop("etags", None)
        etags = json.loads(decompress(b64decode(packed))) if packed else None
        return Cursor(**said, etags=etags)
    except Exception as error:
        raise DeadCursor("not a cursor of ours") from error


def short(etag: str) -> str:
    """Return a short hash of an ETag, "" of none."""
    return blake2b(etag.encode(), digest_size=6).hexdigest() if etag else ""
