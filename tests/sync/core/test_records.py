"""Fingerprints and differences of records."""

from hypothesis import given

from sync.core.records import changed_fields, fingerprint
from tests.sync.core.worlds import edited, whole_records


def test_an_absent_record_has_the_empty_fingerprint_and_an_empty_one_has_not():
    assert fingerprint(None) == ""
    assert fingerprint({}) != ""


def test_the_order_of_keys_does_not_matter_and_the_order_of_lists_does():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": [1, 2]}) != fingerprint({"a": [2, 1]})


def test_text_that_is_no_valid_unicode_has_a_fingerprint():
    assert fingerprint({"title": "\ud800"}) != fingerprint({"title": "\ud801"})


@given(whole_records.flatmap(lambda r: edited(r).map(lambda e: (r, e))))
def test_records_differ_in_their_fingerprint_exactly_if_a_field_changed(pair):
    old, new = pair
    assert bool(changed_fields(old, new)) == (fingerprint(old) != fingerprint(new))
    assert set(changed_fields(old, new)) == {n for n in old if old[n] != new[n]}


def test_a_missing_field_equals_an_empty_one_and_an_absent_record_an_empty_one():
    assert changed_fields({"a": None}, {}) == ()
    assert changed_fields(None, {"a": 1}) == ("a",)
