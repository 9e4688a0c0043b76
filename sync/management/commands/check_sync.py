"""Check that what is stored is sound: every invariant, with the ids of the rows that break it."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from sync.invariants import Finding, check_all

# How many rows of one broken invariant are printed; JSON always holds all of them.
MOST_ROWS = 50


class Command(BaseCommand):
    """Check the stored invariants. Exit code 0 all hold, 1 some are broken."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, print, and say by the exit code whether all is well."""
        findings = check_all(timezone.now())
        broken = [finding for finding in findings if finding.rows]
        if options["json"]:
            document = {"sound": not broken, "checks": [asdict(finding) for finding in findings]}
            self.stdout.write(json.dumps(document, indent=1))
        else:
            for finding in broken:
                self._print(finding)
            held = len(findings) - len(broken)
            self.stdout.write(f"{held} of {len(findings)} invariants hold.")
        if broken:
            raise SystemExit(1)

    def _print(self, finding: Finding) -> None:
        self.stdout.write(f"BROKEN {finding.name}: {finding.sentence}")
        for row in finding.rows[:MOST_ROWS]:
            self.stdout.write(f"  {row}")
        if len(finding.rows) > MOST_ROWS:
            rest = len(finding.rows) - MOST_ROWS
            self.stdout.write(f"  … and {rest} more; --json lists them all")
