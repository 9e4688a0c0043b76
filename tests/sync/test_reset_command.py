"""`manage.py reset_calendar`: it asks, says what it does, and changes nothing on a dry run."""

import io
import json
import sys
from collections.abc import Iterable

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations.models import Collection
from sync.models import SyncOperation
from tests.sync.blocks import world_with_blocks
from tests.sync.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return world_with_blocks(monkeypatch)


def run(*options: str, asked: io.StringIO | None = None) -> str:
    out = io.StringIO()
    arguments = ["reset_calendar", "--calendar-id", "target", *options]
    call_command(*arguments, stdout=out, stderr=asked or io.StringIO())
    return out.getvalue()


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answers: Iterable[str]) -> None:
    """Let a person sit there who gives these answers."""
    left = iter(answers)
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", lambda: next(left))


def titles(world: World) -> list[str]:
    return world.calendars["target"].titles()


def test_where_nobody_can_be_asked_it_refuses_and_says_what_to_do(world: World) -> None:
    with pytest.raises(CommandError, match="--dry-run, then --confirm") as refused:
        run()

    assert refused.value.returncode == 2
    assert len(titles(world)) == 5


def test_an_unknown_calendar_is_answered_with_those_there_are(world: World) -> None:
    with pytest.raises(CommandError, match=r"source, .*target, ") as refused:
        call_command("reset_calendar", "--calendar-id", "elsewhere", "--confirm")

    assert refused.value.returncode == 2


def test_a_dry_run_counts_and_leaves_everything_as_it_is(world: World) -> None:
    said = run("--dry-run")

    assert "3 busy blocks of ours would be removed; nothing was changed" in said
    assert len(titles(world)) == 5
    assert not SyncOperation.objects.filter(trigger="reset").exists()


def test_with_confirm_it_says_how_many_there_are_and_removes_them(world: World) -> None:
    said = run("--confirm")

    assert said.index("Found 3 busy blocks") < said.index("3 of 3 busy blocks removed")
    assert "1 rule still points here" in said
    assert "busy_rule list" in said
    assert titles(world) == ["A meeting"]


def test_as_json_it_prints_one_document(world: World) -> None:
    said = json.loads(run("--confirm", "--json"))

    assert (said["state"], said["found"], said["rules"]) == ("done", 3, 1)
    assert said["counts"] == {"remote.delete": 3}
    assert said["operation"] == str(SyncOperation.objects.get(trigger="reset").pk)


def test_at_a_terminal_it_asks_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, ["y", "target"])
    asked = io.StringIO()

    said = json.loads(run("--json", asked=asked))

    assert "Remove 3 busy blocks of ours in target (work@example.com)?" in asked.getvalue()
    assert "Type the calendar's name (target)" in asked.getvalue()
    assert said["counts"] == {"remote.delete": 3}
    assert titles(world) == ["A meeting"]


@pytest.mark.parametrize("answers", [["n"], ["y", "source"], [""], ["yes", ""]])
def test_any_other_answer_removes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    at_a_terminal(monkeypatch, answers)

    with pytest.raises(CommandError, match="Nothing was removed"):
        run("--confirm")

    assert len(titles(world)) == 5


def test_while_another_run_is_busy_with_the_calendar_it_exits_with_4(world: World) -> None:
    target = Collection.objects.get(name="target")
    assert target.take_lease(holder="another", now=timezone.now(), seconds=60)

    with pytest.raises(SystemExit) as left:
        run("--confirm")

    assert left.value.code == 4
    assert len(titles(world)) == 5
