"""What every test of Lockstep shares: servers, profiles, and no way out of this machine.

Without DATABASE_URL and REDIS_URL the suite runs on an embedded pair of its own, in var/test; the
workers of pytest-xdist share it, each with its own test database.
"""

import hypothesis
import pytest

from config import embedded

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile("ci")

SERVERS = pytest.StashKey[tuple[embedded.Holder, ...]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start what the environment does not name, for as long as this process lives."""
    config.stash[SERVERS] = embedded.start_missing()
