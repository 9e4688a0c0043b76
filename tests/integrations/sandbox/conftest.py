"""One sandbox process for the session, forgotten and planted anew before each test."""

from collections.abc import Iterator

import pytest
from googleapiclient.discovery import Resource

from integrations.sandbox import Sandbox
from tests.integrations.sandbox.caller import HOME, WORK, Caller, official


@pytest.fixture(scope="session")
def process() -> Iterator[Sandbox]:
    with Sandbox("empty") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(process: Sandbox) -> Sandbox:
    """A sandbox with two people who have nothing planned."""
    process.post("reset", seed_data="empty")
    for email in (WORK, HOME):
        process.post("accounts", email=email, timeZone="Europe/Berlin")
    return process


@pytest.fixture
def demo(process: Sandbox) -> Sandbox:
    process.post("reset", seed_data="demo")
    return process


@pytest.fixture
def work(sandbox: Sandbox) -> Iterator[Caller]:
    caller = Caller(sandbox, WORK)
    yield caller
    caller.session.close()


@pytest.fixture
def home(sandbox: Sandbox) -> Iterator[Caller]:
    caller = Caller(sandbox, HOME)
    yield caller
    caller.session.close()


@pytest.fixture
def google(sandbox: Sandbox) -> Iterator[Resource]:
    service = official(sandbox, WORK)
    yield service
    service.close()
