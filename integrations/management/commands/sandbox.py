"""`manage.py sandbox`: a local Google for trials, demos and tests, in the foreground."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.sandbox import oauth, serve
from integrations.sandbox.seeds import NAMES, UnknownSeed


class Command(BaseCommand):
    help = "Serve a believable local Google over HTTP until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Where it listens, what it keeps and what it starts with."""
        parser.add_argument("--host", default="127.0.0.1", help="default: this machine only")
        parser.add_argument("--port", type=int, default=8765, help="default: 8765; 0: any free one")
        parser.add_argument("--state", type=Path, metavar="DIR", help="keep everything in a folder")
        parser.add_argument("--seed-data", default="demo", metavar="NAME", help=NAMES)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes."""
        try:
            serve(
                host=options["host"],
                port=options["port"],
                state=options["state"],
                seed_data=options["seed_data"],
                ready=lambda port: self._say(f"http://{options['host']}:{port}"),
            )
        except UnknownSeed as error:
            raise CommandError(str(error), returncode=2) from None
        except OSError as error:
            raise CommandError(
                f"Cannot listen on port {options['port']}: {error.strerror}.", returncode=1
            ) from None

    def _say(self, url: str) -> None:
        """Print what belongs into the environment of a Lockstep that speaks to this sandbox."""
        for name, value in {
            "GOOGLE_API_ROOT": f"{url}/",
            "GOOGLE_AUTH_URI": f"{url}/o/oauth2/v2/auth",
            "GOOGLE_TOKEN_URI": f"{url}/token",
            "GOOGLE_REVOKE_URI": f"{url}/revoke",
            "GOOGLE_CLIENT_ID": oauth.CLIENT_ID,
            "GOOGLE_CLIENT_SECRET": oauth.CLIENT_SECRET,
        }.items():
            self.stdout.write(f"{name}={value}")
        self.stdout.flush()
