"""Texts and words of iCalendar: escapes, and what of a text can be said at all."""

import re
from typing import Final

# RFC 5545, section 3.1: no control character but TAB; a line end is an escape. PostgreSQL has no
# NUL, and half a surrogate pair is no UTF-8.
_UNSAYABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"\\([\\;,nN])")
_TO_ESCAPE: Final = re.compile(r"[\\;,\n]")
_WORD: Final = re.compile(r"[a-z0-9-]+")


def sayable(text: str) -> str:
    """Return a text with line ends as LF and without the characters that iCalendar cannot hold."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATE.sub("?", _UNSAYABLE.sub("", text))


def on_one_line(text: str) -> str:
    """Return a value that is no text (an address, a rule) as it can stand in a content line."""
    return sayable(text).replace("\n", "").strip()


def unescaped(value: str) -> str:
    """Return the text that a TEXT value means (RFC 5545, section 3.3.11)."""
    if "\\" in value:
        value = _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)
    return sayable(value)


def escaped(text: str) -> str:
    """Return a text as a TEXT value."""
    return _TO_ESCAPE.sub(
        lambda found: "\\n" if found[0] == "\n" else "\\" + found[0], sayable(text)
    )


def word_of(text: str, default: str) -> str:
    """Return a word as the canonical form spells it, or the default if it is no iCalendar word."""
    word = text.strip().lower()
    return word if _WORD.fullmatch(word) else default
