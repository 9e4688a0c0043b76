"""`manage.py busy_rule`: which calendars block which others."""

import json
import sys
from argparse import ArgumentParser
from datetime import date
from typing import Any, TypeAlias

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from calendars import rule_options
from calendars.preview_table import as_json, as_table
from calendars.services import (
    KNOBS,
    REMOVALS,
    InvalidRule,
    Leaving,
    UnknownRule,
    add_busy_rule,
    change_busy_rule,
    default_of,
    describe_busy_rule,
    find_busy_rule,
    list_busy_rules,
    preview_busy_rule,
    preview_new_rule,
    remove_busy_rule,
)
from sync.choosing import NoSuchChoice, choose_collections

MOST_PREVIEW_DAYS = 366

# What an action returns: the answer as JSON values, and as something to read.
Answer: TypeAlias = tuple[dict[str, Any], str | Table]


class Command(BaseCommand):
    """Let calendars block each other. Exit code 0 done, 2 wrong usage."""

    help = "Add, change, preview or remove busy rules: the events of one calendar block another."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the actions and their options."""
        names = "add|change|list|preview|remove"
        actions = parser.add_subparsers(dest="action", required=True, metavar=names)
        add = actions.add_parser("add", help="let one calendar block another")
        add.add_argument("--source", required=True, metavar="ID", help="whose events block")
        add.add_argument("--target", required=True, metavar="ID", help="where the blocks appear")
        change = actions.add_parser("change", help="change what a rule shows, skips or adds")
        change.add_argument("rule", metavar="RULE", help="its id, or how that begins")
        rule_options.declare_pause(change)
        for action in (add, change):
            rule_options.declare(action)
        preview = actions.add_parser("preview", help="show what a rule would show, change nothing")
        preview.add_argument("rule", nargs="?", metavar="RULE", help="its id, or how that begins")
        preview.add_argument("--source", metavar="ID", help="of a rule that does not exist yet")
        preview.add_argument("--target", metavar="ID", help="of a rule that does not exist yet")
        preview.add_argument("--days", type=int, default=7, metavar="N", help="how many (7)")
        preview.add_argument(
            "--from", dest="since", type=date.fromisoformat, metavar="DATE", help="default today"
        )
        preview.add_argument("--titles", action="store_true", help="show what events are called")
        rule_options.declare(preview)
        listing = actions.add_parser("list", help="list the rules")
        remove = actions.add_parser("remove", help="take a rule and its blocks away")
        remove.add_argument("rule", metavar="RULE", help="its id, or how that begins")
        remove.add_argument(
            "--blocks",
            choices=REMOVALS,
            default="all",
            help="which of its blocks go: all (default), only future ones, or none (keep)",
        )
        remove.add_argument("--yes", action="store_true", help="do not ask")
        for action in (add, change, listing, preview, remove):
            action.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked for, and print it."""
        actions = {"add": _add, "change": _change, "list": _list, "preview": _preview}
        actions["remove"] = self._remove
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
            self._ask(f"Remove {_name(described)}{_GOING[options['blocks']].format(**described)}?")
        left = remove_busy_rule(rule=rule, now=timezone.now(), removal=options["blocks"])
        document = {"blocks": left.gone, "cut": left.cut, "kept": left.kept}
        return {"id": described["id"], **document}, _removed(described, left)

    def _ask(self, question: str) -> None:
        """Go on only after a yes; who cannot be asked has to say it beforehand."""
        if not sys.stdin.isatty():
            raise CommandError(
                f"{question.removesuffix(' [y/N] ')} Say so with --yes.", returncode=2
            )
        if input(question).strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was removed.", returncode=1)


# What a person is asked about, by what is to become of the blocks.
_GOING = {
    "all": " and its {blocks} blocks",
    "future": " and those of its {blocks} blocks that are to come",
    "keep": "; its {blocks} blocks stay as ordinary events",
}


def _removed(described: dict[str, Any], left: Leaving) -> str:
    """Say what became of a rule and what is still to happen."""
    parts = [f"The next sync takes {left.gone} blocks away"]
    parts += [f"ends {left.cut} series"] if left.cut else []
    parts += [f"{left.kept} stay as ordinary events"] if left.kept else []
    return f"Removed {escape(_name(described))}. {'; '.join(parts)}."


