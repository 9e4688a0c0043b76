"""The PostgreSQL and the Valkey of the data folder, shared by every command that needs them.

A command holds a server (a lock that ends with its process) and finds it running, or starts a
keeper that runs it until the last holder is gone.
"""

import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from config import locks
from config.embedded_servers import Postgres, Server, Valkey, binary
from config.embedded_user import EmbeddedError, server_user
from config.environment import BASE_DIR, data_dir, text

READY_SECONDS = 300.0  # a long recovery after a power cut takes minutes


class Holder:
    """This process's hold on one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._lock: int | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def hold(self) -> None:
        """Keep the server running from now on; see `wait` for when it answers."""
        self._lock = locks.share(self.server.lock("users"))
        self.ensure_kept()

    def ensure_kept(self) -> None:
        """Start a keeper where none is alive, as after a kill -9 of it."""
        if self._keeper is not None and self._keeper.poll() is None:
            return
        if not locks.is_held(self.server.lock("keeper")):
            self._keeper = self._start_keeper()

    def wait(self) -> None:
        """Return when the server answers; raises EmbeddedError when it cannot run."""
        end = time.monotonic() + READY_SECONDS
        while not self.server.answers():
            if (self._keeper is not None and self._keeper.poll()) or time.monotonic() > end:
                raise EmbeddedError(
                    f"The embedded {self.server.name} does not start; its log {self.server.log} "
                    f"ends with:\n{_tail(self.server.log)}"
                )
            self.ensure_kept()
            time.sleep(0.02)

    def release(self) -> None:
        """Let the server go; where this was the last hold, return when it has stopped."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        while locks.is_held(self.server.lock("keeper")) and not self._is_shared():
            time.sleep(0.02)

    def _is_shared(self) -> bool:
        """Whether others hold the server; a keeper that is stopping it does not count."""
        try:
            os.close(locks.share(self.server.lock("users"), wait=False))
        except BlockingIOError:
            return False
        return locks.is_held(self.server.lock("users"))

    def _start_keeper(self) -> subprocess.Popen[bytes]:
        """Start a keeper that outlives this process and writes to the server's log."""
        command = [sys.executable, "-m", "config.keeper"]
        with self.server.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [*command, self.server.name, str(self.server.data_dir)],
                cwd=BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def missing_servers() -> list[Server]:
    """The servers that the environment names no address for."""
    folder = data_dir()
    kinds = {"DATABASE_URL": Postgres, "REDIS_URL": Valkey}
    return [kind(folder) for name, kind in kinds.items() if not text(name)]


@cache
def start_missing() -> tuple[Holder, ...]:
    """Start what the environment names no address for, and hold it until this process ends.

    Returns when all of it answers; raises EmbeddedError where something cannot run here.
    """
    servers = missing_servers()
    if servers:
        _make_ready(servers[0].data_dir)
    holders = tuple(Holder(server) for server in servers)
    try:
        for holder in holders:
            holder.hold()
        for holder in holders:
            holder.wait()
    except BaseException:  # Ctrl-C, for instance
        for holder in holders:
            holder.release()
        raise
    return holders


def _make_ready(folder: Path) -> None:
    """Make the data folder; raises EmbeddedError where it cannot be ours, or nothing can run."""
    try:
        for path in (folder, folder / "run", folder / "log"):
            path.mkdir(parents=True, exist_ok=True)
        for path in (folder / "run", folder / "log"):
            path.chmod(0o700)
    except OSError as error:
        raise EmbeddedError(
            f"{folder} cannot be used as the data folder ({error.strerror}): run Lockstep as the "
            "user it belongs to, or let LOCKSTEP_DATA_DIR name another one."
        ) from None
    user = server_user()
    user.reach(folder)
    for program in (binary("postgres"), binary("valkey-server")):
        user.reach(program.parent)
        user.check_runs(program)


def _tail(log: Path, lines: int = 8) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
