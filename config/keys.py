"""The secrets of an installation: set by its owner, or made once and kept in the data folder."""

import os
import re
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.environment import data_dir, text

ONE_KEY = re.compile(r"([A-Za-z0-9_-]+):[0-9a-fA-F]{64}")


def secret_key() -> str:
    """The key of Django's signatures."""
    return _secret("SECRET_KEY", lambda: secrets.token_urlsafe(64))


def token_keys() -> str:
    """The keys of stored credentials, `keyid:64hex` comma separated; the first one writes.

    Raises ImproperlyConfigured where one is malformed or a name occurs twice; the keys themselves
    never reach the message.
    """
    value = _secret("TOKEN_ENCRYPTION_KEYS", lambda: f"k1:{secrets.token_hex(32)}")
    keys = [ONE_KEY.fullmatch(part.strip()) for part in value.split(",")]
    if not all(keys):
        raise ImproperlyConfigured(
            "TOKEN_ENCRYPTION_KEYS is malformed: write keyid:64hex, several separated by commas, "
            "the first one for writing. Make a key with: "
            "python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    if len({key[1] for key in keys if key}) < len(keys):
        raise ImproperlyConfigured("TOKEN_ENCRYPTION_KEYS names a key twice: rename one of them.")
    return value


def _secret(name: str, generate: Callable[[], str]) -> str:
    """The secret `name`; where none is set, one generated once and kept in the data folder."""
    return text(name) or _kept(data_dir() / "keys" / name, generate)


def _kept(path: Path, generate: Callable[[], str]) -> str:
    """The content of `path`, written by the first of any number of processes that ask at once."""
    try:
        if not path.exists():
            _create(path, generate())
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path.name} is not set and cannot be kept in {path} ({error.strerror}): set "
            f"{path.name}, or let LOCKSTEP_DATA_DIR name a folder that this user owns."
        ) from None


def _create(path: Path, value: str) -> None:
    """Write `path` whole and readable by its owner only, unless somebody else just did."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    handle, draft = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # fails where the file exists: the first writer wins
    except FileExistsError:
        return
    finally:
        os.unlink(draft)
