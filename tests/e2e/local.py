"""What people find and do on Lockstep's own side."""

from django.db import connection
from django.utils import timezone

from calendars.models import Event, Item
from config.demo.here import fingerprint, rename
from integrations.models import Collection
from sync.models import SyncItem
from sync.services import sync_collections

__all__ = [
    "collection",
    "delete",
    "fingerprint",
    "is_quiet",
    "let_the_lease_run_out",
    "local_titles",
    "rename",
    "sync_at_once",
    "tables_that_tell",
]


def collection(name: str) -> Collection:
    """A calendar, by its id at Google."""
    return Collection.objects.get(remote_id=name)


def local_titles(name: str) -> list[str]:
    """The titles of a person's own events in a calendar, as Lockstep has them, sorted."""
    own = Event.objects.filter(item__home__remote_id=name, item__deleted_at=None, busy_rule=None)
    return sorted(own.exclude(status="cancelled").values_list("title", flat=True))


def sync_at_once() -> int:
    """Bring everything in step in this very process, where a process is not what a test looks at.

    Returns how many changes that took.
    """
    collections = list(Collection.objects.syncing().in_order())
    reports = sync_collections(collections=collections, clock=timezone.now, trigger="test")
    assert {report.state for report in reports} == {"done"}
    operations = [report.operation for report in reports]
    return SyncItem.objects.filter(operation__in=operations).count()


def is_quiet() -> bool:
    """Whether no write waits for an answer."""
    return not SyncItem.objects.filter(state=SyncItem.State.INTENDED).exists()


def tables_that_tell(word: str) -> list[str]:
    """Name the tables in which a word can be read."""
    with connection.cursor() as cursor:
        return [
            table
            for table in connection.introspection.table_names(cursor)
            if cursor.execute(
                f"SELECT 1 FROM {connection.ops.quote_name(table)} AS t"  # noqa: S608 (our names)
                " WHERE strpos(t::text, %s) > 0 LIMIT 1",
                [word],
            ).fetchone()
        ]


def delete(title: str) -> None:
    """Delete a local event, as an editing screen would."""
    event = Event.objects.get(title=title, item__deleted_at=None, busy_rule=None)
    now = timezone.now()
    item = Item.objects.filter(pk=event.pk)
    item.update(updated_at=now, deleted_at=now)
    item.touch()


def let_the_lease_run_out() -> None:
    """Stand for the two minutes after which the lease of a dead run is free."""
    Collection.objects.update(lease_until=None)
