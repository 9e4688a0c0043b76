"""Bad input: at least 1,500 texts through every parser, with limits on time and memory."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.integrations.bad_input import SECONDS

CLASSES = {"read", "partly", "refused"}


@pytest.mark.slow
def test_every_input_is_classified_in_time_and_makes_no_parser_crash() -> None:
    verdicts = all_verdicts()

    assert verdicts["crashes"] == []
    assert verdicts["slowest"] < SECONDS
    assert sum(verdicts["counts"].values()) >= 1_500
    assert {name.split()[1] for name in verdicts["counts"]} == CLASSES
    for kind in ("calendar", "answer", "body"):
        assert verdicts["counts"][f"{kind} refused"] > 20
        assert verdicts["counts"][f"{kind} read"] > 20


def all_verdicts() -> dict[str, Any]:
    """All inputs in one child process: what a limit kills is then seen, and harms nobody."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.integrations.bad_input"],
        capture_output=True,
        timeout=250,
        check=False,
    )
    assert child.returncode == 0, child.stderr.decode()[-2000:]
    verdicts: dict[str, Any] = json.loads(child.stdout)
    return verdicts
