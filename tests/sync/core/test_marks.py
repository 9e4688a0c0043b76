"""A mark proves that Lockstep wrote a copy, and only that copy."""

import uuid

from hypothesis import assume, given
from hypothesis import strategies as st

from sync.core.marks import Mark, Marker

KEY, OLD_KEY, FOREIGN_KEY = b"k" * 32, b"o" * 32, b"f" * 32
HERE = Marker([KEY], "work@example.com")
ATTEMPT = str(uuid.UUID(int=1))
RULE = uuid.UUID(int=2).hex

ids = st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1, max_size=30)


@given(ids)
def test_a_mark_is_genuine_on_the_copy_it_was_written_for(remote_id):
    text = HERE.sign(remote_id, attempt=ATTEMPT, rule=RULE)
    assert HERE.read(text, remote_id) == Mark(ATTEMPT, RULE)
    assert len(text) < 200


def test_a_mark_without_a_rule_says_so():
    assert HERE.read(HERE.sign("a", attempt=ATTEMPT), "a") == Mark(ATTEMPT, "")


@given(ids, ids)
def test_a_mark_that_was_copied_to_another_event_is_not_genuine(remote_id, other):
    assume(remote_id != other)
    assert HERE.read(HERE.sign(remote_id, attempt=ATTEMPT), other) is None


def test_a_mark_from_another_calendar_is_not_genuine():
    elsewhere = Marker([KEY], "home@example.com")
    assert elsewhere.read(HERE.sign("a", attempt=ATTEMPT), "a") is None


def test_a_mark_of_another_installation_is_not_genuine():
    foreign = Marker([FOREIGN_KEY], "work@example.com")
    assert HERE.read(foreign.sign("a", attempt=ATTEMPT, rule=RULE), "a") is None


def test_a_rotated_key_still_verifies_but_no_longer_signs():
    rotated = Marker([KEY, OLD_KEY], "work@example.com")
    old = Marker([OLD_KEY], "work@example.com")
    assert rotated.read(old.sign("a", attempt=ATTEMPT), "a") == Mark(ATTEMPT, "")
    assert rotated.sign("a", attempt=ATTEMPT) == HERE.sign("a", attempt=ATTEMPT)


def test_an_occurrence_that_a_person_changed_inherits_its_series_mark():
    text = HERE.sign("series", attempt=ATTEMPT, rule=RULE)
    assert HERE.read(text, "series_20260505", "series") == Mark(ATTEMPT, RULE, inherited=True)
    assert HERE.read(text, "series_20260505", "another") is None


@given(st.text(max_size=80))
def test_arbitrary_text_is_no_mark(text):
    assert HERE.read(text, "a") is None


@given(st.integers(0, 200), st.characters(codec="utf-8"))
def test_a_mark_changed_in_one_place_is_no_mark(place, character):
    text = HERE.sign("a", attempt=ATTEMPT, rule=RULE)
    place %= len(text)
    assume(text[place] != character)
    assert HERE.read(text[:place] + character + text[place + 1 :], "a") is None
