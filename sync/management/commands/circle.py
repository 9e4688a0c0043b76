"""`manage.py circle`: which calendars hold the same events."""

import json
import sys
from argparse import ArgumentParser
from typing import Any, TypeAlias

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sync.choosing import NoSuchChoice, choose_collections
from sync.circles import (
    InvalidCircle,
    UnknownCircle,
    add_to_circle,
    describe_circle,
    describe_circles,
    find_circle,
    leave_circle,
    remove_circle,
)

# What an action returns: the answer as JSON values, and as something to read.
Answer: TypeAlias = tuple[dict[str, Any], str | Table]


class Command(BaseCommand):
    """Let calendars hold the same events. Exit code 0 done, 1 not confirmed, 2 wrong usage."""

    help = "Let calendars hold the same events (a circle), list circles, or part them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the actions and their options."""
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="add|list|leave|remove"
        )
        add = actions.add_parser("add", help="let calendars join a circle, new or not")
        add.add_argument("name", metavar="NAME", help="what the circle is called")
        add.add_argument(
            "--collections",
            nargs="+",
            action="extend",
            required=True,
            metavar="ID",
            help="calendars, by id or remote id",
        )
        listing = actions.add_parser("list", help="list the circles and their calendars")
        leave = actions.add_parser("leave", help="let a calendar go its way; nothing is deleted")
        leave.add_argument("collection", metavar="ID", help="a calendar, by id or remote id")
        remove = actions.add_parser("remove", help="part all calendars; nothing is deleted")
        remove.add_argument("name", metavar="NAME", help="name or id of the circle")
        remove.add_argument("--yes", action="store_true", help="do not ask")
        for action in (add, listing, leave, remove):
            action.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked for, and print it."""
        actions = {"add": _add, "list": _list, "leave": _leave, "remove": self._remove}
        try:
            result, lines = actions[options["action"]](options)
        except InvalidCircle as error:
            raise CommandError("; ".join(error.problems), returncode=2) from None
        except (NoSuchChoice, UnknownCircle) as error:
            raise CommandError(str(error), returncode=2) from None
        if options["json"]:
            self.stdout.write(json.dumps(result, indent=2))
            return
        # Nobody looks at the width of a pipe, and an id must stay in one piece.
        width = None if self.stdout.isatty() else 200
        Console(file=self.stdout, width=width).print(lines)  # type: ignore[arg-type]

    def _remove(self, options: dict[str, Any]) -> Answer:
        circle = find_circle(options["name"])
        described = describe_circle(circle)
        if not options["yes"]:
            self._ask(f"Part the {len(described['calendars'])} calendars of {circle}?")
        left = remove_circle(circle=circle, clock=timezone.now)
        events = sum(one.events for one in left)
        return (
            {"removed": described, "events": events},
            f"Removed {escape(described['name'])}: {events} events go separate ways. Every copy "
            "stays where it is.",
        )

    def _ask(self, question: str) -> None:
        """Go on only after a yes; who cannot be asked has to say it beforehand."""
        if not sys.stdin.isatty():
            raise CommandError(f"{question} Say so with --yes.", returncode=2)
        if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was removed.", returncode=1)


def _add(options: dict[str, Any]) -> Answer:
    chosen = [
        choose_collections(account=None, collection=name)[0] for name in options["collections"]
    ]
    joined = add_to_circle(name=options["name"], collections=chosen, clock=timezone.now)
    described = describe_circle(joined.circle)
    lines = [f"{escape(described['name'])} holds the same events in:"]
    lines += [f"  {escape(_calendar(calendar))}" for calendar in described["calendars"]]
    lines += [
        f"{escape(str(calendar))} is shared with us for reading: it only contributes."
        for calendar in joined.only_read
    ]
    lines.append("Look at what will happen first: manage.py sync_calendars --dry-run --verbose")
    return described, "\n".join(lines)


def _list(options: dict[str, Any]) -> Answer:
    circles = describe_circles()
    if not circles:
        return {"circles": []}, "No circles yet: manage.py circle add NAME --collections ID ID"
    table = Table("circle", "calendar", "account", "direction", "waits", "id")
    for circle in circles:
        for calendar in circle["calendars"]:
            shown = (calendar[name] for name in ("name", "account", "direction", "waits", "id"))
            table.add_row(escape(circle["name"]), *(escape(text) for text in shown))
        if not circle["calendars"]:
            table.add_row(escape(circle["name"]), "no calendars any more")
    return {"circles": circles}, table


def _calendar(calendar: dict[str, str]) -> str:
    return f"{calendar['name']} of {calendar['account']} ({calendar['direction']})"


def _leave(options: dict[str, Any]) -> Answer:
    (collection,) = choose_collections(account=None, collection=options["collection"])
    left = leave_circle(collection=collection, clock=timezone.now)
    return (
        {"collection": str(left.collection.pk), "events": left.events},
        f"{escape(str(left.collection))} goes its own way with {left.events} events that it "
        "shared. Every copy stays where it is.",
    )
