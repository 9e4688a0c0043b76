"""Take out of a JSON answer what no database can store: NUL, and halves of surrogate pairs.

Both are legal as escapes (RFC 8259 §7, §8.2), both make PostgreSQL refuse the row, and one in one
record would cost the whole page. They become U+FFFD, the replacement character.
"""

import re
from typing import Final

_SUSPECT: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# An escape begins at a backslash that is not itself escaped: after an even number of others.
_EVEN: Final = rb"(?<!\\)((?:\\\\)*)"
_NUL: Final = re.compile(_EVEN + rb"\\u0000")
_HIGH: Final = re.compile(_EVEN + rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])")
_LOW: Final = re.compile(rb"(?<!\\u[dD][89abAB]..)" + _EVEN + rb"\\u[dD][c-fC-F]..")
_REPLACED: Final = rb"\1\\ufffd"


def storable(content: bytes) -> bytes:
    """Return the content without escapes that cannot be stored; nearly always as it is."""
    if not _SUSPECT.search(content):
        return content
    for unstorable in (_NUL, _HIGH, _LOW):
        content = unstorable.sub(_REPLACED, content)
    return content
