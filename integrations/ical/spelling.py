"""How a text spells its times: new ones follow the lines that are there."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from integrations.ical.lines import Line, quoted
from integrations.ical.times import Moment, compact, instant, normal_time, spelled
from integrations.ical.zones import UTC_NAME, Zones, zone_info

Said = tuple[tuple[tuple[str, str], ...], str]  # the parameters of a line, and its value


@dataclass(slots=True)
class Speller:
    """Spells times for one text; `used` collects the IANA zones that the text must define."""

    zones: Zones
    used: dict[str, int] = field(default_factory=dict)

    def say(self, moment: Moment, like: Line | None = None) -> Said:
        """Spell a time, as `like` spells its own where that means the same."""
        said = normal_time(moment)
        if "at" not in said or said["zone"] == UTC_NAME:
            return self._floating(said, like) or spelled(said)
        year = instant(said).year
        if like and self._means(like.parameter("TZID"), said["zone"], year):
            raw = dict(like.parameters)["TZID"]
            return (("TZID", raw),), spelled(said)[1]
        return self._floating(said, like) or spelled(said, quoted(self._tzid(said["zone"], year)))

    def _floating(self, said: Moment, like: Line | None) -> Said | None:
        """Spell a moment without a zone, if `like` does so and it is said in the floating zone."""
        if like is None or "at" not in said or said["zone"] != self.zones.floating:
            return None
        value = like.value.strip().upper()
        if like.parameter("TZID") or value.endswith("Z") or "T" not in value:
            return None
        return (), compact(instant(said).astimezone(zone_info(said["zone"])))

    def _means(self, tzid: str, name: str, year: int) -> bool:
        if not tzid:
            return False
        zone = self.zones.find(tzid, year, year)
        return zone.name == name and zone.definition is None and not zone.problem

    def _tzid(self, name: str, year: int) -> str:
        """Return what the text calls a zone; its own name if it does not define it yet."""
        if name not in self.zones.defined:
            for tzid in self.zones.defined:
                if self._means(tzid, name, year):
                    return tzid
            self.used[name] = min(self.used.get(name, year), year)
        return name

    def line(self, text: str) -> Said:
        """Return parameters and value of a canonical recurrence line; a zone in it is defined."""
        head, _, value = text.partition(":")
        parameters = []
        for parameter in head.split(";")[1:]:
            key, _, said = parameter.partition("=")
            if key == "TZID" and value[:4].isdecimal():
                said = quoted(self._tzid(said, int(value[:4])))
            parameters.append((key, said))
        return tuple(parameters), value


def slot_time(slot: str, start: Moment | None) -> dict[str, str]:
    """Return an original start as a time said in the zone of its series."""
    if "T" not in slot:
        return {"date": slot}
    return {"at": slot, "zone": (start or {}).get("zone", UTC_NAME)}


def stamp(now: datetime) -> str:
    """Return an instant as DTSTAMP says it."""
    return compact(now.astimezone(UTC)) + "Z"
