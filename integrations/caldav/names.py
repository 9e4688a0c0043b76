"""Remote ids: what one event, series or exception within a resource is called.

`<file>` is the only series or event of a resource, `<file>#<slot>` an exception of it. In a
resource that holds several UIDs, which RFC 4791 §4.1 forbids and some servers do not, each is
`<file>##<uid>`, and an exception of it `<file>##<uid>#<slot>`. Files and UIDs are percent-encoded.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote


@dataclass(frozen=True, slots=True)
class Name:
    """A remote id in parts; `uid` is "" where the resource has only one."""

    file: str
    uid: str = ""
    slot: str = ""

    def __str__(self) -> str:
        return f"{self.series}#{self.slot}" if self.slot else self.series

    @property
    def series(self) -> str:
        """Return the remote id of the series, or of the event itself."""
        return f"{self.file}##{quote(self.uid, safe='')}" if self.uid else self.file


def parse_name(remote_id: str) -> Name:
    """Return the parts of a remote id."""
    file, several, rest = remote_id.partition("##")
    if several:
        uid, _, slot = rest.partition("#")
        return Name(file, unquote(uid), slot)
    file, _, slot = remote_id.partition("#")
    return Name(file, slot=slot)


def uid_of(file: str) -> str:
    """Return the UID of a resource that we name ourselves: its file's name without the ending."""
    return unquote(file).removesuffix(".ics")
