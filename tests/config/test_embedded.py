"""The embedded servers are there for every command that needs them, and for no longer."""

import contextlib
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded_servers import Postgres, Valkey, binary
from config.embedded_user import server_user
from config.environment import BASE_DIR
from tests.config.installation import Installation
from tests.waiting import PATIENCE, wait_until

WRITE = (
    "from django.core.cache import cache; from django.contrib.auth.models import Group;"
    "Group.objects.create(name='kept'); cache.set('kept', 1, None)"
)
READ = (
    "from django.core.cache import cache; from django.contrib.auth.models import Group;"
    "print(Group.objects.filter(name='kept').count(), cache.get('kept'))"
)
# Holds the servers and says so, until it is killed.
HOLD = (
    "from config.embedded import start_missing; start_missing(); print('held', flush=True);"
    "import time; time.sleep(600)"
)

PACKAGES = str(Path(psycopg.__file__).parent.parent)
PYTHONS = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")


@pytest.fixture
def lockstep(tmp_path: Path) -> Iterator[Installation]:
    """An empty installation; nothing of it runs afterwards."""
    installation = Installation(tmp_path / "data")
    yield installation
    wait_until(installation.is_idle)


@contextlib.contextmanager
def held(installation: Installation) -> Iterator[subprocess.Popen]:
    """A process that holds the servers, killed at the end."""
    holder = installation.popen("-c", HOLD)
    try:
        assert "held\n" in iter(holder.stdout.readline, ""), "it ended without holding them"
        yield holder
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_command_starts_the_servers_and_they_end_with_it(lockstep: Installation) -> None:
    lockstep.manage("migrate")
    wait_until(lockstep.is_idle)
    assert lockstep.shell("print('ready')") == "ready"


def test_what_one_command_wrote_the_next_one_finds(lockstep: Installation) -> None:
    lockstep.manage("migrate")
    lockstep.shell(WRITE)
    assert lockstep.shell(READ) == "1 1"


def test_commands_at_once_share_one_pair(lockstep: Installation) -> None:
    with held(lockstep):
        with held(lockstep):
            server = lockstep.process("bin/postgres")
            assert len(lockstep.processes("config.keeper", "postgres")) == 1
        lockstep.manage("migrate")
        assert server.is_running()


def test_commands_that_start_at_the_same_moment_all_work(lockstep: Installation) -> None:
    commands = [lockstep.popen("manage.py", "showmigrations") for _ in range(4)]
    outputs = [command.communicate(timeout=PATIENCE)[0] for command in commands]
    assert [command.returncode for command in commands] == [0] * 4, outputs


def test_the_servers_end_when_their_only_user_is_killed(lockstep: Installation) -> None:
    with held(lockstep) as holder:
        holder.kill()
        wait_until(lambda: not lockstep.processes("bin/postgres"))
        wait_until(lambda: not lockstep.processes("valkey-server"))


def test_a_killed_database_comes_back_with_everything(lockstep: Installation) -> None:
    lockstep.manage("migrate")
    lockstep.shell(WRITE)
    with held(lockstep):
        for server in ("bin/postgres", "valkey-server"):
            victim = lockstep.process(server)
            victim.kill()
            wait_until(lambda old=victim.pid, words=server: _other_than(lockstep, words, old))
        assert lockstep.shell(READ) == "1 1"


def _other_than(installation: Installation, words: str, pid: int) -> bool:
    """Whether a new process took the place of the old one."""
    return any(process.pid != pid for process in installation.processes(words))


def test_a_killed_keeper_takes_its_server_along_and_the_next_command_recovers(
    lockstep: Installation,
) -> None:
    lockstep.manage("migrate")
    lockstep.shell(WRITE)
    with held(lockstep):
        for keeper in lockstep.processes("config.keeper"):
            keeper.kill()
        assert lockstep.shell(READ) == "1 1"


def test_a_server_that_outlived_its_keeper_is_ended_before_a_new_one_starts(
    lockstep: Installation,
) -> None:
    """Frozen here; elsewhere the system may send no signal at a parent's death."""
    lockstep.manage("migrate")
    lockstep.shell(WRITE)
    with held(lockstep):
        frozen = [lockstep.process(name) for name in ("bin/postgres", "valkey-server")]
        for process in (*frozen, *lockstep.processes("config.keeper")):
            process.suspend()
        for keeper in lockstep.processes("config.keeper"):
            keeper.kill()
    assert lockstep.shell(READ) == "1 1"
    assert not any(process.is_running() for process in frozen)


def test_a_stale_process_id_that_now_belongs_to_another_process_is_not_believed(
    lockstep: Installation,
) -> None:
    lockstep.manage("migrate")
    wait_until(lockstep.is_idle)
    stale = lockstep.folder / "postgres" / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"], **server_user().popen()) as innocent:
        stale.write_text(f"{innocent.pid}\n{stale.parent}\n1700000000\n5432\n\n\n\nready\n")
        assert lockstep.shell("print('ready')") == "ready"
        assert innocent.poll() is None
        innocent.kill()


