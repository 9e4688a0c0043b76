"""Remove busy blocks that belong to nothing any more, orphaned rows, and what has expired."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.models import Collection
from sync.choosing import NoSuchChoice, choose_collections
from sync.cleanup import cleanup_orphaned, preview_cleanup
from sync.errands import Errand, as_json
from sync.management.commands.sync_calendars import EXIT_CODES
from sync.rendering import clean


class Command(BaseCommand):
    """Clean up. Exit code 0 done, 1 something failed, 2 wrong usage, 4 another run is busy with a
    calendar, whose remote part is left for the next time."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--calendar-id", help="only this calendar (id or remote id)")
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Translate the options, call one service, translate the answer."""
        wanted = options["calendar_id"]
        try:
            among = (
                choose_collections(account=None, collection=wanted)
                if wanted
                else list(Collection.objects.select_related("account").in_order())
            )
        except NoSuchChoice as error:
            raise CommandError(str(error), returncode=2) from error
        clean_up = preview_cleanup if options["dry_run"] else cleanup_orphaned
        errands = clean_up(collections=among, clock=timezone.now)
        self._show(errands, options)
        states = {errand.state for errand in errands}
        for state, code in EXIT_CODES.items():
            if state in states:
                raise SystemExit(code)

    def _show(self, errands: list[Errand], options: dict[str, Any]) -> None:
        if options["json"]:
            document = {"dry_run": options["dry_run"], "collections": [*map(as_json, errands)]}
            self.stdout.write(json.dumps(document, indent=1))
            return
        for errand in errands:
            self.stdout.write(_line(errand, dry_run=options["dry_run"]))
        if options["dry_run"]:
            self.stdout.write("Nothing was changed.")


_WORDS = {
    "local.delete": "blocks deleted here",
    "remote.delete": "blocks deleted there",
}


def _line(errand: Errand, *, dry_run: bool) -> str:
    counts = dict(errand.counts)
    if dry_run and errand.found:
        counts["remote.delete"] = errand.found
    said = (f"{_WORDS.get(what, what.removeprefix('purged.'))}: {n}" for what, n in counts.items())
    name = clean(f"{errand.collection.name} ({errand.collection.account.email})")
    trouble = f"; {errand.error}" if errand.error else ""
    return f"{name} - {', '.join(said) or 'nothing to clean up'}{trouble}"
