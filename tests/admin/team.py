"""A team with one row of everything that the admin shows, under names that tell whose they are."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client

from calendars.models import BusyRule, Calendar, Event, Item
from conflicts.models import Conflict
from integrations.models import Account, Circle, Collection, Membership, Workspace
from sync.core.events import EMPTY
from sync.core.records import fingerprint
from sync.models import Mapping, SyncItem, SyncLog, SyncOperation

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\u202egnp.exe"
# Whatever must never reach a page.
CANARY = "canary-refresh-token"

OURS = ("integrations", "calendars", "sync", "conflicts")


class Team:
    """A workspace with a member, two calendars, events, and what runs left behind.

    `word` is part of every name and title, so that a page can be searched for another team's.
    """

    def __init__(self, word: str, role: str = Membership.Role.OWNER) -> None:
        self.word = word
        self.workspace = Workspace.objects.create(name=f"{word} team")
        self.member = _staff(f"{word}-member")
        self.join(self.member, role)
        self.account = Account.objects.create(
            workspace=self.workspace,
            owner=self.member,
            service="google",
            identity=f"{word}-sub",
            email=f"{word}@example.com",
            credentials=CANARY,
            list_cursor=CANARY,
        )
        self.main, self.other = self._calendar("main"), self._calendar("other")
        self.circle = Circle.objects.create(workspace=self.workspace, name=f"{word} {HOSTILE}")
        self.event = self.add_event(f"{HOSTILE} {word}", location=f"{word} hall")
        self.busy_rule = BusyRule.objects.create(source=self.main, target=self.other)
        self.block = self.add_event(
            f"Busy {word}", self.other, busy_rule=self.busy_rule, source=self.event.item
        )
        self.mapping = self._mapping()
        self.operation = SyncOperation.objects.create(
            collection=self.main, trigger="test", started_at=NOW, state="done", error=word
        )
        self.line = self.add_line()
        self.add_log()
        self.conflict = self.add_conflict()

    @property
    def rows(self) -> dict[type[Model], Any]:
        """One row of each model that the admin shows."""
        return {
            Workspace: self.workspace,
            Account: self.account,
            Circle: self.circle,
            Collection: self.main,
            Calendar: self.main.calendar,
            Event: self.event,
            BusyRule: self.busy_rule,
            Mapping: self.mapping,
            SyncOperation: self.operation,
            SyncItem: self.line,
            Conflict: self.conflict,
        }

    def join(self, user: User, role: str) -> None:
        Membership.objects.create(workspace=self.workspace, user=user, role=role)

    def _calendar(self, name: str) -> Collection:
        collection = Collection.objects.create(
            account=self.account,
            remote_id=f"{name}-{self.word}",
            name=f"{self.word} {name} {HOSTILE}",
            selected=True,
            access_role="owner",
            cursor=CANARY,
        )
        Calendar.objects.create(collection=collection, time_zone="Europe/Berlin")
        return collection

    def add_event(self, title: str, home: Collection | None = None, **columns: Any) -> Event:
        item = Item.objects.create(
            workspace=self.workspace,
            kind="event",
            home=home or self.main,
            created_at=NOW,
            updated_at=NOW,
        )
        if "starts_on" not in columns:
            columns = {"starts_at": NOW, "ends_at": NOW + timedelta(days=7)} | columns
        uid = f"{item.pk}@{self.word}"
        return Event.objects.create(item=item, title=title, uid=uid, **columns)

    def _mapping(self) -> Mapping:
        record = dict(EMPTY) | {"title": f"{HOSTILE} {self.word}"}
        return Mapping.objects.create(
            collection=self.main,
            item=self.event.item,
            remote_id=f"remote-{self.word}",
            base=record,
            base_hash=fingerprint(record),
            remote_hash=fingerprint(record),
            raw={"summary": f"{HOSTILE} {self.word}"},
            seen_at=NOW,
        )

    def add_line(self) -> SyncItem:
        return SyncItem.objects.create(
            operation=self.operation,
            mapping=self.mapping,
            item=self.event.item,
            remote_id=self.mapping.remote_id,
            side="local",
            action="update",
            reason="changed remotely",
            state=SyncItem.State.DONE,
            fields=["title"],
            before={"title": f"Before {self.word}", "location": "same"},
            after={"title": f"{HOSTILE} {self.word}", "location": "same"},
            created_at=NOW,
        )

    def add_log(self) -> None:
        SyncLog.objects.create(
            operation=self.operation, at=NOW, level="warning", code="odd", facts={"number": 3}
        )

    def add_conflict(self) -> Conflict:
        return Conflict.objects.create(
            mapping=self.mapping,
            operation=self.operation,
            fields=["title"],
            base={"title": "Talk"},
            local={"title": f"{HOSTILE} {self.word}"},
            remote={"title": f"There {self.word}"},
            strategy="merge_changes",
            created_at=NOW,
        )


def _staff(name: str) -> User:
    """Return a member of staff with every right that Django knows about Lockstep's models."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=OURS))
    return user


def browser(user: User) -> Client:
    """Return a browser in which a person is signed in."""
    client = Client()
    client.force_login(user)
    return client


def superuser() -> User:
    """Return somebody who sees everything."""
    return User.objects.create_superuser("root")
