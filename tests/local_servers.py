"""Runs the tests that touch the database on this machine's own PostgreSQL and Redis, if it has any.

Another version may take a statement otherwise, not what follows from it. So tests are left out that
take long whatever the server (thousands of worlds, whole processes), and those that tell long
stories in statements which other tests send as well.

`python -m tests.local_servers [pytest options]`. The servers are looked for on their default ports;
TEST_DATABASE_URL and TEST_REDIS_URL name others. What is not there stays embedded.
"""

import getpass
import os
import subprocess
import sys

import psycopg
import redis

HOST = "127.0.0.1"
LEFT_OUT = (
    "tests/e2e",
    "tests/machine",
    "tests/calendars/test_block_edits.py",
    "tests/calendars/test_blocks_in_step.py",
    "tests/calendars/test_rule_removal.py",
    "tests/sync/test_circles.py",
    "tests/sync/test_circles_restored.py",
    "tests/sync/test_circles_series.py",
    "tests/sync/test_simulator.py",
)
ROLES = (getpass.getuser(), "postgres")


def main(options: list[str]) -> int:
    """Run the tests again where there is a PostgreSQL; returns the exit code of pytest."""
    database = os.environ.get("TEST_DATABASE_URL") or local_postgres()
    if database is None:
        print(f"No second run: no PostgreSQL on {HOST}:5432 lets {' or '.join(ROLES)} in without a")
        print("password and create databases. TEST_DATABASE_URL may name one.")
        return 0
    broker = os.environ.get("TEST_REDIS_URL") or local_redis()
    print(f"Second run: on the local PostgreSQL and {'Redis' if broker else 'the embedded Valkey'}")
    command = [sys.executable, "-m", "pytest", "-m", "django_db and not slow", *options]
    command += [f"--ignore={path}" for path in LEFT_OUT]
    environment = {**os.environ, "DATABASE_URL": database, "REDIS_URL": broker or ""}
    return subprocess.run(command, env=environment, check=False).returncode


def local_postgres() -> str | None:
    """The address of the local PostgreSQL, for the first role that may create databases there."""
    for role in ROLES:
        address = f"postgresql://{role}@{HOST}:5432/postgres"
        try:
            with psycopg.connect(address, connect_timeout=3) as connection:
                (may_create,) = connection.execute(
                    "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
                ).fetchone() or (False,)
        except psycopg.OperationalError:
            continue
        if may_create:
            return address
    return None


def local_redis() -> str | None:
    """The address of a database of the local Redis that holds nothing yet."""
    for number in range(15, 0, -1):
        address = f"redis://{HOST}:6379/{number}"
        try:
            with redis.from_url(address, socket_connect_timeout=3) as connection:
                if connection.dbsize() == 0:
                    return address
        except redis.RedisError:
            return None
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
