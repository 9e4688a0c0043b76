"""Connecting accounts and keeping their lists of calendars."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from integrations.credentials import StoredGrant
from integrations.models import Account, Collection, Membership, Workspace
from integrations.registry import open_provider
from integrations.sandbox import Sandbox
from integrations.services import (
    CannotConnect,
    Grant,
    Refusal,
    UnknownAccount,
    UnknownCollection,
    UnknownTenant,
    WrongDirection,
    connect_google_account,
    describe_account,
    find_accounts,
    person_named,
    refresh_collections,
    select_collections,
    workspace_for,
)
from sync.core.records import Direction
from tests.integrations.conftest import HOME, WORK

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CALENDAR = "https://www.googleapis.com/auth/calendar"


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Band")


def connect(sandbox: Sandbox, workspace: Workspace, email: str = WORK) -> Account:
    grant = Grant(refresh_token=sandbox.refresh_token(email))
    return connect_google_account(grant=grant, workspace=workspace, owner=None, now=NOW).account


def share(sandbox: Sandbox, calendar: str, role: str) -> None:
    """Let home@example.com see a calendar of work@example.com."""
    sandbox.post("calendars/share", account=WORK, calendar=calendar, **{"with": HOME, "role": role})


def test_a_new_account_takes_part_with_its_primary_calendar_only(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    other = google_settings.post("calendars", account=WORK, summary="Team")["id"]
    account = connect(google_settings, workspace)
    rows = {c.remote_id: (c.selected, c.direction) for c in account.collections.all()}
    assert rows == {WORK: (True, Direction.TWO_WAY), other: (False, Direction.TWO_WAY)}
    assert account.collections.get(remote_id=WORK).calendar.time_zone == "Europe/Berlin"


def test_what_is_shared_for_reading_is_only_pulled(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    team = google_settings.post("calendars", account=WORK, summary="Team")["id"]
    share(google_settings, team, "reader")
    account = connect(google_settings, workspace, HOME)
    collection = account.collections.get(remote_id=team)
    assert (collection.direction, collection.access_role) == (Direction.PULL, "reader")
    with pytest.raises(WrongDirection, match="reader"):
        select_collections(account, [team], direction=Direction.TWO_WAY)


def test_the_same_person_keeps_the_account_and_is_thawed(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    first = connect(google_settings, workspace)
    Account.objects.update(state=Account.State.NEEDS_RECONNECT, state_reason="dead")
    Collection.objects.update(selected=False)
    before = StoredGrant(first).load()
    again = connect(google_settings, workspace)
    assert again.pk == first.pk
    assert (again.state, again.state_reason) == (Account.State.ACTIVE, "")
    assert StoredGrant(again).load().refresh_token != before.refresh_token
    assert not again.collections.filter(selected=True).exists()  # a person's choice stands


def test_another_person_is_another_account(google_settings: Sandbox, workspace: Workspace) -> None:
    assert connect(google_settings, workspace) != connect(google_settings, workspace, HOME)
    assert Account.objects.count() == 2


def test_the_same_person_in_another_workspace_is_another_account(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    other = Workspace.objects.create(name="Firm")
    assert connect(google_settings, workspace) != connect(google_settings, other)


def test_credentials_are_stored_sealed_and_reused(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    token = google_settings.refresh_token(WORK)
    grant = Grant(refresh_token=token)
    account = connect_google_account(grant=grant, workspace=workspace, owner=None, now=NOW).account
    stored = Account.objects.get(pk=account.pk).credentials
    assert token not in stored
    grant = StoredGrant(account).load()
    assert grant.access_token
    assert grant.access_token not in stored
    google_settings.fault("oauth_error", operation="oauth.token", times=None)
    collection = account.collections.get(remote_id=WORK)
    list(open_provider(collection, now=NOW).changes(""))  # needs no new token
    google_settings.post("faults/clear")


def test_a_renewed_token_is_stored_unless_it_is_not_to_be_kept(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    account = connect(google_settings, workspace)
    collection = account.collections.get(remote_id=WORK)
    before = StoredGrant(account).load()
    google_settings.post("tokens/expire_access")
    list(open_provider(collection, now=NOW, keep=False).changes(""))
    assert StoredGrant(account).load() == before
    list(open_provider(collection, now=NOW).changes(""))
    assert StoredGrant(account).load() != before


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        (["email", f"{CALENDAR}.events"], "calendarlist.readonly"),
        (["email", f"{CALENDAR}.readonly"], "calendar.events"),
    ],
)
def test_a_grant_that_allows_too_little_is_refused_with_the_list(
    google_settings: Sandbox, workspace: Workspace, scopes: list[str], said: str
) -> None:
    grant = Grant(refresh_token=google_settings.refresh_token(WORK, ["openid", *scopes]))
    with pytest.raises(CannotConnect, match=said):
        connect_google_account(grant=grant, workspace=workspace, owner=None, now=NOW)
    assert not Account.objects.exists()


def test_a_grant_that_does_not_say_whose_it_is_is_refused(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    grant = Grant(refresh_token=google_settings.refresh_token(WORK, [CALENDAR]))
    with pytest.raises(CannotConnect, match="openid email"):
        connect_google_account(grant=grant, workspace=workspace, owner=None, now=NOW)


def test_a_dead_token_is_refused_and_never_quoted(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    grant = Grant(refresh_token="canary-token")
    with pytest.raises(CannotConnect, match="revoked") as error:
        connect_google_account(grant=grant, workspace=workspace, owner=None, now=NOW)
    assert "canary" not in str(error.value)


def test_a_look_at_the_list_adds_renames_and_marks_gone(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    old = google_settings.post("calendars", account=WORK, summary="Old")["id"]
    account = connect(google_settings, workspace)
    new = google_settings.post("calendars", account=WORK, summary="New")["id"]
    google_settings.post("calendars/delete", account=WORK, calendar=old)
    report = refresh_collections(account, now=NOW + timedelta(minutes=1))
    assert (report.new, report.gone, report.complete) == (1, 1, False)
    assert account.collections.get(remote_id=old).gone_at == NOW + timedelta(minutes=1)
    assert account.collections.get(remote_id=new).name == "New"


def test_a_changed_role_is_seen_by_the_daily_complete_list(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    team = google_settings.post("calendars", account=WORK, summary="Team")["id"]
    share(google_settings, team, "writer")
    account = connect(google_settings, workspace, HOME)
    share(google_settings, team, "reader")
    report = refresh_collections(account, now=NOW + timedelta(hours=25))
    assert report.complete
    collection = account.collections.get(remote_id=team)
    assert (collection.access_role, collection.direction) == ("reader", Direction.PULL)
    assert "writer to reader" in collection.deletions_held_because


def test_a_dead_cursor_of_the_list_leads_to_a_complete_one(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    account = connect(google_settings, workspace)
    google_settings.post("tokens/kill_sync")
    assert refresh_collections(account, now=NOW + timedelta(minutes=1)).complete


def test_a_broken_list_changes_nothing(google_settings: Sandbox, workspace: Workspace) -> None:
    account = connect(google_settings, workspace)
    google_settings.fault("error", operation="calendarList.list", status=403, reason="forbidden")
    with pytest.raises(Refusal):
        refresh_collections(account, now=NOW, complete=True)
    assert account.collections.filter(gone_at=None).count() == 1


def test_a_dead_grant_freezes_the_account_and_deletes_nothing(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    account = connect(google_settings, workspace)
    google_settings.post("grants/revoke", account=WORK)
    with pytest.raises(Refusal):
        refresh_collections(account, now=NOW, complete=True)
    account.refresh_from_db()
    assert account.state == Account.State.NEEDS_RECONNECT
    assert "invalid_grant" in account.state_reason
    assert account.collections.filter(gone_at=None).count() == 1


def test_calendars_are_chosen_by_either_id_all_or_none(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    team = google_settings.post("calendars", account=WORK, summary="Team")["id"]
    account = connect(google_settings, workspace)
    with pytest.raises(UnknownCollection, match=WORK):
        select_collections(account, [team, "nope"])
    row = account.collections.get(remote_id=team)
    assert not row.selected
    select_collections(account, [str(row.pk)], direction=Direction.PUSH)
    row.refresh_from_db()
    assert (row.selected, row.direction) == (True, Direction.PUSH)
    select_collections(account, [team], selected=False)
    row.refresh_from_db()
    assert (row.selected, row.direction) == (False, Direction.PUSH)


def test_an_account_is_described_without_secrets(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    account = connect(google_settings, workspace)
    grant = StoredGrant(account).load()
    said = repr(describe_account(account))
    assert WORK in said
    for secret in (grant.refresh_token, grant.access_token, account.credentials):
        assert secret not in said


def test_accounts_are_found_by_id_or_address(
    google_settings: Sandbox, workspace: Workspace
) -> None:
    account = connect(google_settings, workspace)
    assert find_accounts() == find_accounts(WORK) == find_accounts(str(account.pk)) == [account]
    with pytest.raises(UnknownAccount, match=str(account.pk)):
        find_accounts("nobody")


def test_the_first_workspace_is_made_for_the_only_person() -> None:
    person = User.objects.create_user("ada")
    assert person_named("") == person
    workspace = workspace_for("", person)
    membership = Membership.objects.get(workspace=workspace, user=person)
    assert membership.role == Membership.Role.OWNER
    assert workspace_for("", person) == workspace
    assert Membership.objects.count() == 1


def test_it_must_be_clear_whose_it_becomes(workspace: Workspace) -> None:
    for name in ("ada", "bob"):
        User.objects.create_user(name)
    assert person_named("") is None
    with pytest.raises(UnknownTenant, match="ada, bob"):
        person_named("eve")
    Workspace.objects.create(name="Firm")
    with pytest.raises(UnknownTenant, match="Band, Firm"):
        workspace_for("", None)
    bob = person_named("bob")
    assert workspace_for("Firm", bob).name == "Firm"
    assert Membership.objects.get(user=bob).role == Membership.Role.MEMBER
