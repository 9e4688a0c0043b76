"""The contract against servers that know less, or say it otherwise."""

from collections.abc import Iterator

import pytest

from integrations.caldav.login import Login
from tests.integrations.caldav.odd import Manners, OddServer, serving
from tests.integrations.caldav.person import Person
from tests.integrations.provider_contract import ProviderContract


class OddContract(ProviderContract):
    """The contract against a server with the manners of the class."""

    counts_occurrences = False
    manners = Manners()

    @pytest.fixture
    def odd(self) -> Iterator[OddServer]:
        with serving(OddServer(self.manners)) as server:
            yield server

    @pytest.fixture
    def elsewhere(self, odd: OddServer) -> Person:
        def forget() -> None:
            odd.epoch += 1

        return Person(Login(f"{odd.url}/", "me", "secret"), odd.url + odd.path, forget)


class TestGoodManners(OddContract):
    """Everything that the standards ask for."""


class TestNoSyncReport(OddContract):
    """A listing of ETags takes the place of the sync report; such a cursor never dies."""

    manners = Manners(sync=False)
    calls_of_a_listing = 2
    cursors_die = False


class TestNothingButFiles(OddContract):
    """No report at all, no ETag in the answer to a PUT, no tag of the calendar."""

    manners = Manners(sync=False, multiget=False, search=False, tag=False, put_etag=False)
    calls_of_a_listing = 2
    cursors_die = False


class TestBitByBit(OddContract):
    """A sync report in parts of one, in a namespace prefix of the server's own choice."""

    manners = Manners(parts=1, wrap="x0")


class TestNoEtags(OddContract):
    """Not one ETag: what changed is known by reading it."""

    manners = Manners(etag="none")


class TestWeakEtagsBehindAProxy(OddContract):
    """Weak ETags, addresses of an inner server, and every file tidied."""

    manners = Manners(etag="weak", href="elsewhere", tidies=True)
