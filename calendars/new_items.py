"""Insert new items, many at once; their detail rows are their kind's affair."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from calendars import bulk
from calendars.models import Item
from integrations.models import Collection


def insert_items(
    items: Iterable[tuple[uuid.UUID, bool]], *, home: Collection, now: datetime
) -> None:
    """Insert items at home in a collection: each id, and whether a copy is still to hear of it."""
    alike = {
        **{"workspace": home.account.workspace_id, "kind": home.kind, "home": home.pk},
        **{"revision": 1, "created_at": now, "updated_at": now},
    }
    bulk.insert(Item, ("id", "pending"), items, alike)
