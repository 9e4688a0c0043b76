"""Reminders: the alarms that show a note or send a mail some whole minutes before the start.

Any other alarm (a sound, a fixed time, counted from the end, repeated, snoozed) is not modelled and
stays as it is. An event without reminders of ours has its calendar's own: iCalendar cannot say
"none at all".
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from integrations.ical.lines import Block, lines_of
from integrations.ical.times import Malformed, duration

_METHODS: Final = {"DISPLAY": "popup", "EMAIL": "email"}
_ACTIONS: Final = {method: action for action, method in _METHODS.items()}
_MOST_MINUTES: Final = 60 * 24 * 366 * 10
_MORE: Final = frozenset({"REPEAT", "RELATED-TO"})  # what makes an alarm say more than we model

Reminder = tuple[str, int]


def reminder_of(data: bytes, alarm: Block) -> Reminder | None:
    """Return method and minutes of an alarm that is a reminder, None for any other."""
    lines = {line.name: line for line in lines_of(data, alarm)}
    trigger, action = lines.get("TRIGGER"), lines.get("ACTION")
    if trigger is None or action is None or _MORE & lines.keys():
        return None
    method = _METHODS.get(action.value.strip().upper())
    if method is None or trigger.parameter("RELATED").upper() == "END":
        return None
    try:
        minutes, rest = divmod(-duration(trigger.value), timedelta(minutes=1))
    except Malformed:
        return None
    return (method, minutes) if not rest and 0 <= minutes <= _MOST_MINUTES else None


def reminders_of(data: bytes, event: Block) -> dict[str, Any]:
    """Return the reminders of an event."""
    alarms = (child for child in event.children if child.name == "VALARM")
    return _said({found for alarm in alarms if (found := reminder_of(data, alarm)) is not None})


def wanted(value: Mapping[str, Any]) -> set[Reminder]:
    """Return the reminders that a canonical value asks for and iCalendar can say."""
    if value.get("default", True):
        return set()
    return {
        (reminder["method"], min(max(int(reminder["minutes"]), 0), _MOST_MINUTES))
        for reminder in value.get("overrides", ())
        if reminder["method"] in _ACTIONS
    }


def normal_reminders(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return reminders as they come back from iCalendar."""
    return _said(wanted(value))


def _said(found: set[Reminder]) -> dict[str, Any]:
    if not found:
        return {"default": True}
    overrides = [{"method": method, "minutes": minutes} for method, minutes in sorted(found)]
    return {"default": False, "overrides": overrides}


def alarm_lines(reminder: Reminder) -> list[str]:
    """Return the content lines of a reminder; its text is the same for every event."""
    method, minutes = reminder
    mail = ["SUMMARY:Reminder"] if method == "email" else []
    return [
        "BEGIN:VALARM",
        f"ACTION:{_ACTIONS[method]}",
        f"TRIGGER:-PT{minutes}M",
        *mail,
        "DESCRIPTION:Reminder",
        "END:VALARM",
    ]
