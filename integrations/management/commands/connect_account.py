"""`manage.py connect_account`: connect an account and choose its calendars."""

import argparse
import json
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.models import Account
from integrations.services import (
    DIRECTIONS,
    CannotConnect,
    Connected,
    Grant,
    Refusal,
    UnknownAccount,
    UnknownCollection,
    UnknownTenant,
    WrongDirection,
    connect_caldav_account,
    connect_feed,
    connect_google_account,
    consent_to_google,
    describe_account,
    find_accounts,
    letting_go,
    person_named,
    select_collections,
    workspace_for,
)

TOKEN_VARIABLE = "GOOGLE_REFRESH_TOKEN"  # noqa: S105 (the name of a variable)
PASSWORD_VARIABLE = "CALDAV_PASSWORD"  # noqa: S105


class Command(BaseCommand):
    help = "Connect an account: Google in a browser, CalDAV by password, or a feed."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Whose account, how it is proved, and which calendars take part."""
        parser.add_argument("service", choices=["google", "caldav", "ics"])
        parser.add_argument(
            "address",
            nargs="?",
            default="",
            help="ics: the feed's address, or - to read it from standard input (an address that "
            "is a secret is seen in the process list if it is given here)",
        )
        parser.add_argument("--workspace", default="", help="default: the only one there is")
        parser.add_argument("--owner", default="", help="default: the only person there is")
        _google_arguments(parser.add_argument_group("google"))
        _caldav_arguments(parser.add_argument_group("caldav"))
        parser.add_argument("--name", default="", help="ics: what the feed is called here")
        parser.add_argument(
            "--account-id",
            default="",
            metavar="ID",
            help="caldav, ics: an account whose server or feed has moved to this address; it keeps "
            "its calendars and all that is known of them",
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
        """Get the proof, connect, choose, print."""
        if options["direction"] and not options["calendar"]:
            raise CommandError("--direction goes with --calendar ID.", returncode=2)
        if options["account_id"] and options["service"] == "google":
            raise CommandError("--account-id goes with caldav and ics.", returncode=2)
        ways = {"google": self._google, "caldav": self._caldav, "ics": self._ics}
        connect = ways[options["service"]]
        try:
            connected = connect(options)
        except (UnknownTenant, UnknownAccount) as error:
            raise CommandError(f"{error}.", returncode=2) from None
        except (CannotConnect, Refusal) as error:
            raise CommandError(f"Not connected: {error}.", returncode=1) from None
        self._choose(connected, options)
        self._print(connected, as_json=options["json"])

    def _google(self, options: dict[str, Any]) -> Connected:
        given = options["refresh_token"]
        token = None if given is None else _secret(given, TOKEN_VARIABLE, "refresh token")
        whose = _whose(options)
        grant = Grant(token) if token else self._consent(options)
        return connect_google_account(grant=grant, **whose)

    def _caldav(self, options: dict[str, Any]) -> Connected:
        if not options["url"] or not options["user"]:
            raise CommandError("caldav takes --url ADDRESS and --user NAME.", returncode=2)
        return connect_caldav_account(
            url=options["url"], user=options["user"], password=_password(options), **_whose(options)
        )

    def _ics(self, options: dict[str, Any]) -> Connected:
        given = options["address"]
        url = sys.stdin.readline().strip() if given == "-" else given
        if not url:
            raise CommandError("ics takes the address of the feed.", returncode=2)
        return connect_feed(url=url, name=options["name"], **_whose(options))

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
            described["known_as"] = connected.known_as and str(connected.known_as.pk)
            self.stdout.write(json.dumps(described, indent=2))
            return
        self.stdout.write("Connected." if connected.created else "Connected anew.")
        call_command("list_calendars", account_id=str(connected.account.pk), stdout=self.stdout)
        if connected.known_as:
            self.stdout.write(_perhaps_moved(connected.account, connected.known_as))


def _perhaps_moved(account: Account, known_as: Account) -> str:
    """Say what to do if a server moved: its account would be there twice."""
    return (
        f"{known_as} has calendars under the same names at another address. If that server has "
        f"moved here, go on with its account instead: {letting_go(account)}, then this command "
        f"again with --account-id {known_as.pk}"
    )


def _google_arguments(parser: Any) -> None:
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


def _caldav_arguments(parser: Any) -> None:
    parser.add_argument("--url", default="", metavar="ADDRESS", help="of the server")
    parser.add_argument("--user", default="", metavar="NAME", help="your name at the server")
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help=f"a file whose first line is the password, or - for standard input; without it the "
        f"password comes from {PASSWORD_VARIABLE}, or is asked for",
    )


def _whose(options: dict[str, Any]) -> dict[str, Any]:
    """Return whose account it becomes, and whether its primary calendar takes part."""
    if options["account_id"]:
        moved = _moved(options["account_id"], options["service"])
        return {
            **{"workspace": moved.workspace, "owner": moved.owner, "moved": moved},
            **{"now": timezone.now(), "select_primary": False},
        }
    owner = person_named(options["owner"])
    return {
        "workspace": workspace_for(options["workspace"], owner),
        "owner": owner,
        "now": timezone.now(),
        "select_primary": not options["calendar"],
    }


def _moved(name: str, service: str) -> Account:
    """Return the account that moved."""
    found = [account for account in find_accounts(name) if account.service == service]
    if len(found) != 1:
        known = ", ".join(str(account.pk) for account in found)
        problem = f"several accounts are called {name!r}; say which by its id: {known}"
        raise UnknownAccount(problem if found else f"{name} is no account of {service}")
    return found[0]


def _password(options: dict[str, Any]) -> str:
    """Return the password, wherever it was said to be; never from the command line itself."""
    file = options["password_file"]
    if file and file != "-":
        try:
            return _present(Path(file).read_text().partition("\n")[0].rstrip("\r"), "password")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}.", returncode=2) from None
    if not file and PASSWORD_VARIABLE not in os.environ and sys.stdin.isatty():
        return _present(getpass(f"Password of {options['user']}: "), "password")
    return _secret(file or PASSWORD_VARIABLE, PASSWORD_VARIABLE, "password")


def _secret(given: str, variable: str, what: str) -> str:
    """Return a secret: as it was given, - for standard input, or the variable's own name."""
    if given == variable:
        given = os.environ.get(variable, "")
    return _present(sys.stdin.readline().strip("\r\n") if given == "-" else given, what)


def _present(secret: str, what: str) -> str:
    if not secret.strip():
        option, variable = _SOURCES[what]
        raise CommandError(
            f"No {what}: give one on standard input ({option} -) or in {variable}.", returncode=2
        )
    return secret


_SOURCES = {
    "refresh token": ("--refresh-token", TOKEN_VARIABLE),
    "password": ("--password-file", PASSWORD_VARIABLE),
}
