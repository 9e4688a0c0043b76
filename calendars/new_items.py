"""Insert new items, many at once; their detail rows are their kind's affair."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from calendars import bulk
from calendars.models import Item
from integrations.models import Collection

_COLUMNS = ("id", "pending", "workspace", "kind", "home", "revision", "created_at", "updated_at")


def insert_items(
    items: Iterable[tuple[uuid.UUID, bool]], *, home: Collection, now: datetime
) -> None:
    """Insert items at home in a collection: each id, and whether a copy is still to hear of it."""
    alike = (home.account.workspace_id, home.kind, home.pk, 1, now, now)
    bulk.insert(Item, _COLUMNS, ((item_id, pending, *alike) for item_id, pending in items))
