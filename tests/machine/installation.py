"""One Lockstep with its services around it, started when first needed and set anew each time."""

import atexit
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.test import override_settings
from django.utils import timezone

from calendars.services import add_busy_rule
from integrations.models import Account, Collection
from integrations.sandbox import Sandbox
from integrations.services import (
    Grant,
    connect_caldav_account,
    connect_google_account,
    select_collections,
    workspace_for,
)
from sync.circles import add_to_circle
from tests import radicale
from tests.e2e.conftest import google_settings
from tests.machine.sides import ZONE, DavSide, GoogleSide, Side

WORK, HOME = "work@example.com", "home@example.com"
# The CalDAV server's person, and the calendar that holds what HOME holds.
USER, CALENDAR = "home", "family"


class Installation:
    """The services, and how Lockstep is connected to them."""

    def __init__(self) -> None:
        self._sandbox: Sandbox | None = None
        self._radicale: radicale.Radicale | None = None
        self._settings: Any = None

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox, a process of its own until the tests end."""
        if self._sandbox is None:
            self._sandbox = Sandbox("empty")
            self._sandbox.start()
            atexit.register(self._sandbox.stop)
        return self._sandbox

    @property
    def radicale(self) -> radicale.Radicale:
        """The CalDAV server, a process of its own until the tests end."""
        if self._radicale is None:
            folder = tempfile.TemporaryDirectory()
            self._radicale = radicale.start(Path(folder.name))
            atexit.register(folder.cleanup)
            atexit.register(self._radicale.stop)
        return self._radicale

    def connect(self) -> list[Side]:
        """Let everybody begin with empty calendars: WORK, its team's, HOME, and the server's."""
        sandbox = self.sandbox
        sandbox.post("reset", seed_data="empty")
        for email in (WORK, HOME):
            sandbox.post("accounts", email=email, timeZone=ZONE)
        team = sandbox.post("calendars", account=WORK, summary="Team", timeZone=ZONE)["id"]
        if self._settings is None:
            self._settings = override_settings(**google_settings(sandbox))
            self._settings.enable()
            atexit.register(self._settings.disable)
        address = self._empty_calendar()
        self._connect_accounts(team, address)
        dav = Collection.objects.get(account__service="caldav")
        work, home = (Collection.objects.get(remote_id=name) for name in (WORK, HOME))
        add_to_circle(name="Home", collections=[home, dav], clock=timezone.now)
        for source, target in ((work, home), (home, work), (work, dav)):
            add_busy_rule(source=source, target=target)
        return [
            GoogleSide(sandbox, WORK),
            GoogleSide(sandbox, WORK, team),
            GoogleSide(sandbox, HOME),
            DavSide(address, (USER, radicale.PEOPLE[USER])),
        ]

    def _connect_accounts(self, team: str, address: str) -> None:
        who = {"workspace": workspace_for("", None), "owner": None, "now": timezone.now()}
        for email in (WORK, HOME):
            connect_google_account(grant=Grant(self.sandbox.refresh_token(email)), **who)
        select_collections(Account.objects.get(email=WORK), [team])
        password = radicale.PEOPLE[USER]
        connect_caldav_account(url=address, user=USER, password=password, **who)

    def _empty_calendar(self) -> str:
        """Make the CalDAV calendar, in the place of one that there was; return its address."""
        if self.radicale.collection(USER, CALENDAR).exists():
            self.radicale.delete(USER, f"/{USER}/{CALENDAR}/")
        return self.radicale.make_calendar(USER, CALENDAR)

    def kill_sync_tokens(self) -> None:
        """Let every cursor be dead."""
        self.sandbox.post("tokens/kill_sync")
        self.radicale.forget_sync_tokens(USER, CALENDAR)

    def written(self) -> tuple[int, str]:
        """What would be another value had Lockstep written anything to a service."""
        writes = sum(entry["method"] != "GET" for entry in self.sandbox.journal())
        files = sorted(self.radicale.collection(USER, CALENDAR).glob("*.ics"))
        digest = sha256(b"".join(path.name.encode() + path.read_bytes() for path in files))
        return writes, digest.hexdigest()

    def mails(self) -> int:
        """How many mails the services would have sent."""
        return int(self.sandbox.get("journal")["mails"])
