"""A calendar with busy blocks from another one, and what can befall it."""

from collections.abc import Callable

import pytest
from django.db import transaction

from calendars.models import BusyRule
from calendars.services import refresh_busy_blocks
from integrations import registry
from integrations.models import Account, Collection, Workspace
from tests.sync.remote import RemoteCalendar, RemoteProvider, Stored
from tests.sync.world import World


def world_with_blocks(monkeypatch: pytest.MonkeyPatch) -> World:
    """Two calendars; "target" has a meeting, and blocks of two events and of a series of "source".

    The series has an occurrence that was moved. From now on every provider is a `World`'s.
    """
    world = World()
    monkeypatch.setattr(registry, "open_provider", lambda c, **how: world.provider(c))
    source, target = world.collection("source"), world.collection("target")
    remote = world.calendars["source"]
    remote.add("a", title="Secret A")
    remote.add("b", title="Secret B")
    remote.add("s", title="Secret series", recurrence=["RRULE:FREQ=DAILY;COUNT=5"])
    remote.add("s_2", title="Moved", parent="s", slot="2026-05-06T09:00:00Z", **_at(15))
    world.calendars["target"].add("meeting", title="A meeting")
    BusyRule.objects.create(source=source, target=target)
    draw(world)
    return world


def _at(hour: int) -> dict[str, dict[str, str]]:
    zone = "Europe/Berlin"
    return {
        "start": {"at": f"2026-05-06T{hour}:00:00Z", "zone": zone},
        "end": {"at": f"2026-05-06T{hour + 1}:00:00Z", "zone": zone},
    }


def draw(world: World, provider: RemoteProvider | None = None) -> None:
    """Sync both calendars, and bring the blocks in line between."""
    world.sync(Collection.objects.get(remote_id="source"))
    BusyRule.objects.update(applied="")
    refresh_busy_blocks(now=world.clock())
    world.sync(Collection.objects.get(remote_id="target"), provider)


def lose_database() -> Collection:
    """Lose everything; what is left is what connecting the target's account makes anew."""
    Workspace.objects.all().delete()
    account = Account.objects.create(
        workspace=Workspace.objects.create(name="Anew"), service="google", identity="sub"
    )
    return Collection.objects.create(
        account=account, remote_id="target", name="target", selected=True
    )


def with_fault(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Callable[[str, str], None]
) -> None:
    """From now on every call to a calendar is asked about before and afterwards.

    None of them may be made inside a transaction.
    """

    def ask(call: str, moment: str) -> None:
        with transaction.atomic(durable=True):  # raises inside another one
            fault(call, moment)

    monkeypatch.setattr(
        registry,
        "open_provider",
        lambda c, **how: RemoteProvider(world.calendars[c.remote_id], fault=ask),
    )


def one_block(remote: RemoteCalendar) -> str:
    """Return the remote id of a busy block that is neither a series nor part of one."""
    return next(s.remote_id for s in remote.events.values() if s.mark and _is_single(s))


def _is_single(stored: Stored) -> bool:
    return not (stored.parent or (stored.fields or {}).get("recurrence"))
