"""How each part of Lockstep talks to PostgreSQL."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

# Limits a part asks PostgreSQL for: nobody waits for a page longer than this, and a worker's task
# ends after five minutes anyhow. Commands migrate and import, so only a stuck transaction counts.
TIMEOUTS = {
    "web": {
        "statement_timeout": "30s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "15s",
    },
    "worker": {
        "statement_timeout": "5min",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "15s",
    },
}
OF_COMMANDS = {"idle_in_transaction_session_timeout": "5min"}


def database(address: str, part: str) -> dict[str, Any]:
    """Django's settings of the database at `address`, for one part of Lockstep.

    Raises ImproperlyConfigured where the address names no database. Options given in the address
    (`?options=...`) replace the limits: a connection pooler may accept none.
    """
    settings: dict[str, Any] = env.db_url_config(address)
    if not settings["NAME"]:
        raise ImproperlyConfigured(
            "DATABASE_URL names no database: write postgresql://user:password@host:5432/name"
        )
    options = settings.setdefault("OPTIONS", {})
    limits = TIMEOUTS.get(part, OF_COMMANDS)
    options.setdefault("options", " ".join(f"-c {name}={value}" for name, value in limits.items()))
    if part == "web":  # threads come and go there, and forked workers must not share a pool
        options["pool"] = {"min_size": 1, "max_size": 10, "timeout": 10}
    else:
        settings["CONN_MAX_AGE"] = 60
    return {**settings, "ATOMIC_REQUESTS": False, "CONN_HEALTH_CHECKS": True}
