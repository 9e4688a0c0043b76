"""XML both ways: requests built, answers parsed on a hardened parser with bounds.

No DTD, no entities, no external anything (`defusedxml`, forbid_dtd). An answer is read response by
response, so that a listing of a hundred thousand members needs the memory of one.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Final
from xml.etree.ElementTree import Element, ParseError, SubElement, register_namespace, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

DAV: Final = "{DAV:}"
CALDAV: Final = "{urn:ietf:params:xml:ns:caldav}"
SERVER: Final = "{http://calendarserver.org/ns/}"
APPLE: Final = "{http://apple.com/ns/ical/}"
for _prefix, _tag in {"D": DAV, "C": CALDAV, "CS": SERVER, "A": APPLE}.items():
    register_namespace(_prefix, _tag.strip("{}"))

MOST_DEPTH: Final = 50
MOST_NODES: Final = 200_000  # at any one time


class BadXml(ValueError):
    """An answer is not XML that we are willing to read; the message never quotes it."""


def parse(content: bytes, unit: str) -> Iterator[Element]:
    """Yield the elements named `unit` as they are complete, then the root, freed of them.

    Raises `BadXml` at a DTD, an entity, nesting or size beyond the bounds, and where the text is
    cut off or not XML at all.
    """
    try:
        yield from _walk(content, unit)
    except DefusedXmlException:
        raise BadXml("a DTD or an entity in the XML") from None
    except (ParseError, ValueError, LookupError) as error:
        raise error if isinstance(error, BadXml) else BadXml("not well-formed XML") from None


def _walk(content: bytes, unit: str) -> Iterator[Element]:
    path: list[Element] = []
    nodes = 0
    for event, element in iterparse(BytesIO(content), ("start", "end"), forbid_dtd=True):
        if event == "start":
            path.append(element)
            nodes += 1
            if len(path) > MOST_DEPTH or nodes > MOST_NODES:
                raise BadXml("the XML is nested too deeply or holds too many nodes")
            continue
        path.pop()
        if element.tag == unit and path:
            yield element
            nodes -= sum(1 for _ in element.iter())
            path[-1].remove(element)
        elif not path:
            yield element


def text_of(element: Element | None) -> str:
    """Return an element's text without the space around it, "" if there is none."""
    return (element.text or "").strip() if element is not None else ""


def document(root: Element) -> bytes:
    """Return a request body."""
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def propfind(properties: Iterable[str]) -> bytes:
    """Return the body that asks for these properties (RFC 4918 §9.1)."""
    root = Element(f"{DAV}propfind")
    _props(root, properties)
    return document(root)


def sync_collection(token: str, limit: int = 0) -> bytes:
    """Return the body that asks for what changed since a token, everything if "" (RFC 6578)."""
    root = Element(f"{DAV}sync-collection")
    SubElement(root, f"{DAV}sync-token").text = token
    SubElement(root, f"{DAV}sync-level").text = "1"
    if limit:
        SubElement(SubElement(root, f"{DAV}limit"), f"{DAV}nresults").text = str(limit)
    _props(root, [f"{DAV}getetag"])
    return document(root)


def multiget(paths: Iterable[str]) -> bytes:
    """Return the body that asks for the text of these resources (RFC 4791 §7.9)."""
    root = Element(f"{CALDAV}calendar-multiget")
    _props(root, [f"{DAV}getetag", f"{CALDAV}calendar-data"])
    for path in paths:
        SubElement(root, f"{DAV}href").text = path
    return document(root)


def events_with(prop: str) -> bytes:
    """Return the body that asks which resources hold an event with a property (RFC 4791 §7.8)."""
    root = Element(f"{CALDAV}calendar-query")
    _props(root, [f"{DAV}getetag"])
    calendar = _filter(SubElement(root, f"{CALDAV}filter"), "comp-filter", "VCALENDAR")
    _filter(_filter(calendar, "comp-filter", "VEVENT"), "prop-filter", prop)
    return document(root)


def _filter(parent: Element, kind: str, name: str) -> Element:
    return SubElement(parent, f"{CALDAV}{kind}", {"name": name})


def _props(parent: Element, properties: Iterable[str]) -> None:
    holder = SubElement(parent, f"{DAV}prop")
    for name in properties:
        SubElement(holder, name)
