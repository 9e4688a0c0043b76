"""Recurrence rules that Lockstep does not follow: too much work, or no sense (RFC 5545, §3.3.10).

A calendar is input from anybody, and one line can ask for a billion occurrences. An event with
such a rule is still read; it is not expanded and not written.
"""

import re
from collections.abc import Iterable, Mapping
from math import prod
from typing import Final

from sync.core.records import Fields

MOST_COUNTED: Final = 10_000
MOST_AT_A_TIME: Final = 10_000  # days, hours, minutes ... multiplied with one another
MOST_DATES: Final = 10_000
MOST_RULES: Final = 20

_FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_WITHIN_A_DAY: Final = frozenset({"HOURLY", "MINUTELY", "SECONDLY"})
_DAY: Final = re.compile(r"(?:[+-]?[1-9]\d?)?(?:MO|TU|WE|TH|FR|SA|SU)")
_TIME: Final = re.compile(r"\d{8}(?:T\d{6}Z?)?")
_NUMBER: Final = re.compile(r"[+-]?\d{1,5}")
# Lowest and highest number; a rule may count back from the end where the third says so.
_NUMBERS: Final[Mapping[str, tuple[int, int, bool]]] = {
    "INTERVAL": (1, 99_999, False),
    "BYSECOND": (0, 59, False),
    "BYMINUTE": (0, 59, False),
    "BYHOUR": (0, 23, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYMONTH": (1, 12, False),
    "BYSETPOS": (1, 366, True),
}
_OTHERS: Final = frozenset({"FREQ", "COUNT", "UNTIL", "WKST", "BYDAY"})


def problem_of(lines: Iterable[str], start: Fields | None = None) -> str:
    """Say in a few words why the recurrence lines of an event are refused, "" if they are not.

    Only with the start of the event is a rule refused that ends before it: such a rule does no
    harm but makes no sense.
    """
    said = [line.partition(":") for line in lines]
    rules = [(head.upper(), value) for head, _, value in said]
    if sum(value.count(",") + 1 for head, value in rules if "DATE" in head[:6]) > MOST_DATES:
        return "too many added or excluded dates"
    found = [value for head, value in rules if head.partition(";")[0] in ("RRULE", "EXRULE")]
    if len(found) > MOST_RULES:
        return "too many rules"
    return next((problem for value in found if (problem := rule_problem(value, start))), "")


def parts_of(value: str) -> dict[str, str]:
    """Return the parts of a rule by name, in capitals."""
    parts = (part.partition("=") for part in value.upper().replace(" ", "").split(";"))
    return {name: text for name, _, text in parts if name}


def rule_problem(value: str, start: Fields | None = None) -> str:
    """Say in a few words why a rule is refused, "" if it is not."""
    parts = parts_of(value)
    if parts.get("FREQ") in _WITHIN_A_DAY:
        return "it repeats within a day"
    if parts.get("FREQ") not in _FREQUENCIES or not all(map(_readable, parts.items())):
        return "its rule cannot be understood"
    days = parts["BYDAY"].split(",") if "BYDAY" in parts else []
    if any(_nth(day) > (5 if parts["FREQ"] == "MONTHLY" else 53) for day in days):
        return "its rule cannot be understood"
    if "COUNT" in parts and not 0 < _count(parts["COUNT"]) <= MOST_COUNTED:
        return "its rule counts too far"
    if prod(text.count(",") + 1 for name, text in parts.items() if name[:2] == "BY") > (
        MOST_AT_A_TIME
    ):
        return "its rule names too many times"
    if "BYWEEKNO" in parts and parts.get("INTERVAL", "1") != "1":
        return "its rule counts years that begin with a week"
    if "UNTIL" in parts and start and _ends_before(parts["UNTIL"], start):
        return "its rule ends before it starts"
    return ""


def _readable(part: tuple[str, str]) -> bool:
    name, text = part
    if name in _NUMBERS:
        return all(_within(number, *_NUMBERS[name]) for number in text.split(","))
    if name == "BYDAY":
        return all(_DAY.fullmatch(day) for day in text.split(","))
    if name == "UNTIL":
        return bool(_TIME.fullmatch(text))
    return name in _OTHERS


def _nth(day: str) -> int:
    """Return which of the weekdays of its month or year is meant, 0 if all."""
    return abs(int(day[:-2] or 0))


def _within(text: str, lowest: int, highest: int, backwards: bool) -> bool:
    if not _NUMBER.fullmatch(text):
        return False
    number = int(text)
    return lowest <= (abs(number) if backwards else number) <= highest


def _count(text: str) -> int:
    return int(text) if _NUMBER.fullmatch(text) else MOST_COUNTED + len(text)


def _ends_before(until: str, start: Fields) -> bool:
    """Compare the digits: a rule that ends in UTC with an instant, any other with a day."""
    first = (start.get("at") or start["date"]).replace("-", "").replace(":", "")
    size = len(until) if until.endswith("Z") and first.endswith("Z") else 8
    # A day ahead, because a day of the wall may be the one before in UTC.
    return until[:size] < first[:size] and (size > 8 or int(until[:8]) < int(first[:8]) - 1)
