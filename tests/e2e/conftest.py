"""One sandbox for all tests, emptied before each, and what has to hold after every test."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.utils import timezone

from calendars.services import add_busy_rule
from config.embedded_servers import Postgres
from integrations.models import Collection
from integrations.sandbox import Sandbox
from integrations.services import (
    Grant,
    connect_caldav_account,
    connect_google_account,
    workspace_for,
)
from sync.circles import add_to_circle
from tests import radicale
from tests.e2e.dav import FAMILY, PASSWORD, USER, Family, gate_before
from tests.e2e.launcher import Launcher
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import HOME, WORK, ZONE, People

# What tokens of the sandbox look like, as Google's do.
TOKEN = re.compile(r"ya29\.|1//\w")
ANSI = "\x1b"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("empty") as process:
        yield process


@pytest.fixture
def people(sandbox: Sandbox) -> People:
    """Two people who have nothing planned."""
    sandbox.post("reset", seed_data="empty")
    for email in (WORK, HOME):
        sandbox.post("accounts", email=email, timeZone=ZONE)
    return People(sandbox)


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture
def lockstep(
    people: People, transactional_db: None, tmp_path: Path, launcher: Launcher
) -> Iterator[Lockstep]:
    """An installation without accounts; afterwards it must have kept every secret and the peace."""
    lockstep = Lockstep(environment_of(people.sandbox, tmp_path), launcher)
    yield lockstep
    assert people.mails() == 0
    assert_no_secret_was_told(lockstep, people)
    call_command("check_sync")


def assert_no_secret_was_told(lockstep: Lockstep, people: People) -> None:
    """Tokens are never printed, titles only to whoever asked; nobody gets colours in a pipe."""
    for said in lockstep.everything_said:
        assert not TOKEN.search(said.out + said.err), said.arguments
        assert ANSI not in said.out + said.err, said.arguments
        told = said.err if said.shows_titles else said.out + said.err
        leaked = {secret for secret in people.secrets if secret and secret in told}
        assert not leaked, (said.arguments, leaked)


def environment_of(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    """The settings of a Lockstep on this test's database that takes the sandbox for Google."""
    return {
        "DATABASE_URL": _database_url(),
        "REDIS_URL": django_settings.REDIS_URL,
        "SECRET_KEY": django_settings.SECRET_KEY,
        "TOKEN_ENCRYPTION_KEYS": django_settings.TOKEN_ENCRYPTION_KEYS,
        "LOCKSTEP_DATA_DIR": str(folder),
        "LOCKSTEP_ENV_FILE": "/dev/null",
        **google_settings(sandbox),
    }


def google_settings(sandbox: Sandbox) -> dict[str, str]:
    """The settings that lead to the sandbox instead of Google."""
    url = sandbox.url
    return {
        "GOOGLE_API_ROOT": f"{url}/",
        "GOOGLE_AUTH_URI": f"{url}/o/oauth2/v2/auth",
        "GOOGLE_TOKEN_URI": f"{url}/token",
        "GOOGLE_REVOKE_URI": f"{url}/revoke",
        "GOOGLE_CLIENT_ID": sandbox.client_id,
        "GOOGLE_CLIENT_SECRET": sandbox.client_secret,
    }


def _database_url() -> str:
    """The address of the database that this test has for itself."""
    served_at = django_settings.DATABASE_URL or Postgres(django_settings.DATA_DIR).url
    name = django_settings.DATABASES["default"]["NAME"]
    return urlsplit(served_at)._replace(path=f"/{quote(name)}").geturl()


@pytest.fixture
def connected(lockstep: Lockstep, people: People, settings: Any) -> Lockstep:
    """Both people's accounts are connected, with their main calendars."""
    for name, value in google_settings(people.sandbox).items():
        setattr(settings, name, value)
    workspace = workspace_for("", None)
    for account in (WORK, HOME):
        grant = Grant(people.token(account))
        connect_google_account(grant=grant, workspace=workspace, owner=None, now=timezone.now())
    return lockstep


@pytest.fixture
def blocking(connected: Lockstep) -> Lockstep:
    """Both main calendars block each other."""
    work, home = (Collection.objects.get(remote_id=name) for name in (WORK, HOME))
    add_busy_rule(source=work, target=home)
    add_busy_rule(source=home, target=work)
    return connected


@pytest.fixture(scope="session")
def dav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[radicale.Radicale]:
    """A CalDAV server, shared by all tests."""
    server = radicale.start(tmp_path_factory.mktemp("radicale"))
    yield server
    server.stop()


@pytest.fixture
def family(dav_server: radicale.Radicale, people: People) -> Iterator[Family]:
    """An empty calendar on the CalDAV server, and the way there."""
    with gate_before(dav_server) as gate:
        family = Family(gate, people.secrets)
        yield family
        family.close()


@pytest.fixture
def at_home(lockstep: Lockstep, family: Family) -> Lockstep:
    """The family's calendar alone is connected."""
    connect_family(family)
    return lockstep


@pytest.fixture
def both(connected: Lockstep, family: Family) -> Lockstep:
    """Both people's accounts and the family's calendar are connected."""
    connect_family(family)
    return connected


@pytest.fixture
def circle(both: Lockstep) -> Lockstep:
    """HOME and the family's calendar hold the same events."""
    members = [Collection.objects.get(remote_id=name) for name in (HOME, FAMILY)]
    add_to_circle(name="Home", collections=members, clock=timezone.now)
    return both


def connect_family(family: Family) -> None:
    """Connect the calendar where the command is not what a test looks at."""
    connect_caldav_account(
        url=family.gate.url,
        user=USER,
        password=PASSWORD,
        workspace=workspace_for("", None),
        owner=None,
        now=timezone.now(),
    )
