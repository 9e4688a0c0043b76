"""Hypothesis strategies: records like those of events, but small enough to collide often."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from sync.core.merge import MergePolicy, Times
from sync.core.reconcile import Policy, State
from sync.core.records import Direction, Side, Strategy

_moments = st.builds(
    lambda hour, zone: {"at": f"2026-05-05T{hour:02}:00:00Z", "zone": zone},
    st.integers(7, 10),
    st.sampled_from(["", "Europe/Berlin"]),
) | st.builds(lambda day: {"date": f"2026-05-0{day}"}, st.integers(1, 3))

_attendees = st.lists(
    st.fixed_dictionaries(
        {
            "email": st.sampled_from(["a@example.com", "b@example.com", "c@example.com"]),
            "response": st.sampled_from(["accepted", "declined"]),
        }
    ),
    unique_by=lambda attendee: attendee["email"],
    max_size=3,
).map(lambda found: sorted(found, key=lambda attendee: attendee["email"]))

_lines = st.lists(st.sampled_from(["one\n", "two\n", "three\n", "four\n"]), max_size=6).map("".join)

_rules = st.lists(
    st.sampled_from(
        ["RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY", "EXDATE:20260506", "EXDATE:20260507"]
    ),
    unique_by=lambda line: line if line.startswith("EXDATE") else "RRULE",
    max_size=3,
)

VALUES = {
    "title": st.sampled_from(["", "Lunch", "Dinner", "Tea"]),
    "description": _lines,
    "start": _moments,
    "end": _moments,
    "recurrence": _rules,
    "attendees": _attendees,
    "metadata": st.dictionaries(
        st.sampled_from(["private", "shared"]),
        st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["1", "2"]), min_size=1),
    ),
    "conference": st.none() | st.fixed_dictionaries({"conferenceId": st.sampled_from(["x", "y"])}),
}

whole_records = st.fixed_dictionaries(VALUES)
partial_records = st.fixed_dictionaries(
    {"start": VALUES["start"], "end": VALUES["end"]},
    optional={n: v for n, v in VALUES.items() if n not in ("start", "end")},
)


@st.composite
def edited(draw, record):
    """Draw a record in which a few fields of another one were edited."""
    names = draw(st.sets(st.sampled_from(sorted(VALUES)), max_size=3))
    return {**record, **{n: draw(VALUES[n]) for n in names if n in record}}


@st.composite
def three_trees(draw, records=whole_records):
    """Draw a base and two sides that mostly descend from it, any of them perhaps absent."""
    base = draw(records)
    sides = (draw(edited(base) | records), draw(edited(base) | records))
    return tuple(draw(st.none() | st.just(t)) if draw(_seldom) else t for t in (base, *sides))


_seldom = st.sampled_from([False] * 4 + [True])
_noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
_times = st.none() | st.integers(-10, 10).map(lambda s: _noon + timedelta(seconds=s))
times = st.builds(Times, _times, _times)

mergings = st.builds(
    MergePolicy,
    strategies=st.lists(st.sampled_from(Strategy), max_size=3).map(tuple),
    owners=st.dictionaries(st.sampled_from(sorted(VALUES)), st.sampled_from(Side), max_size=2),
)
policies = st.builds(Policy, st.sampled_from(Direction), mergings)


@st.composite
def states(draw, records=whole_records):
    """Draw a state without a ruling."""
    base, local, remote = draw(three_trees(records))
    obstacle = draw(st.sampled_from(["", "", "", "locked"]))
    unanswered = draw(st.booleans())
    return State(base, local, remote, draw(times), obstacle=obstacle, unanswered=unanswered)
