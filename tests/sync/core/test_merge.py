"""Merging two versions of a record: what fits together does, what does not is named."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.merge import (
    Clash,
    MergePolicy,
    Times,
    merge,
    merge_text,
    merge_values,
    winning_side,
)
from sync.core.records import Side, Strategy
from tests.sync.core.worlds import VALUES, mergings, partial_records, three_trees, times

NOBODY = Times()
ASK = MergePolicy()
REMOTE = MergePolicy((Strategy.PRESERVE_REMOTE,))

NINE = {"at": "2026-05-05T09:00:00Z", "zone": "Europe/Berlin"}
TEN = {"at": "2026-05-05T10:00:00Z", "zone": "Europe/Berlin"}
ELEVEN = {"at": "2026-05-05T11:00:00Z", "zone": "Europe/Berlin"}
NOON = {"at": "2026-05-05T12:00:00Z", "zone": "Europe/Berlin"}


def test_a_start_and_an_end_come_from_one_side():
    """Moved here, prolonged there: 11:00 to 10:30 is no event, so the times are one thing."""
    base = {"title": "Call", "start": NINE, "end": TEN}
    local = {"title": "Call", "start": ELEVEN, "end": NOON}
    remote = {"title": "Phone call", "start": NINE, "end": ELEVEN}
    merged = merge(base, local, remote, REMOTE, NOBODY)
    assert merged.fields == {"title": "Phone call", "start": NINE, "end": ELEVEN}
    assert merged.clashes == (
        Clash("end", TEN, NOON, ELEVEN, Side.REMOTE),
        Clash("start", NINE, ELEVEN, NINE, Side.REMOTE),
    )


def test_a_new_start_here_and_a_new_end_there_are_not_mixed():
    base = {"start": NINE, "end": NOON}
    merged = merge(base, {"start": ELEVEN, "end": NOON}, {"start": NINE, "end": TEN}, ASK, NOBODY)
    assert not merged.settled
    assert [clash.field for clash in merged.clashes] == ["end", "start"]


def test_a_date_and_a_moment_never_become_one_value():
    local = {"start": {"date": "2026-05-05"}, "end": {"date": "2026-05-06"}}
    merged = merge(None, local, {"start": NINE, "end": TEN}, REMOTE, NOBODY)
    assert merged.fields == {"start": NINE, "end": TEN}


def test_two_different_rules_clash_instead_of_making_a_series_with_two_rules():
    local, remote = ["RRULE:FREQ=WEEKLY"], ["RRULE:FREQ=MONTHLY"]
    assert merge_values(["RRULE:FREQ=DAILY"], local, remote) is None


def test_an_exception_date_here_and_a_new_rule_there_fit_together():
    base = ["RRULE:FREQ=DAILY"]
    merged = merge_values(base, [*base, "EXDATE:20260506"], ["RRULE:FREQ=WEEKLY"])
    assert merged == ["RRULE:FREQ=WEEKLY", "EXDATE:20260506"]


def test_two_spellings_that_were_never_agreed_on_need_nobody_and_ours_is_kept():
    merged = merge(None, {"title": "Team Lunch"}, {"title": " team  lunch"}, ASK, NOBODY)
    assert merged.fields == {"title": "Team Lunch"}
    assert merged.clashes == (Clash("title", None, "Team Lunch", " team  lunch", Side.LOCAL),)


def test_a_spelling_changed_on_both_sides_is_a_clash_like_any_other():
    merged = merge({"title": "lunch"}, {"title": "Lunch"}, {"title": "LUNCH"}, ASK, NOBODY)
    assert not merged.settled


def test_who_wants_to_be_asked_is_asked_about_spellings_too():
    asked = MergePolicy((Strategy.MANUAL_REVIEW,))
    assert not merge(None, {"title": "Lunch"}, {"title": "lunch"}, asked, NOBODY).settled


def test_a_strategy_that_names_a_side_decides_about_spellings():
    merged = merge(None, {"title": "Lunch"}, {"title": "lunch"}, REMOTE, NOBODY)
    assert merged.fields == {"title": "lunch"}


def test_one_moment_said_in_two_zones_needs_nobody_and_ours_is_kept():
    there = {"start": {**NINE, "zone": "UTC"}, "end": TEN}
    merged = merge(None, {"start": NINE, "end": TEN}, there, ASK, NOBODY)
    assert merged.fields == {"start": NINE, "end": TEN}
    assert merged.clashes == (Clash("start", None, NINE, there["start"], Side.LOCAL),)


def test_a_series_in_another_zone_is_another_one_after_the_clocks_change():
    here = {"start": NINE, "end": TEN, "recurrence": ["RRULE:FREQ=WEEKLY"]}
    assert not merge(None, here, {**here, "start": {**NINE, "zone": "UTC"}}, ASK, NOBODY).settled


def test_times_that_were_never_agreed_on_and_differ_clash():
    there = {"start": {**NINE, "zone": "UTC"}, "end": ELEVEN}
    assert not merge(None, {"start": NINE, "end": TEN}, there, ASK, NOBODY).settled


def test_attendees_are_merged_one_by_one():
    def guest(name, response="needsAction"):
        return {"email": f"{name}@example.com", "response": response}

    base = [guest("a"), guest("b")]
    answered = [guest("a", "accepted"), guest("b")]
    assert merge_values(base, answered, [*base, guest("c")]) == [*answered, guest("c")]
    assert merge_values(base, answered, [guest("b")]) is None, "answered here, taken off there"


def test_members_that_cannot_be_told_apart_are_not_merged():
    assert merge_values([], [{"method": "popup"}], [{"method": "email"}]) is None
    twice = [{"email": "a@example.com", "n": 1}, {"email": "a@example.com", "n": 2}]
    assert merge_values([], twice, [{"email": "b@example.com"}]) is None


def test_mappings_are_merged_key_by_key_and_inside():
    base = {"private": {"k": "1"}}
    assert merge_values(base, {"private": {"k": "1", "l": "2"}}, {"private": {"k": "3"}}) == {
        "private": {"k": "3", "l": "2"}
    }
    assert merge_values(base, {}, {"private": {"k": "3"}}) is None


def test_an_owner_wins_over_every_strategy():
    policy = MergePolicy((Strategy.PRESERVE_REMOTE,), owners={"title": Side.LOCAL})
    merged = merge({"title": "a"}, {"title": "b"}, {"title": "c"}, policy, NOBODY)
    assert merged.fields == {"title": "b"}
    assert merged.clashes == (Clash("title", "a", "b", "c", Side.LOCAL),)


def test_an_empty_value_gives_way_where_nothing_was_ever_agreed():
    merged = merge(None, {"location": "", "n": 1}, {"location": "Room 1", "n": 1}, ASK, NOBODY)
    assert merged.fields == {"location": "Room 1", "n": 1}
    assert merged.settled


def test_emptying_an_agreed_value_is_an_edit_like_any_other():
    merged = merge({"t": "a"}, {"t": ""}, {"t": "b"}, ASK, NOBODY)
    assert merged.clashes == (Clash("t", "a", "", "b", None),)


@pytest.mark.parametrize(
    ("apart", "winner"), [(5, None), (6, Side.LOCAL), (-5, None), (-6, Side.REMOTE), (0, None)]
)
def test_times_within_the_buffer_count_as_equal(apart, winner):
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)
    known = Times(noon + timedelta(seconds=apart), noon)
    assert winning_side(Strategy.LAST_WRITE_WINS, known, timedelta(seconds=5)) is winner


def test_edits_of_different_lines_become_one_text():
    base = "agenda\n\nwine\n\nbread\n"
    local = "the agenda\n\nwine\n\nbread\n"
    remote = "agenda\n\nwine\n\nbread\ncheese\n"
    assert merge_text(base, local, remote) == "the agenda\n\nwine\n\nbread\ncheese\n"


def test_edits_of_neighbouring_lines_are_not_joined_unread():
    assert merge_text("one\ntwo\n", "1\ntwo\n", "one\n2\n") is None


def test_two_insertions_at_one_place_are_not_joined_unread():
    assert merge_text("a\n", "a\nhere\n", "a\nthere\n") is None


TEXTS = st.lists(st.sampled_from("abc\n"), max_size=12).map("".join)


@given(TEXTS, TEXTS)
def test_text_that_one_side_left_alone_becomes_the_other_sides(base, edited):
    assert merge_text(base, base, edited) == edited
    assert merge_text(base, edited, base) == edited
    assert merge_text(base, edited, edited) == edited


@given(TEXTS, TEXTS, TEXTS)
def test_merging_text_is_symmetric_and_invents_no_line(base, local, remote):
    merged = merge_text(base, local, remote)
    assert merge_text(base, remote, local) == merged
    if merged is not None:
        lines = {*local.splitlines(), *remote.splitlines()}
        assert {*merged.splitlines()} <= lines


@given(TEXTS, TEXTS, TEXTS)
def test_merged_text_keeps_every_line_that_one_side_added(base, local, remote):
    merged = merge_text(base, local, remote)
    if merged is not None:
        added = {*local.splitlines(), *remote.splitlines()} - {*base.splitlines()}
        assert added <= {*merged.splitlines()}


LISTS_AND_MAPPINGS = st.sampled_from(["attendees", "metadata", "recurrence"])


@given(st.data(), LISTS_AND_MAPPINGS)
def test_merged_values_hold_what_either_side_added_and_lack_what_either_removed(data, name):
    base, local, remote = (data.draw(VALUES[name]) for _ in range(3))
    merged = merge_values(base, local, remote)
    assert merge_values(base, remote, local) == merged
    if merged is None:
        return
    before, ours, theirs, after = (leaves(v) for v in (base, local, remote, merged))
    assert (ours | theirs) - before <= after
    assert not (before - ours | before - theirs) & after
    assert after <= before | ours | theirs


def leaves(value, path=()):
    """Return every scalar of a value with its path; list members go by their e-mail address."""
    if isinstance(value, dict):
        return {leaf for k, v in value.items() for leaf in leaves(v, (*path, k))}
    if isinstance(value, list):
        named = {v["email"] if isinstance(v, dict) else v: v for v in value}
        return {leaf for k, v in named.items() for leaf in leaves(v, (*path, k))}
    return {(path, value)}


@given(three_trees(), mergings, times)
def test_merging_with_oneself_changes_nothing(trees, policy, known):
    base, local, _ = trees
    if local is not None:
        merged = merge(base, local, local, policy, known)
        assert (merged.fields, merged.clashes) == (local, ())


@given(three_trees(partial_records), mergings, times)
def test_a_field_that_one_side_does_not_show_is_kept_as_the_other_has_it(trees, policy, known):
    base, local, remote = trees
    if local is None or remote is None:
        return
    merged = merge(base, local, remote, policy, known)
    assert merged.fields.keys() == local.keys() | remote.keys()
    for name in local.keys() ^ remote.keys():
        assert merged.fields[name] == {**local, **remote}[name]
        assert name not in {clash.field for clash in merged.clashes}


@given(three_trees(), mergings, times)
def test_start_and_end_are_always_those_of_one_side(trees, policy, known):
    base, local, remote = trees
    if local is None or remote is None:
        return
    merged = merge(base, local, remote, policy, known)
    pair = (merged.fields["start"], merged.fields["end"])
    assert pair in [(side["start"], side["end"]) for side in (local, remote)]
