"""The steps of the mesh, each in a process of its own: plant, draw, change, look."""

import json
import sys
import uuid
from datetime import UTC, datetime, timedelta

import django

django.setup()

from django.db import connection, transaction  # noqa: E402

from calendars.models import Calendar, Event, Item  # noqa: E402
from calendars.new_items import insert_items  # noqa: E402
from calendars.services import add_busy_rule, refresh_busy_blocks  # noqa: E402
from integrations.models import Account, Collection, Workspace  # noqa: E402
from sync.kinds import KINDS, Incoming  # noqa: E402

NOW = datetime.now(UTC)


def plant(calendars: str, events: str) -> None:
    """Make calendars full of events of the coming year, and a rule from each to each other."""
    workspace = Workspace.objects.first() or Workspace.objects.create(name="bench")
    collections = [_calendar(workspace, n, int(events)) for n in range(int(calendars))]
    for source in collections:
        for target in collections:
            if source != target:
                add_busy_rule(source=source, target=target)


def _calendar(workspace: Workspace, number: int, events: int) -> Collection:
    email = f"calendar{number}@example.com"
    account = Account.objects.create(
        workspace=workspace, service="google", identity=email, email=email
    )
    calendar = Collection.objects.create(
        account=account, kind="event", remote_id=email, name=email, access_role="owner"
    )
    Calendar.objects.create(collection=calendar)
    ids = [uuid.uuid4() for _ in range(events)]
    with transaction.atomic():
        insert_items(((pk, False) for pk in ids), home=calendar, now=NOW)
        incoming = (Incoming(pk, _fields(n, events), {}) for n, pk in enumerate(ids))
        KINDS["event"].create(incoming)
    return calendar


def _fields(number: int, events: int) -> dict[str, object]:
    start = NOW + timedelta(days=360 * number / events)
    moments = (("start", start), ("end", start + timedelta(minutes=30)))
    times = {k: {"at": f"{at:%Y-%m-%dT%H:%M}:00Z", "zone": "UTC"} for k, at in moments}
    return {"title": f"Meeting {number}", **times}


def draw() -> None:
    """Bring the blocks of all rules in line."""
    refresh_busy_blocks(now=NOW)


def change() -> None:
    """Move one event, and let its blocks follow, as a run that pulled it would."""
    event = Event.objects.filter(busy_rule=None).select_related("item__home").earliest("pk")
    later = event.starts_at + timedelta(hours=1) if event.starts_at else NOW
    with transaction.atomic():
        Event.objects.filter(pk=event.pk).update(starts_at=later, ends_at=later)
        Item.objects.filter(pk=event.pk).touch()
        done = refresh_busy_blocks(now=NOW, source=event.item.home, item_ids=[event.pk])
    if done.updated + done.created == 0:
        raise SystemExit("no block followed")


def look() -> None:
    """Say how many rows PostgreSQL looked at while the blocks of one change followed."""
    counted = (
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('calendars_event', 'calendars_item')"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        change()
        cursor.execute(counted)
        print(json.dumps({"rows": cursor.fetchone()[0]}))


if __name__ == "__main__":
    {"plant": plant, "draw": draw, "change": change, "look": look}[sys.argv[1]](*sys.argv[2:])
