"""`manage.py list_calendars`: what is connected, and which calendars take part."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from integrations.models import Account
from integrations.services import (
    DIRECTIONS,
    Refusal,
    UnknownAccount,
    UnknownCollection,
    WrongDirection,
    describe_account,
    find_accounts,
    refresh_collections,
    select_collections,
)


class Command(BaseCommand):
    help = "List the calendars of the connected accounts; choose those that take part."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Which account, and what to change before the list is printed."""
        parser.add_argument("--account-id", default="", help="id or e-mail address; default: all")
        parser.add_argument("--refresh", action="store_true", help="ask the service anew")
        parser.add_argument(
            "--select", action="append", default=[], metavar="ID", help="let a calendar take part"
        )
        parser.add_argument(
            "--deselect", action="append", default=[], metavar="ID", help="let it take no part"
        )
        parser.add_argument(
            "--direction", choices=DIRECTIONS, default="", help="of the selected calendars"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change what was asked for, then print."""
        if options["direction"] and not options["select"]:
            raise CommandError("--direction goes with --select ID.", returncode=2)
        try:
            accounts = find_accounts(options["account_id"])
            _change(accounts, options)
        except (UnknownAccount, UnknownCollection, WrongDirection) as error:
            raise CommandError(str(error), returncode=2) from None
        failed = _refresh(accounts) if options["refresh"] else []
        self._print([describe_account(account) for account in accounts], as_json=options["json"])
        if failed:
            raise CommandError("; ".join(failed), returncode=1)

    def _print(self, accounts: list[dict[str, Any]], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"accounts": accounts}, indent=2))
            return
        if not accounts:
            self.stdout.write("Nothing is connected yet: see manage.py connect_account --help")
        # Nobody looks at the width of a pipe, and an id must stay in one piece.
        width = None if self.stdout.isatty() else 200
        console = Console(file=self.stdout, width=width)  # type: ignore[arg-type]
        for described in accounts:
            console.print(_table(described))


def _change(accounts: Any, options: dict[str, Any]) -> None:
    if not (options["select"] or options["deselect"]):
        return
    if len(accounts) != 1:
        known = ", ".join(f"{account.pk} ({account.email})" for account in accounts)
        raise UnknownAccount(f"say which account with --account-id; there are: {known or 'none'}")
    select_collections(accounts[0], options["select"], direction=options["direction"])
    select_collections(accounts[0], options["deselect"], selected=False)


def _refresh(accounts: Any) -> list[str]:
    """Read the list of each account; return what failed. One failing account stops no other."""
    failed = []
    for account in accounts:
        try:
            refresh_collections(account, now=timezone.now(), complete=True)
        except Refusal as refusal:
            failed.append(f"{account}: {refusal}")
    return failed


def _table(described: dict[str, Any]) -> Table:
    account = described["account"]
    state = "" if account["state"] == Account.State.ACTIVE else f" - {account['state']}"
    table = Table(
        title=f"{account['email']} ({account['service']}, {account['workspace']}){state}",
        caption=f"account {account['id']}",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("takes part", "name", "calendar", "role", "direction"):
        table.add_column(heading, no_wrap=heading == "calendar")
    for calendar in described["calendars"]:
        part = "gone" if calendar["gone_at"] else "yes" if calendar["selected"] else "no"
        name = f"{calendar['name']} (primary)" if calendar["primary"] else calendar["name"]
        table.add_row(part, name, calendar["remote_id"], calendar["role"], calendar["direction"])
    return table
