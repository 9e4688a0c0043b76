"""Whose processes the embedded servers are.

Normally those of whoever starts Lockstep. PostgreSQL refuses to run as root, so for root both
servers run as the system user `pgserver`, which is created where it does not exist.
"""

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOTS_SERVANT = "pgserver"


class EmbeddedError(Exception):
    """The embedded servers cannot run here; the message says what to do."""


@dataclass(frozen=True)
class ServerUser:
    """The user that owns the embedded servers' files and processes."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether this is somebody else than the user of this process."""
        return self.uid != os.geteuid()

    def popen(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as this user, with nothing of ours around it."""
        switch: dict[str, Any] = {"user": self.uid, "group": self.gid, "extra_groups": []}
        return {
            "cwd": "/",
            "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            "stdin": subprocess.DEVNULL,
            **(switch if self.is_other else {}),
        }

    def own_folder(self, path: Path, *, empty: bool = False) -> Path:
        """Make `path` a folder that only this user can enter; with `empty`, afresh."""
        if empty and path.exists():
            shutil.rmtree(path)
        path.mkdir(mode=0o700, exist_ok=True)
        if path.lstat().st_uid not in (os.geteuid(), self.uid):
            raise EmbeddedError(f"{path} belongs to another user: remove it, or run as that user.")
        if self.is_other:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700)
        return path

    def reach(self, path: Path) -> None:
        """Let this user pass through (not list) the folders that lead to `path`."""
        if not self.is_other:
            return
        for folder in (path, *path.parents):
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)
                print(
                    f"Lockstep: opened {folder} for passing through (chmod o+x), since PostgreSQL "
                    f"runs as {ROOTS_SERVANT}, not as root.",
                    file=sys.stderr,
                )

    def check_runs(self, program: Path) -> None:
        """Raise EmbeddedError unless this user can run the program; a tight umask forbids it."""
        if not self.is_other:
            return
        try:
            subprocess.run([program, "--version"], check=True, capture_output=True, **self.popen())  # noqa: S603
        except (OSError, subprocess.CalledProcessError):
            raise EmbeddedError(
                f"The user {ROOTS_SERVANT} may not run {program}: open its folder with "
                f"`chmod -R o+rX {program.parent.parent}`, or run Lockstep as an ordinary user."
            ) from None


def server_user() -> ServerUser:
    """The user of the embedded servers; raises EmbeddedError where root has none to run them."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid())
    entry = _entry() or _created()
    return ServerUser(entry.pw_uid, entry.pw_gid)


def _entry() -> pwd.struct_passwd | None:
    """The system's entry of root's servant."""
    try:
        return pwd.getpwnam(ROOTS_SERVANT)
    except KeyError:
        return None


def _created() -> pwd.struct_passwd:
    """Create root's servant, a user that cannot log in."""
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    with contextlib.suppress(OSError):  # no useradd here: the message below says what else to do
        subprocess.run([*command, ROOTS_SERVANT], check=False, capture_output=True)  # noqa: S603
    entry = _entry()  # also there when another process was quicker
    if entry is None:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the user {ROOTS_SERVANT} cannot be created: "
            "create it, run Lockstep as an ordinary user, or set DATABASE_URL and REDIS_URL."
        )
    return entry
