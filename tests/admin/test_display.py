"""Values as people read them: nothing misleads, nothing is markup."""

from typing import Any

import pytest

from config.admin_display import NOTHING, differences, folded, list_link, readable, table
from sync.models import SyncItem


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_what_is_empty_is_a_dash(empty: Any) -> None:
    assert readable(empty) == NOTHING


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (False, "false"),
        (
            {"at": "2026-05-05T07:00:00Z", "zone": "Europe/Berlin"},
            "2026-05-05T07:00:00Z Europe/Berlin",
        ),
        ({"date": "2026-05-05"}, "2026-05-05"),
        ("two\nlines", "two\nlines"),
        ("gnp\u202e\x1b[31m", "gnp[31m"),
        ({"a": "\u202e"}, '{\n "a": ""\n}'),
    ],
)
def test_a_value_is_text_without_characters_that_mislead(value: Any, shown: str) -> None:
    assert readable(value) == shown


def test_markup_in_a_cell_is_text() -> None:
    assert "<td>&lt;b&gt;</td>" in table(("a",), [("<b>",)])


def test_a_table_without_rows_says_so() -> None:
    assert table(("a",), [], empty="nothing") == "nothing"


def test_folded_markup_is_text() -> None:
    assert "&lt;/details&gt;" in folded("show", "</details>")


def test_a_link_to_a_list_escapes_what_it_looks_for() -> None:
    assert "remote_id=a%26b%22" in list_link(SyncItem, "all", remote_id='a&b"')


def test_versions_are_compared_with_what_is_not_there() -> None:
    shown = differences({"before": None, "after": {"title": "New", "location": ""}})

    assert "<td>title</td><td>(not there)</td><td>New</td>" in shown
    assert "location" not in shown


def test_versions_that_are_alike_show_no_difference() -> None:
    assert differences({"before": {"a": 1}, "after": {"a": 1}}) == "no difference"


def test_fields_that_were_asked_for_are_shown_though_alike() -> None:
    assert "<td>a</td>" in differences({"before": {"a": 1}, "after": {"a": 1}}, ["a", "*"])
