"""Take away every busy block that Lockstep made in a calendar, and nothing else."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape

from integrations.models import Collection
from sync.choosing import NoSuchChoice, choose_collections
from sync.errands import Errand, as_json
from sync.management.commands.sync_calendars import EXIT_CODES
from sync.rendering import clean
from sync.reports import State
from sync.reset import preview_reset, reset_calendar, rules_into


class Command(BaseCommand):
    """Reset a calendar. Exit code 0 done, 1 something failed, 2 wrong usage, 4 another run is busy
    with the calendar."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--calendar-id", required=True, help="the calendar (id or remote id)")
        parser.add_argument(
            "--confirm", action="store_true", help="do it; needed where nobody can be asked"
        )
        parser.add_argument("--dry-run", action="store_true", help="count the blocks, no more")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, ask, remove, and say what became of it."""
        asked = options["confirm"] or options["dry_run"] or sys.stdin.isatty()
        if not asked:
            raise CommandError(
                "this deletes events from a calendar: look first with --dry-run, then --confirm",
                returncode=2,
            )
        try:
            collection = choose_collections(account=None, collection=options["calendar_id"])[0]
        except NoSuchChoice as error:
            raise CommandError(str(error), returncode=2) from error
        errand = preview_reset(collection=collection, clock=timezone.now)
        if errand.state == State.DONE and not options["dry_run"]:
            errand = self._reset(errand, options)
        self._show(errand, options)
        if errand.state in EXIT_CODES:
            raise SystemExit(EXIT_CODES[errand.state])

    def _reset(self, seen: Errand, options: dict[str, Any]) -> Errand:
        """Say how many blocks there are, ask whoever can be asked, and remove them."""
        what = f"{_blocks(seen.found)} of ours in {_name(seen.collection)}"
        if not options["json"]:
            self.stdout.write(f"Found {what}.")
        if sys.stdin.isatty():
            self._ask_twice(seen.collection, what)
        with Console(stderr=True).status(f"Removing {escape(what)}") as status:
            return reset_calendar(
                collection=seen.collection,
                clock=timezone.now,
                watch=lambda _, step: status.update(f"{step.done} of {seen.found} {step.phase}"),
            )

    def _ask_twice(self, collection: Collection, what: str) -> None:
        """Go on only after a yes and the calendar's name."""
        if self._ask(f"Remove {what}? [y/N] ").lower() not in ("y", "yes"):
            raise CommandError("Nothing was removed.", returncode=1)
        name = clean(collection.name).strip()
        if self._ask(f"Type the calendar's name ({name}) to go on: ") != name:
            raise CommandError("That is not its name. Nothing was removed.", returncode=1)

    def _ask(self, question: str) -> str:
        """Ask beside the output, which may be going into a file."""
        self.stderr.write(question, style_func=str, ending="")
        self.stderr.flush()
        return input().strip()

    def _show(self, errand: Errand, options: dict[str, Any]) -> None:
        rules = rules_into(errand.collection)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(errand) | {"rules": rules}, indent=1))
            return
        for line in _lines(errand, rules, dry_run=options["dry_run"]):
            self.stdout.write(line)


def _lines(errand: Errand, rules: int, *, dry_run: bool) -> Iterator[str]:
    name = _name(errand.collection)
    if errand.error:
        yield f"{name}: {errand.error}"
    if dry_run and errand.state == State.DONE:
        yield f"{name}: {_blocks(errand.found)} of ours would be removed; nothing was changed."
    elif not dry_run and errand.operation:
        removed = errand.counts.get("remote.delete", 0)
        yield f"{name}: {removed} of {_blocks(errand.found)} removed ({errand.state})."
    if rules:
        still = "1 rule still points" if rules == 1 else f"{rules} rules still point"
        yield f"{still} here: the next sync draws the blocks anew. See: manage.py busy_rule list"


def _name(collection: Collection) -> str:
    return clean(f"{collection.name} ({collection.account.email})")


def _blocks(number: int) -> str:
    return "1 busy block" if number == 1 else f"{number} busy blocks"
