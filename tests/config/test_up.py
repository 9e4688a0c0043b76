"""`manage.py up` is one tree: it mends what dies, stops as one, and loses nothing."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config import locks
from config.embedded_servers import Valkey
from tests.config.installation import Installation, Up, running
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow

PARTS = (
    "config.part web",
    "--queues priority,default",
    "--queues bulk",
    "config.part beat",
)
SERVERS = ("bin/postgres", "valkey-server", "config.keeper postgres", "config.keeper valkey")
CREATE = (
    "from django.contrib.auth.models import User;"
    "User.objects.create_superuser('ada', password='a long password')"
)
COUNT = "from django.contrib.auth.models import User; print(User.objects.count())"


@pytest.fixture
def lockstep(tmp_path: Path) -> Iterator[Installation]:
    """An empty installation."""
    return Installation(tmp_path / "data")


def workers(installation: Installation) -> list[str]:
    """The names of the workers that answer through the queue."""
    address = Valkey(installation.folder).url.replace("unix://", "redis+socket://")
    try:
        with Celery(broker=address) as app:
            replies = app.control.ping(timeout=1, limit=2)
    except (OperationalError, RedisError):
        return []  # the queue was killed just now
    return sorted(name.split("@")[0] for reply in replies for name in reply)


def all_work(up: Up) -> bool:
    """Whether the web answers and both workers do."""
    return up.answers() and workers(up.installation) == ["bulk", "priority-default"]


def test_everything_runs_and_stops_together(lockstep: Installation) -> None:
    with running(lockstep) as up:
        wait_until(lambda: all_work(up))
        started = time.monotonic()
        assert up.stop(signal.SIGINT) == 0
        assert time.monotonic() - started < 15
        assert lockstep.is_idle(), lockstep.processes()


def test_a_new_installation_says_how_to_log_in_and_an_old_one_does_not(
    lockstep: Installation,
) -> None:
    with running(lockstep) as up:
        wait_until(lambda: "createsuperuser" in up.log.read_text())
        lockstep.shell(CREATE)  # finds the servers of the running tree
        assert log_in(up, "ada", "a long password").url == f"{up.address}/admin/"
        assert "errornote" in log_in(up, "ada", "another password").text
        up.stop()
    with running(lockstep) as up:
        assert "createsuperuser" not in up.log.read_text()


def log_in(up: Up, name: str, password: str) -> requests.Response:
    """The page that a person sees after the login form."""
    with requests.Session() as browser:
        browser.get(f"{up.address}/admin/login/")
        form = {"username": name, "password": password, "next": "/admin/"}
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        return browser.post(f"{up.address}/admin/login/", data=form)


@pytest.mark.parametrize("names", [PARTS, SERVERS], ids=["parts", "servers"])
def test_each_killed_process_comes_back_and_nothing_is_lost(
    lockstep: Installation, names: tuple[str, ...]
) -> None:
    with running(lockstep) as up:
        wait_until(lambda: all_work(up))
        lockstep.shell(CREATE)
        for name in names:
            victim = lockstep.process(*name.split())
            victim.kill()
            wait_until(lambda gone=victim, name=name: replaced(lockstep, name, gone))
            wait_until(lambda: all_work(up))
        assert lockstep.shell(COUNT) == "1"
        up.stop()
        assert lockstep.is_idle(), lockstep.processes()


def replaced(installation: Installation, name: str, gone: psutil.Process) -> bool:
    """Whether another process took the place of one that is gone."""
    found = installation.processes(*name.split())
    return bool(found) and gone not in found


def test_a_killed_worker_leaves_no_process_of_its_pool(lockstep: Installation) -> None:
    with running(lockstep) as up:
        wait_until(lambda: all_work(up))
        main = lockstep.process("--queues", "priority,default")
        pool = main.children()
        assert len(pool) == 2
        main.kill()
        wait_until(lambda: not any(process.is_running() for process in pool))


def test_a_killed_tree_leaves_nothing_and_starts_again_with_everything(
    lockstep: Installation,
) -> None:
    with running(lockstep) as up:
        wait_until(lambda: all_work(up))
        lockstep.shell(CREATE)
        up.stop(signal.SIGKILL)
        wait_until(lockstep.is_idle, seconds=30)
    with running(lockstep) as up:
        wait_until(lambda: all_work(up))
        assert lockstep.shell(COUNT) == "1"


def test_a_tree_started_right_after_the_kill_of_another_takes_over(lockstep: Installation) -> None:
    with running(lockstep) as up:
        wait_until(lambda: all_work(up))
        port = up.address.rsplit(":", 1)[1]
        up.stop(signal.SIGKILL)
        with running(lockstep, "--port", port) as heir:
            wait_until(lambda: all_work(heir))
            assert len(lockstep.processes("config.part", "beat")) == 1


def test_processes_that_do_not_notice_the_death_of_their_tree_are_ended_by_the_next(
    lockstep: Installation,
) -> None:
    with running(lockstep) as up:
        wait_until(lambda: all_work(up))
        frozen = lockstep.process("config.part", "beat")
        worker = lockstep.process("--queues", "bulk")
        pool = worker.children()
        for process in (frozen, *pool):
            process.suspend()
        worker.kill()
        up.stop(signal.SIGKILL)
        with running(lockstep) as heir:
            wait_until(lambda: all_work(heir))
            assert not any(process.is_running() for process in (frozen, *pool))


def test_a_second_tree_on_the_same_folder_is_refused(lockstep: Installation) -> None:
    (lockstep.folder / "run").mkdir(parents=True)
    assert locks.claim(lockstep.folder / "run" / "up.lock") is not None
    process = lockstep.popen("manage.py", "up", "--port", "0")
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "already runs" in output


def test_a_taken_port_is_refused_with_advice(lockstep: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = lockstep.popen("manage.py", "up", "--port", str(taken.getsockname()[1]))
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "choose with --host, --port" in output
    wait_until(lockstep.is_idle)
