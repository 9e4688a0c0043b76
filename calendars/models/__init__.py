"""What is kept in step: items, their detail rows, and the rules between calendars."""

from calendars.models.block_part import BlockPart
from calendars.models.busy_rule import BusyRule
from calendars.models.calendar import Calendar
from calendars.models.event import Event
from calendars.models.item import Item, time_ordered_uuid, touch

__all__ = ["BlockPart", "BusyRule", "Calendar", "Event", "Item", "time_ordered_uuid", "touch"]
