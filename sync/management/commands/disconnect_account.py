"""Disconnect an account: take its busy rules and their blocks away, then its access."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from calendars.services import REMOVALS
from integrations.models import Account
from integrations.services import UnknownAccount, find_accounts
from sync.core.records import Service
from sync.core.text import clean
from sync.disconnecting import WAITING, Disconnection, disconnect_account
from sync.reports import BUSY

CODES = {WAITING: 1, BUSY: 4}


# What is left at a service, and for a person to do there.
_STILL_THERE: dict[str, str] = {
    Service.GOOGLE: "Google still lists Lockstep among the programs with access: remove it there.",
    Service.CALDAV: "If you made a password for Lockstep at the server, withdraw it there.",
}


class Command(BaseCommand):
    """Disconnect an account. Exit code 0 done, 1 blocks are still to be taken away, 2 wrong usage,
    4 another run is busy with one of its calendars."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("account", metavar="ACCOUNT", help="its id or e-mail address")
        parser.add_argument(
            "--blocks",
            choices=REMOVALS,
            required=True,
            help="which blocks of its rules go: all, only future ones, or none (keep)",
        )
        parser.add_argument(
            "--data",
            choices=["keep", "delete"],
            default="keep",
            help="what becomes of its rows here (keep: it can be connected again later)",
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, disconnect, and say what became of it."""
        account = _one(options["account"])
        if not options["yes"]:
            self._ask(account, options)
        done = disconnect_account(
            account=account,
            removal=options["blocks"],
            keep_data=options["data"] == "keep",
            clock=timezone.now,
        )
        if options["json"]:
            self.stdout.write(json.dumps(_json(done), indent=1))
        else:
            self._show(done)
        if done.state in CODES:
            raise SystemExit(CODES[done.state])

    def _ask(self, account: Account, options: dict[str, Any]) -> None:
        """Go on only after a yes; who cannot be asked has to say it beforehand."""
        said = f"{clean(str(account))} ({options['blocks']} blocks, {options['data']} data)"
        if not sys.stdin.isatty():
            raise CommandError(f"Disconnect {said}? Say so with --yes.", returncode=2)
        self.stderr.write(f"Disconnect {said}? [y/N] ", style_func=str, ending="")
        self.stderr.flush()
        if input().strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was changed.", returncode=1)

    def _show(self, done: Disconnection) -> None:
        name = clean(str(done.account))
        self.stdout.write(
            f"{name}: {done.rules} rules removed; {done.gone} blocks go, {done.kept} stay."
        )
        for line in done.waiting:
            self.stdout.write(clean(f"  still to do in {line}"))
        ends = {
            WAITING: "Not disconnected yet. Run this again once that is done.",
            BUSY: "Not disconnected yet: a run is busy with it. Try again later.",
        }
        self.stdout.write(
            ends.get(
                done.state,
                f"Disconnected. {_STILL_THERE.get(done.account.service, '')}".rstrip(),
            )
        )


def _one(name: str) -> Account:
    try:
        found = find_accounts(name)
    except UnknownAccount as error:
        raise CommandError(str(error), returncode=2) from None
    if len(found) > 1:
        known = ", ".join(f"{account.pk} ({account})" for account in found)
        raise CommandError(f"{name!r} means several accounts; give one id: {known}", returncode=2)
    return found[0]


def _json(done: Disconnection) -> dict[str, Any]:
    return {
        "account": str(done.account.pk),
        "state": done.state,
        "rules": done.rules,
        "gone": done.gone,
        "kept": done.kept,
        "waiting": done.waiting,
    }
