"""Reads what the environment says: variables, the `.env` file, and files named by `NAME_FILE`."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
SWITCH = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
env = environ.FileAwareEnv()
if env_file := os.environ.get("LOCKSTEP_ENV_FILE", str(BASE_DIR / ".env")):
    environ.FileAwareEnv.read_env(env_file)


def text(name: str, default: str = "") -> str:
    """The variable `name`, or what is in the file that `NAME_FILE` names, without outer blanks.

    An empty variable counts as not set. Raises ImproperlyConfigured for a file that cannot be read.
    """
    try:
        value: str = env.str(name, default="")
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that cannot be read ({error.strerror}): correct the path, "
            f"or set {name} itself."
        ) from None
    return value.strip() or default


def flag(name: str) -> bool:
    """The switch `name`, off where it is not set; raises ImproperlyConfigured for other words."""
    value = text(name, "false").lower()
    if value not in SWITCH:
        raise ImproperlyConfigured(f"{name} must be one of: {', '.join(SWITCH)}.")
    return SWITCH[value]


def days(name: str, default: int) -> int:
    """The number of days `name`, at least one; raises ImproperlyConfigured for anything else."""
    value = text(name, str(default))
    if not (value.isdecimal() and int(value) >= 1):
        raise ImproperlyConfigured(f"{name} must be a whole number of days, at least 1.")
    return int(value)


def url(name: str, schemes: tuple[str, ...], example: str) -> str:
    """The address in `name`, or "" where none is set.

    Raises ImproperlyConfigured for anything else than an address with one of `schemes`; the value
    itself is kept out of the message, since it may hold a password.
    """
    value = text(name)
    if value and not (_scheme(value) in schemes and "://" in value):
        raise ImproperlyConfigured(
            f"{name} is not an address that Lockstep can use: write it like {example}"
        )
    return value


def _scheme(value: str) -> str:
    """The scheme of an address, "" where it is malformed (a bad port or bracket)."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return ""
    return parts.scheme


def data_dir() -> Path:
    """The folder of everything Lockstep stores itself; a relative one starts at the checkout."""
    return (BASE_DIR / text("LOCKSTEP_DATA_DIR", "var")).resolve()
