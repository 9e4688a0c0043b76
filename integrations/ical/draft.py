"""An edit of one component in the text of a calendar: line by line, the rest untouched."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from integrations.ical.events import Event
from integrations.ical.lines import Block, Line, content_line, folded, newline_of

Parameters = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Draft:
    """Changes to one event of a text; `result` is the text with them."""

    data: bytes
    event: Event
    _edits: list[tuple[int, int, bytes]] = field(default_factory=list)
    _added: list[bytes] = field(default_factory=list)

    def set(self, name: str, value: str, parameters: Parameters = ()) -> None:
        """Say a property once, with this value; a line that says just that stays as it is."""
        lines = self.event.all(name)
        if lines and (lines[0].value, tuple(lines[0].parameters)) == (value, tuple(parameters)):
            self._drop(lines[1:])
            return
        if lines:
            self.replace(lines[0], value, parameters)
            self._drop(lines[1:])
        else:
            self.add(name, value, parameters)

    def replace(self, line: Line, value: str, parameters: Parameters) -> None:
        """Say something else in the place of a line."""
        text = content_line(line.name, value, parameters, newline_of(self.data))
        self._edits.append((line.start, line.end, text))

    def add(self, name: str, value: str, parameters: Parameters = ()) -> None:
        """Add a line behind the others."""
        self._added.append(content_line(name, value, parameters, newline_of(self.data)))

    def add_block(self, lines: Sequence[str]) -> None:
        """Add a component within this one, as its content lines."""
        newline = newline_of(self.data)
        text = b"".join(folded(line, newline) for line in lines)
        self._edits.append((self.event.block.close, self.event.block.close, text))

    def drop(self, *names: str) -> None:
        """Take out all lines of these names."""
        for name in names:
            self._drop(self.event.all(name))

    def drop_line(self, line: Line) -> None:
        """Take out one line."""
        self._drop([line])

    def drop_block(self, block: Block) -> None:
        """Take out a component within this one."""
        self._edits.append((block.start, block.end, b""))

    def _drop(self, lines: Sequence[Line]) -> None:
        self._edits += [(line.start, line.end, b"") for line in lines]

    def edits(self) -> list[tuple[int, int, bytes]]:
        """Return all changes as places in the text and what is to stand there."""
        block = self.event.block
        behind = min([child.start for child in block.children], default=block.close)
        return [(behind, behind, b"".join(self._added)), *self._edits]

    def result(self) -> bytes:
        """Return the text with all changes."""
        return spliced(self.data, self.edits())


def spliced(data: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Return a text with some places of it replaced."""
    parts, at = [], 0
    for start, end, text in sorted(edits, key=lambda edit: edit[:2]):
        parts += [data[at:start], text]
        at = end
    return b"".join([*parts, data[at:]])
