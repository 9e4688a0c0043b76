"""The boundaries of a run: met in a clean one, where each is kept aside; lost at one in others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sync.core.provider import Refusal, Remedy
from sync.run import Run
from tests.sync.remote import RemoteProvider


class Boundaries:
    """Counts the boundaries that a run comes to, and lets a request or an answer be lost at one.

    Where a run may die there, `keep` keeps aside what it would leave behind.
    """

    def __init__(self, lose_at: int = -1, keep: Callable[[], Any] = lambda: None) -> None:
        self.lose_at, self.keep = lose_at, keep
        self.met: list[tuple[str, str]] = []
        self.left: dict[int, Any] = {}

    def __call__(self, where: str, moment: str) -> None:
        number = len(self.met)
        self.met.append((where, moment))
        if moment != "before":
            self.left[number] = self.keep()
        if number == self.lose_at:
            raise Refusal(Remedy.RETRY, call=where, certain=False)

    def cases(self) -> Iterator[tuple[int, str]]:
        """Each boundary with each failure: dying, or a request or an answer that is lost.

        To die before something is to die after what came before it.
        """
        for number, (where, moment) in enumerate(self.met):
            if moment != "before":
                yield number, "die"
            if where != "commit":
                yield number, "lose"

    def is_as_before(self, number: int) -> bool:
        """Say whether to die here leaves behind the very same as to die at the case before."""
        earlier = [n for n in self.left if n < number]
        return bool(earlier) and bool(self.left[earlier[-1]] == self.left[number])


class FragileRun(Run):
    """A run whose commits are boundaries: before, inside and after the transaction."""

    @contextmanager
    def commit(self) -> Iterator[None]:
        provider = self.provider
        assert isinstance(provider, RemoteProvider)
        provider.fault("commit", "before")
        with Run.commit(self):
            yield
            provider.fault("commit", "in")
        provider.fault("commit", "after")
