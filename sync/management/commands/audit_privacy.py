"""Read the busy blocks that are really there, and report every word of a source that leaked."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from calendars.services import UnknownRule, find_busy_rule, masked, rules_of
from integrations.services import UnknownAccount, find_accounts
from sync.auditing import Audit, Finding, audit_privacy
from sync.core.text import clean

LEAKED = 1


class Command(BaseCommand):
    """Audit busy blocks. Exit code 0 no block tells too much, 1 one does or a calendar could not be
    read, 2 wrong usage."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--rule", default="", help="only this rule (how its id begins)")
        which.add_argument("--account", default="", help="only rules from or to this account")
        parser.add_argument("--show-words", action="store_true", help="print leaked words in full")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, and say what was found."""
        try:
            account = find_accounts(options["account"])[0] if options["account"] else None
            rules = (
                [find_busy_rule(options["rule"])] if options["rule"] else list(rules_of(account))
            )
        except (UnknownRule, UnknownAccount) as error:
            raise CommandError(str(error), returncode=2) from None
        audits = audit_privacy(rules=rules, clock=timezone.now)
        clean_all = all(audit.clean for audit in audits)
        if options["json"]:
            document = {"clean": clean_all, "calendars": [_json(a, options) for a in audits]}
            self.stdout.write(json.dumps(document, indent=1))
        else:
            for audit in audits:
                for line in _lines(audit, options["show_words"]):
                    self.stdout.write(line)
            if not audits:
                self.stdout.write("No rules, no blocks.")
        if not clean_all:
            raise SystemExit(LEAKED)


def _json(audit: Audit, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "collection": str(audit.collection.pk),
        "name": audit.collection.name,
        "account": str(audit.collection.account),
        "blocks": audit.blocks,
        "unclaimed": audit.unclaimed,
        "error": audit.error,
        "findings": [_finding(finding, options["show_words"]) for finding in audit.findings],
    }


def _finding(finding: Finding, show: bool) -> dict[str, Any]:
    leak = finding.leak
    return {
        "rule": str(finding.rule),
        "remote_id": finding.remote_id,
        "item": str(finding.item) if finding.item else "",
        "field": finding.field,
        "ours": finding.ours,
        "word": _word(leak.word, show) if leak else "",
        "from": leak.origin if leak else "",
    }


def _word(word: str, show: bool) -> str:
    return word if show else masked(word)


def _lines(audit: Audit, show: bool) -> Iterator[str]:
    """Yield a headline, and a line for each finding."""
    name = clean(f"{audit.collection.name} ({audit.collection.account.email})")
    if audit.error:
        yield f"{name}: could not be read: {audit.error}"
        return
    told = f"{len(audit.leaks)} leaked words" if audit.leaks else "nothing leaked"
    lost = f"; {audit.unclaimed} blocks that nothing here claims" if audit.unclaimed else ""
    yield f"{name}: {audit.blocks} blocks, {told}{lost}"
    for finding in audit.findings:
        yield clean(f"  {finding.remote_id} {finding.field}: {_said(finding, show)}")


def _said(finding: Finding, show: bool) -> str:
    if finding.leak is None:
        return "not ours: somebody else wrote it"
    whose = "" if finding.ours else "; not ours: somebody else wrote it"
    return f"{_word(finding.leak.word, show)} of the event's {finding.leak.origin}{whose}"
