"""CalDAV as a provider: one calendar of one account."""

from base64 import b32hexencode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Final

from integrations.caldav import listing
from integrations.caldav.client import Dav
from integrations.caldav.copies import Contents, Reader, contents, loose_in
from integrations.caldav.cursor import Cursor, DeadCursor, parse_cursor
from integrations.caldav.errors import refused
from integrations.caldav.names import parse_name
from integrations.caldav.resources import Shelf, Stored
from integrations.caldav.writing import Writer
from integrations.ical import normalise
from integrations.ical.reading import MARK
from sync.core.provider import Copy, Outcome, Page, Remedy, Traits, Write
from sync.core.records import Fields

REPORT_SIZE: Final = 100  # files read with one report
PAGE_SIZE: Final = 500  # copies in a page, if there are as many
# Raise it when the same file is read into other fields: stored cursors are then given up.
_FORMAT: Final = 2


class CalDavCalendar:
    """The port on one calendar.

    `url` is the calendar's address, `reader` says how its files are to be read, `now` is what
    changes of ours are dated. `batch` writes are read and read back together.
    """

    def __init__(
        self, dav: Dav, url: str, reader: Reader, *, now: datetime, batch: int = 50
    ) -> None:
        self._dav = dav
        self._url = url
        self._reader = reader
        self._shelf = Shelf(dav, url)
        self._writer = Writer(self._shelf, reader, now)
        self._batch = batch
        bound = "\n".join((url, reader.zone, reader.role, *sorted(reader.me)))
        digest = blake2b(bound.encode(), digest_size=12).hexdigest()
        self.shape = f"caldav {_FORMAT} {digest}"

    @property
    def traits(self) -> Traits:
        """Conditional as long as the server has shown an ETag for every file."""
        return Traits(
            conditional=self._shelf.has_etags,
            client_ids=True,
            batch=self._batch,
            drops_exceptions=True,
        )

    @property
    def calls(self) -> int:
        """Count the requests that were sent."""
        return self._dav.calls

    def ask_ahead(self, cursor: str) -> None:
        """Ask which files changed, in the background."""
        with suppress(DeadCursor):
            listing.ask_ahead(self._dav, self._url, parse_cursor(cursor) if cursor else Cursor())

    def changes(self, cursor: str) -> Iterator[Page]:
        """Yield what changed since `cursor`, everything when it is "".

        Files are named first, then read a hundred at a time: what a page shows is how they are
        then.
        """
        if not cursor:
            found = listing.everything(self._dav, self._url)
        else:
            found = listing.since(self._dav, self._url, _parsed(cursor))
        loose = dict(found.cursor.loose) if cursor else {}
        page = Contents()
        for file in found.gone:
            page.copies += _gone(file, loose, "tombstone in delta")
        for files in self._read_all([*found.changed, *found.missing]):
            if len(page.copies) >= PAGE_SIZE:
                yield Page(page.copies, None, page.unreadable, strong=True)
                page = Contents()
            self._look_through(files, loose, page, first=not cursor)
        found.cursor.loose = loose
        yield Page(page.copies, str(found.cursor), page.unreadable, strong=True)

    def _read_all(self, files: Sequence[str]) -> Iterator[Mapping[str, Stored]]:
        """Read files, a report at a time; while one is looked through, the next is on its way."""
        for end in range(REPORT_SIZE, len(files) + REPORT_SIZE, REPORT_SIZE):
            read = self._shelf.many(files[end - REPORT_SIZE : end])
            self._shelf.ask_ahead(files[end : end + REPORT_SIZE])
            yield read

    def _look_through(
        self,
        files: Mapping[str, Stored],
        loose: dict[str, list[str]],
        page: Contents,
        *,
        first: bool,
    ) -> None:
        """Add to a page what files hold; what one held before and holds no longer is gone."""
        for file, stored in files.items():
            if stored.evidence:
                page.copies += [] if first else _gone(file, loose, stored.evidence)
                continue
            found = contents(stored, self._reader)
            page.copies += found.copies
            page.unreadable += found.unreadable
            if not first and not found.unreadable:
                left = {file, *loose.get(file, ())} - {copy.remote_id for copy in found.copies}
                page.copies += [Copy(name, evidence="not in its file") for name in sorted(left)]
            _remember(loose, file, loose_in(found, file))

    def read(self, remote_id: str) -> Copy:
        """Read one copy; gone is one whose file the server does not know, or does not hold it."""
        stored = self._shelf.one(parse_name(remote_id).file)
        if stored.evidence:
            return Copy(remote_id, evidence=stored.evidence)
        found = contents(stored, self._reader)
        copy = found.find(remote_id)
        if copy is None and found.unreadable:
            problem = found.unreadable[0].problem
            raise refused(Remedy.PARK, "get", f"unreadable, {problem}")
        return copy or Copy(remote_id, evidence="read: not in its file")

    def write(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        """Carry out the writes in batches; those to one file one after the other."""
        for start in range(0, len(writes), self._batch):
            yield from self._writer.carry_out(writes[start : start + self._batch])

    def name(self, *parts: str) -> str:
        """Return the name of a file made of the parts; its UID is the name without the ending."""
        digest = sha256("\n".join(parts).encode()).digest()
        return f"{b32hexencode(digest).decode().rstrip('=').lower()}.ics"

    def normalise(self, fields: Fields) -> Fields:
        """Return the fields as iCalendar holds them."""
        return normalise(fields)

    def covers(self, fields: Fields) -> bool:
        """A complete listing shows every event, however old."""
        return True

    def marked(self) -> Iterator[Copy]:
        """Yield every event with a genuine mark of a busy rule; exceptions bear their series' mark.

        The server is asked for files that hold a mark. That it finds none is not believed: some do
        not search properties that they do not know, so then every file is read.
        """
        found = False
        for copy in self._with_marks(listing.with_property(self._dav, self._url, MARK)):
            found = True
            yield copy
        if not found:
            yield from self._with_marks(listing.everything(self._dav, self._url).changed)

    def _with_marks(self, files: Sequence[str]) -> Iterator[Copy]:
        for read in self._read_all(files):
            page = Contents()
            self._look_through(read, {}, page, first=True)
            yield from (copy for copy in page.copies if copy.mark and copy.mark.rule)


def _parsed(cursor: str) -> Cursor:
    try:
        return parse_cursor(cursor)
    except DeadCursor as dead:
        raise refused(Remedy.RESYNC, "delta", str(dead)) from None


def _gone(file: str, loose: dict[str, list[str]], evidence: str) -> list[Copy]:
    """Return tombstones for all that a file held."""
    return [Copy(name, evidence=evidence) for name in (file, *loose.pop(file, ()))]


def _remember(loose: dict[str, list[str]], file: str, names: list[str]) -> None:
    """Keep in mind what an odd file holds."""
    if names:
        loose[file] = names
    else:
        loose.pop(file, None)
