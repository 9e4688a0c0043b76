"""`manage.py busy_rule`: which calendars block which others."""

import json
import sys
from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any, TypeAlias

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from calendars.services import (
    EVENT_TYPES,
    KNOBS,
    SHOWABLE,
    InvalidRule,
    UnknownRule,
    add_busy_rule,
    describe_busy_rule,
    find_busy_rule,
    list_busy_rules,
    remove_busy_rule,
)
from sync.choosing import NoSuchChoice, choose_collections

# What an action returns: the answer as JSON values, and as something to read.
Answer: TypeAlias = tuple[dict[str, Any], str | Table]


class Command(BaseCommand):
    """Let calendars block each other. Exit code 0 done, 2 wrong usage."""

    help = "Add, list or remove busy rules: the events of one calendar block another."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the three actions and their options."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|remove")
        add = actions.add_parser("add", help="let one calendar block another")
        _add_arguments(add)
        listing = actions.add_parser("list", help="list the rules")
        remove = actions.add_parser("remove", help="take a rule and all its blocks away")
        remove.add_argument("rule", metavar="RULE", help="its id, or how that begins")
        remove.add_argument("--yes", action="store_true", help="do not ask")
        for action in (add, listing, remove):
            action.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked for, and print it."""
        actions = {"add": _add, "list": _list, "remove": self._remove}
        try:
            result, lines = actions[options["action"]](options)
        except InvalidRule as error:
            raise CommandError("; ".join(error.problems), returncode=2) from None
        except (NoSuchChoice, UnknownRule) as error:
            raise CommandError(str(error), returncode=2) from None
        if options["json"]:
            self.stdout.write(json.dumps(result, indent=2))
        else:
            # Nobody looks at the width of a pipe, and an id must stay in one piece.
            width = None if self.stdout.isatty() else 200
            Console(file=self.stdout, width=width).print(lines)  # type: ignore[arg-type]

    def _remove(self, options: dict[str, Any]) -> Answer:
        rule = find_busy_rule(options["rule"])
        described = describe_busy_rule(rule)
        if not options["yes"]:
            self._ask(f"Remove {_name(described)} and its {described['blocks']} blocks?")
        blocks = remove_busy_rule(rule=rule, now=timezone.now())
        return (
            {"id": described["id"], "blocks": blocks},
            f"Removed {escape(_name(described))}. The next sync takes {blocks} blocks away.",
        )

    def _ask(self, question: str) -> None:
        """Go on only after a yes; who cannot be asked has to say it beforehand."""
        if not sys.stdin.isatty():
            raise CommandError(
                f"{question.removesuffix(' [y/N] ')} Say so with --yes.", returncode=2
            )
        if input(question).strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was removed.", returncode=1)


def _add_arguments(parser: ArgumentParser) -> None:
    """Declare what a rule is made of; what is not said keeps its default."""
    words = "{title}, {location}, {calendar}"
    parser.add_argument("--source", required=True, metavar="ID", help="whose events block")
    parser.add_argument("--target", required=True, metavar="ID", help="where the blocks appear")
    parser.add_argument(
        "--title", default="", metavar="TEMPLATE", help=f'default "Busy"; may hold {words}'
    )
    parser.add_argument(
        "--show",
        nargs="+",
        action="extend",
        default=[],
        choices=SHOWABLE,
        metavar="FIELD",
        help=f"what else a block may show of its event: {', '.join(SHOWABLE)}",
    )
    for name in ("declined", "tentative", "free", "all-day"):
        parser.add_argument(
            f"--skip-{name}", action=BooleanOptionalAction, help=f"no block for {name} events"
        )
    parser.add_argument(
        "--skip-event-types",
        nargs="+",
        action="extend",
        choices=EVENT_TYPES,
        metavar="TYPE",
        help=f"no block for events of these types: {', '.join(EVENT_TYPES)}",
    )
    parser.add_argument("--past-days", type=int, metavar="N", help="how far back (default 7)")
    parser.add_argument("--future-days", type=int, metavar="N", help="how far ahead (default 365)")


def _add(options: dict[str, Any]) -> Answer:
    source, target = (
        choose_collections(account=None, collection=options[name])[0]
        for name in ("source", "target")
    )
    rule = add_busy_rule(
        source=source,
        target=target,
        title=options["title"],
        fields=options["show"],
        **{name: options[name] for name in KNOBS if options[name] is not None},
    )
    described = describe_busy_rule(rule)
    name = escape(_name(described))
    return described, f"Added {rule.pk}: {name}. The next sync makes its blocks."


def _list(options: dict[str, Any]) -> Answer:
    rules = [describe_busy_rule(rule) for rule in list_busy_rules()]
    if not rules:
        return {"rules": []}, "No rules yet: manage.py busy_rule add --source ID --target ID"
    table = Table("rule", "source", "target", "title", "shows", "skips", "blocks")
    for rule in rules:
        skips = [name[5:] for name in KNOBS if name.startswith("skip_") and rule[name] is True]
        table.add_row(
            rule["id"],
            escape(_calendar(rule["source"])),
            escape(_calendar(rule["target"])),
            escape(rule["title"]),
            ", ".join(rule["show"]),
            ", ".join([*skips, *rule["skip_event_types"]]).replace("_", " "),
            str(rule["blocks"]) if rule["enabled"] else f"{rule['blocks']}, off",
        )
    return {"rules": rules}, table


def _name(described: dict[str, Any]) -> str:
    return f"{_calendar(described['source'])} blocks {_calendar(described['target'])}"


def _calendar(described: dict[str, str]) -> str:
    return f"{described['name']} ({described['account']})"
