"""Rules with the dates they should give, recorded from another implementation's tests.

A vector tells the dates of the rule alone. A Lockstep series also takes place at its own start
(RFC 5545, section 3.8.5.3), so the start is left out where the rule does not name it.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from calendars.occurrences import expand
from sync.core.rules import problem_of
from tests import recordings

FILE = recordings.ROOT / "recurrence-rrule-vectors" / "libical-rrule-vectors-even.json"
VECTORS = json.loads(FILE.read_text()) if FILE.is_file() else []

# What Lockstep does not expand, and why; nothing else may be refused.
REFUSED = {
    "it repeats within a day": {"HOURLY", "MINUTELY", "SECONDLY"},
    "its rule counts years that begin with a week": {"YEARLY"},
}


def parsed(text):
    form = "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d"
    return datetime.strptime(text.removesuffix("Z"), form).replace(tzinfo=UTC)


def moment(text):
    if "T" not in text:
        return {"date": parsed(text).date().isoformat()}
    return {"at": parsed(text).isoformat().replace("+00:00", "Z"), "zone": "UTC"}


def expanded(vector):
    start = moment(vector["dtstart"])
    fields = {"start": start, "end": start, "recurrence": [f"RRULE:{vector['rrule']}"]}
    until = parsed(vector["instances"][-1]) + timedelta(seconds=1)
    return fields, expand(fields, datetime(1900, 1, 1, tzinfo=UTC), until)


@recordings.needed
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['n']}")
def test_a_rule_gives_its_dates_or_is_refused_for_a_stated_reason(vector):
    fields, found = expanded(vector)
    wanted = [parsed(text) for text in vector["instances"]]
    if found is None:
        reason = problem_of(fields["recurrence"], fields["start"])
        assert vector["rrule"].partition(";")[0].removeprefix("FREQ=") in REFUSED[reason]
        return
    starts = [occurrence.start for occurrence in found]
    if starts[0] not in wanted:
        assert starts.pop(0) == parsed(vector["dtstart"])
    assert starts == wanted


@recordings.needed
def test_most_rules_are_expanded():
    assert sum(expanded(vector)[1] is not None for vector in VECTORS) >= 57
