"""Each part of Lockstep asks PostgreSQL for limits that fit its work."""

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from config.database import database

ADDRESS = "postgresql://ada@db.example.com/lockstep"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("part", "statement", "lock", "idle"),
    [
        ("web", "30s", "5s", "15s"),
        ("worker", "5min", "5s", "15s"),
        ("command", "0", "0", "5min"),
        ("beat", "0", "0", "5min"),
    ],
)
def test_the_limits_of_a_part_are_in_force(part: str, statement: str, lock: str, idle: str) -> None:
    given = {**connection.get_connection_params(), **database(ADDRESS, part)["OPTIONS"]}
    address = {key: given.get(key) for key in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**address, options=given["options"]) as trial:
        shown = [
            trial.execute(f"SHOW {name}").fetchone()[0]
            for name in (
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
            )
        ]
    assert shown == [statement, lock, idle]


def test_only_the_web_part_has_a_pool() -> None:
    """Forked workers would share its connections."""
    assert "pool" in database(ADDRESS, "web")["OPTIONS"]
    assert database(ADDRESS, "web").get("CONN_MAX_AGE", 0) == 0
    assert "pool" not in database(ADDRESS, "worker")["OPTIONS"]
    assert database(ADDRESS, "worker")["CONN_MAX_AGE"] == 60


def test_every_part_checks_its_connection_and_opens_no_transaction_around_a_request() -> None:
    for part in ("web", "worker", "beat", "command"):
        assert database(ADDRESS, part)["CONN_HEALTH_CHECKS"] is True
        assert database(ADDRESS, part)["ATOMIC_REQUESTS"] is False


def test_options_in_the_address_replace_the_limits() -> None:
    """A connection pooler in between may accept none."""
    options = database(f"{ADDRESS}?options=-c%20search_path%3Dmine", "web")["OPTIONS"]["options"]
    assert options == "-c search_path=mine"


def test_an_address_without_a_database_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="names no database"):
        database("postgresql://db.example.com", "web")
