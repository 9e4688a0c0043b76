"""Several writes to one file: sent together, answered one by one."""

from dataclasses import replace

import pytest

from integrations.caldav.provider import CalDavCalendar
from sync.core.provider import Copy, Outcome, Remedy, Write
from sync.core.records import Fields
from tests.integrations.caldav.odd import Answer, OddServer, Request
from tests.integrations.caldav.person import Person
from tests.integrations.provider_contract import create, delete, exception, listed, one, update
from tests.integrations.samples import DAILY, plain

SLOTS = [f"2026-12-{day:02}T09:00:00Z" for day in range(2, 6)]


class Series:
    """A series with an exception on each of its later days."""

    def __init__(self, odd: OddServer, me: Person) -> None:
        self.odd, self.me = odd, me
        self.provider: CalDavCalendar = me.open()
        self.head = one(self.provider, create(self.provider.name("s"), DAILY))

    def exceptions(self) -> list[Write]:
        """The writes that make all the exceptions."""
        made = [exception(self.head, slot, moved(slot)) for slot in SLOTS]
        return [replace(write, attempt=f"make {write.slot}") for write in made]

    def write(self, writes: list[Write]) -> dict[str, Outcome]:
        """Carry out writes; returns the outcomes by the slots that they were about."""
        self.odd.seen.clear()
        outcomes = self.provider.write(writes)
        return {o.write.slot or o.write.remote_id.partition("#")[2]: o for o in outcomes}

    def all_made(self) -> list[Copy]:
        """Make the exceptions; returns their copies in order."""
        outcomes = self.write(self.exceptions())
        return [copy for slot in SLOTS if (copy := outcomes[slot].copy)]

    def titles(self) -> dict[str, str]:
        """What the exceptions are called now, by slot."""
        copies, _ = listed(self.me.open())
        return {c.slot: (c.fields or {})["title"] for c in copies.values() if c.slot}


def moved(slot: str) -> Fields:
    times = {"start": {"at": slot, "zone": "UTC"}, "end": {"at": slot, "zone": "UTC"}}
    return {**plain("moved"), **times}


@pytest.fixture
def series(odd: OddServer, me: Person) -> Series:
    return Series(odd, me)


def test_they_are_one_request_and_each_has_its_own_answer_and_mark(series: Series) -> None:
    outcomes = series.write(series.exceptions())

    assert (series.odd.calls("PUT"), series.odd.calls("REPORT")) == (1, 2)
    for slot, outcome in outcomes.items():
        assert outcome.copy
        assert outcome.copy.mark
        assert (outcome.copy.slot, outcome.copy.mark.attempt) == (slot, f"make {slot}")


def test_they_hold_only_for_the_file_that_was_read(series: Series) -> None:
    series.all_made()

    conditions = [r.headers.get("if-match") for r in series.odd.seen if r.method == "PUT"]
    assert len(conditions) == 1
    assert conditions[0]


def test_one_whose_version_has_moved_costs_only_itself(series: Series) -> None:
    copies = series.all_made()
    series.me.change_occurrence(series.head.remote_id, SLOTS[1], {"title": "theirs"})

    outcomes = series.write([update(copy, copy.slot, title="ours") for copy in copies])

    refused = {slot: o.refusal.remedy for slot, o in outcomes.items() if o.refusal}
    assert refused == {SLOTS[1]: Remedy.REREAD}
    assert series.odd.calls("PUT") == 1
    assert [series.titles()[slot] for slot in SLOTS] == ["ours", "theirs", "ours", "ours"]


def test_somebody_who_changes_the_file_meanwhile_loses_nothing(series: Series) -> None:
    copies = series.all_made()

    def script(request: Request) -> Answer | None:
        if request.method == "PUT":
            series.odd.script = lambda request: None
            series.me.change_occurrence(series.head.remote_id, SLOTS[0], {"title": "theirs"})
        return None

    series.odd.script = script
    outcomes = series.write([update(copy, copy.slot, title="ours") for copy in copies])

    assert [slot for slot, outcome in outcomes.items() if outcome.refusal] == [SLOTS[0]]
    assert [series.titles()[slot] for slot in SLOTS] == ["theirs", "ours", "ours", "ours"]


@pytest.mark.parametrize("status", [400, 403, 500])
def test_one_that_the_server_refuses_does_not_stop_the_others(series: Series, status: int) -> None:
    copies = series.all_made()
    bad = copies[2].slot

    def script(request: Request) -> Answer | None:
        return (status, {}, b"") if request.method == "PUT" and "poison" in request.body else None

    series.odd.script = script
    titles = {copy.slot: "poison" if copy.slot == bad else "new" for copy in copies}
    outcomes = series.write([update(c, c.slot, title=titles[c.slot]) for c in copies])

    assert [slot for slot, outcome in outcomes.items() if outcome.refusal] == [bad]
    assert series.odd.calls("PUT") == 1 + len(copies)
    assert [series.titles()[slot] for slot in SLOTS] == ["new", "new", "moved", "new"]


def test_without_an_answer_each_is_in_doubt_and_each_mark_tells(series: Series) -> None:
    copies = series.all_made()

    def script(request: Request) -> Answer | None:
        if request.method != "PUT":
            return None
        series.odd.answer_itself(request)
        return 503, {}, b""

    series.odd.script = script
    outcomes = series.write([update(copy, f"say {copy.slot}", title="new") for copy in copies])

    assert [o.refusal.certain for o in outcomes.values() if o.refusal] == [False] * len(copies)
    assert series.odd.calls("PUT") == 1
    series.odd.script = lambda request: None
    for copy in copies:
        mark = series.provider.read(copy.remote_id).mark
        assert mark
        assert mark.attempt == f"say {copy.slot}"


def test_after_a_failure_that_did_it_all_the_same_nothing_is_written_twice(series: Series) -> None:
    """A server may say 500 to what it has stored; each write then meets its own version."""
    copies = series.all_made()
    puts = iter(range(10))

    def script(request: Request) -> Answer | None:
        if request.method == "PUT" and next(puts) == 0:
            series.odd.answer_itself(request)
            return 500, {}, b""
        return None

    series.odd.script = script
    outcomes = series.write([update(copy, f"say {copy.slot}", title="new") for copy in copies])

    assert {o.refusal.remedy for o in outcomes.values() if o.refusal} == {Remedy.REREAD}
    assert set(series.titles().values()) == {"new"}


def test_taking_all_exceptions_back_is_one_request(series: Series) -> None:
    copies = series.all_made()

    outcomes = series.write([delete(copy) for copy in copies])

    assert {o.copy.evidence for o in outcomes.values() if o.copy} == {"deleted by us"}
    assert series.odd.calls("PUT") == 1
    assert series.titles() == {}


def test_what_leaves_nothing_in_a_file_takes_the_file_away(series: Series) -> None:
    copies = series.all_made()

    outcomes = series.write([*(delete(copy) for copy in copies), delete(series.head)])

    assert all(outcome.copy for outcome in outcomes.values())
    assert series.odd.calls("DELETE") == 1
    assert series.odd.files == {}
