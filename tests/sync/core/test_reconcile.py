"""Why the important decisions are as they are."""

from sync.core.merge import Clash, MergePolicy
from sync.core.reconcile import Action, Policy, Ruling, State, reconcile
from sync.core.records import Direction, Side, Strategy, fingerprint
from tests.sync.core.small_world import TIMES, policy, record, state

TWO_WAY = policy(Direction.TWO_WAY)
PULL = policy(Direction.PULL)
PUSH = policy(Direction.PUSH)


def test_a_change_on_one_side_travels_to_the_other():
    decision = reconcile(state("00", "00", "10"), TWO_WAY)
    assert decision.fields == record("10")
    assert (decision.on_local, decision.on_remote) == (Action.UPDATE, Action.NOTHING)
    assert decision.reason == "changed remotely"


def test_edits_to_different_fields_merge_and_go_to_both_sides():
    decision = reconcile(state("00", "10", "01"), TWO_WAY)
    assert decision.fields == {"x": 1, "y": 1}
    assert (decision.on_local, decision.on_remote) == (Action.UPDATE, Action.UPDATE)
    assert decision.clashes == ()


def test_the_same_edit_on_both_sides_is_no_conflict():
    decision = reconcile(state("00", "10", "10"), TWO_WAY)
    assert (decision.on_local, decision.on_remote) == (Action.SETTLE, Action.SETTLE)
    assert decision.clashes == ()


def test_two_edits_of_one_field_wait_for_a_person_and_show_what_stood_where():
    decision = reconcile(state("00", "10", "20"), TWO_WAY)
    assert decision.waits
    assert decision.clashes == (Clash("x", 0, 1, 2, None),)


def test_an_edit_beats_a_deletion_because_a_deletion_can_be_repeated():
    decision = reconcile(state("00", "10", "--"), TWO_WAY)
    assert decision.on_remote is Action.CREATE
    assert decision.clashes == (Clash("*", record("00"), record("10"), None, Side.LOCAL),)


def test_a_deletion_of_something_nobody_edited_is_followed():
    assert reconcile(state("00", "00", "--"), TWO_WAY).on_local is Action.DELETE
    assert reconcile(state("00", "--", "00"), TWO_WAY).on_remote is Action.DELETE


def test_something_deleted_while_our_write_was_unanswered_asks_a_person():
    """What was deleted may be the very version we wrote: making it again would undo a person."""
    decision = reconcile(state("00", "10", "--", unanswered=True), TWO_WAY)
    assert decision.waits
    assert decision.reason == "deleted remotely while a write was unanswered"


def test_a_one_way_source_wins_and_what_the_other_side_had_is_kept():
    decision = reconcile(state("00", "10", "20"), PULL)
    assert decision.fields == record("20")
    assert decision.clashes == (Clash("x", 0, 1, 2, Side.REMOTE),)


def test_a_deletion_at_a_one_way_source_wins_over_an_edit_which_is_kept():
    decision = reconcile(state("00", "10", "--"), PULL)
    assert decision.on_local is Action.DELETE
    assert decision.clashes == (Clash("*", record("00"), record("10"), None, Side.REMOTE),)


def test_a_block_that_somebody_deleted_in_a_push_only_calendar_comes_back():
    decision = reconcile(state("00", "00", "--"), PUSH)
    assert decision.on_remote is Action.CREATE
    assert decision.clashes[0].winner is Side.LOCAL


def test_what_only_the_far_end_of_a_one_way_has_is_not_ours_to_delete():
    assert reconcile(state("--", "--", "10"), PUSH).on_remote is Action.SKIP
    assert reconcile(state("--", "10", "--"), PULL).on_local is Action.SKIP


def test_a_push_only_copy_that_cannot_be_written_is_left_alone_not_pulled():
    decision = reconcile(state("00", "00", "10", obstacle="locked"), PUSH)
    assert (decision.on_local, decision.on_remote) == (Action.SKIP, Action.SKIP)


def test_an_edit_of_something_that_cannot_be_written_is_taken_back_and_kept():
    decision = reconcile(state("00", "10", "00", obstacle="birthdays cannot be written"), TWO_WAY)
    assert (decision.on_local, decision.on_remote) == (Action.UPDATE, Action.NOTHING)
    assert decision.clashes == (Clash("x", 0, 1, 0, Side.REMOTE),)


def ruling(fields, here):
    return Ruling(fields, fingerprint(here.local), fingerprint(here.remote))


def test_a_ruling_settles_what_a_person_saw():
    here = state("00", "10", "20")
    ruled = State(here.base, here.local, here.remote, ruling=ruling(record("01"), here))
    decision = reconcile(ruled, TWO_WAY)
    assert decision.fields == record("01")
    assert (decision.on_local, decision.on_remote) == (Action.UPDATE, Action.UPDATE)


def test_a_ruling_is_void_once_a_side_looks_different():
    seen = state("00", "10", "20")
    moved_on = State(*map(record, ("00", "10", "01")), ruling=ruling(record("10"), seen))
    assert reconcile(moved_on, TWO_WAY).fields == {"x": 1, "y": 1}


def test_a_ruling_does_not_write_to_a_collection_that_became_pull_only():
    here = state("00", "10", "20")
    ruled = State(here.base, here.local, here.remote, ruling=ruling(record("10"), here))
    assert reconcile(ruled, PULL).on_remote is Action.NOTHING


def test_the_later_edit_wins_only_if_it_is_clearly_later():
    wins = Policy(Direction.TWO_WAY, MergePolicy((Strategy.LAST_WRITE_WINS,)))
    later = reconcile(state("00", "10", "20", times=TIMES["remote later"]), wins)
    assert later.fields == record("20")
    assert reconcile(state("00", "10", "20"), wins).waits


def test_a_field_that_the_reader_may_not_see_is_no_difference():
    """A free/busy reader shows no title; that must neither clear ours nor be written again."""
    here = State({"x": 1}, {"x": 1, "title": "Dentist"}, {"x": 1})
    assert reconcile(here, TWO_WAY).reason == "in step"


def test_a_partial_copy_changes_only_what_it_shows():
    here = State({"x": 1}, {"x": 1, "title": "Dentist"}, {"x": 2})
    decision = reconcile(here, TWO_WAY)
    assert decision.fields == {"x": 2, "title": "Dentist"}
    assert decision.on_remote is Action.NOTHING


def test_a_deletion_is_followed_though_the_copy_never_showed_every_field():
    here = State({"x": 1}, {"x": 1, "title": ""}, None)
    assert reconcile(here, TWO_WAY).on_local is Action.DELETE


def test_what_was_hidden_from_whoever_deletes_is_kept():
    here = State({"x": 1}, None, {"x": 1, "title": "Dentist"})
    decision = reconcile(here, TWO_WAY)
    assert decision.on_remote is Action.DELETE
    assert [clash.remote for clash in decision.clashes] == [{"x": 1, "title": "Dentist"}]


def test_a_deletion_of_what_was_seen_keeps_nothing_more():
    for base in ({"x": 1, "title": "Dentist"}, {"x": 1}):
        here = State(base, None, {"x": 1, "title": base.get("title", "")})
        assert reconcile(here, TWO_WAY).clashes == ()


def test_a_field_that_neither_side_shows_any_more_is_no_edit():
    here = State({"x": 1, "colour": "7"}, None, {"x": 1})
    assert reconcile(here, TWO_WAY).on_remote is Action.DELETE
