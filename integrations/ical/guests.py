"""Guests: ATTENDEE and ORGANIZER lines, and attendees in canonical form.

RFC 5545, sections 3.2.3 (CUTYPE), 3.2.12 (PARTSTAT) and 3.2.16 (ROLE); RFC 6638, section 7.1: with
SCHEDULE-AGENT=NONE a server sends nobody a message about what we write.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from integrations.ical.lines import Line, quoted
from integrations.ical.words import on_one_line, sayable

_RESPONSES: Final = {
    "NEEDS-ACTION": "needsAction",
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "tentative",
    "DELEGATED": "declined",  # somebody else comes
}
_PARTSTATS: Final = {
    "needsAction": "NEEDS-ACTION",
    "accepted": "ACCEPTED",
    "declined": "DECLINED",
    "tentative": "TENTATIVE",
}
_RESOURCES: Final = frozenset({"RESOURCE", "ROOM"})

Guest = Mapping[str, Any]


def address_of(line: Line) -> str:
    """Return the e-mail address that a line names, in lower case, "" if it names none."""
    scheme, _, address = line.value.strip().partition(":")
    said = address if scheme.lower() == "mailto" else line.parameter("EMAIL")
    if not said and "@" in line.value and ":" not in line.value:
        said = line.value
    return on_one_line(said).lower()


def guests_of(lines: Iterable[Line], me: frozenset[str]) -> list[dict[str, Any]]:
    """Return the guests, each address once, by address; who has none is not among them."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        address = address_of(line)
        if address and address not in found:
            found[address] = _guest(line, address, me)
    return [found[address] for address in sorted(found)]


def _guest(line: Line, address: str, me: frozenset[str]) -> dict[str, Any]:
    guest = {
        "email": address,
        "name": sayable(line.parameter("CN")),
        "response": _RESPONSES.get(line.parameter("PARTSTAT").upper(), "needsAction"),
        "optional": line.parameter("ROLE").upper() == "OPT-PARTICIPANT",
        "resource": line.parameter("CUTYPE").upper() in _RESOURCES,
    }
    return guest | {"self": True} if address in me else guest


def organizer_of(line: Line, me: frozenset[str]) -> dict[str, Any]:
    """Return who an ORGANIZER line names, as a fact."""
    address = address_of(line)
    return {
        "email": address,
        "name": sayable(line.parameter("CN")),
        "self": bool(address) and address in me,
    }


def normal_guests(guests: Iterable[Guest]) -> list[dict[str, Any]]:
    """Return the guests as they come back from iCalendar; one without an address does not."""
    found: dict[str, dict[str, Any]] = {}
    for guest in guests:
        address = on_one_line(guest.get("email") or "").lower()
        if address and address not in found:
            found[address] = _normal(guest, address)
    return [found[address] for address in sorted(found)]


def _normal(guest: Guest, address: str) -> dict[str, Any]:
    response = guest.get("response") or "needsAction"
    kept = {
        "email": address,
        "name": sayable(guest.get("name") or "").strip(),
        "response": response if response in _PARTSTATS else "needsAction",
        "optional": bool(guest.get("optional")),
        "resource": bool(guest.get("resource")),
    }
    return kept | {"self": True} if guest.get("self") else kept


def parameters_of(guest: Guest, line: Line | None) -> list[tuple[str, str]]:
    """Return the parameters of a guest's line; those of `line` that mean something else stay."""
    kept = dict(line.parameters) if line else {}
    name = sayable(guest.get("name") or "").strip()
    kept.update({"CN": quoted(name)} if name else {})
    if not name:
        kept.pop("CN", None)
    kept["PARTSTAT"] = _PARTSTATS.get(guest.get("response") or "", "NEEDS-ACTION")
    _choose(kept, "ROLE", bool(guest.get("optional")), "OPT-PARTICIPANT", "REQ-PARTICIPANT")
    if bool(guest.get("resource")) != (kept.get("CUTYPE", "").upper() in _RESOURCES):
        _choose(kept, "CUTYPE", bool(guest.get("resource")), "RESOURCE", "INDIVIDUAL")
    kept["SCHEDULE-AGENT"] = "NONE"
    return list(kept.items())


def _choose(kept: dict[str, str], key: str, special: bool, yes: str, no: str) -> None:
    """Say a property that is the exception; keep another word that means the rule."""
    if special:
        kept[key] = yes
    elif kept.get(key, "").upper() == yes or (key == "CUTYPE" and key in kept):
        kept[key] = no
