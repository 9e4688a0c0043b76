"""A real Radicale, with a person at work and Lockstep's adapter on their calendar."""

from collections.abc import Iterator
from itertools import count

import pytest

from integrations.caldav.login import Login
from tests.integrations.caldav.odd import OddServer, serving
from tests.integrations.caldav.person import Person
from tests.integrations.samples import plain
from tests.radicale import PEOPLE, Radicale, start

USER = "work"
_numbers = count()


@pytest.fixture(scope="session")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    radicale = start(tmp_path_factory.mktemp("radicale"))
    yield radicale
    radicale.stop()


@pytest.fixture
def person(radicale: Radicale) -> Person:
    """Somebody with an empty calendar of their own."""
    name = f"calendar-{next(_numbers)}"
    path = f"/{USER}/{name}/"

    def forget() -> None:
        """A token of Radicale's names a state, so the calendar has to leave it first."""
        person.remove(person.add(plain("brief")))
        radicale.forget_sync_tokens(USER, name)

    login = Login(f"{radicale.url}/", USER, PEOPLE[USER])
    person = Person(login, f"{radicale.url}{path}", forget)
    return person


@pytest.fixture
def elsewhere(person: Person) -> Person:
    return person


@pytest.fixture
def odd() -> Iterator[OddServer]:
    """A small server that a test may make as odd as it likes."""
    with serving(OddServer()) as server:
        yield server


@pytest.fixture
def me(odd: OddServer) -> Person:
    """Somebody with a calendar at the odd server."""

    def forget() -> None:
        odd.epoch += 1

    person = Person(Login(f"{odd.url}/", "me", "secret"), odd.url + odd.path, forget)
    odd.seen.clear()
    return person
