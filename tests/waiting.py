"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds; generous, since these tests share two cores with others


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return when the condition holds; fails after some time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        time.sleep(0.02)
