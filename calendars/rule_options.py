"""The options of `manage.py busy_rule` that make or change a rule, as one table of its knobs."""

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from django.utils import timezone

from calendars.services import COLOURS, EVENT_TYPES, KNOBS, SHOWABLE, WEEKDAYS

# What the short options stand for.
_SHORT = {"skip_tentative": ("tentative", "unanswered"), "skip_all_day": ("all_day",)}
# How an option takes back what was said before.
ANY = "any"


def declare(parser: ArgumentParser) -> None:
    """Declare all knobs; what is not said keeps its default, or stays as it is."""
    _declare_looks(parser)
    _declare_choices(parser)
    _declare_times(parser)
    _declare_life(parser)


def _declare_looks(parser: ArgumentParser) -> None:
    words = "{title}, {location}, {calendar}"
    group = parser.add_argument_group("what a block shows")
    group.add_argument("--title", metavar="TEMPLATE", help=f'default "Busy"; may hold {words}')
    _listed(group, "--show", SHOWABLE, "FIELD", "what else a block may show of its event")
    group.add_argument(
        "--visibility",
        choices=["private", "public", "default"],
        help="who sees its details in a shared target (default private)",
    )
    group.add_argument(
        "--colour",
        choices=[*COLOURS, ANY],
        metavar="1-11",
        help="its colour; that of its event with --show colour; any: the calendar's",
    )
    _yes_or_no(group, "--link-back", "lead back to the event; only for one owner's accounts")


def _declare_choices(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("which events make a block")
    for name in ("declined", "tentative", "free", "all-day"):
        _yes_or_no(group, f"--skip-{name}", f"no block for {name} events")
    ways = ["busy", "tentative", "free", "skip"]
    group.add_argument("--tentative", choices=ways, help="how events you may attend are shown")
    group.add_argument("--unanswered", choices=ways, help="how open invitations are shown")
    group.add_argument("--all-day", choices=["busy", "free", "skip"], help="all-day events")
    group.add_argument(
        "--private", dest="private_events", choices=["busy", "skip"], help="private events"
    )
    _listed(group, "--skip-event-types", EVENT_TYPES, "TYPE", "no block for events of these types")
    for name, what in (("include", "only events that match"), ("exclude", "no event that matches")):
        group.add_argument(
            f"--{name}",
            nargs="*",
            action="extend",
            metavar="FILTER",
            help=f'{what}, such as "title:*standup*", "organiser:*@example.com", "title:re:^1:1"',
        )
    _yes_or_no(group, "--skip-invited", "no block where the target has the meeting itself")
    _yes_or_no(group, "--once-per-meeting", "one block for a meeting that several calendars have")


def _declare_times(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("when")
    group.add_argument(
        "--hours", type=_hours, metavar="FROM-TO", help="working hours, such as 9-17:30, or any"
    )
    _listed(group, "--weekdays", WEEKDAYS, "DAY", "working days")
    for name, what in (
        ("--minimum-minutes", "shorter events make no block"),
        ("--buffer-before", "minutes that a block begins earlier"),
        ("--buffer-after", "minutes that it ends later"),
        ("--travel-minutes", "so much more before and after events that have a place"),
        ("--past-days", "how far back (default 7)"),
        ("--future-days", "how far ahead (default 365)"),
    ):
        group.add_argument(name, type=int, metavar="N", help=what)
    _yes_or_no(group, "--merge", "make one block of blocks that overlap or touch")


def _declare_life(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the life of the rule")
    for name, what in (("--active-from", "its first day"), ("--active-until", "its last day")):
        group.add_argument(name, type=_day, metavar="DATE", help=f"{what}, or any")
    for name, what in (("--on-edit", "edits"), ("--on-delete", "deletes")):
        group.add_argument(
            name, choices=["restore", "respect"], help=f"when somebody {what} a block"
        )
    _yes_or_no(group, "--adopt", "take copies made by hand for blocks instead of doubling them")


def declare_pause(parser: ArgumentParser) -> None:
    """Declare what lets a rule rest, and ends that."""
    rest = parser.add_mutually_exclusive_group()
    rest.add_argument(
        "--pause",
        nargs="?",
        const=ANY,
        type=_until,
        metavar="UNTIL",
        help="leave its blocks as they are, until a date or time, or until it is resumed",
    )
    rest.add_argument("--resume", action="store_true", help="end a pause")


def said(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `BusyRule` that the options name."""
    knobs = {name: options[name] for name in KNOBS if options.get(name) is not None}
    for option, names in _SHORT.items():
        if options[option] is not None:
            knobs |= dict.fromkeys(names, "skip" if options[option] else "busy")
    if options["hours"] is not None:
        knobs["hours_from"], knobs["hours_to"] = options["hours"]
    for option, name in (("title", "title_template"), ("show", "fields"), ("adopt", "adopts")):
        if options[option] is not None:
            knobs[name] = options[option]
    if options.get("pause"):
        until = options["pause"]
        knobs |= {"enabled": until != ANY, "paused_until": None if until == ANY else until}
    if options.get("resume"):
        knobs |= {"enabled": True, "paused_until": None}
    nothing = {"colour": "", "active_from": None, "active_until": None}
    return {name: nothing.get(name) if value == ANY else value for name, value in knobs.items()}


def _listed(group: Any, option: str, choices: tuple[str, ...], metavar: str, what: str) -> None:
    group.add_argument(
        option,
        nargs="*",
        action="extend",
        choices=choices,
        metavar=metavar,
        help=f"{what}: {', '.join(choices)}",
    )


def _yes_or_no(group: Any, option: str, what: str) -> None:
    group.add_argument(option, action=BooleanOptionalAction, default=None, help=what)


def _hours(text: str) -> tuple[time | None, time | None]:
    if text == ANY:
        return None, None
    begin, dash, end = text.partition("-")
    try:
        if not dash:
            raise ValueError
        return _time(begin), _time(end)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not like 9-17:30, 22-24 or any") from None


def _time(text: str) -> time | None:
    """Read a time of the day; None at either end of the day."""
    hour, _, minute = text.strip().partition(":")
    if (int(hour), int(minute or 0)) in ((0, 0), (24, 0)):
        return None
    return time(int(hour), int(minute or 0))


def _day(text: str) -> date | str:
    try:
        return text if text == ANY else date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date such as 2026-05-31, nor any") from None


def _until(text: str) -> datetime | str:
    if text == ANY:
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is no time such as 2026-05-31 or 2026-05-31T18:00"
        ) from None
    return at if at.tzinfo else timezone.make_aware(at)
