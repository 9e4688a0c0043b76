"""Text that other people wrote, as it may be shown: titles and names are input from anybody."""

import re
from typing import Final

_DIRECTION: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def clean(text: str) -> str:
    """Return a text on one line without the control and direction characters that mislead."""
    return "".join(c for c in text if c.isprintable() and c not in _DIRECTION)


def same_words(text: str) -> str:
    """Return what two texts have in common that differ in upper case and spaces only."""
    return re.sub(r"\s+", " ", text).strip().casefold()
