"""The Celery application: wake-ups only, since the truth about work is in the database."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
from django.conf import settings

QUEUES = ("priority", "default", "bulk")  # people waiting, polling, first imports
TICK_SECONDS = 15
TASK_SECONDS = 300
VISIBILITY = {"visibility_timeout": 3 * TASK_SECONDS}  # a lost worker's message comes back then

app = Celery("lockstep")
app.conf.update(
    # a socket's path is an address of its own for Celery
    broker_url=settings.REDIS_URL.replace("unix://", "redis+socket://", 1),
    broker_connection_retry_on_startup=True,
    broker_transport_options={**VISIBILITY, "queue_order_strategy": "priority"},
    task_queues=[Queue(name) for name in QUEUES],
    task_default_queue="default",
    task_create_missing_queues=False,
    # JSON only, and no results: what came of a run is a row
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    result_expires=None,
    # a worker may die at any point; the message is given to the next one
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=TASK_SECONDS - 60,
    task_time_limit=TASK_SECONDS,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_soft_shutdown_timeout=30,
    worker_max_tasks_per_child=500,
    worker_max_memory_per_child=300_000,  # KiB
    timezone="UTC",
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
    beat_schedule={
        "tick": {
            "task": "sync.tasks.tick",
            "schedule": TICK_SECONDS,
            "options": {"queue": "priority", "expire_seconds": TICK_SECONDS},
        }
    },
)
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Being connected is enough for Celery to leave Django's logging, and its redaction, alone."""
