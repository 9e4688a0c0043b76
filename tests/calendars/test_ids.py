"""Ids that sort by time: rows that were made in one moment still come in the order of making."""

import time
import uuid

import pytest

from calendars.models import time_ordered_uuid


def test_what_one_process_makes_sorts_in_the_order_of_making() -> None:
    ids = [time_ordered_uuid() for _ in range(1_000)]

    assert sorted(ids) == ids
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}


@pytest.mark.parametrize("part", [0, 1, 499_999, 999_999])
def test_an_id_tells_its_millisecond_and_the_part_of_it(
    monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_000_000 + part)

    one = time_ordered_uuid()

    assert one.int >> 80 == 1_700_000_000_123
    assert (one.int >> 64) & 0xFFF == part * 4096 // 1_000_000
    assert one.version == 7


def test_two_ids_of_one_instant_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_789)

    assert time_ordered_uuid() != time_ordered_uuid()
