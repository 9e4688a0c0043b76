"""What every test of Lockstep shares: servers, profiles, and no way out of this machine.

Without DATABASE_URL and REDIS_URL the suite runs on an embedded pair of its own, in var/test; the
workers of pytest-xdist share it, each with its own test database.
"""

from collections.abc import Iterator
from unittest import mock

import hypothesis
import psycopg
import pytest

from config import embedded
from config.embedded_servers import Postgres

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile("ci")

SERVERS = pytest.StashKey[tuple[embedded.Holder, ...]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start what the environment does not name, for as long as this process lives."""
    config.stash[SERVERS] = embedded.start_missing()
    for holder in config.stash[SERVERS]:
        if isinstance(holder.server, Postgres):
            _let_nobody_wait_for_the_disk(holder.server)


def _let_nobody_wait_for_the_disk(server: Postgres) -> None:
    """Nothing in the suite's own server has to survive a power cut, whoever wrote it."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with what takes long, so that all processes are done at about the same time."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True, scope="session")
def _tables_are_emptied_quickly() -> Iterator[None]:
    from django.test import TransactionTestCase

    from tests.emptied import empty_tables

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", side_effect=empty_tables):
        yield
