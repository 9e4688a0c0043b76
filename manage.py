#!/usr/bin/env python
"""Run Lockstep's commands."""

import gc
import os
import sys
from importlib import import_module

# These touch neither database nor queue, so the embedded servers stay as they are.
NEED_NOTHING = {
    "help",
    "version",
    "check",
    "sandbox",
    "demo",
    "collectstatic",
    "findstatic",
    "spectacular",
}
WRONG_USAGE = 2


def main() -> int:
    """Start the embedded servers a command needs, and hand the command line to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["sync_calendars"]:
        os.environ.setdefault("LOCKSTEP_PART", "run")  # the settings depend on it
        gc.disable()  # until all is loaded: of that nothing is garbage, and looking takes a tenth
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        return _refuse("Django is missing: run `make install`, then .venv/bin/python manage.py")
    from config.embedded_user import EmbeddedError

    try:
        import_module(os.environ["DJANGO_SETTINGS_MODULE"])  # now, for a plain message
        if _needs_servers(sys.argv):
            from config.embedded import start_missing

            start_missing()
    except (ImproperlyConfigured, EmbeddedError) as error:
        return _refuse(str(error))
    from django.db import ProgrammingError

    try:
        execute_from_command_line(sys.argv)
    except ProgrammingError:
        if not _is_behind():
            raise
        return _refuse("Its tables are missing or old: run `manage.py migrate` first.")
    return 0


def _is_behind() -> bool:
    """Whether the database waits for a migration."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    connection.close()  # it may be left in a failed transaction
    migrations = MigrationExecutor(connection)
    return bool(migrations.migration_plan(migrations.loader.graph.leaf_nodes()))


def _needs_servers(arguments: list[str]) -> bool:
    """Whether the command works with the database or the queue."""
    asks_for_help = not arguments[1:] or {"-h", "--help", "--version"} & set(arguments)
    return not asks_for_help and arguments[1] not in NEED_NOTHING


def _refuse(reason: str) -> int:
    """Say why no command can run."""
    print(f"Lockstep cannot start. {reason}", file=sys.stderr)
    return WRONG_USAGE


if __name__ == "__main__":
    sys.exit(main())
