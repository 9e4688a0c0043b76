"""A person's ruling: written down once, carried out by the next run, only while it still fits."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User

from conflicts.models import Conflict
from conflicts.services import ConflictClosed, ImpossibleRuling, Side, UnknownConflict, rule
from integrations.models import Collection
from tests.sync.remote import at
from tests.sync.world import World, delete_locally, edit_locally, local_titles

# The service inside the tests refuses to be called in a transaction, so there must be none.
pytestmark = pytest.mark.django_db(transaction=True)


class Clashing:
    """One event whose title was changed on both sides, in front of a person who may rule on it."""

    def __init__(self, local: dict[str, Any], remote: dict[str, Any]) -> None:
        self.world = World()
        self.main = self.world.collection()
        self.remote = self.world.calendars["main"]
        self.remote.add("a", title="Talk", description="", location="Hall")
        self.world.sync(self.main)
        self.remote.edit("a", **remote)
        edit_locally("Talk", self.world.clock(), **local)
        self.world.sync(self.main)
        self.judge = User.objects.create_user("judge")

    @property
    def conflict(self) -> Conflict:
        return Conflict.objects.latest("created_at")

    def rule(self, **ruling: Any) -> Conflict:
        return rule(conflict_id=self.conflict.pk, by=self.judge, now=self.world.clock(), **ruling)

    def sync(self) -> None:
        self.world.sync(self.main)

    def assert_both_titled(self, title: str) -> None:
        assert local_titles() == [title]
        assert self.remote.titles() == [title]


@pytest.fixture
def clashing() -> Clashing:
    return Clashing(local={"title": "Local word"}, remote={"title": "Remote word"})


@pytest.mark.parametrize(("side", "title"), [("local", "Local word"), ("remote", "Remote word")])
def test_the_side_that_a_person_keeps_reaches_the_other(
    clashing: Clashing, side: str, title: str
) -> None:
    clashing.rule(keep=Side(side))

    clashing.sync()

    clashing.assert_both_titled(title)
    assert clashing.conflict.outcome == "settled"
    assert clashing.conflict.ruled_by == clashing.judge


def test_a_carried_out_ruling_leaves_nothing_to_do(clashing: Clashing) -> None:
    clashing.rule(keep=Side.LOCAL)
    clashing.sync()

    after = clashing.world.sync(clashing.main)

    assert after.operation.counts == {}
    assert Conflict.objects.count() == 1


def test_a_ruling_touches_neither_the_item_nor_the_copy(clashing: Clashing) -> None:
    writes = list(clashing.remote.writes)

    clashing.rule(keep=Side.LOCAL)

    assert local_titles() == ["Local word"]
    assert clashing.remote.titles() == ["Remote word"]
    assert clashing.remote.writes == writes


def test_both_versions_stay_stored_after_the_ruling_was_carried_out(clashing: Clashing) -> None:
    clashing.rule(keep=Side.LOCAL)
    clashing.sync()

    kept = clashing.conflict
    assert (kept.base["title"], kept.local["title"], kept.remote["title"]) == (
        "Talk",
        "Local word",
        "Remote word",
    )


def test_a_person_decides_field_by_field() -> None:
    clashing = Clashing(
        local={"title": "Local word", "location": "Local place"},
        remote={"title": "Remote word", "location": "Remote place"},
    )

    clashing.rule(keep={"title": Side.LOCAL, "location": Side.REMOTE})
    clashing.sync()

    clashing.assert_both_titled("Local word")
    assert clashing.remote.alive()["a"]["location"] == "Remote place"


def test_what_did_not_clash_is_merged_whichever_side_is_kept() -> None:
    clashing = Clashing(
        local={"title": "Local word", "description": "From here"},
        remote={"title": "Remote word", "location": "From there"},
    )

    clashing.rule(keep=Side.LOCAL)
    clashing.sync()

    event = clashing.remote.alive()["a"]
    assert event["title"] == "Local word"
    assert event["description"] == "From here"
    assert event["location"] == "From there"


def test_a_person_writes_a_third_version(clashing: Clashing) -> None:
    clashing.rule(edits={"title": "Both words"})
    clashing.sync()

    clashing.assert_both_titled("Both words")
    assert clashing.conflict.outcome == "settled"


def test_a_person_lets_the_record_go_on_both_sides(clashing: Clashing) -> None:
    clashing.rule(delete=True)
    clashing.sync()

    assert local_titles() == []
    assert clashing.remote.titles() == []
    assert clashing.conflict.local["title"] == "Local word"


@pytest.mark.parametrize("mover", ["local", "remote"])
def test_a_side_that_moved_in_between_makes_the_ruling_moot_and_asks_again(
    clashing: Clashing, mover: str
) -> None:
    first = clashing.rule(keep=Side.LOCAL)
    if mover == "local":
        edit_locally("Local word", clashing.world.clock(), title="Newer word")
    else:
        clashing.remote.edit("a", title="Newer word")

    clashing.sync()

    first.refresh_from_db()
    assert first.outcome == "moot"
    assert clashing.conflict.outcome == "open"
    assert clashing.conflict.pk != first.pk
    assert "Newer word" in [*local_titles(), *clashing.remote.titles()]
    assert local_titles() != clashing.remote.titles()


class TestADeletionThatMetAnEdit:
    """Whole records clash: one side deleted what the other one changed."""

    @pytest.fixture
    def main(self) -> Collection:
        self.world = World()
        main = self.world.collection(strategy="manual_review")
        self.remote = self.world.calendars["main"]
        self.remote.add("a", title="Talk")
        self.remote.add("b", title="Other")
        self.world.sync(main)
        self.remote.edit("a", title="Edited")
        delete_locally("Talk", self.world.clock())
        self.world.sync(main)
        return main

    def rule(self, **ruling: Any) -> None:
        conflict = Conflict.objects.get()
        assert conflict.fields == ["*"]
        rule(conflict_id=conflict.pk, by=None, now=self.world.clock(), **ruling)

    def test_keeping_the_edit_brings_the_record_back(self, main: Collection) -> None:
        self.rule(keep=Side.REMOTE)
        self.world.sync(main)

        assert local_titles() == ["Edited", "Other"]
        assert self.remote.titles() == ["Edited", "Other"]

    def test_keeping_the_deletion_deletes_the_other_side_too(self, main: Collection) -> None:
        self.rule(keep={"*": Side.LOCAL})
        self.world.sync(main)

        assert local_titles() == ["Other"]
        assert self.remote.titles() == ["Other"]
        assert Conflict.objects.get().remote["title"] == "Edited"

    def test_the_record_may_come_back_edited(self, main: Collection) -> None:
        self.rule(keep=Side.REMOTE, edits={"title": "Third"})
        self.world.sync(main)

        assert local_titles() == ["Other", "Third"]
        assert self.remote.titles() == ["Other", "Third"]

    def test_a_deleted_record_cannot_be_edited(self, main: Collection) -> None:
        with pytest.raises(ImpossibleRuling, match="nothing to edit"):
            self.rule(keep=Side.LOCAL, edits={"title": "Third"})


class TestWhatCannotBeRuled:
    """A ruling that does not fit is refused with what to do about it, and nothing is written."""

    @pytest.fixture(autouse=True)
    def _nothing_was_written(self, clashing: Clashing) -> Any:
        yield
        untouched = Conflict.objects.get()
        assert (untouched.outcome, untouched.ruling) == ("open", None)

    @pytest.mark.parametrize(
        ("ruling", "problem"),
        [
            ({}, "title: say which side to keep"),
            ({"keep": {}}, "title: say which side to keep"),
            ({"keep": {"location": Side.LOCAL}}, "location: no clash there; the clash is in title"),
            ({"keep": Side.LOCAL, "edits": {"titel": "x"}}, "no field 'titel'"),
            ({"edits": {"title": 7}}, "title cannot hold that value; it takes text"),
            ({"edits": {"title": "nul\x00"}}, "title cannot hold that value"),
            ({"keep": Side.LOCAL, "edits": {"status": "s" * 41}}, "at most 40 characters"),
            ({"keep": Side.LOCAL, "edits": {"attendees": [{}]}}, "a list of objects"),
            ({"keep": Side.LOCAL, "edits": {"start": "nine"}}, "start takes"),
            (
                {"keep": Side.LOCAL, "edits": {"start": at(9) | {"zone": "Mars/Base"}}},
                "start takes",
            ),
            ({"keep": Side.LOCAL, "edits": {"end": at(8)}}, "after the start"),
            ({"keep": Side.LOCAL, "edits": {"end": {"date": "2026-05-06"}}}, "both dates"),
            ({"keep": Side.LOCAL, "delete": True}, "either delete on both sides"),
        ],
    )
    def test_a_ruling_that_does_not_fit(
        self, clashing: Clashing, ruling: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(ImpossibleRuling, match=problem):
            clashing.rule(**ruling)

    def test_an_error_does_not_repeat_what_the_event_says(self, clashing: Clashing) -> None:
        with pytest.raises(ImpossibleRuling) as refused:
            clashing.rule(edits={"title": ["Secret plan"]})

        assert "Secret" not in str(refused.value)


def test_start_and_end_are_kept_of_one_side_only() -> None:
    clashing = Clashing(
        local={"starts_at": "2026-05-05T07:00:00Z"},
        remote={"start": at(8), "end": at(11)},
    )

    with pytest.raises(ImpossibleRuling, match="end, start make sense only together"):
        clashing.rule(keep={"start": Side.LOCAL, "end": Side.REMOTE})
    clashing.rule(keep={"start": Side.REMOTE, "end": Side.REMOTE})
    clashing.sync()

    assert clashing.remote.alive()["a"]["start"] == at(8)


def test_nobody_rules_on_what_is_not_open_any_more(clashing: Clashing) -> None:
    first = clashing.rule(keep=Side.LOCAL)

    with pytest.raises(ConflictClosed, match="ruled, not carried out yet"):
        clashing.rule(keep=Side.REMOTE)

    first.refresh_from_db()
    assert first.ruling["fields"]["title"] == "Local word"


def test_of_two_people_who_rule_at_the_same_moment_one_decides(
    clashing: Clashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conflicts import services

    kept = services._kept

    def while_another_person_rules(*what: Any) -> Any:
        monkeypatch.setattr(services, "_kept", kept)
        clashing.rule(keep=Side.REMOTE)
        return kept(*what)

    monkeypatch.setattr(services, "_kept", while_another_person_rules)

    with pytest.raises(ConflictClosed):
        clashing.rule(keep=Side.LOCAL)

    assert clashing.conflict.ruling["fields"]["title"] == "Remote word"


def test_a_conflict_that_does_not_exist_is_said_so(clashing: Clashing) -> None:
    with pytest.raises(UnknownConflict):
        rule(conflict_id=uuid.uuid4(), keep=Side.LOCAL, by=None, now=clashing.world.clock())
