"""Folders for whole installations."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside pytest's own, which each new session of pytest closes to other users."""
    with tempfile.TemporaryDirectory(prefix="lockstep-test-") as folder:
        yield Path(folder)
