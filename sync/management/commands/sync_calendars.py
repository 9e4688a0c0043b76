"""Bring calendars in step, or show what that would do."""

import gc
import json
from argparse import ArgumentParser
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.models import Account, Collection
from sync import rendering
from sync.choosing import (
    NoSuchChoice,
    choose_collections,
    resting_accounts,
    why_it_rests,
)
from sync.core.text import clean
from sync.preview import preview_collections
from sync.reports import BUSY, Report, State, Watch
from sync.services import sync_collections

# The first of these that any collection came to decides the exit code (0: all is done).
EXIT_CODES = {State.FAILED: 1, State.ABANDONED: 1, State.HELD: 3, BUSY: 4, State.TIMED_OUT: 5}


# How many new objects it takes to look for garbage among them, and how often among older ones: a
# run makes many that live until their page or batch is done, and hardly any that hold each other.
RARELY = (50_000, 20, 100)


class Command(BaseCommand):
    """Sync calendars. Exit code 0 done, 1 something failed or an account rests until it is
    connected again, 2 wrong usage, 3 held by the guard, 4 another run holds the lease,
    5 out of time."""

    help = __doc__
    # A run that cron starts every few minutes leaves them to `check` and `migrate`.
    requires_system_checks: list[str] | tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--account-id", help="only calendars of this account (id or e-mail)")
        parser.add_argument("--calendar-id", help="only this calendar (id or remote id)")
        parser.add_argument("--force-full", action="store_true", help="list everything anew")
        parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
        parser.add_argument("--verbose", action="store_true", help="show every change, with titles")
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument("--timeout", type=float, metavar="SECONDS", help="stop after this long")
        parser.add_argument(
            "--allow-mass-delete",
            action="store_true",
            help="let deletions pass that the guard would hold (look at --dry-run first)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Translate the options, call one service, translate the answer."""
        gc.freeze()  # what was loaded so far stays: looking for garbage in it only takes time
        gc.set_threshold(*RARELY)
        gc.enable()
        if options["timeout"] is not None and options["timeout"] <= 0:
            raise CommandError("--timeout takes a number of seconds above 0", returncode=2)
        try:
            collections = choose_collections(
                account=options["account_id"], collection=options["calendar_id"]
            )
        except NoSuchChoice as error:
            raise CommandError(str(error), returncode=2) from error
        act = self._preview if options["dry_run"] else self._sync
        states = {report.state for report in act(collections, options)}
        if options["calendar_id"] is None and self._left_out(options["account_id"]):
            states.add(State.FAILED)
        for state, code in EXIT_CODES.items():
            if state in states:
                raise SystemExit(code)

    def _left_out(self, wanted: str | None) -> bool:
        """Name the accounts that rest, or nobody would notice for long; says if one should not.

        An account that a person paused rests on purpose, unless it is the one that was `wanted`.
        """
        resting = resting_accounts(wanted)
        for account in resting:
            self.stderr.write(clean(why_it_rests(account)))
        return any(wanted or account.state != Account.State.PAUSED for account in resting)

    def _preview(self, collections: list[Collection], options: dict[str, Any]) -> list[Report]:
        reports = preview_collections(
            collections=collections,
            clock=timezone.now,
            complete=options["force_full"],
            released=options["allow_mass_delete"],
        )
        self._show([(r, rendering.planned_lines(r)) for r in reports], options, details=True)
        return reports

    def _sync(self, collections: list[Collection], options: dict[str, Any]) -> list[Report]:
        with self._progress(options) as watch:
            reports = sync_collections(
                collections=collections,
                clock=timezone.now,
                trigger="command",
                complete=options["force_full"],
                released=options["allow_mass_delete"],
                deadline=_deadline(options["timeout"]),
                watch=watch,
            )
        wanted = options["json"] or options["verbose"]
        shown = rendering.done_lines if wanted else rendering.failed_lines
        self._show([(r, shown(r)) for r in reports], options, details=options["verbose"])
        return reports

    def _progress(self, options: dict[str, Any]) -> AbstractContextManager[Watch | None]:
        """Return progress bars; they show only on a terminal, and never beside JSON."""
        if options["json"] or not self.stderr.isatty():
            return nullcontext()
        from sync.printing import progress

        return progress(cast(IO[str], self.stderr))

    def _show(
        self,
        reports: list[tuple[Report, list[rendering.Line]]],
        options: dict[str, Any],
        *,
        details: bool,
    ) -> None:
        if options["verbose"]:
            reports = [(r, rendering.with_titles(r, lines)) for r, lines in reports]
        if options["json"]:
            document = [rendering.as_json(report, lines) for report, lines in reports]
            self.stdout.write(json.dumps({"collections": document}, indent=1))
            return
        for report, lines in reports:
            self._print(report, lines, details=details)

    def _print(self, report: Report, lines: list[rendering.Line], *, details: bool) -> None:
        if not (details or self.stdout.isatty()):
            self.stdout.write(rendering.plain(report, lines))
            return
        from sync.printing import print_report

        print_report(cast(IO[str], self.stdout), report, lines, details=details)


def _deadline(seconds: float | None) -> datetime | None:
    return timezone.now() + timedelta(seconds=seconds) if seconds else None
