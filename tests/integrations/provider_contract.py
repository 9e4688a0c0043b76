"""What every provider of events must do, whatever the service: a suite to inherit from.

A provider's own test module subclasses `ProviderContract` and gives it a fixture `elsewhere`: the
service, with a person at work on it.
"""

from typing import Any, Protocol

import pytest

from sync.core.events import EMPTY
from sync.core.provider import Copy, Provider, Refusal, Remedy, Write, WriteKind
from sync.core.records import Fields
from tests.integrations.samples import DAILY, HOUR_LATER, MOMENT, SAMPLES, plain


class Elsewhere(Protocol):
    """The service under test, and what a person can do there."""

    def open(self) -> Provider:
        """Return a provider on an empty collection, or the same collection again."""

    def add(self, fields: Fields) -> str:
        """Add a record as a person would; return its name."""

    def change(self, remote_id: str, fields: Fields) -> None:
        """Change some fields of a record as a person would."""

    def change_occurrence(self, series: str, slot: str, fields: Fields) -> str:
        """Change one occurrence of a series as a person would; return its name."""

    def remove(self, remote_id: str) -> None:
        """Delete a record as a person would."""

    def paste(self, copy: Copy) -> str:
        """Copy and paste a record with everything on it, our mark included; return its name."""

    def lose_next_answer(self) -> None:
        """Let the next write be carried out and its answer be lost."""

    def kill_cursors(self) -> None:
        """Make the service forget every cursor it gave."""


def create(remote_id: str, fields: Fields, *, attempt: str = "a1", rule: str = "") -> Write:
    """Return the write that creates a record."""
    return Write(WriteKind.CREATE, remote_id, attempt, fields=fields, rule=rule)


def update(copy: Copy, attempt: str = "a2", **changed: Any) -> Write:
    """Return the write that changes some fields of a copy."""
    fields = {**(copy.fields or {}), **changed}
    return Write(
        WriteKind.UPDATE, copy.remote_id, attempt, copy.version, fields, frozenset(changed)
    )


def delete(copy: Copy) -> Write:
    """Return the write that deletes a copy."""
    return Write(WriteKind.DELETE, copy.remote_id, "a3", copy.version)


def exception(series: Copy, slot: str, fields: Fields, *, rule: str = "") -> Write:
    """Return the write that changes one occurrence of a series."""
    return Write(
        WriteKind.CREATE, "", "a4", fields=fields, parent=series.remote_id, slot=slot, rule=rule
    )


def one(provider: Provider, write: Write) -> Copy:
    """Carry out one write that must succeed."""
    (outcome,) = provider.write([write])
    assert outcome.refusal is None, outcome.refusal
    assert outcome.copy is not None
    return outcome.copy


def refused(provider: Provider, write: Write) -> Refusal:
    """Carry out one write that must be refused."""
    (outcome,) = provider.write([write])
    assert outcome.refusal is not None
    return outcome.refusal


def listed(provider: Provider, cursor: str = "") -> tuple[dict[str, Copy], str]:
    """Read a whole listing: the copies by name, and the cursor."""
    pages = list(provider.changes(cursor))
    assert all(page.cursor is None for page in pages[:-1])
    assert pages[-1].cursor
    return {c.remote_id: c for page in pages for c in page.copies}, pages[-1].cursor or ""


