"""`manage.py demo`: it holds what it claims, says so if it does not, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from config.environment import BASE_DIR
from tests.e2e.conftest import ANSI
from tests.waiting import wait_until

# Settings of somebody's own installation, which is not even there: the demo must not look.
ELSEWHERE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "LOCKSTEP_DATA_DIR": "/nonexistent/data",
    "SECRET_KEY": "theirs",
    "TOKEN_ENCRYPTION_KEYS": f"k1:{'0' * 64}",
    "GOOGLE_API_ROOT": "http://127.0.0.1:1/",
}
SOMETHING_WAS_WRITTEN = """
import sys
from config.demo import __main__, otherside
otherside.OtherSide.writes = lambda self, after=0: ["events.insert work@example.com"]
sys.exit(__main__.main())
"""

pytestmark = pytest.mark.slow


@contextmanager
def demo(folder: Path, *command: str, **variables: str) -> Iterator[subprocess.Popen]:
    """The demo as a process group of its own, writing to a file."""
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), **variables}
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=BASE_DIR,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def code_of(process: subprocess.Popen, folder: Path, seconds: float) -> int:
    """The exit code; a demo that does not end says how far it came."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        pytest.fail(f"still running after {seconds} s: {said(folder)}")


def said(folder: Path) -> str:
    return (folder / "out").read_text()


def nothing_is_left(folder: Path) -> bool:
    """Whether neither a process nor a file of the demo is left; the last ones are just ending."""
    own = [p for p in psutil.process_iter() if _names(p, folder)]
    return not own and [path.name for path in folder.iterdir()] == ["out"]


def _names(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and any(
            str(folder) in part for part in (*process.cmdline(), *process.environ().values())
        )
    except psutil.Error:
        return False


def test_every_check_holds_and_nothing_is_left(tmp_path: Path) -> None:
    with demo(tmp_path, "manage.py", "demo", **ELSEWHERE) as process:
        assert code_of(process, tmp_path, seconds=240) == 0, said(tmp_path)

    shown = said(tmp_path)
    assert re.search(r"All \d\d checks held\.", shown)
    assert "8 of 8" in shown
    assert "FAILED" not in shown
    assert ANSI not in shown
    wait_until(lambda: nothing_is_left(tmp_path), seconds=10)


def test_a_check_that_fails_is_named_and_decides_the_exit_code(tmp_path: Path) -> None:
    with demo(tmp_path, "-c", SOMETHING_WAS_WRITTEN) as process:
        assert code_of(process, tmp_path, seconds=240) == 1, said(tmp_path)

    assert "FAILED nothing was written to Google so far" in said(tmp_path)
    wait_until(lambda: nothing_is_left(tmp_path), seconds=10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path, "manage.py", "demo", **ELSEWHERE) as process:
        wait_until(lambda: "1 of 8" in said(tmp_path), seconds=120)
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        assert code_of(process, tmp_path, seconds=60) == 130, said(tmp_path)

    assert "Traceback" not in said(tmp_path)
    wait_until(lambda: nothing_is_left(tmp_path), seconds=10)


def test_kept_running_it_says_where_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with demo(tmp_path, "manage.py", "demo", "--keep") as process:
        wait_until(lambda: "until Ctrl-C" in said(tmp_path), seconds=240)
        shown = said(tmp_path)
        admin = re.search(r"http://\S+/admin/", shown)
        other_side = re.search(r"the other side +(http://\S+)", shown)
        assert admin
        assert other_side
        for address in (f"{admin[0]}login/", other_side[1]):
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert answer.status == 200
        os.killpg(process.pid, signal.SIGINT)
        assert code_of(process, tmp_path, seconds=60) == 0, said(tmp_path)

    assert "Traceback" not in said(tmp_path)
    wait_until(lambda: nothing_is_left(tmp_path), seconds=10)
