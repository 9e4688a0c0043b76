"""What a person does in the admin: change settings, add rules, rule on conflicts."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from calendars.models import BusyRule, Event, Item
from conflicts.models import Conflict
from integrations.models import Account, Collection
from tests.admin.addresses import form_for_new, list_of, page_of
from tests.admin.team import Team, browser, superuser

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    return Team("domestic")


@pytest.fixture
def member(team: Team) -> Client:
    return browser(team.member)


def act(client: Client, action: str, *rows: Any, **more: str) -> list[str]:
    """Choose an action for rows of a list, and return what the page says."""
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return said(client.post(list_of(type(rows[0])), chosen | more, follow=True))


def said(answer: HttpResponse) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


class TestAccounts:
    """Accounts are paused and resumed, and nothing else."""

    def test_are_paused_and_resumed(self, team: Team, member: Client) -> None:
        assert act(member, "pause", team.account) == ["1 paused."]
        team.account.refresh_from_db()
        assert team.account.state == Account.State.PAUSED

        assert act(member, "resume", team.account) == ["1 resumed."]
        team.account.refresh_from_db()
        assert (team.account.state, team.account.state_reason) == (Account.State.ACTIVE, "")

    def test_a_dead_grant_is_not_resumed(self, team: Team, member: Client) -> None:
        Account.objects.update(state=Account.State.NEEDS_RECONNECT)

        messages = act(member, "resume", team.account)

        assert messages[0] == "0 resumed."
        assert "connect_account" in messages[1]
        assert Account.objects.get().state == Account.State.NEEDS_RECONNECT

    def test_nobody_without_the_right_pauses(self, team: Team, member: Client) -> None:
        team.member.user_permissions.filter(codename="change_account").delete()

        act(member, "pause", team.account)

        assert Account.objects.get().state == Account.State.ACTIVE


class TestCollections:
    """A collection's settings are a person's, the rest is the run's."""

    SETTINGS = {
        "selected": "on",
        "direction": "two_way",
        "past_days": 90,
        "strategy": "merge_changes",
        "fallback": "manual_review",
        "owners": "{}",
        "equal_within_seconds": 5,
        "max_deletions": 50,
        "max_deleted_share": 0.1,
        "max_deleted_share_per_day": 0.2,
    }

    def save(self, client: Client, collection: Collection, **settings: Any) -> HttpResponse:
        return client.post(page_of(collection), self.SETTINGS | settings)

    def errors(self, answer: HttpResponse) -> dict[str, list[str]]:
        return answer.context["adminform"].form.errors

    def test_settings_are_saved(self, team: Team, member: Client) -> None:
        answer = self.save(
            member, team.main, direction="pull", owners='{"title": "remote"}', past_days=7
        )

        assert answer.status_code == 302
        saved = Collection.objects.get(pk=team.main.pk)
        assert (saved.direction, saved.owners, saved.past_days) == ("pull", {"title": "remote"}, 7)

    def test_saving_does_not_undo_what_a_run_writes_meanwhile(
        self, team: Team, member: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def while_a_run_goes_on(collection: Collection) -> None:
            Collection.objects.filter(pk=collection.pk).update(cursor="newer", lease_fence=9)

        monkeypatch.setattr(Collection, "clean", while_a_run_goes_on)

        self.save(member, team.main, past_days=7)

        saved = Collection.objects.get(pk=team.main.pk)
        assert (saved.past_days, saved.cursor, saved.lease_fence) == (7, "newer", 9)

    def test_what_a_run_keeps_cannot_be_set(self, team: Team, member: Client) -> None:
        self.save(member, team.main, cursor="forged", lease_fence=99, name="forged")

        saved = Collection.objects.get(pk=team.main.pk)
        assert "forged" not in (saved.cursor, saved.name)
        assert saved.lease_fence == 0

    @pytest.mark.parametrize(
        ("owners", "problem"),
        [
            ('{"titel": "remote"}', "There is no field 'titel'; there are: attachments, attendees"),
            ('{"title": "mine"}', "The owner of 'title' is either local or remote"),
            ('["title"]', 'It takes {"field": "side"}'),
            ('{"start": "local", "end": "remote"}', "give both to one side"),
            ("{title: remote}", "Enter a valid JSON"),
        ],
    )
    def test_owners_that_make_no_sense_are_explained(
        self, team: Team, member: Client, owners: str, problem: str
    ) -> None:
        answer = self.save(member, team.main, owners=owners)

        assert problem in " ".join(self.errors(answer)["owners"])
        assert Collection.objects.get(pk=team.main.pk).owners == {}

    @pytest.mark.parametrize("role", ["reader", "freeBusyReader"])
    @pytest.mark.parametrize("direction", ["push", "two_way"])
    def test_a_calendar_that_we_may_only_read_is_only_pulled(
        self, team: Team, member: Client, role: str, direction: str
    ) -> None:
        Collection.objects.filter(pk=team.main.pk).update(access_role=role, direction="pull")

        answer = self.save(member, team.main, direction=direction)

        assert f"shared with us as {role}" in " ".join(self.errors(answer)["direction"])

    @pytest.mark.parametrize("share", ["-0.1", "1.5"])
    def test_a_share_lies_between_nothing_and_all(
        self, team: Team, member: Client, share: str
    ) -> None:
        answer = self.save(member, team.main, max_deleted_share=share)

        assert "between 0 and 1" in " ".join(self.errors(answer)["max_deleted_share"])

    def test_are_listed_anew_at_the_next_run(self, team: Team, member: Client) -> None:
        messages = act(member, "list_anew", team.main, team.other)

        assert messages == ["2 will be listed completely at the next run."]
        assert set(Collection.objects.values_list("cursor", flat=True)) == {""}

    def test_one_that_a_run_is_at_is_left_alone(self, team: Team, member: Client) -> None:
        team.main.take_lease(holder="worker", now=timezone.now(), seconds=60)

        messages = act(member, "list_anew", team.main)

        assert messages[0].startswith("0 will be listed")
        assert "a run is at it" in messages[1]
        assert Collection.objects.get(pk=team.main.pk).cursor

    @pytest.mark.parametrize(
        ("age", "shown"), [(0, "worker, for 1"), (10, "worker, died 8\u00a0minutes ago")]
    )
    def test_a_page_says_who_holds_the_lease(
        self, team: Team, member: Client, age: int, shown: str
    ) -> None:
        then = timezone.now() - timedelta(minutes=age)
        team.main.take_lease(holder="worker", now=then, seconds=119)

        assert shown in member.get(page_of(team.main)).content.decode()


class TestBusyRules:
    """Busy rules are added, changed and removed through their service."""

    def fill_in(self, team: Team, **more: Any) -> dict[str, Any]:
        return {
            "source": team.other.pk,
            "target": team.main.pk,
            "title_template": "Busy",
            "skip_declined": "on",
            "past_days": 7,
            "future_days": 30,
            "enabled": "on",
        } | more

    def test_are_added(self, team: Team, member: Client) -> None:
        answer = member.post(
            form_for_new(BusyRule),
            self.fill_in(team, fields=["location"], skip_event_types=["birthday"]),
        )

        rule = BusyRule.objects.get(source=team.other)
        assert answer["Location"] == list_of(BusyRule)
        assert (rule.target, rule.fields) == (team.main, ["location"])
        assert (rule.skip_event_types, rule.future_days) == (["birthday"], 30)
        assert (rule.skip_declined, rule.skip_free) == (True, False)

    def test_a_new_one_lets_both_calendars_take_part(self, team: Team, member: Client) -> None:
        Collection.objects.update(selected=False)

        member.post(form_for_new(BusyRule), self.fill_in(team))

        assert not Collection.objects.filter(selected=False).exists()

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"title_template": "{title}"}, "must be shown too"),
            ({"title_template": "{secret}"}, "knows only the words"),
            ({"fields": ["attendees"]}, "Select a valid choice"),
            ({"past_days": 99999}, "0 to 3650 days"),
        ],
    )
    def test_what_cannot_be_is_explained_and_nothing_is_lost(
        self, team: Team, member: Client, settings: dict[str, Any], problem: str
    ) -> None:
        answer = member.post(form_for_new(BusyRule), self.fill_in(team, **settings))

        page = answer.content.decode()
        assert answer.status_code == 200
        assert problem in page
        assert 'value="30"' in page
        assert BusyRule.objects.count() == 1

    def test_a_calendar_does_not_block_itself(self, team: Team, member: Client) -> None:
        answer = member.post(form_for_new(BusyRule), self.fill_in(team, source=team.main.pk))

        assert "a calendar does not block itself" in answer.content.decode()

    def test_one_calendar_blocks_another_once(self, team: Team, member: Client) -> None:
        again = self.fill_in(team, source=team.main.pk, target=team.other.pk)

        answer = member.post(form_for_new(BusyRule), again)

        assert "blocks that one already" in answer.content.decode()
        assert BusyRule.objects.count() == 1

    def test_filters_are_written_one_on_each_line(self, team: Team, member: Client) -> None:
        lines = {"include": "title:*review*\r\n\r\norganiser:*@example.com", "weekdays": ["mon"]}
        member.post(form_for_new(BusyRule), self.fill_in(team, **lines, hours_from="09:00"))

        rule = BusyRule.objects.get(source=team.other)
        assert rule.include == ["title:*review*", "organiser:*@example.com"]
        assert (rule.weekdays, str(rule.hours_from)) == (["mon"], "09:00:00")
        page = member.get(page_of(rule)).content.decode()
        assert "title:*review*\norganiser:*@example.com" in page

    def test_a_filter_that_is_none_is_explained(self, team: Team, member: Client) -> None:
        answer = member.post(form_for_new(BusyRule), self.fill_in(team, exclude="standup"))

        assert "does not begin with what it looks at" in answer.content.decode()

    def test_a_changed_one_is_applied_anew(self, team: Team, member: Client) -> None:
        BusyRule.objects.update(applied="before")

        member.post(
            page_of(team.busy_rule), self.fill_in(team, title_template="Taken", skip_free="on")
        )

        rule = BusyRule.objects.get()
        assert (rule.title_template, rule.applied) == ("Taken", "")
        assert (rule.source, rule.target) == (team.main, team.other)

    def test_saving_one_unchanged_applies_nothing_anew(self, team: Team, member: Client) -> None:
        BusyRule.objects.update(applied="before")

        ticked = dict.fromkeys(("skip_free", "skip_invited", "once_per_meeting", "adopts"), "on")
        unchanged = self.fill_in(team, **ticked, future_days=365)
        member.post(page_of(team.busy_rule), unchanged)

        assert BusyRule.objects.get().applied == "before"

    @pytest.mark.parametrize("way", ["page", "list"])
    def test_one_that_is_removed_takes_its_blocks_along(
        self, team: Team, member: Client, way: str
    ) -> None:
        if way == "page":
            answer = member.post(page_of(team.busy_rule, "delete"), {"post": "yes"}, follow=True)
            messages = said(answer)
        else:
            messages = act(member, "delete_selected", team.busy_rule, post="yes")

        assert "The next sync deletes 1 busy blocks." in messages
        assert BusyRule.objects.get().removed_at
        assert Item.objects.get(pk=team.block.pk).deleted_at
        assert Item.objects.get(pk=team.event.pk).deleted_at is None
        assert Event.objects.filter(pk=team.block.pk).exists()

    def test_removing_asks_first_and_says_what_goes(self, team: Team, member: Client) -> None:
        page = member.get(page_of(team.busy_rule, "delete")).content.decode()

        assert "with its blocks" in page
        assert "busy blocks: 1" in page.lower()

    def test_a_removed_one_is_not_listed_any_more(self, team: Team, member: Client) -> None:
        member.post(page_of(team.busy_rule, "delete"), {"post": "yes"})

        assert member.get(list_of(BusyRule)).context["cl"].result_count == 0
        assert member.get(page_of(team.block)).status_code == 200


