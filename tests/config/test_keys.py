"""An installation has secrets of its own from the first moment, and keeps them."""

import json
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import keys
from tests.config.installation import Installation

SHOW = (
    "import json; from config import keys;print(json.dumps([keys.secret_key(), keys.token_keys()]))"
)
KEY = 64 * "a"


def test_processes_that_start_at_once_agree_on_the_generated_keys(tmp_path: Path) -> None:
    lockstep = Installation(tmp_path / "data")
    processes = [lockstep.popen("-c", SHOW) for _ in range(8)]
    shown = {process.communicate()[0] for process in processes}
    assert len(shown) == 1
    secret_key, token_keys = json.loads(shown.pop())
    assert len(secret_key) >= 50
    assert keys.ONE_KEY.fullmatch(token_keys)


def test_generated_keys_are_for_their_owner_only_and_leave_no_drafts(tmp_path: Path) -> None:
    lockstep = Installation(tmp_path / "data")
    lockstep.popen("-c", SHOW).communicate()
    folder = lockstep.folder / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"SECRET_KEY": 0o600, "TOKEN_ENCRYPTION_KEYS": 0o600}


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    first, second = (Installation(tmp_path / name).popen("-c", SHOW) for name in ("a", "b"))
    assert first.communicate()[0] != second.communicate()[0]


def test_a_given_key_is_used_and_none_is_generated(tmp_path: Path) -> None:
    lockstep = Installation(tmp_path / "data", SECRET_KEY="given", TOKEN_ENCRYPTION_KEYS=f"k:{KEY}")
    shown, _ = lockstep.popen("-c", SHOW).communicate()
    assert json.loads(shown) == ["given", f"k:{KEY}"]
    assert not lockstep.folder.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    process = Installation(tmp_path / "file" / "data").popen("manage.py", "check")
    output, _ = process.communicate()
    assert process.returncode == 2
    assert "LOCKSTEP_DATA_DIR" in output


@pytest.mark.parametrize(
    "value",
    ["k1", f":{KEY}", f"k1:{KEY[1:]}", f"k1:{KEY}b", f"k 1:{KEY}", f"k1:{KEY},", f"k1:{63 * 'a'}g"],
)
def test_a_malformed_key_is_refused_without_being_shown(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEYS", value)
    with pytest.raises(ImproperlyConfigured, match="keyid:64hex") as refusal:
        keys.token_keys()
    assert "aaaa" not in str(refusal.value)


def test_several_keys_are_accepted_and_a_repeated_name_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEYS", f"new:{KEY}, old:{KEY}")
    assert keys.token_keys() == f"new:{KEY}, old:{KEY}"
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEYS", f"k1:{KEY},k1:{KEY}")
    with pytest.raises(ImproperlyConfigured, match="twice"):
        keys.token_keys()
