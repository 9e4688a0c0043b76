"""An installation of Lockstep of its own: a new folder with a new database, gone at the end."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import product
from config.embedded import start_missing
from config.embedded_servers import Postgres


class Installation:
    """A running installation; every command that is started now works on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Postgres(folder).url

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement on its database and return the rows, if it has any."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def see_all(self) -> None:
        """Let every calendar's whole past take part, and settle the tables' statistics."""
        self.ask("UPDATE integrations_collection SET past_days = 36500")


@contextmanager
def installation(environment: Mapping[str, str]) -> Iterator[Installation]:
    """Start one with these variables in its environment; its servers stay up between commands."""
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as name, _only_ours():
        os.environ |= {
            "LOCKSTEP_ENV_FILE": os.devnull,
            "LOCKSTEP_DATA_DIR": name,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **environment,
        }
        start_missing.cache_clear()
        holders = start_missing()
        try:
            product.manage("migrate", "--verbosity", "0")
            yield Installation(Path(name))
        finally:
            for holder in holders:
                holder.release()


@contextmanager
def _only_ours() -> Iterator[None]:
    """Leave out what this machine's environment says, and bring it back."""
    before = dict(os.environ)
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE"):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
