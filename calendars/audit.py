"""Whether a busy block tells more than its rule allows, word by word; pure.

This does not ask how blocks are drawn: it compares what a block says with what its event says in
fields that the rule does not show. A word counts however it is written, large or small.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from calendars.drawing import LINK
from calendars.fitness import PRIVATE, Source
from calendars.recurrence import rule_lines
from calendars.rulebook import PLAIN, Rule, template_parts
from sync.core.records import Fields

# The fields in which an event or a block can say something in somebody's words.
TEXTS: Final = ("title", "description", "location")
SPEAKING: Final = (*TEXTS, "attendees", "conference", "attachments", "metadata", "recurrence")

_ADDRESS: Final = re.compile(r"[^\s<>()\"',;:]+@[^\s<>()\"',;:]+\w")
_WORD: Final = re.compile(r"\w{2,}")


@dataclass(frozen=True, slots=True)
class Leak:
    """One word of a source event in its block: in which field there, and from which field here."""

    field: str
    word: str
    origin: str


def leaks(rule: Rule, sources: Sequence[Source], block: Fields) -> list[Leak]:
    """Return the words of source events in a block that are neither allowed nor its own.

    A block may stand for several events; what one of them may show is no leak of another's.
    """
    allowed = allowed_words(rule, sources)
    secret = {
        word: origin
        for source in sources
        for origin, word in _secrets(rule, source)
        if word not in allowed
    }
    return [
        Leak(name, word, secret[word])
        for name in SPEAKING
        for word in sorted(words_of(_said(block, name, own=rule.links)) & secret.keys())
    ]


def allowed_words(rule: Rule, sources: Sequence[Source]) -> set[str]:
    """Return the words that blocks of these events may hold: the rule's own, and those shown."""
    literals = [literal for literal, _ in template_parts(rule.title) or ()]
    words = words_of([PLAIN, *literals])
    for source in sources:
        shown = _shown(rule, source)
        words |= words_of([source.fields.get(name) for name in TEXTS if name in shown])
        words |= words_of(source.calendar) if "calendar" in shown else set()
    return words


def words_of(value: Any) -> set[str]:
    """Return all words and e-mail addresses in a value, in small letters; keys are words, too."""
    return {word.casefold() for text in _strings(value) for word in _split(text)}


def masked(word: str) -> str:
    """Return a word as a report may show it: how it begins, and how long it is."""
    return f"{word[:1]}… ({len(word)} characters)"


def _shown(rule: Rule, source: Source) -> frozenset[str]:
    hidden = frozenset(TEXTS) if source.fields.get("visibility") in PRIVATE else frozenset()
    return rule.show - hidden


def _secrets(rule: Rule, source: Source) -> Iterator[tuple[str, str]]:
    """Yield the words of an event that its block must not tell, each with its field."""
    shown = _shown(rule, source)
    for name in SPEAKING:
        if name not in shown:
            yield from ((name, word) for word in words_of(_said(source.fields, name)))
    yield from (("organiser", word) for word in words_of(source.organiser))
    if "calendar" not in shown:
        yield from (("calendar", word) for word in words_of(source.calendar))


def _said(fields: Fields, name: str, *, own: bool = False) -> Any:
    """Return what a field says in somebody's words; `own` leaves out our link to the source."""
    value = fields.get(name)
    match name:
        case "attendees":
            return [[guest.get("email"), guest.get("name")] for guest in value or ()]
        case "recurrence":
            return sorted({*(value or ())} - {*rule_lines(fields)})
        case "metadata":
            hidden = {LINK} if own else set()
            private, shared = ((value or {}).get(part, {}) for part in ("private", "shared"))
            return [{k: v for k, v in private.items() if k not in hidden}, shared]
        case _:
            return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (str(key), *_strings(inner))
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _strings(inner)


def _split(text: str) -> Iterator[str]:
    yield from _ADDRESS.findall(text)
    yield from _WORD.findall(text)
