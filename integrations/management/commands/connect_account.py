"""`manage.py connect_account google`: connect an account and choose its calendars."""

import argparse
import json
import os
import sys
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.services import (
    DIRECTIONS,
    CannotConnect,
    Connected,
    Grant,
    Refusal,
    UnknownCollection,
    UnknownTenant,
    WrongDirection,
    connect_google_account,
    consent_to_google,
    describe_account,
    person_named,
    select_collections,
    workspace_for,
)

TOKEN_VARIABLE = "GOOGLE_REFRESH_TOKEN"  # noqa: S105 (the name of a variable)


class Command(BaseCommand):
    help = "Connect an account: consent in a browser, or bring a refresh token."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Whose account, how it is proved, and which calendars take part."""
        parser.add_argument("service", choices=["google"])
        parser.add_argument("--workspace", default="", help="default: the only one there is")
        parser.add_argument("--owner", default="", help="default: the only person there is")
        parser.add_argument("--email-hint", default="", help="the address to offer at sign-in")
        parser.add_argument(
            "--refresh-token",
            nargs="?",
            const=TOKEN_VARIABLE,
            metavar="TOKEN",
            help=f"instead of a browser: a token, - to read it from standard input, or nothing to "
            f"take it from {TOKEN_VARIABLE} (a token given here is seen in the process list)",
        )
        parser.add_argument("--port", type=int, default=0, help="for the browser's way back")
        parser.add_argument(
            "--timeout", type=float, default=300, help="seconds to wait for the browser"
        )
        parser.add_argument(
            "--calendar",
            action="append",
            default=[],
            metavar="ID",
            help="a calendar that takes part (default: the primary one, the first time)",
        )
        parser.add_argument(
            "--direction", choices=DIRECTIONS, default="", help="of the calendars named"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Get the grant, connect, choose, print."""
        if options["direction"] and not options["calendar"]:
            raise CommandError("--direction goes with --calendar ID.", returncode=2)
        given = options["refresh_token"]
        token = None if given is None else _token(given)
        try:
            owner = person_named(options["owner"])
            workspace = workspace_for(options["workspace"], owner)
            connected = connect_google_account(
                grant=Grant(token) if token else self._consent(options),
                workspace=workspace,
                owner=owner,
                now=timezone.now(),
                select_primary=not options["calendar"],
            )
        except UnknownTenant as error:
            raise CommandError(f"{error}.", returncode=2) from None
        except (CannotConnect, Refusal) as error:
            raise CommandError(f"Not connected: {error}.", returncode=1) from None
        self._choose(connected, options)
        self._print(connected, as_json=options["json"])

    def _consent(self, options: dict[str, Any]) -> Grant:
        return consent_to_google(
            email_hint=options["email_hint"],
            announce=self._announce,
            seconds=options["timeout"],
            port=options["port"],
        )

    def _announce(self, address: str) -> None:
        """Show the address; on standard error, so that --json stays one document."""
        self.stderr.write("Open this address in a browser on this machine and allow access:")
        self.stderr.write(f"\n{address}\n")

    def _choose(self, connected: Connected, options: dict[str, Any]) -> None:
        """Let the calendars named take part."""
        if not options["calendar"]:
            return
        try:
            select_collections(
                connected.account, options["calendar"], direction=options["direction"]
            )
        except (UnknownCollection, WrongDirection) as error:
            raise CommandError(f"Connected, but {error}.", returncode=2) from None

    def _print(self, connected: Connected, *, as_json: bool) -> None:
        if as_json:
            described = {**describe_account(connected.account), "created": connected.created}
            self.stdout.write(json.dumps(described, indent=2))
            return
        self.stdout.write("Connected." if connected.created else "Connected anew.")
        call_command("list_calendars", account_id=str(connected.account.pk), stdout=self.stdout)


def _token(given: str) -> str:
    """Return the refresh token, wherever it was said to be."""
    if given == TOKEN_VARIABLE:
        given = os.environ.get(TOKEN_VARIABLE, "")
    token = sys.stdin.readline().strip() if given == "-" else given.strip()
    if not token:
        raise CommandError(
            f"No refresh token: give one on standard input (--refresh-token -) or in "
            f"{TOKEN_VARIABLE}.",
            returncode=2,
        )
    return token
