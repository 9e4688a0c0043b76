"""Disconnecting an account takes its blocks along as a person chose, and nothing else."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from calendars.models import BusyRule, Event, Item
from calendars.services import add_busy_rule
from integrations import registry
from integrations.models import Account, Collection
from sync import disconnecting
from sync.disconnecting import disconnect_account
from sync.invariants import check_all
from sync.models import Mapping
from sync.services import sync_collections
from tests.calendars.world import at
from tests.sync.world import World

pytestmark = pytest.mark.django_db

PAST, FUTURE = "04-29", "05-05"  # it is noon of the first of May


class Team:
    """Two accounts of one team whose calendars block each other."""

    def __init__(self):
        self.mine, self.other = World(), World()
        self.clock = self.other.clock = self.mine.clock
        Account.objects.filter(pk=self.other.account.pk).update(
            workspace=self.mine.account.workspace, email="other@example.com"
        )
        self.other.account.refresh_from_db()
        self.work = self.mine.collection("work", access_role="owner")
        self.home = self.other.collection("home", access_role="owner")
        self.add("work", "a", PAST), self.add("work", "b", FUTURE), self.add("home", "c", FUTURE)
        add_busy_rule(source=self.work, target=self.home)
        add_busy_rule(source=self.home, target=self.work)
        self.sync()
        assert (self.shown("work"), self.shown("home")) == (
            ["04-29 a", "05-05 Busy", "05-05 b"],
            ["04-29 Busy", "05-05 Busy", "05-05 c"],
        )

    def add(self, calendar, title, day):
        self.calendar(calendar).add(title, title=title, start=at(day), end=at(day, 11))

    def calendar(self, name):
        return (self.mine if name == "work" else self.other).calendars[name]

    def provider(self, collection, **how):
        return (self.mine if collection.remote_id == "work" else self.other).provider(collection)

    def sync(self):
        self.clock.advance(minutes=1)
        collections = list(Collection.objects.syncing().in_order())
        return sync_collections(collections=collections, clock=self.clock, trigger="test")

    def shown(self, name):
        alive = self.calendar(name).alive().values()
        return sorted(f"{fields['start']['at'][5:10]} {fields['title']}" for fields in alive)

    def disconnect(self, removal, *, keep_data=True):
        self.clock.advance(minutes=1)
        return disconnect_account(
            account=self.mine.account, removal=removal, keep_data=keep_data, clock=self.clock
        )


@pytest.fixture
def team(db, monkeypatch):
    team = Team.__new__(Team)
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: team.provider(c, **how))
    team.__init__()
    yield team
    assert not [finding for finding in check_all(team.clock()) if finding.rows]


@pytest.mark.parametrize("keep_data", [True, False])
@pytest.mark.parametrize(
    ("removal", "work", "home"),
    [
        ("all", ["04-29 a", "05-05 b"], ["05-05 c"]),
        ("future", ["04-29 a", "05-05 b"], ["04-29 Busy", "05-05 c"]),
        (
            "keep",
            ["04-29 a", "05-05 Busy", "05-05 b"],
            ["04-29 Busy", "05-05 Busy", "05-05 c"],
        ),
    ],
)
def test_its_blocks_go_or_stay_on_both_sides_and_nothing_else_does(
    team, removal, work, home, keep_data
):
    done = team.disconnect(removal, keep_data=keep_data)
    assert (done.state, done.rules, done.waiting) == ("done", 2, [])
    team.sync()
    assert (team.shown("work"), team.shown("home")) == (work, home)
    assert not BusyRule.objects.filter(removed_at=None).exists()


def test_with_its_data_kept_it_rests_without_its_secrets_and_can_come_back(team):
    Account.objects.filter(pk=team.mine.account.pk).update(credentials="sealed")
    team.disconnect("all")
    account = Account.objects.get(pk=team.mine.account.pk)
    assert (account.state, account.credentials) == ("needs_reconnect", "")
    assert account.state_reason == "disconnected by a person"
    assert not account.collections.filter(selected=True).exists()
    assert Event.objects.filter(item__home=team.work, busy_rule=None).count() == 2


@pytest.mark.parametrize("removal", ["all", "future", "keep"])
def test_with_its_data_deleted_no_row_of_it_is_left(team, removal):
    team.disconnect(removal, keep_data=False)
    assert not Account.objects.filter(pk=team.mine.account.pk).exists()
    assert not Item.objects.filter(home=None).exists()
    assert not Event.objects.filter(title__in=["a", "b"]).exists()
    assert not Event.objects.filter(busy_rule__isnull=False).exists()
    assert Event.objects.filter(title="c").exists()
    assert set(Mapping.objects.values_list("collection__remote_id", flat=True)) == {"home"}


def test_a_frozen_account_waits_and_is_finished_once_it_thaws(team):
    Account.objects.filter(pk=team.mine.account.pk).update(state="needs_reconnect")
    done = team.disconnect("all", keep_data=False)
    assert done.state == "waiting"
    assert "needs reconnect" in done.waiting[0]
    assert team.shown("home") == ["05-05 c"]
    assert team.shown("work") == ["04-29 a", "05-05 Busy", "05-05 b"]

    Account.objects.filter(pk=team.mine.account.pk).update(state="active")
    assert team.disconnect("all", keep_data=False).state == "done"
    assert team.shown("work") == ["04-29 a", "05-05 b"]
    assert Account.objects.count() == 1


def test_a_frozen_account_whose_blocks_stay_is_disconnected_at_once(team):
    Account.objects.filter(pk=team.mine.account.pk).update(state="needs_reconnect")
    assert team.disconnect("keep", keep_data=False).state == "done"
    assert Account.objects.count() == 1


def test_the_blocks_in_a_frozen_target_of_somebody_else_hold_up_only_the_deletion(team):
    Account.objects.filter(pk=team.other.account.pk).update(state="paused")
    assert team.disconnect("all", keep_data=False).state == "waiting"
    assert team.disconnect("all").state == "done"
    Account.objects.filter(pk=team.other.account.pk).update(state="active")
    team.sync()
    assert team.shown("home") == ["05-05 c"]
    assert team.disconnect("all", keep_data=False).state == "done"


def test_while_a_run_is_busy_nothing_is_taken_from_under_it(team):
    team.mine.run(team.work)
    done = team.disconnect("keep", keep_data=False)
    assert done.state == "busy"
    assert Account.objects.count() == 2
    team.work.return_lease()


@pytest.mark.parametrize("step", ["remove_busy_rule", "sync_collections", "_finish"])
def test_a_disconnection_that_was_killed_goes_on_when_it_is_started_again(team, monkeypatch, step):
    class Killed(BaseException):
        """The process died here."""

    real = getattr(disconnecting, step)

    def die(*args, **how):
        real(*args, **how)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(disconnecting, step, die)
        with pytest.raises(Killed):
            team.disconnect("all", keep_data=True)
    assert team.disconnect("all", keep_data=True).state == "done"
    team.sync()
    assert (team.shown("work"), team.shown("home")) == (["04-29 a", "05-05 b"], ["05-05 c"])


def test_the_command_asks_says_what_it_did_and_what_it_waits_for(team):
    email = team.mine.account.email
    with pytest.raises(CommandError, match="--yes") as refused:
        call_command("disconnect_account", email, "--blocks", "all")
    assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="no account") as refused:
        call_command("disconnect_account", "nobody", "--blocks", "all", "--yes")
    assert refused.value.returncode == 2
    Account.objects.filter(email=email).update(state="paused")
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("disconnect_account", email, "--blocks", "all", "--yes", "--json", stdout=out)
    said = json.loads(out.getvalue())
    assert (ended.value.code, said["state"], said["rules"]) == (1, "waiting", 2)


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("google", "Google still lists"),
        ("caldav", "password for Lockstep"),
        ("ics", "Disconnected."),
    ],
)
def test_what_is_left_to_do_at_the_service_is_said(db, service, said):
    account = World().account
    Account.objects.filter(pk=account.pk).update(service=service)
    out = io.StringIO()
    call_command("disconnect_account", str(account.pk), "--blocks", "keep", "--yes", stdout=out)
    assert said in out.getvalue().splitlines()[-1]
