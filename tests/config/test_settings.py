"""The settings are safe as they come and pass Django's own inspection in production."""

import re
from pathlib import Path

from django.conf import settings

from tests.config.installation import Installation

READ = re.compile(r"\b[\w.]+\(\s*\"([A-Z][A-Z_]+)\"")


def test_a_public_address_turns_everything_to_https_and_passes_the_inspection(
    tmp_path: Path,
) -> None:
    lockstep = Installation(tmp_path / "data", PUBLIC_URL="https://lockstep.example.com")
    lockstep.manage("check", "--deploy", "--fail-level", "WARNING")
    shown = lockstep.manage("diffsettings", "--output", "unified")
    for line in (
        "+ SECURE_SSL_REDIRECT = True",
        "+ SECURE_SSL_HOST = 'lockstep.example.com'",
        "+ SESSION_COOKIE_SECURE = True",
        "+ CSRF_TRUSTED_ORIGINS = ['https://lockstep.example.com']",
    ):
        assert line in shown


def test_debugging_is_off_and_only_this_machine_is_served_unless_said_otherwise(
    tmp_path: Path,
) -> None:
    shown = Installation(tmp_path / "data").manage("diffsettings", "--output", "unified")
    assert "+ DEBUG" not in shown
    assert "+ ALLOWED_HOSTS = ['localhost', '127.0.0.1', '[::1]']" in shown


def test_celery_takes_json_only_keeps_no_results_and_knows_three_queues() -> None:
    from config.celery import app

    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result is True
    assert [queue.name for queue in app.conf.task_queues] == ["priority", "default", "bulk"]
    visibility = app.conf.broker_transport_options["visibility_timeout"]
    assert visibility > 2 * app.conf.task_time_limit


def test_what_the_clock_sends_is_a_task_of_this_application() -> None:
    """A task of Celery's default application would go to a broker that nobody set."""
    from config.celery import app
    from sync import tasks

    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled == {tasks.tick.name}
    assert tasks.tick.app.main == tasks.sync_collection.app.main == "lockstep"


def test_every_variable_that_the_settings_read_has_a_line_in_the_example() -> None:
    """A setting that nobody can find does not exist."""
    read = set()
    for module in ("settings.py", "keys.py"):
        read |= set(READ.findall((settings.BASE_DIR / "config" / module).read_text()))
    assert {"DATABASE_URL", "SECRET_KEY", "GOOGLE_API_ROOT", "DEBUG", "ALLOWED_HOSTS"} <= read
    example = (settings.BASE_DIR / ".env.example").read_text()
    documented = set(re.findall(r"^# ([A-Z_]+)=", example, re.MULTILINE))
    assert read - {"LOCKSTEP_PART"} == documented - {"LOCKSTEP_DATA_DIR"}
