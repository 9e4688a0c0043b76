"""What PostgreSQL cannot store does not get in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.escapes import storable


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [
        ("before\x00after", "before\ufffdafter"),
        ("lone high \ud83d.", "lone high \ufffd."),
        ("lone low \ude00.", "lone low \ufffd."),
        ("\ud83d\ud83d", "\ufffd\ufffd"),
        ("a pair \U0001f600 stays", "a pair \U0001f600 stays"),
        ("a backslash \\u0000 stays", "a backslash \\u0000 stays"),
        ("\\\x00", "\\\ufffd"),
    ],
)
def test_unstorable_characters_are_replaced_and_others_stay(given_text: str, stored: str) -> None:
    assert json.loads(storable(json.dumps({"x": given_text}).encode())) == {"x": stored}


@given(st.text(st.characters(exclude_categories=[])))
def test_whatever_comes_in_can_be_stored(text: str) -> None:
    got = json.loads(storable(json.dumps([text]).encode()))[0]
    got.encode()
    assert "\x00" not in got


@given(st.text())
def test_storable_text_comes_through_unchanged(text: str) -> None:
    text = text.replace("\x00", "")
    assert json.loads(storable(json.dumps([text]).encode())) == [text]
