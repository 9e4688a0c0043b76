"""Bring calendars in step, or show what that would do."""

import json
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn

from integrations.models import Collection
from sync import rendering
from sync.choosing import NoSuchChoice, choose_collections
from sync.preview import preview_collections
from sync.reports import BUSY, Report, State, Watch
from sync.run import Step
from sync.services import sync_collections

# The first of these that any collection came to decides the exit code (0: all is done).
EXIT_CODES = {State.FAILED: 1, State.ABANDONED: 1, State.HELD: 3, BUSY: 4, State.TIMED_OUT: 5}


class Command(BaseCommand):
    """Sync calendars. Exit code 0 done, 1 something failed, 2 wrong usage, 3 held by the guard,
    4 another run holds the lease, 5 out of time."""

    help = __doc__

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
        if options["timeout"] is not None and options["timeout"] <= 0:
            raise CommandError("--timeout takes a number of seconds above 0", returncode=2)
        try:
            collections = choose_collections(
                account=options["account_id"], collection=options["calendar_id"]
            )
        except NoSuchChoice as error:
            raise CommandError(str(error), returncode=2) from error
        act = self._preview if options["dry_run"] else self._sync
        reports = act(collections, options)
        states = {report.state for report in reports}
        for state, code in EXIT_CODES.items():
            if state in states:
                raise SystemExit(code)

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
        with self._progress(options) as progress:
            reports = sync_collections(
                collections=collections,
                clock=timezone.now,
                trigger="command",
                complete=options["force_full"],
                released=options["allow_mass_delete"],
                deadline=_deadline(options["timeout"]),
                watch=_watch(progress),
            )
        wanted = options["json"] or options["verbose"]
        lines = [(r, rendering.done_lines(r) if wanted else []) for r in reports]
        self._show(lines, options, details=options["verbose"])
        return reports

    def _progress(self, options: dict[str, Any]) -> Progress:
        """Return progress bars; they show only on a terminal, and never beside JSON."""
        console = Console(file=cast(IO[str], self.stderr))
        quiet = options["json"] or not console.is_terminal
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.completed}"),
        )
        return Progress(*columns, console=console, disable=quiet, transient=True)

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
        console = Console(file=cast(IO[str], self.stdout), soft_wrap=not self.stdout.isatty())
        for report, lines in reports:
            rendering.print_report(console, report, lines, verbose=details)


def _deadline(seconds: float | None) -> datetime | None:
    return timezone.now() + timedelta(seconds=seconds) if seconds else None


def _watch(progress: Progress) -> Watch:
    """Return a watcher that keeps one bar per collection and phase."""
    bars: dict[tuple[object, str], TaskID] = {}

    def watch(collection: Collection, step: Step) -> None:
        key = (collection.pk, step.phase)
        if key not in bars:
            bars[key] = progress.add_task(f"{escape(collection.name)}: {step.phase}", total=None)
        progress.update(bars[key], completed=step.done)

    return watch
