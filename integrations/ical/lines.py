"""The text of a calendar as components and content lines that know their place in it.

An edit replaces the bytes of the lines that it means and no others (RFC 5545, section 3.1: folding
is lifted for reading only), so what Lockstep does not model stays as it was, byte for byte.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_BYTES: Final = 20 * 2**20  # of a decoded text
MAX_LINE: Final = 2**20  # of a line that is read; longer ones (attachments) are only carried
MAX_LINES: Final = 250_000
MAX_COMPONENTS: Final = 20_000
MAX_DEPTH: Final = 12
_STORED: Final = frozenset({"VEVENT", "VTODO", "VJOURNAL"})

_BEFORE: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*+")  # what may stand before a calendar
# A content line with the lines that continue it. Possessive: no line is looked at twice.
_LOGICAL: Final = re.compile(rb"[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")
_FOLD: Final = re.compile(rb"\r?\n[ \t]")
_PARAMETER: Final = r';\s*+([^=;:",\s]++)=((?:"[^"]*+"|[^";:,]*+)(?:,(?:"[^"]*+"|[^";:,]*+))*+)'
_LINE: Final = re.compile(rf"([A-Za-z0-9_.\-]++)((?:{_PARAMETER})*+)\s*+:", re.DOTALL)
_PARAMETERS: Final = re.compile(_PARAMETER, re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z0-9_.\-]++")
_CARET: Final = {"^n": "\n", "^N": "\n", "^^": "^", "^'": '"'}


class BadCalendar(ValueError):
    """A calendar text, or an event to write, cannot be used; says why and quotes no content."""


class Line(NamedTuple):
    """One content line, unfolded; `start` and `end` are its place in the text, line end included.

    `parameters` are pairs of a name in capitals and the text as it stands, quotes included.
    """

    start: int
    end: int
    name: str
    parameters: tuple[tuple[str, str], ...]
    value: str

    def parameter(self, name: str) -> str:
        """Return a parameter without its quotes and escapes (RFC 6868), "" if there is none."""
        for key, text in self.parameters:
            if key == name:
                return unquoted(text)
        return ""


@dataclass(slots=True)
class Block:
    """One component: its place, its own content lines by place, the components within it."""

    name: str
    start: int
    close: int = 0  # where its END line starts
    end: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)
    children: list["Block"] = field(default_factory=list)

    def walk(self) -> Iterator["Block"]:
        """Yield the component and all within it."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse(data: bytes) -> list[Block]:
    """Return the calendars of a text; raise `BadCalendar` if it is none, or is damaged or huge."""
    if len(data) > MAX_BYTES:
        raise BadCalendar("the calendar is too large")
    outermost: list[Block] = []
    stack: list[Block] = []
    components = 0
    for number, match in enumerate(_LOGICAL.finditer(data, _first(data))):
        start, end = match.span()
        if number > MAX_LINES or components > MAX_COMPONENTS:
            raise BadCalendar("the calendar has too many lines or components")
        border = _border(data[start : start + 80]) if data[start : start + 1] in b"BbEe" else None
        if border is None:
            if stack:
                stack[-1].spans.append((start, end))
        elif border[0]:
            components += 1
            _open(stack, outermost, Block(border[1], start))
        else:
            _shut(stack, border[1], start, end)
    if stack:
        raise BadCalendar("the text ends within a component")
    return _calendars(outermost)


def _calendars(outermost: list[Block]) -> list[Block]:
    """Return the calendars among the outermost components; bare events make one by themselves."""
    calendars = [block for block in outermost if block.name == "VCALENDAR"]
    if calendars:
        return calendars
    if not any(block.name in _STORED for block in outermost):
        raise BadCalendar("the text holds no calendar")
    end = outermost[-1].end
    return [Block("VCALENDAR", outermost[0].start, end, end, children=outermost)]


def _first(data: bytes) -> int:
    found = _BEFORE.match(data)
    return found.end() if found else 0


def _border(head: bytes) -> tuple[bool, str] | None:
    """Return whether a line begins a component or ends one, and which; None for any other."""
    key, colon, name = head.partition(b"\n")[0].partition(b":")
    key = key.strip().upper()
    if not colon or key not in (b"BEGIN", b"END"):
        return None
    return key == b"BEGIN", name.strip().upper().decode("latin-1")


def _open(stack: list[Block], outermost: list[Block], block: Block) -> None:
    if len(stack) >= MAX_DEPTH:
        raise BadCalendar("components are nested too deeply")
    if stack:
        stack[-1].children.append(block)
    else:
        outermost.append(block)
    stack.append(block)


def _shut(stack: list[Block], name: str, start: int, end: int) -> None:
    if not stack or stack[-1].name != name:
        raise BadCalendar("a component does not end where it should")
    block = stack.pop()
    block.close, block.end = start, end


def read_line(data: bytes, span: tuple[int, int]) -> Line | None:
    """Read one content line; None if it is none, or too long to be looked at."""
    start, end = span
    if end - start > MAX_LINE:
        return None
    raw = data[start:end]
    if b"\n " in raw or b"\n\t" in raw:
        raw = _FOLD.sub(b"", raw)
    return line_of(raw.decode("utf-8", "replace").rstrip("\r\n"), start, end)


def line_of(text: str, start: int = 0, end: int = 0) -> Line | None:
    """Read the text of an unfolded content line; parameters that make no sense are left out."""
    match = _LINE.match(text)
    if match:
        parameters = _parameters(match[2]) if match[2] else ()
        return Line(start, end, match[1].upper(), parameters, text[match.end() :])
    name, (_, colon, value) = _NAME.match(text), text.partition(":")
    return Line(start, end, name[0].upper(), (), value) if name and colon else None


def _parameters(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((key.upper(), said) for key, said in _PARAMETERS.findall(text))


def lines_of(data: bytes, block: Block) -> list[Line]:
    """Return a component's own content lines."""
    return [line for span in block.spans if (line := read_line(data, span)) is not None]


def unquoted(text: str) -> str:
    """Return a parameter's value as it is meant."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return re.sub(r"\^[nN^']", lambda found: _CARET[found[0]], text) if "^" in text else text


def quoted(text: str) -> str:
    """Return a text as the value of a parameter, in quotes where it needs them (RFC 6868)."""
    text = text.replace("^", "^^").replace("\n", "^n").replace('"', "^'")
    return f'"{text}"' if re.search(r"[,;: ]", text) else text


def content_line(
    name: str, value: str, parameters: Iterable[tuple[str, str]], newline: bytes
) -> bytes:
    """Return a content line as it stands in a text: folded, and with its line end."""
    said = "".join(f";{key}={text}" for key, text in parameters)
    return folded(f"{name}{said}:{value}", newline)


def folded(text: str, newline: bytes) -> bytes:
    """Fold a content line to 75 bytes a line, never within a character."""
    raw = text.encode("utf-8", "replace")
    parts, start, width = [], 0, 75
    while len(raw) - start > width:
        end = start + width
        while raw[end] & 0xC0 == 0x80:
            end -= 1
        parts.append(raw[start:end])
        start, width = end, 74
    return (newline + b" ").join([*parts, raw[start:]]) + newline


def newline_of(data: bytes) -> bytes:
    """Return the line end that a text uses."""
    first = data.partition(b"\n")[0]
    return b"\n" if b"\n" in data and not first.endswith(b"\r") else b"\r\n"