class TestConflicts:
    """Open conflicts are ruled on side by side, or by keeping one side."""

    def test_a_page_shows_the_versions_side_by_side(self, team: Team, member: Client) -> None:
        page = member.get(page_of(team.conflict)).content.decode()

        assert "<th>base</th><th>local</th><th>remote</th>" in page
        assert "There domestic" in page

    @pytest.mark.parametrize(("side", "title"), [("remote", "There domestic"), ("local", None)])
    def test_one_side_is_kept(
        self, team: Team, member: Client, side: str, title: str | None
    ) -> None:
        messages = act(member, f"keep_{side}", team.conflict)

        ruled = Conflict.objects.get()
        assert messages == [f"1 ruled: the {side} version is kept by the next sync."]
        assert ruled.outcome == Conflict.Outcome.RULED
        assert ruled.ruling["fields"]["title"] == (title or team.event.title)
        assert ruled.ruled_by == team.member

    def test_what_is_decided_already_is_left_alone(self, team: Team, member: Client) -> None:
        act(member, "keep_local", team.conflict)

        messages = act(member, "keep_remote", team.conflict)

        assert messages[0].startswith("0 ruled")
        assert "nobody waits for a ruling" in messages[1]
        assert Conflict.objects.get().ruling["fields"]["title"] == team.event.title

    def test_a_ruled_one_shows_the_ruling(self, team: Team, member: Client) -> None:
        act(member, "keep_remote", team.conflict)

        assert "<th>ruling</th>" in member.get(page_of(team.conflict)).content.decode()


def test_a_superuser_acts_for_every_workspace(team: Team) -> None:
    other = Team("another")

    assert act(browser(superuser()), "pause", team.account, other.account) == ["2 paused."]
