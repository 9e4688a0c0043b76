"""Making, changing and removing busy rules, as a service and from the command line."""

import io
import json
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from calendars.models import BusyRule, Event
from calendars.services import (
    InvalidRule,
    UnknownRule,
    add_busy_rule,
    change_busy_rule,
    find_busy_rule,
    remove_busy_rule,
)
from integrations.models import Collection, Workspace
from tests.calendars.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db):
    return World()


def problems(**rule):
    with pytest.raises(InvalidRule) as refused:
        add_busy_rule(**rule)
    return refused.value.problems


def test_a_rule_lets_both_calendars_take_part_in_syncing(world):
    world.rule()
    assert set(Collection.objects.values_list("selected", flat=True)) == {True}


@pytest.mark.parametrize(
    ("knobs", "template"),
    [
        ({}, "Busy"),
        ({"fields": ["title"]}, "{title}"),
        ({"fields": ["title"], "title": "Away"}, "Away"),
        ({"fields": ["location"]}, "Busy"),
    ],
)
def test_without_a_title_a_block_says_busy_or_what_its_event_is_called(world, knobs, template):
    assert world.rule(**knobs).title_template == template


def test_calendars_of_different_teams_never_block_each_other(world):
    stranger = world.calendar("theirs", Workspace.objects.create(name="Others"))
    said = problems(source=world.work, target=stranger)
    assert said == ["the two calendars belong to different workspaces"]
    assert not BusyRule.objects.exists()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"direction": "pull"}, "the target is only read (direction pull)"),
        ({"access_role": "reader"}, "the target is shared with us as reader"),
        ({"access_role": "freeBusyReader"}, "the target is shared with us as freeBusyReader"),
    ],
)
def test_a_target_has_to_accept_what_is_sent_to_it(world, settings, problem):
    Collection.objects.filter(pk=world.home.pk).update(**settings)
    world.home.refresh_from_db()
    (said,) = problems(source=world.work, target=world.home)
    assert said.startswith(problem)


def test_a_calendar_that_is_gone_makes_no_rule(world):
    world.work.gone_at = world.now
    assert problems(source=world.work, target=world.home) == [
        "the source calendar is gone from its account"
    ]


def test_a_calendar_does_not_block_itself(world):
    assert problems(source=world.work, target=world.work) == [
        "a calendar does not block itself; choose two"
    ]


def test_everything_wrong_with_a_rule_is_said_at_once(world):
    said = problems(
        source=world.work, target=world.work, title="{tittle}", fields=["attendees"], past_days=-1
    )
    assert len(said) == 4


def test_two_rules_between_the_same_calendars_are_refused(world):
    world.rule()
    assert problems(source=world.work, target=world.home) == [
        "this calendar blocks that one already; change or remove it"
    ]


def test_a_rule_is_changed_only_into_a_sensible_one(world):
    rule = world.rule()
    with pytest.raises(InvalidRule):
        change_busy_rule(rule=rule, title_template="{title}")
    assert BusyRule.objects.get().title_template == "Busy"
    change_busy_rule(rule=rule, title_template="Away")
    assert BusyRule.objects.get().title_template == "Away"


def test_a_rule_is_found_by_the_beginning_of_its_id(world):
    rule = world.rule()
    assert find_busy_rule(str(rule.pk)[:8]) == rule
    for unclear in ("", "zzz"):
        with pytest.raises(UnknownRule, match=str(rule.pk)):
            find_busy_rule(unclear)


