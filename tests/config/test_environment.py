"""The environment is read once, forgivingly where it is empty and plainly where it is wrong."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment
from tests.config.installation import Installation


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_TRIAL", "  ")
    assert environment.text("LOCKSTEP_TRIAL", "default") == "default"


def test_a_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv("LOCKSTEP_FILED_FILE", str(tmp_path / "secret"))
    assert environment.text("LOCKSTEP_FILED") == "from the file"


def test_a_file_that_is_missing_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_LOST_FILE", "/nowhere")
    with pytest.raises(ImproperlyConfigured, match="LOCKSTEP_LOST_FILE names a file"):
        environment.text("LOCKSTEP_LOST")


@pytest.mark.parametrize(
    "address",
    ["sqlite:///db", "postgresql//ada:secret@host/name", "host:5432", "postgresql://h:secret/x"],
)
def test_an_address_of_no_use_is_refused_without_being_shown(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSTEP_ADDRESS", address)
    with pytest.raises(ImproperlyConfigured, match="write it like postgresql://") as refusal:
        environment.url("LOCKSTEP_ADDRESS", ("postgresql",), "postgresql://user@host/name")
    assert "secret" not in str(refusal.value)


def test_a_relative_data_folder_starts_at_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cron runs commands from another folder."""
    monkeypatch.setenv("LOCKSTEP_DATA_DIR", "elsewhere")
    assert environment.data_dir() == environment.BASE_DIR / "elsewhere"


def test_the_env_file_is_read_and_the_environment_goes_before_it(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("GOOGLE_CLIENT_ID=filed\nPUBLIC_URL=https://filed.example.com\n")
    lockstep = Installation(
        tmp_path / "data",
        LOCKSTEP_ENV_FILE=str(tmp_path / "env"),
        PUBLIC_URL="https://given.example.com",
    )
    shown = lockstep.manage("diffsettings", "--output", "unified")
    assert "+ GOOGLE_CLIENT_ID = 'filed'" in shown
    assert "+ PUBLIC_URL = 'https://given.example.com'" in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "sqlite:///lockstep.db"),
        ("DATABASE_URL", "postgresql://host"),
        ("REDIS_URL", "amqp://host"),
        ("PUBLIC_URL", "lockstep.example.com"),
        ("TOKEN_ENCRYPTION_KEYS", "k1:abc"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "chatty"),
        ("SECRET_KEY_FILE", "/nowhere"),
        ("DEBUG", "perhaps"),
    ],
)
def test_a_wrong_value_ends_a_command_with_one_line_of_advice(
    name: str, value: str, tmp_path: Path
) -> None:
    process = Installation(tmp_path / "data", **{name: value}).popen("manage.py", "migrate")
    output, _ = process.communicate()
    assert process.returncode == 2
    assert output.startswith("Lockstep cannot start.")
    assert name in output
    assert "Traceback" not in output
