"""An ICS feed as a provider: one file, read as a whole, never written."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, sha256
from typing import Final

from integrations.ahead import AheadHttp
from integrations.ical import BadCalendar, Starts, normalise
from integrations.ical.about import About
from integrations.ics.copies import copies_of, covers, is_shown
from integrations.ics.errors import misread, refused
from integrations.ics.fetching import Body, Validators, ask_ahead, fetch
from integrations.retries import Sleep
from integrations.wire import BackgroundHttp, HttpLike
from sync.core.provider import Copy, Outcome, Page, Refusal, Remedy, Traits, Unreadable, Write
from sync.core.records import Fields

PAGE_SIZE: Final = 500
# Raise it when the same file is read into other fields: stored cursors are then given up.
_FORMAT: Final = 2


def probe(http: HttpLike, url: str, *, sleep: Sleep = time.sleep) -> About:
    """Fetch a feed once and return its name and zone, each "" if it says none; raise `Refusal`."""
    body = fetch(http, url, Validators(), sleep=sleep)
    if body is None:
        raise misread(304, "nothing came")
    return body.about


class IcsFeed:
    """The port on one feed, for one run.

    `http` hands out bodies as they came and no larger than `fetching.MAX_BYTES`:
    `Http(clean=verbatim, max_bytes=MAX_BYTES)`. A listing reaches `past_days` back from `now`,
    series are always shown. `zone` is that of times without one, where the feed says none itself.
    `starts` expands a series; without it a change of all later occurrences is read for one.
    A feed has no parts to ask for: it is fetched at most once, if it changed at all, and every
    question of this run is answered from that.
    """

    traits = Traits(conditional=False, client_ids=False, read_only=True)

    def __init__(
        self,
        http: BackgroundHttp,
        url: str,
        *,
        now: datetime,
        past_days: int,
        zone: str,
        starts: Starts | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._http, self._url, self._zone, self._sleep = AheadHttp(http), url, zone, sleep
        self._starts = starts
        self._listed_from = now.astimezone(UTC) - timedelta(days=past_days)
        self._body: Body | None = None
        self._read: tuple[dict[str, Copy], list[Unreadable]] | None = None
        self.calls = 0
        bound = blake2b(f"{url}\n{zone}".encode(), digest_size=12).hexdigest()
        self.shape = f"ics {_FORMAT} {bound} past_days={past_days}"

    def ask_ahead(self, cursor: str) -> None:
        """Ask for the feed, in the background."""
        with suppress(Refusal):
            ask_ahead(self._http, self._url, _parsed(cursor) if cursor else Validators())

    def changes(self, cursor: str) -> Iterator[Page]:
        """Yield everything when the cursor is "", else nothing, or ask for everything.

        A feed does not say what changed: one that did is listed as a whole, so a cursor is dead as
        soon as the feed is not as it was.
        """
        if not cursor:
            yield from self._everything()
            return
        known = _parsed(cursor)
        body = self._fetched(known)
        if body is None:
            yield Page([], cursor)
        elif body.validators.digest == known.digest:
            yield Page([], _cursor(body))
        else:
            raise refused(Remedy.RESYNC, "the feed changed")

    def _everything(self) -> Iterator[Page]:
        body = self._whole()
        found, unreadable = self._contents()
        copies = [copy for copy in found.values() if is_shown(copy, self._listed_from)]
        for start in range(0, max(len(copies), 1), PAGE_SIZE):
            last = start + PAGE_SIZE >= len(copies)
            yield Page(
                copies[start : start + PAGE_SIZE],
                _cursor(body) if last else None,
                unreadable if last else (),
                strong=True,
            )

    def read(self, remote_id: str) -> Copy:
        """Read one event; gone is what the whole feed, fetched in this run, does not hold."""
        found, unreadable = self._contents()
        if remote_id in found:
            return found[remote_id]
        for broken in unreadable:
            if broken.remote_id in (remote_id, remote_id.partition("#")[0]):
                raise refused(Remedy.PARK, f"unreadable, {broken.problem}")
        return Copy(remote_id, evidence="read: not in the feed")

    def write(self, writes: Sequence[Write]) -> Iterator[Outcome]:
        """Refuse every write: nobody can change a feed."""
        for write in writes:
            yield Outcome(write, refusal=refused(Remedy.PARK, "a feed is only read"))

    def name(self, *parts: str) -> str:
        """Return a name made of the parts; nothing is ever created under it."""
        return sha256("\n".join(parts).encode()).hexdigest()

    def normalise(self, fields: Fields) -> Fields:
        """Return the fields as iCalendar holds them."""
        return normalise(fields)

    def covers(self, fields: Fields) -> bool:
        """Say whether a listing shows a record with these fields."""
        return covers(fields, self._listed_from)

    def marked(self) -> Iterator[Copy]:
        """Yield nothing: what stands in a feed was not written by us."""
        return iter(())

    def _fetched(self, known: Validators) -> Body | None:
        """Return the feed, from this run if it has been fetched; None if it is as `known`."""
        if self._body is None:
            self.calls += 1
            self._body = fetch(self._http, self._url, known, sleep=self._sleep)
        return self._body

    def _whole(self) -> Body:
        body = self._fetched(Validators())
        if body is None:
            raise misread(304, "nothing came")
        return body

    def _contents(self) -> tuple[dict[str, Copy], list[Unreadable]]:
        if self._read is None:
            body = self._whole()
            try:
                zone = body.about.zone or self._zone
                self._read = copies_of(body.content, body.calendars, zone, self._starts)
            except BadCalendar as error:
                raise misread(200, str(error)) from None
        return self._read


def _cursor(body: Body) -> str:
    return json.dumps(asdict(body.validators))


def _parsed(cursor: str) -> Validators:
    try:
        return Validators(**json.loads(cursor))
    except (ValueError, TypeError):
        raise refused(Remedy.RESYNC, "a cursor that is none") from None