def command(*arguments):
    out = io.StringIO()
    call_command("busy_rule", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_adds_lists_and_removes(world):
    world.event()
    added = json.loads(
        command("add", "--source", "work@example.com", "--target", str(world.home.pk), "--json")
    )
    assert (added["title"], added["show"], added["skip_free"]) == ("Busy", [], True)
    world.refresh()
    (listed,) = json.loads(command("list", "--json"))["rules"]
    assert listed == {**added, "blocks": 1}
    assert added["id"] in command("list")
    removed = json.loads(command("remove", added["id"], "--yes", "--json"))
    assert removed == {"id": added["id"], "blocks": 1, "cut": 0, "kept": 0}
    assert json.loads(command("list", "--json")) == {"rules": []}
    assert "busy_rule add" in command("list")


def test_the_list_names_what_was_said_of_a_rule_and_nothing_else(world):
    rule = str(world.rule().pk)
    assert "exclude" not in command("list")
    command("change", rule, "--exclude", "title:*re*", "--merge")
    said = command("list")
    assert "exclude title:*re*; merge" in said
    assert "minimum" not in said


def test_the_command_says_of_a_paused_rule_that_its_blocks_stay(world):
    rule = str(world.rule().pk)
    assert "stay as they are" in command("change", rule, "--pause")
    assert "The next sync" in command("change", rule, "--resume")


def test_the_command_passes_every_knob_on(world):
    command(
        *("add", "--source", "work@example.com", "--target", "home@example.com"),
        *("--title", "{title} ({calendar})", "--show", "title", "calendar", "--show", "colour"),
        *("--no-skip-declined", "--skip-tentative", "--no-skip-free", "--skip-all-day"),
        *("--skip-event-types", "focusTime", "birthday", "--past-days", "1", "--future-days", "30"),
    )
    rule = BusyRule.objects.get()
    assert (rule.title_template, rule.fields) == (
        "{title} ({calendar})",
        ["title", "calendar", "colour"],
    )
    assert (rule.skip_declined, rule.tentative, rule.unanswered) == (False, "skip", "skip")
    assert (rule.skip_free, rule.all_day) == (False, "skip")
    assert rule.skip_event_types == ["focusTime", "birthday"]
    assert (rule.past_days, rule.future_days) == (1, 30)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "--source", "nobody", "--target", "home@example.com"), "work@example.com"),
        (("remove", "nothing", "--yes"), "no busy rule 'nothing'; there are: none"),
        (("add", "--source", "work@example.com", "--target", "work@example.com"), "choose two"),
        (
            (
                *("add", "--source", "work@example.com", "--target", "home@example.com"),
                *("--title", "{tilte}"),
            ),
            "{title}, {location}, {calendar}",
        ),
    ],
)
def test_wrong_usage_says_what_would_be_right(world, arguments, said):
    with pytest.raises(CommandError, match=said.replace("{", r"\{")) as refused:
        command(*arguments)
    assert refused.value.returncode == 2


def test_removing_asks_first_and_without_a_terminal_wants_a_yes(world, monkeypatch):
    rule = world.rule()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(CommandError, match="--yes") as refused:
        command("remove", str(rule.pk))
    assert refused.value.returncode == 2
    assert BusyRule.objects.get().removed_at is None


@pytest.mark.parametrize(("answer", "removed"), [("y\n", True), ("yes\n", True), ("\n", False)])
def test_on_a_terminal_only_a_yes_removes(world, monkeypatch, capsys, answer, removed):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    rule = world.rule()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    if removed:
        command("remove", str(rule.pk))
    else:
        with pytest.raises(CommandError, match="Nothing was removed"):
            command("remove", str(rule.pk))
    assert (BusyRule.objects.get().removed_at is not None) is removed
    assert "and its 0 blocks?" in capsys.readouterr().out


def test_as_a_process_wrong_usage_ends_with_code_2():
    for arguments in (["add"], ["add", "--show", "attendees"], ["forget"]):
        ended = subprocess.run(
            [sys.executable, "manage.py", "busy_rule", *arguments], capture_output=True, text=True
        )
        assert ended.returncode == 2, ended.stderr
    assert "invalid choice: 'forget'" in ended.stderr


def test_the_blocks_of_a_rule_outlive_nothing_when_it_is_removed_and_made_again(world):
    lunch = world.event()
    for _ in range(3):
        rule = world.rule()
        world.refresh()
        remove_busy_rule(rule=rule, now=world.now)
        world.now += timedelta(days=1)
    alive = Event.objects.filter(source=lunch.pk, item__deleted_at=None)
    assert not alive.exists()
