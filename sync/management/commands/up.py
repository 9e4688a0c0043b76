"""`manage.py up`: all of Lockstep with one command."""

import argparse
import socket
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from config import locks
from config.embedded import start_missing
from config.processes import Supervisor, end_leftovers


class Command(BaseCommand):
    help = "Run Lockstep: web, workers and clock in the foreground, until Ctrl-C."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Where the pages are served."""
        parser.add_argument("--host", default="127.0.0.1", help="default: this machine only")
        parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0: any free one")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        """Prepare the database and the static files, then run until a signal."""
        folder = settings.DATA_DIR / "run"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if locks.claim(folder / "up.lock") is None:
            raise CommandError(f"Lockstep already runs on {settings.DATA_DIR}.", returncode=2)
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        has_admin = get_user_model().objects.filter(is_superuser=True).exists()
        connection.close()
        end_leftovers(folder)  # of a killed `up`; its web part may have the port
        listener = _listen(host, port)
        self._say(f"serving {_address(listener)}/admin/ - stop with Ctrl-C")
        if not has_admin:
            self._say("nobody can log in yet: run `manage.py createsuperuser` beside this")
        Supervisor(start_missing(), folder, listener).run(self._say)

    def _say(self, line: str) -> None:
        """One line about the whole, seen at once also in a file."""
        self.stdout.write(f"lockstep: {line}")
        self.stdout.flush()


def _listen(host: str, port: int) -> socket.socket:
    """The socket of the web part, held here so that a restart of that part refuses nobody."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise CommandError(
            f"Cannot serve on {host} port {port} ({error.strerror}): choose with --host, --port.",
            returncode=2,
        ) from None


def _address(listener: socket.socket) -> str:
    """The address that people open."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
