"""A 207 answer as values: which resource, which properties, which refusals (RFC 4918 §13)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from integrations.caldav.urls import BadAddress, resolve
from integrations.caldav.xml import DAV, BadXml, parse, text_of

_STATUS: Final = re.compile(r"\bHTTP/\S+\s+(\d{3})\b")


@dataclass(frozen=True, slots=True)
class Member:
    """What an answer says of one resource: its address, its status as a whole, its properties.

    `status` is 200 where the resource is there, even if some properties are not; `properties` holds
    only those that were found. `error` is the name of a precondition, "" if none is given.
    """

    url: str
    status: int = 200
    properties: Mapping[str, Element] = field(default_factory=dict)
    error: str = ""

    def text(self, name: str) -> str:
        """Return the text of a property, "" if it was not found."""
        return text_of(self.properties.get(name))


@dataclass(slots=True)
class MultiStatus:
    """A whole answer: its members, and the token of a sync report ("" if there is none)."""

    members: list[Member]
    sync_token: str = ""


def read_multistatus(content: bytes, base: str) -> MultiStatus:
    """Read an answer whose hrefs are relative to `base`. Raises `BadXml`."""
    answer = MultiStatus([])
    for element in parse(content, f"{DAV}response"):
        if element.tag == f"{DAV}response":
            answer.members += _members(element, base)
        elif element.tag == f"{DAV}multistatus":
            answer.sync_token = text_of(element.find(f"{DAV}sync-token"))
        else:
            raise BadXml("not a multistatus")
    return answer


def _members(response: Element, base: str) -> Iterator[Member]:
    """Yield the members of a response; one with a status of its own may name several."""
    found, statuses = _properties(response)
    said = response.find(f"{DAV}status")
    if said is not None:
        status = _status_of(said)
    else:
        # 404 beside a property says that it has none of that name, never that it is not there.
        status = 200 if found or not statuses or set(statuses) <= {404} else min(statuses)
    for href in response.findall(f"{DAV}href"):
        try:
            url = resolve(base, text_of(href))
        except BadAddress:
            continue
        yield Member(url, status, found, error_in(response))


def _properties(response: Element) -> tuple[dict[str, Element], list[int]]:
    found: dict[str, Element] = {}
    refused: list[int] = []
    for part in response.findall(f"{DAV}propstat"):
        status = _status_of(part.find(f"{DAV}status"))
        if status < 300:
            found |= {prop.tag: prop for holder in part.findall(f"{DAV}prop") for prop in holder}
        else:
            refused.append(status)
    return found, refused


def _status_of(element: Element | None) -> int:
    """Read "HTTP/1.1 200 OK"; what cannot be read is taken for success, as it carries values."""
    match = _STATUS.search(text_of(element))
    return int(match[1]) if match else 200


def error_in(element: Element) -> str:
    """Return the local name of the first precondition in an `error` element (RFC 4918 §16)."""
    error = element if element.tag == f"{DAV}error" else element.find(f"{DAV}error")
    names = [child.tag.rpartition("}")[2] for child in error] if error is not None else []
    # sabre/dav puts its own exception class beside the precondition.
    standard = [name for name in names if name not in _NOT_CONDITIONS]
    return standard[0] if standard else ""


_NOT_CONDITIONS: Final = frozenset(
    {"exception", "message", "file", "line", "code", "stacktrace", "sabredav-version", "http-code"}
    | {"error-description", "human-readable"}
)


def precondition(content: bytes) -> str:
    """Return the precondition that a refusal names in its body, "" if it names none."""
    if b"<" not in content[:200]:
        return ""
    try:
        (root,) = parse(content, "")
    except (BadXml, ValueError):
        return ""
    return error_in(root) if root.tag == f"{DAV}error" else ""
