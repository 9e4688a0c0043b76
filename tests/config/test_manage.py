"""manage.py says what to do where a command cannot run."""

from pathlib import Path

from tests.config.installation import Installation
from tests.waiting import PATIENCE, wait_until


def test_a_database_without_tables_is_named_as_that_with_what_to_do(tmp_path: Path) -> None:
    lockstep = Installation(tmp_path / "data")
    process = lockstep.popen("manage.py", "list_calendars")
    said, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 2
    assert "run `manage.py migrate`" in said
    assert "Traceback" not in said
    lockstep.manage("migrate", "--verbosity", "0")
    assert "connect_account" in lockstep.manage("list_calendars")
    wait_until(lockstep.is_idle)
