"""`manage.py demo`: see Lockstep at work, without an account of your own."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from config.demo.apart import run_demo


class Command(BaseCommand):
    help = "See Lockstep at work on two sandboxed Google accounts; your own data is not touched."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Whether to go on after the end."""
        parser.add_argument(
            "--keep", action="store_true", help="leave it running until Ctrl-C, to look around"
        )

    def handle(self, *args: Any, keep: bool, **options: Any) -> None:
        """Hand over; the exit code is 0 only if every check held."""
        run_demo(keep=keep)
