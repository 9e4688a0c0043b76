"""The contract against a server of your choice, which nobody has tuned anything to.

Set LOCKSTEP_TEST_CALDAV_URL, _USER and _PASSWORD; calendars are made there, and left there.
"""

import os
import uuid

import pytest

from integrations.caldav.client import Dav
from integrations.caldav.discovery import discover, introduce
from integrations.http import Http, verbatim
from tests.integrations.caldav.person import Person
from tests.integrations.provider_contract import ProviderContract, listed

URL = os.environ.get("LOCKSTEP_TEST_CALDAV_URL", "")


def _cannot_forget() -> None:
    pytest.skip("no way to make this server forget its cursors")


if URL:

    class TestAnotherServer(ProviderContract):
        """Run against whatever server is named; its cursors cannot be killed from outside."""

        counts_occurrences = False

        def test_calls_are_counted(self, elsewhere: Person) -> None:
            """How many a listing takes is for the server to say: a challenge is a call, too."""
            provider = elsewhere.open()
            listed(provider)
            first = provider.calls
            listed(provider)
            assert 0 < first < provider.calls

        @pytest.fixture
        def elsewhere(self) -> Person:
            user = os.environ.get("LOCKSTEP_TEST_CALDAV_USER", "")
            password = os.environ.get("LOCKSTEP_TEST_CALDAV_PASSWORD", "")
            http = Http(clean=verbatim)
            login = introduce(http, URL, user, password, sleep=lambda seconds: None)
            found = discover(Dav(http, login), login.url)
            home = found.homes[0]
            return Person(login, f"{home}{uuid.uuid4()}/", _cannot_forget)
