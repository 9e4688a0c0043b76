"""Accounts that are connected, lose their grant, and are connected anew."""

import json

import pytest

from integrations.models import Account
from tests.e2e.local import collection, local_titles, sync_at_once
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import HOME, WORK, People


def connect(lockstep: Lockstep, token: str, code: int = 0) -> str:
    """Connect with a refresh token on standard input, as a script does."""
    options = ("--refresh-token", "-", "--json")
    return lockstep.run("connect_account", "google", *options, stdin=token, code=code).out


def test_from_nothing_to_busy_blocks_with_commands_alone(
    lockstep: Lockstep, people: People
) -> None:
    people.add(WORK, "Lunch")
    people.add(HOME, "Yoga")
    for account in (WORK, HOME):
        assert json.loads(connect(lockstep, people.token(account)))["created"] is True
    assert WORK in lockstep.run("list_calendars").out
    lockstep.run("busy_rule", "add", "--source", WORK, "--target", HOME)
    lockstep.run("busy_rule", "add", "--source", HOME, "--target", WORK)
    rules = json.loads(lockstep.run("busy_rule", "list", "--json").out)["rules"]
    assert {(r["source"]["name"], r["target"]["name"]) for r in rules} == {
        (WORK, HOME),
        (HOME, WORK),
    }

    lockstep.run("sync_calendars")

    assert people.titles(WORK) == ["Busy", "Lunch"]
    assert people.titles(HOME) == ["Busy", "Yoga"]


def test_a_token_that_google_does_not_take_connects_nothing(
    lockstep: Lockstep, people: People
) -> None:
    token = people.token(WORK)
    people.sandbox.post("grants/revoke", account=WORK)

    connect(lockstep, token, code=1)

    assert not Account.objects.exists()


@pytest.fixture
def revoked(blocking: Lockstep, people: People) -> Lockstep:
    """Both calendars were in step; then one person withdraws what they had allowed."""
    for number in range(3):
        people.add(WORK, f"Meeting {number}")
        people.add(HOME, f"Yoga {number}")
    sync_at_once()
    people.sandbox.post("grants/revoke", account=HOME)
    people.add(WORK, "The news")
    return blocking


def test_a_revoked_grant_freezes_the_account_and_deletes_nothing(
    revoked: Lockstep, people: People
) -> None:
    reports = revoked.sync(code=1)

    assert (reports.of(HOME)["state"], reports.of(WORK)["state"]) == ("failed", "done")
    assert Account.objects.get(email=HOME).state == Account.State.NEEDS_RECONNECT
    assert not {c for c in reports.changes if c[2] == "delete"}
    assert local_titles(HOME) == ["Yoga 0", "Yoga 1", "Yoga 2"]
    assert people.titles(WORK).count("Busy") == 3
    assert "needs_reconnect" in revoked.run("list_calendars").out
    assert people.titles(WORK).count("Busy") == 3


def test_a_run_that_leaves_a_resting_account_out_does_not_look_like_success(
    revoked: Lockstep, people: People
) -> None:
    revoked.sync(code=1)

    assert [r["name"] for r in revoked.sync(code=1).all] == [WORK]
    assert f"{HOME} (google) rests until" in revoked.run("sync_calendars", code=1).err
    assert "connect_account google" in revoked.run("sync_calendars", "--dry-run", code=1).err
    alone = revoked.run("sync_calendars", "--account-id", HOME, code=1)
    assert "connect_account google" in alone.err
    revoked.run("sync_calendars", "--account-id", WORK)


def test_an_account_that_somebody_paused_rests_on_purpose(
    blocking: Lockstep, people: People
) -> None:
    Account.objects.filter(email=HOME).update(state=Account.State.PAUSED)

    said = blocking.run("sync_calendars")

    assert f"{HOME} (google) rests: it is paused" in said.err
    assert blocking.run("sync_calendars", "--account-id", HOME, code=1).out == ""


def test_an_account_that_is_connected_anew_goes_on_where_it_stopped(
    revoked: Lockstep, people: People
) -> None:
    revoked.sync(code=1)
    people.add(HOME, "Choir")
    before = collection(HOME).pk

    assert json.loads(connect(revoked, people.token(HOME)))["created"] is False
    reports = revoked.sync(code=0)

    assert collection(HOME).pk == before
    assert not {c for c in reports.changes if c[2] in ("delete", "conflict")}
    assert local_titles(HOME) == ["Choir", "Yoga 0", "Yoga 1", "Yoga 2"]
    assert people.titles(HOME).count("Busy") == 4
    assert people.titles(WORK).count("Busy") == 4
    assert sync_at_once() == 0


def test_a_grant_that_is_refused_for_a_moment_freezes_nothing(
    blocking: Lockstep, people: People
) -> None:
    people.add(WORK, "Lunch")
    people.sandbox.post("tokens/expire_access")
    people.fault("oauth_error", "oauth.token", status=503, error="internal_failure")

    blocking.sync(code=0)

    assert {account.state for account in Account.objects.all()} == {Account.State.ACTIVE}
    assert people.titles(HOME) == ["Busy"]
