"""A run that cron starts every few minutes loads what it needs, and nothing for people."""

import gc
import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from config.environment import BASE_DIR

_WHAT_IT_LOADED = """
import sys
sys.argv = ["manage.py", "sync_calendars", "--help"]
import manage
try:
    manage.main()
except SystemExit:
    print("\\n".join(sys.modules), file=sys.stderr)
"""


def test_a_run_loads_nothing_that_is_for_people() -> None:
    command = [sys.executable, "-c", _WHAT_IT_LOADED]
    environment = {k: v for k, v in os.environ.items() if k != "LOCKSTEP_PART"}
    done = subprocess.run(
        command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())

    assert "sync.services" in loaded
    people = {"django.contrib.admin", "django.contrib.sessions", "rest_framework", "rich"}
    machines = {"celery", "django_celery_beat", "googleapiclient.discovery"}
    assert not loaded & (people | machines)


@pytest.mark.django_db
def test_a_run_looks_for_garbage_once_all_is_loaded() -> None:
    gc.disable()
    try:
        with pytest.raises(CommandError, match="no account is connected"):
            call_command("sync_calendars")
        assert gc.isenabled()
    finally:
        gc.enable()