class ProviderContract:
    """Inherit from this, and provide `elsewhere`.

    `counts_occurrences` says that the service itself works out which occurrences a series has. A
    CalDAV server stores what it is given. `cursors_die` where the service can forget what it handed
    out; a list of ETags lies with us. `calls_of_a_listing` is what an empty calendar takes.
    """

    counts_occurrences = True
    cursors_die = True
    calls_of_a_listing = 1

    def test_a_complete_listing_shows_everything_and_ends_with_a_cursor(
        self, elsewhere: Elsewhere
    ) -> None:
        names = {elsewhere.add(plain(str(n))) for n in range(3)}
        copies, cursor = listed(elsewhere.open())
        assert copies.keys() == names
        assert cursor

    def test_a_delta_shows_what_changed_and_nothing_else(self, elsewhere: Elsewhere) -> None:
        kept, changed = elsewhere.add(plain("kept")), elsewhere.add(plain("old"))
        _, cursor = listed(elsewhere.open())
        elsewhere.change(changed, {"title": "new"})
        copies, _ = listed(elsewhere.open(), cursor)
        assert copies.keys() == {changed}
        assert copies[changed].fields is not None
        assert copies[changed].fields["title"] == "new"
        assert kept not in copies

    def test_an_empty_delta_has_a_cursor_all_the_same(self, elsewhere: Elsewhere) -> None:
        _, cursor = listed(elsewhere.open())
        copies, next_cursor = listed(elsewhere.open(), cursor)
        assert not copies
        assert next_cursor

    def test_a_deletion_is_a_tombstone_with_evidence(self, elsewhere: Elsewhere) -> None:
        name = elsewhere.add(plain())
        _, cursor = listed(elsewhere.open())
        elsewhere.remove(name)
        copies, _ = listed(elsewhere.open(), cursor)
        assert copies[name].fields is None
        assert copies[name].evidence

    def test_asking_ahead_changes_no_answer(self, elsewhere: Elsewhere) -> None:
        kept, changed = elsewhere.add(plain("kept")), elsewhere.add(plain("old"))
        _, cursor = listed(elsewhere.open())
        elsewhere.change(changed, {"title": "new"})
        for asked_ahead in (cursor, "no cursor at all"):
            provider = elsewhere.open()
            provider.ask_ahead(asked_ahead)
            assert listed(provider, cursor)[0].keys() == {changed}
        provider = elsewhere.open()
        provider.ask_ahead("")
        assert listed(provider)[0].keys() == {kept, changed}

    def test_a_dead_cursor_asks_for_a_complete_listing(self, elsewhere: Elsewhere) -> None:
        if not self.cursors_die:
            pytest.skip("a list of ETags cannot be forgotten by the server")
        _, cursor = listed(elsewhere.open())
        elsewhere.kill_cursors()
        with pytest.raises(Refusal) as refusal:
            listed(elsewhere.open(), cursor)
        assert refusal.value.remedy is Remedy.RESYNC

    def test_the_same_question_has_the_same_shape(self, elsewhere: Elsewhere) -> None:
        assert elsewhere.open().shape == elsewhere.open().shape

    def test_reading_shows_what_the_listing_shows(self, elsewhere: Elsewhere) -> None:
        name = elsewhere.add(plain(description="long"))
        copies, _ = listed(elsewhere.open())
        copy = elsewhere.open().read(name)
        assert (copy.fields, copy.version) == (copies[name].fields, copies[name].version)

    @pytest.mark.parametrize("known_before", [True, False])
    def test_reading_what_is_gone_is_a_tombstone_with_evidence(
        self, elsewhere: Elsewhere, known_before: bool
    ) -> None:
        provider = elsewhere.open()
        name = elsewhere.add(plain()) if known_before else provider.name("never", "made")
        if known_before:
            elsewhere.remove(name)
        copy = provider.read(name)
        assert copy.fields is None
        assert copy.evidence.startswith("read")

    def test_a_creation_bears_the_name_we_chose(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        name = provider.name("collection", "item", "")
        assert name == provider.name("collection", "item", "")
        assert name != provider.name("collection", "item", "predecessor")
        copy = one(provider, create(name, plain("ours")))
        assert copy.remote_id == name
        assert copy.version
        assert copy.fields is not None
        assert copy.fields["title"] == "ours"

    def test_a_name_that_is_taken_is_to_be_adopted_never_doubled(
        self, elsewhere: Elsewhere
    ) -> None:
        provider = elsewhere.open()
        name = provider.name("x")
        one(provider, create(name, plain("first")))
        assert refused(provider, create(name, plain("second"))).remedy is Remedy.ADOPT
        copies, _ = listed(provider)
        assert [c.fields["title"] for c in copies.values() if c.fields] == ["first"]

    def test_an_update_sends_the_named_fields_and_no_other(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        copy = one(provider, create(provider.name("x"), plain("old", location="Room 1")))
        write = Write(
            WriteKind.UPDATE,
            copy.remote_id,
            "a2",
            copy.version,
            {**(copy.fields or {}), "title": "new", "location": "never sent"},
            frozenset({"title"}),
        )
        after = one(provider, write).fields or {}
        assert (after["title"], after["location"]) == ("new", "Room 1")

    def test_an_update_of_a_stale_version_changes_nothing(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        copy = one(provider, create(provider.name("x"), plain("ours")))
        elsewhere.change(copy.remote_id, {"title": "theirs"})
        assert refused(provider, update(copy, title="late")).remedy is Remedy.REREAD
        assert (provider.read(copy.remote_id).fields or {})["title"] == "theirs"

    def test_a_deletion_of_a_stale_version_deletes_nothing(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        copy = one(provider, create(provider.name("x"), plain("ours")))
        elsewhere.change(copy.remote_id, {"title": "theirs"})
        assert refused(provider, delete(copy)).remedy is Remedy.REREAD
        assert provider.read(copy.remote_id).fields is not None

    def test_a_deletion_answers_with_a_tombstone(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        copy = one(provider, create(provider.name("x"), plain()))
        gone = one(provider, delete(copy))
        assert gone.fields is None
        assert gone.evidence

    def test_deleting_what_is_gone_succeeds_or_asks_to_read_it(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        copy = one(provider, create(provider.name("x"), plain()))
        elsewhere.remove(copy.remote_id)
        (outcome,) = provider.write([delete(copy)])
        if outcome.refusal:
            assert outcome.refusal.remedy is Remedy.REREAD
        gone = outcome.copy or provider.read(copy.remote_id)
        assert gone.fields is None

    def test_every_write_has_one_outcome_also_beside_a_bad_one(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        good = [create(provider.name(str(n)), plain(str(n)), attempt=f"g{n}") for n in range(3)]
        bad = create(provider.name("bad"), plain(start=None), attempt="bad")
        outcomes = {o.write.attempt: o for o in provider.write([good[0], bad, *good[1:]])}
        assert outcomes.keys() == {"g0", "g1", "g2", "bad"}
        assert outcomes["bad"].refusal is not None
        assert outcomes["bad"].refusal.remedy is Remedy.PARK
        assert all(outcomes[f"g{n}"].copy for n in range(3))

    def test_a_lost_answer_is_not_certain_and_the_copy_bears_the_attempt(
        self, elsewhere: Elsewhere
    ) -> None:
        provider = elsewhere.open()
        elsewhere.lose_next_answer()
        write = create(provider.name("x"), plain("landed"), attempt="lost")
        refusal = refused(provider, write)
        assert (refusal.remedy, refusal.certain) == (Remedy.RETRY, False)
        copy = provider.read(write.remote_id)
        assert copy.fields is not None
        assert copy.mark is not None
        assert copy.mark.attempt == "lost"

    def test_each_write_leaves_its_own_attempt(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        copy = one(provider, create(provider.name("x"), plain(), attempt="first"))
        assert copy.mark is not None
        assert copy.mark.attempt == "first"
        copy = one(provider, update(copy, "second", title="new"))
        assert copy.mark is not None
        assert copy.mark.attempt == "second"

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_a_created_record_comes_back_as_normalise_says(
        self, elsewhere: Elsewhere, sample: str
    ) -> None:
        provider = elsewhere.open()
        fields = {**EMPTY, **plain(), **SAMPLES[sample]}
        copy = one(provider, create(provider.name(sample), fields))
        expected = provider.normalise(fields)
        assert copy.fields == expected
        assert provider.read(copy.remote_id).fields == expected
        assert provider.normalise(expected) == expected

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_a_changed_field_comes_back_as_normalise_says_and_can_be_cleared(
        self, elsewhere: Elsewhere, sample: str
    ) -> None:
        provider = elsewhere.open()
        before = {**EMPTY, **plain()}
        copy = one(provider, create(provider.name(sample), before))
        copy = one(provider, update(copy, **SAMPLES[sample]))
        assert copy.fields == provider.normalise({**before, **SAMPLES[sample]})
        copy = one(provider, update(copy, **{name: before[name] for name in SAMPLES[sample]}))
        assert copy.fields == provider.normalise(before)

    def test_one_occurrence_can_be_moved(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        series = one(provider, create(provider.name("s"), {**EMPTY, **DAILY}))
        moved = {
            **EMPTY,
            **plain("Standup, later"),
            "start": {"at": "2026-12-02T15:00:00Z", "zone": "Europe/Berlin"},
            "end": {"at": "2026-12-02T16:00:00Z", "zone": "Europe/Berlin"},
        }
        copy = one(provider, exception(series, "2026-12-02T09:00:00Z", moved))
        assert (copy.parent, copy.slot) == (series.remote_id, "2026-12-02T09:00:00Z")
        assert copy.fields == provider.normalise(moved)
        assert copy.mark is not None
        assert not copy.mark.inherited
        copies, _ = listed(provider)
        assert copies[copy.remote_id].slot == "2026-12-02T09:00:00Z"

    def test_one_occurrence_can_be_cancelled(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        series = one(provider, create(provider.name("s"), {**EMPTY, **DAILY}))
        write = exception(series, "2026-12-03T09:00:00Z", {"status": "cancelled"})
        copy = one(provider, write)
        assert (copy.fields, copy.partial) == ({"status": "cancelled"}, True)
        copies, _ = listed(provider)
        assert copies.keys() == {series.remote_id, copy.remote_id}
        assert copies[copy.remote_id].fields == {"status": "cancelled"}
        assert (copies[series.remote_id].fields or {})["title"] == "Standup"

    def test_an_occurrence_that_a_person_changed_is_not_overwritten(
        self, elsewhere: Elsewhere
    ) -> None:
        provider = elsewhere.open()
        series = one(provider, create(provider.name("s"), {**EMPTY, **DAILY}))
        slot = "2026-12-02T09:00:00Z"
        theirs = elsewhere.change_occurrence(series.remote_id, slot, {"title": "theirs"})
        ours = {**plain("ours"), "start": MOMENT, "end": HOUR_LATER}
        assert refused(provider, exception(series, slot, ours)).remedy is Remedy.ADOPT
        assert (provider.read(theirs).fields or {})["title"] == "theirs"

    def test_an_occurrence_that_there_is_not_is_parked(self, elsewhere: Elsewhere) -> None:
        if not self.counts_occurrences:
            pytest.skip("the service does not count the occurrences of a series")
        provider = elsewhere.open()
        series = one(provider, create(provider.name("s"), {**EMPTY, **DAILY}))
        write = exception(series, "2027-01-01T09:00:00Z", {"status": "cancelled"})
        assert refused(provider, write).remedy is Remedy.PARK

    def test_only_genuine_blocks_are_found_by_their_mark(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        elsewhere.add(plain("a person's"))
        one(provider, create(provider.name("ordinary"), plain("ours, no block")))
        block = one(provider, create(provider.name("block"), plain("Busy"), rule="rule1"))
        pasted = elsewhere.paste(block)
        found = {copy.remote_id: copy.mark for copy in provider.marked()}
        assert pasted not in found
        assert found.keys() == {block.remote_id}
        assert found[block.remote_id] is not None
        assert found[block.remote_id].rule == "rule1"  # type: ignore[union-attr]

    def test_a_moved_occurrence_of_a_block_is_found_too(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        series = one(provider, create(provider.name("s"), {**EMPTY, **DAILY}, rule="rule1"))
        later = {"start": MOMENT, "end": HOUR_LATER, "title": "moved"}
        copy = one(provider, exception(series, "2026-12-02T09:00:00Z", later, rule="rule1"))
        assert {c.remote_id for c in provider.marked()} == {series.remote_id, copy.remote_id}

    def test_a_record_outside_the_window_is_not_said_to_be_covered(
        self, elsewhere: Elsewhere
    ) -> None:
        provider = elsewhere.open()
        long_ago = {"at": "2020-01-01T09:00:00Z", "zone": "UTC"}
        old = {**plain(), "start": long_ago, "end": long_ago | {"at": "2020-01-01T10:00:00Z"}}
        name = elsewhere.add(old)
        copies, _ = listed(provider)
        assert provider.covers(plain())
        assert name in copies or not provider.covers(old)

    def test_calls_are_counted(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        listed(provider)
        assert provider.calls == self.calls_of_a_listing

    def test_a_refusal_never_quotes_the_record(self, elsewhere: Elsewhere) -> None:
        provider = elsewhere.open()
        copy = one(provider, create(provider.name("x"), plain("canary-title")))
        elsewhere.change(copy.remote_id, {"location": "moved on"})
        said = repr(refused(provider, update(copy, title="canary-other")))
        assert "canary" not in said
        assert copy.remote_id not in said
