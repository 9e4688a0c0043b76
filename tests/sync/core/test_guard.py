"""Which deletions may leave, and which wait for a person."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.guard import Dangers, Limits, delta, holds, how_many_matter
from sync.core.plan import Change, Plan, most_alike
from sync.core.reconcile import Action
from sync.core.records import Side

LIMITS = Limits()


@pytest.mark.parametrize(
    ("deletions", "mapped", "held"),
    [
        (0, 0, False),
        (1, 1, False),  # the only event of a calendar may be deleted
        (2, 2, True),  # but not the last ones together
        (5, 12, False),
        (6, 12, True),  # more than 5, more than 10 %
        (10, 100, False),
        (11, 100, True),
        (11, 109, True),
        (50, 1000, False),
        (51, 1000, True),  # more than 50, however many there are
    ],
)
def test_the_share_and_the_number_of_deletions_in_a_run_are_limited(deletions, mapped, held):
    assert bool(holds(Dangers(deletions, 0, mapped), LIMITS)) is held


def test_deletions_that_drip_are_counted_over_a_day():
    assert not holds(Dangers(9, 11, 100), LIMITS)
    assert holds(Dangers(9, 12, 100), LIMITS) == ["21 of 100 deleted in a day; at most 20"]


def test_where_absence_cannot_be_trusted_every_deletion_waits():
    reason = "another identity signed in"
    assert holds(Dangers(1, 0, 1000, distrust=reason), LIMITS) == [reason]
    assert holds(Dangers(0, 0, 1000, distrust=reason), LIMITS) == []


def test_the_same_change_to_a_third_of_all_items_waits():
    assert not holds(Dangers(0, 0, 100, alike_changes=30), LIMITS)
    assert holds(Dangers(0, 0, 100, alike_changes=31), LIMITS)


def alike(number, series=""):
    """Plan one and the same change to so many records, of one series if that is named."""
    lines = [
        Change(
            Side.LOCAL,
            Action.UPDATE,
            f"{series}{n}",
            uuid4(),
            None,
            "",
            delta="+1 h",
            series=series,
        )
        for n in range(number)
    ]
    return Plan(Side.LOCAL, lines)


def test_exceptions_that_change_alike_with_their_series_count_as_one():
    """Whoever moves "this and all following" moves a record for each of them."""
    assert most_alike(alike(40).changes) == ("+1 h", 40)
    assert most_alike([*alike(40, "daily").changes, *alike(1, "weekly").changes]) == ("+1 h", 2)


def test_alike_changes_of_many_records_are_held_with_the_exceptions_among_them():
    plan = Plan(Side.LOCAL, [*alike(31).changes, *alike(2, "daily").changes])

    plan.guard(Dangers(0, 0, 100, alike_changes=32), LIMITS, released=False)

    assert (len(plan.held), plan.changes) == (33, [])


def test_an_exhausted_day_does_not_hold_a_plan_without_deletions():
    assert holds(Dangers(0, 500, 100, alike_changes=1), LIMITS) == []


dangers = st.builds(
    Dangers,
    deletions=st.integers(0, 120),
    deletions_today=st.integers(0, 120),
    mapped=st.integers(0, 1000),
    alike_changes=st.integers(0, 400),
    distrust=st.sampled_from(["", "its filter changed"]),
)
limits = st.builds(
    Limits,
    most=st.integers(0, 60),
    share=st.floats(0, 1),
    share_per_day=st.floats(0, 1),
    always=st.integers(0, 10),
)


@given(dangers, limits)
def test_items_beyond_those_that_matter_change_nothing(dangers, limits):
    most = how_many_matter(dangers, limits)

    counted = replace(dangers, mapped=min(dangers.mapped, most or dangers.mapped))
    assert holds(counted, limits) == holds(dangers, limits)


def test_few_deletions_need_few_items_counted():
    assert how_many_matter(Dangers(1, 0, 0), LIMITS) == 2
    assert how_many_matter(Dangers(5, 0, 0, alike_changes=5), LIMITS) == 6
    assert how_many_matter(Dangers(50, 0, 0), LIMITS) == 501
    assert how_many_matter(Dangers(6, 0, 0), replace(LIMITS, share=0.0)) is None


limits = st.builds(
    Limits,
    most=st.integers(0, 100),
    share=st.floats(0, 1),
    share_per_day=st.floats(0, 1),
    always=st.integers(0, 10),
)


@given(dangers, limits, st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_more_danger_never_holds_less(plan, bounds, deletions, earlier, alike):
    worse = replace(
        plan,
        deletions=plan.deletions + deletions,
        deletions_today=plan.deletions_today + earlier,
        alike_changes=plan.alike_changes + alike,
    )
    if holds(plan, bounds):
        assert len(holds(worse, bounds)) >= len(holds(plan, bounds))


@given(dangers, limits, st.integers(0, 50))
def test_looser_limits_never_hold_more(plan, bounds, more):
    looser = replace(bounds, most=bounds.most + more, share=1.0, share_per_day=1.0)
    assert len(holds(plan, looser)) <= len(holds(plan, bounds))


def moved(minutes, title="Lunch", hour=9):
    return {
        "title": title,
        "start": {"at": f"2026-05-05T{hour:02}:{minutes:02}:00Z", "zone": "Europe/Berlin"},
    }


def test_times_that_moved_by_the_same_span_are_the_same_change():
    assert delta(moved(0), moved(30)) == delta(
        moved(0, title="Tea", hour=12), moved(30, title="Tea", hour=12)
    )
    assert delta(moved(0), moved(30)) != delta(moved(0), moved(45))


def test_a_new_title_is_the_same_change_only_from_the_same_old_one():
    same = delta(moved(0, "Lunch"), moved(0, "X"))
    assert delta(moved(0, "Lunch", hour=12), moved(0, "X", hour=12)) == same
    assert delta(moved(0, "Tea"), moved(0, "X")) != same
