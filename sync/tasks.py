"""Wake-ups: what is due is asked of the database, so the next tick makes up for a lost message."""

import uuid

from django.utils import timezone

from config.celery import app
from sync.services import due_collections, sync_due_collection

# Less than the task's soft time limit, so that a long first import stops at a boundary by itself.
RUN_SECONDS = 200


@app.task
def tick() -> None:
    """Send each collection that is due to a worker."""
    for collection_id in due_collections(now=timezone.now()):
        sync_collection.delay(collection_id=str(collection_id))


@app.task
def sync_collection(*, collection_id: str) -> str:
    """Run one collection, if it still is due."""
    return sync_due_collection(
        collection_id=uuid.UUID(collection_id), clock=timezone.now, seconds=RUN_SECONDS
    )