def _add(options: dict[str, Any]) -> Answer:
    source, target = (
        choose_collections(account=None, collection=options[name])[0]
        for name in ("source", "target")
    )
    knobs = rule_options.said(options)
    title = knobs.pop("title_template", "")
    rule = add_busy_rule(source=source, target=target, title=title, **knobs)
    described = describe_busy_rule(rule)
    name = escape(_name(described))
    return described, f"Added {rule.pk}: {name}. The next sync makes its blocks."


def _change(options: dict[str, Any]) -> Answer:
    rule = find_busy_rule(options["rule"])
    knobs = rule_options.said(options)
    if not knobs:
        raise CommandError("Say what to change: see busy_rule change --help.", returncode=2)
    described = describe_busy_rule(change_busy_rule(rule=rule, **knobs))
    ends = "It rests: its blocks stay as they are"
    ends = ends if described["rests"] else "The next sync brings its blocks in line"
    return described, f"Changed {rule.pk}: {escape(_name(described))}. {ends}."


def _preview(options: dict[str, Any]) -> Answer:
    """Show a rule that exists, with its knobs changed, or one that does not exist yet."""
    knobs, pair = rule_options.said(options), [options["source"], options["target"]]
    if not 1 <= options["days"] <= MOST_PREVIEW_DAYS:
        raise CommandError(f"--days: 1 to {MOST_PREVIEW_DAYS}", returncode=2)
    if any(pair) if options["rule"] else not all(pair):
        raise CommandError("Name either a RULE, or --source and --target.", returncode=2)
    span = {"now": timezone.now(), "since": options["since"], "days": options["days"]}
    if options["rule"]:
        preview = preview_busy_rule(rule=find_busy_rule(options["rule"]), **span, **knobs)
    else:
        source, target = (choose_collections(account=None, collection=one)[0] for one in pair)
        title = knobs.pop("title_template", "")
        preview = preview_new_rule(source=source, target=target, title=title, **span, **knobs)
    titles = options["titles"]
    return as_json(preview, titles=titles), as_table(preview, titles=titles)


def _list(options: dict[str, Any]) -> Answer:
    rules = [describe_busy_rule(rule) for rule in list_busy_rules()]
    if not rules:
        return {"rules": []}, "No rules yet: manage.py busy_rule add --source ID --target ID"
    table = Table("rule", "source", "target", "title", "shows", "skips", "besides", "blocks")
    for rule in rules:
        table.add_row(
            rule["id"],
            escape(_calendar(rule["source"])),
            escape(_calendar(rule["target"])),
            escape(rule["title"]),
            ", ".join(rule["show"]),
            ", ".join(_skipped(rule)),
            escape("; ".join(_besides(rule))),
            f"{rule['blocks']}{_state(rule)}",
        )
    return {"rules": rules}, table


def _skipped(rule: dict[str, Any]) -> list[str]:
    """Name the sorts of events that make no block."""
    switches = [
        name[5:] for name, value in rule.items() if name.startswith("skip_") and value is True
    ]
    sorts = ("tentative", "unanswered", "all_day", "private_events")
    skipped = [*switches, *(name for name in sorts if rule[name] == "skip")]
    return [name.replace("_", " ") for name in [*skipped, *rule["skip_event_types"]]]


def _besides(rule: dict[str, Any]) -> list[str]:
    """Name what is not as it is by itself, and in no other column."""
    knobs = [
        name
        for name in KNOBS
        if rule[name] != default_of(name) and not name.startswith("skip_") and rule[name] != "skip"
    ]
    return [f"{name.replace('_', ' ')} {_said(rule[name])}".rstrip() for name in knobs]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "" if value else "no"
    return " ".join(value) if isinstance(value, list) else str(value)


def _state(rule: dict[str, Any]) -> str:
    if not rule["enabled"]:
        return ", off"
    return f", paused until {rule['paused_until']}" if rule["rests"] else ""


def _name(described: dict[str, Any]) -> str:
    return f"{_calendar(described['source'])} blocks {_calendar(described['target'])}"


def _calendar(described: dict[str, str]) -> str:
    return f"{described['name']} ({described['account']})"