def test_a_creation_that_was_cut_short_starts_afresh(lockstep: Installation) -> None:
    (lockstep.folder / "postgres.new" / "base").mkdir(parents=True)
    (lockstep.folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    assert lockstep.shell("print('ready')") == "ready"


def test_a_database_of_another_release_is_left_alone(lockstep: Installation) -> None:
    (lockstep.folder / "postgres").mkdir(parents=True)
    (lockstep.folder / "postgres" / "PG_VERSION").write_text("12\n")
    process = lockstep.popen("manage.py", "migrate")
    output, _ = process.communicate()
    assert process.returncode == 2
    assert "written by PostgreSQL 12" in output
    assert "Traceback" not in output


def test_a_long_folder_with_odd_characters_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    lockstep = Installation(tmp_path / "Käthe, it's" / (20 * "long ") / "data")
    assert str(Postgres(lockstep.folder).sockets).startswith("/tmp/lockstep-")  # noqa: S108
    lockstep.manage("migrate")
    lockstep.shell(WRITE)
    assert lockstep.shell(READ) == "1 1"
    wait_until(lockstep.is_idle)
    Postgres(lockstep.folder).sockets.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of somebody else")
    lockstep = Installation(tmp_path / "it's odd")
    squatted = Postgres(lockstep.folder).sockets
    squatted.mkdir()
    os.chown(squatted, 65534, 65534)
    process = lockstep.popen("manage.py", "migrate")
    output, _ = process.communicate()
    squatted.rmdir()
    assert "belongs to another user" in output
    assert process.returncode == 2


def test_only_what_the_environment_does_not_name_is_started(tmp_path: Path) -> None:
    lockstep = Installation(tmp_path / "data", REDIS_URL="redis://127.0.0.1:1/0")
    with held(lockstep):
        assert lockstep.processes("bin/postgres")
        assert not lockstep.processes("valkey-server")
    wait_until(lockstep.is_idle)


def test_commands_without_data_start_nothing(lockstep: Installation) -> None:
    lockstep.manage("check")
    lockstep.manage("migrate", "--help")
    assert not (lockstep.folder / "run").exists()


def test_an_ordinary_user_runs_both_servers(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    nobody = pwd.getpwnam("nobody").pw_uid
    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
        python = _python_for(nobody)
        if python is None:
            pytest.skip(f"user nobody can run neither {' nor '.join(PYTHONS)} in {BASE_DIR}")
        os.chown(folder, nobody, nobody)
        lockstep = Installation(
            Path(folder) / "data", user=nobody, python=python, PYTHONPATH=PACKAGES
        )
        with held(lockstep):
            lockstep.manage("migrate")
            users = {
                lockstep.process(name).uids().real for name in ("bin/postgres", "valkey-server")
            }
        assert users == {nobody}
        wait_until(lockstep.is_idle)


def _python_for(uid: int) -> str | None:
    """A Python of this version that the user may run; one in a private home does not do."""
    for python in PYTHONS:
        with contextlib.suppress(OSError):
            stranger = Installation(Path("/nowhere"), user=uid, python=python, PYTHONPATH=PACKAGES)
            trial = stranger.popen("-c", "import django, psycopg, config")
            trial.communicate()
            if trial.returncode == 0:
                return python
    return None


def test_root_lets_the_servers_run_as_their_own_user(lockstep: Installation) -> None:
    if os.geteuid() != 0:
        pytest.skip("this is about root")
    with held(lockstep):
        users = {lockstep.process(name).username() for name in ("bin/postgres", "valkey-server")}
        assert users == {"pgserver"}


def test_nobody_else_can_enter_the_folders_of_the_servers(lockstep: Installation) -> None:
    lockstep.shell("print()")
    for name in ("postgres", "valkey", "sockets", "run", "log", "keys"):
        assert (lockstep.folder / name).stat().st_mode & 0o077 == 0, name


def test_the_wheels_hold_the_binaries_where_they_are_looked_for() -> None:
    for name in ("postgres", "initdb", "pg_dump", "valkey-server"):
        assert os.access(binary(name), os.X_OK)


def test_the_database_log_never_quotes_a_row(lockstep: Installation) -> None:
    lockstep.manage("migrate")
    lockstep.shell(
        "from django.contrib.auth.models import Group\n"
        "from django.db import IntegrityError\n"
        "Group.objects.create(name='private title')\n"
        "try: Group.objects.create(name='private title')\n"
        "except IntegrityError: print()"
    )
    log = Postgres(lockstep.folder).log.read_text()
    assert "duplicate key" in log
    assert "private title" not in log


def test_the_queue_forgets_nothing(lockstep: Installation) -> None:
    settings = " ".join(Valkey(lockstep.folder).command())
    assert "--appendonly yes" in settings
    assert "--maxmemory-policy noeviction" in settings
    assert "--port 0" in settings
