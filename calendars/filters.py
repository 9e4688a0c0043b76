"""Which events a rule lets through by what they are called, who organises them, and their colour.

A filter reads "title:*standup*": a field, a colon, and a glob for the whole text, or, after
"re:", a regular expression that is searched for. Capital letters make no difference. A match that
takes too long is given up, so that no pattern can hold up a sync.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # it takes long to load, and few rules have filters
    import regex

FILTERABLE: Final = ("title", "organiser", "colour")
# The indexes of the palette for events; where a service has none, its adapter leaves colours out.
COLOURS: Final = tuple(str(number) for number in range(1, 12))
LONGEST_FILTER: Final = 200
MOST_FILTERS: Final = 50
SECONDS: Final = 0.05
# More of a text than this is not looked at.
LONGEST_TEXT: Final = 2_000
# More than this that one part of an expression may repeat; nested, it would fill the memory.
MOST_REPEATS: Final = 100

# What an event says, by field: a title, but of an organiser both the address and the name.
Said = Mapping[str, Sequence[str]]


class Verdict(Enum):
    """What the filters of a rule say of an event."""

    PASSES = "passes"
    LEFT_OUT = "left out"
    TOO_SLOW = "left out, because a pattern took too long"


def judge(include: Sequence[str], exclude: Sequence[str], said: Said) -> Verdict:
    """Say whether an event passes: no exclusion matches, and of each field included one does.

    A pattern that takes too long is taken for a match where it excludes, and for none where it
    includes: what cannot be judged is not shown.
    """
    for text in exclude:
        if (found := _matches(text, said)) is not False:
            return Verdict.LEFT_OUT if found else Verdict.TOO_SLOW
    for name in dict.fromkeys(text.partition(":")[0] for text in include):
        found = _any([text for text in include if text.startswith(f"{name}:")], said)
        if not found:
            return Verdict.TOO_SLOW if found is None else Verdict.LEFT_OUT
    return Verdict.PASSES


def _any(filters: Sequence[str], said: Said) -> bool | None:
    """Say whether one of the filters matches; None if none does and some took too long."""
    slow = False
    for text in filters:
        found = _matches(text, said)
        if found:
            return True
        slow |= found is None
    return None if slow else False


def problems(filters: Sequence[str]) -> Iterator[str]:
    """Say what is wrong with filters, in words for whoever wrote them."""
    if len(filters) > MOST_FILTERS:
        yield f"a rule has at most {MOST_FILTERS} filters of a sort"
    for text in filters:
        if problem := _problem(text):
            yield problem


def _problem(text: str) -> str:
    field, colon, pattern = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not colon or field not in FILTERABLE:
        names = ", ".join(f"{name}:" for name in FILTERABLE)
        return f"the filter {text!r} does not begin with what it looks at: {names}"
    if not pattern.removeprefix("re:") or len(text) > LONGEST_FILTER:
        return f"the filter {text[:20]!r} must have a pattern, and at most {LONGEST_FILTER} letters"
    if pattern.startswith("re:") and (problem := _problem_of_expression(text, pattern[3:])):
        return problem
    if field == "colour" and _matches(text, {field: ("", *COLOURS)}) is False:
        return f"the filter {text!r} matches no colour; there are 1 to {COLOURS[-1]}"
    return ""


def _problem_of_expression(text: str, expression: str) -> str:
    import regex

    if _repeats(expression) > MOST_REPEATS:
        return f"the filter {text!r} repeats its parts more than {MOST_REPEATS} times in all"
    try:
        regex.compile(expression)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        return f"the filter {text!r} is no regular expression: {error}"
    if _is_slow(expression):
        return f"the filter {text!r} takes too long on some titles; repeat less within repetitions"
    return ""


def _is_slow(expression: str) -> bool:
    """Try an expression on texts that make those run away which repeat within repetitions.

    It may take longer than later: how busy the machine is just now must not decide.
    """
    letters = dict.fromkeys(letter for letter in expression if letter.isalnum())
    tried = [f"{letter * 1_900}!" for letter in [*letters][:20]]
    said = [{"title": (text,)} for text in tried]
    return any(_matches(f"title:re:{expression}", one, 10 * SECONDS) is None for one in said)


def _repeats(expression: str) -> int:
    """Multiply all counts such as {2,30}: what they can make of one part, if they are nested."""
    product = 1
    for counts in re.findall(r"\{([^}]*)\}", expression):
        product *= max([1, *map(int, re.findall(r"[0-9]{1,9}", counts))])
    return product


def _matches(text: str, said: Said, seconds: float = SECONDS) -> bool | None:
    """Say whether a filter matches anything that is said; None if that took too long."""
    field, _, pattern = text.partition(":")
    compiled = _compiled(pattern)
    try:
        return any(
            compiled.search(words[:LONGEST_TEXT], timeout=seconds) is not None
            for words in said.get(field, ())
        )
    except TimeoutError:
        return None


@lru_cache(maxsize=1_000)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    import regex

    glob = not pattern.startswith("re:")
    # A glob stands for the whole text; what fnmatch writes is tied to its end only.
    expression = r"\A" + fnmatch.translate(pattern) if glob else pattern[3:]
    return regex.compile(expression, regex.IGNORECASE)
