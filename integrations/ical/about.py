"""What a calendar says about itself as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from integrations.ical.lines import Block, lines_of, parse
from integrations.ical.words import unescaped
from integrations.ical.zones import iana_name

_NAMES: Final = ("X-WR-CALNAME", "NAME")  # the second since RFC 7986, section 5.1
_ZONES: Final = ("X-WR-TIMEZONE", "TIMEZONE-ID")
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class About:
    """The name of a calendar and its IANA zone, each "" if the calendar does not say it."""

    name: str
    zone: str


def about(data: bytes, calendars: Sequence[Block] | None = None) -> About:
    """Read what the first calendar of a text says about itself; raise `BadCalendar`.

    `calendars` is what `parse` made of the text, where somebody did that before.
    """
    said: dict[str, str] = {}
    for line in lines_of(data, (calendars or parse(data))[0]):
        if line.name in (*_NAMES, *_ZONES):
            said.setdefault(line.name, unescaped(line.value).strip())
    names = [said[key] for key in _NAMES if said.get(key)]
    zones = [zone for key in _ZONES if (zone := iana_name(said.get(key, "")))]
    return About((names or [""])[0][:_LONGEST_NAME], (zones or [""])[0])
