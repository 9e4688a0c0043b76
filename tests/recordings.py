"""Where recorded answers of real services and calendars lie, if this machine has them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared" / "recordings"

needed = pytest.mark.skipif(
    not ROOT.is_dir(), reason="the recordings are not beside the project on this machine"
)


def files(*patterns):
    """Return the recorded files that match; none where there are no recordings."""
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file())


def name_of(path):
    """Return what a recording is called in a test's name."""
    return str(path.relative_to(ROOT))
