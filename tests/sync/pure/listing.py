"""What a listing shows, cut into pages, with everything that is wrong with them."""

from datetime import timedelta
from typing import TYPE_CHECKING

from sync.core.provider import Copy, Page, Refusal, Remedy
from tests.sync.pure.service import Service, Version

if TYPE_CHECKING:
    from tests.sync.pure.world import World


class Listing:
    """The listings that one worker asks for; `only` is the filter of its requests."""

    def __init__(self, world: "World", service: Service, only: int) -> None:
        self.world, self.service, self.only = world, service, only
        self.pages: list[tuple[list[Copy], str | None]] = []
        self.breaks_at = -1

    def page(self, cursor: str, number: int) -> tuple[Page, bool]:
        """Return one page of a listing, and whether it is the last."""
        if number == 0:
            self.pages = self._listed(cursor)
        if number == self.breaks_at:
            raise Refusal(Remedy.RETRY, call="page", reason="cut off", certain=False)
        if number and self._strikes("410 mid-paging"):
            raise Refusal(Remedy.RESYNC, call="page", status=410)
        copies, cursor_after = self.pages[number]
        return Page(copies, cursor_after), number == len(self.pages) - 1

    def _strikes(self, fault: str) -> bool:
        return self.world.faults.strikes(fault)

    def _listed(self, cursor: str) -> list[tuple[list[Copy], str | None]]:
        """Return all pages, each with the cursor that it ends with."""
        shown, upto = self._shown(cursor)
        if self._strikes("empty 200"):
            return [([], None if cursor else self._cursor_past(shown, upto))]
        if not cursor and self._strikes("short full list"):
            hidden = [version for version in shown if self.world.rng.random() < 0.3]
            self._cursor_past(hidden, upto)
            shown = [version for version in shown if version not in hidden]
        pages = self._cut(shown, upto, cursor)
        copies = [[self.service.copy(v, listed=True) for v in page] for page in pages]
        after: list[str | None] = [None] * len(copies)
        after[-1] = None if self._strikes("missing cursor") else str(upto)
        partial = self._strikes("partial pages")
        self.breaks_at = self.world.rng.randrange(1, len(pages) + 1) if partial else -1
        return list(zip(copies, after, strict=True))

    def _shown(self, cursor: str) -> tuple[list[Version], int]:
        """Return what the service shows, as far as its feed has caught up, and how far that is."""
        dead = bool(cursor) and int(cursor) < self.service.dead_before
        if dead or (cursor and self._strikes("dead cursor")):
            raise Refusal(Remedy.RESYNC, call="page", status=410)
        late = self._strikes("feed lag")
        lag = timedelta(minutes=self.world.rng.uniform(0, 60) if late else 0)
        return self.service.shown(cursor, lag, self.only)

    def _cursor_past(self, hidden: list[Version], upto: int) -> str:
        """Note what a complete listing hides for good, for nobody can know of it."""
        if self.world.judge:
            self.world.judge.hidden(self.service, hidden)
        return str(upto)

    def _cut(self, shown: list[Version], upto: int, cursor: str) -> list[list[Version]]:
        """Cut what is shown into pages of two, and show some of it once more."""
        rng = self.world.rng
        if shown and self._strikes("stale after newer"):
            late = rng.choice(shown)
            older = self._older(late, upto)
            if cursor or older.fields is not None:
                shown = [*shown, older]
        pages = [shown[i : i + 2] for i in range(0, len(shown), 2)] or [[]]
        if shown and self._strikes("doubled id"):
            page = rng.choice(pages)
            twin = rng.choice(page) if page else shown[0]
            older = self._older(twin, upto)
            if cursor or older.fields is not None:
                page.insert(rng.randrange(len(page) + 1), older)
        if self._strikes("repeated page"):
            pages.insert(rng.randrange(len(pages)), rng.choice(pages))
        return pages

    def _older(self, shown: Version, upto: int) -> Version:
        """Choose any version of the same event."""
        versions = self.service.history[:upto]
        return self.world.rng.choice([v for v in versions if v.remote_id == shown.remote_id])
