"""Runs one embedded server for as long as anybody uses it: `python -m config.keeper NAME FOLDER`.

Users hold a shared lock on the server's `users` file. The keeper starts the server, starts it
again when it dies, and stops it when no lock is left, so a user that was killed needs no cleaning
up. The server inherits the lock on its `server` file: while that is held, one of its processes
lives.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from config import locks
from config.embedded_servers import SERVERS, Server
from config.embedded_user import EmbeddedError, server_user

LOOK_SECONDS = 0.1
STOP_SECONDS = 20.0  # PostgreSQL writes a checkpoint on its way out
QUICK_DEATH_SECONDS = 5.0
QUICK_DEATHS = 5  # as many in a row mean that it cannot run


def main(name: str, data_dir: Path) -> int:
    """Keep the server unless somebody keeps it already; returns the exit code."""
    server = SERVERS[name](data_dir)
    if locks.claim(server.lock("keeper"), seconds=1) is None:
        return 0
    try:
        keep(server)
    except EmbeddedError as error:
        print(f"keeper: {error}", file=sys.stderr)
        return 1
    return 0


def keep(server: Server) -> None:
    """Run the server until its last user is gone."""
    end_leftover(server)
    server_user().own_folder(server.sockets)
    server.prepare(server_user())
    process, started, quick_deaths = start(server), time.monotonic(), 0
    while locks.claim(server.lock("users")) is None:  # held from then on: newcomers wait for us
        if process.poll() is not None:
            lived = time.monotonic() - started
            quick_deaths = quick_deaths + 1 if lived < QUICK_DEATH_SECONDS else 0
            if quick_deaths >= QUICK_DEATHS:
                raise EmbeddedError(f"{server.name} ended {QUICK_DEATHS} times at once.")
            time.sleep(0.2 * quick_deaths)
            end_leftover(server)
            process, started = start(server), time.monotonic()
        time.sleep(LOOK_SECONDS)
    stop(process, server.stop_signal)


def start(server: Server) -> subprocess.Popen[bytes]:
    """Start the server so that it ends with this process; it inherits the lock on `server`."""
    lock = locks.claim(server.lock("server"))
    if lock is None:
        raise EmbeddedError(f"{server.name} still runs without a keeper and cannot be ended.")
    try:
        return subprocess.Popen(  # noqa: S603
            server.command(),
            stdout=sys.stderr,
            stderr=sys.stderr,
            pass_fds=[lock],
            start_new_session=True,
            preexec_fn=_end_with_parent(server.stop_signal),
            **server_user().popen(),
        )
    finally:
        os.close(lock)


def stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    """Ask the server to stop, and kill it when it does not; nothing it acknowledged is lost."""
    process.send_signal(stop_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_leftover(server: Server) -> None:
    """End a server whose keeper was killed, and forget the process id of one that is gone."""
    pid_file = server.store / server.pid_file
    lock = server.lock("server")
    if locks.end_holders(lock, pid_file, server.stop_signal, seconds=STOP_SECONDS):
        pid_file.unlink(missing_ok=True)


def _end_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a new process calls to get a signal when its parent dies; Linux only (prctl(2))."""
    if sys.platform != "linux":
        return None  # there the next keeper ends what was left
    libc, set_parent_death_signal = ctypes.CDLL(None), 1
    return lambda: libc.prctl(set_parent_death_signal, int(number))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
