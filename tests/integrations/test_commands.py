"""connect_account, list_calendars and sandbox, as a person at a terminal meets them."""

import io
import json
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.core.management import CommandError, call_command

from integrations.models import Account, Collection, Workspace
from integrations.sandbox import Sandbox
from tests.integrations.conftest import WORK

ROOT = Path(__file__).parents[2]


def run(*args: str, stdin: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    """Run a command in this process; return what it printed."""
    out = io.StringIO()
    if monkeypatch:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    call_command(*args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def code_of(*args: str) -> int:
    """Run a command that must fail; return its exit code."""
    with pytest.raises(CommandError) as error:
        run(*args)
    return error.value.returncode


@pytest.mark.django_db(transaction=True)
class TestConnecting:
    """Against the sandbox."""

    def test_a_refresh_token_from_standard_input(
        self, google_settings: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = google_settings.refresh_token(WORK)
        said = run(
            "connect_account",
            "google",
            "--refresh-token",
            "-",
            stdin=f"{token}\n",
            monkeypatch=monkeypatch,
        )
        assert "Connected." in said
        assert WORK in said
        assert token not in said
        assert Account.objects.get().workspace.name == "Home"

    def test_a_refresh_token_from_the_environment_as_json(
        self, google_settings: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_REFRESH_TOKEN", google_settings.refresh_token(WORK))
        document = json.loads(run("connect_account", "google", "--refresh-token", "--json"))
        assert document["created"] is True
        assert document["account"]["email"] == WORK
        assert [c["selected"] for c in document["calendars"]] == [True]

    def test_the_calendars_named_take_part_instead_of_the_primary_one(
        self, google_settings: Sandbox
    ) -> None:
        team = google_settings.post("calendars", account=WORK, summary="Team")["id"]
        token = google_settings.refresh_token(WORK)
        args = ["--calendar", team, "--direction", "pull"]
        run("connect_account", "google", "--refresh-token", token, *args)
        selected = Collection.objects.filter(selected=True)
        assert [(c.remote_id, c.direction) for c in selected] == [(team, "pull")]

    def test_a_browser(self, google_settings: Sandbox) -> None:
        assert "Connected." in _connect_in_a_browser()

    @pytest.mark.parametrize(
        ("acts", "said"),
        [
            ({"decision": "deny"}, "access was denied"),
            ({"refused": "calendarlist"}, "calendarlist.readonly"),
            ({"access_type": "online"}, "no refresh token"),
        ],
    )
    def test_a_consent_that_is_not_enough_fails_with_1_and_says_why(
        self, google_settings: Sandbox, acts: dict[str, str], said: str
    ) -> None:
        with pytest.raises(CommandError, match=said) as error:
            _connect_in_a_browser(**acts)
        assert error.value.returncode == 1
        assert not Account.objects.exists()

    def test_a_wrong_token_fails_with_1(self, google_settings: Sandbox) -> None:
        assert code_of("connect_account", "google", "--refresh-token", "nonsense") == 1

    def test_nobody_at_the_browser_fails_with_1(self, google_settings: Sandbox) -> None:
        assert code_of("connect_account", "google", "--timeout", "0.05") == 1

    @pytest.mark.parametrize(
        "args",
        [
            ["--owner", "nobody"],
            ["--direction", "pull"],
            ["--refresh-token", ""],
        ],
    )
    def test_wrong_usage_fails_with_2(self, google_settings: Sandbox, args: list[str]) -> None:
        assert code_of("connect_account", "google", *args) == 2
        assert not Workspace.objects.exists()

    def test_an_unknown_calendar_fails_with_2_and_names_the_known_ones(
        self, google_settings: Sandbox
    ) -> None:
        token = google_settings.refresh_token(WORK)
        with pytest.raises(CommandError, match=WORK) as error:
            run("connect_account", "google", "--refresh-token", token, "--calendar", "nope")
        assert error.value.returncode == 2

    def test_without_a_client_it_says_what_to_set(
        self, google_settings: Sandbox, settings: Any
    ) -> None:
        settings.GOOGLE_CLIENT_ID = ""
        with pytest.raises(CommandError, match="GOOGLE_CLIENT_ID"):
            run("connect_account", "google")


@pytest.mark.django_db(transaction=True)
class TestListing:
    """After connecting."""

    @pytest.fixture(autouse=True)
    def _connected(self, google_settings: Sandbox) -> None:
        token = google_settings.refresh_token(WORK)
        run("connect_account", "google", "--refresh-token", token)

    def test_calendars_are_listed_with_everything_to_choose_by(self) -> None:
        collection = Collection.objects.get()
        (listed,) = json.loads(run("list_calendars", "--json"))["accounts"]
        (calendar,) = listed["calendars"]
        assert calendar["id"] == str(collection.pk)
        assert calendar["remote_id"] == WORK
        assert (calendar["role"], calendar["direction"]) == ("owner", "two_way")
        assert calendar["selected"] is calendar["primary"] is True

    def test_a_new_calendar_is_seen_after_a_refresh(self, google_settings: Sandbox) -> None:
        team = google_settings.post("calendars", account=WORK, summary="Team")["id"]
        assert team not in run("list_calendars")
        assert team in run("list_calendars", "--refresh")

    def test_a_calendar_is_selected_and_deselected(self) -> None:
        run("list_calendars", "--deselect", WORK)
        assert not Collection.objects.get().selected
        run("list_calendars", "--select", WORK, "--direction", "push")
        assert (Collection.objects.get().selected, Collection.objects.get().direction) == (
            True,
            "push",
        )

    @pytest.mark.parametrize(
        "args",
        [
            ["--account-id", "nobody"],
            ["--select", "nope"],
            ["--direction", "pull"],
        ],
    )
    def test_wrong_usage_fails_with_2(self, args: list[str]) -> None:
        assert code_of("list_calendars", *args) == 2

    def test_a_failed_refresh_fails_with_1_and_still_lists(self, google_settings: Sandbox) -> None:
        google_settings.post("grants/revoke", account=WORK)
        out = io.StringIO()
        with pytest.raises(CommandError) as error:
            call_command("list_calendars", "--refresh", "--json", stdout=out)
        assert error.value.returncode == 1
        (listed,) = json.loads(out.getvalue())["accounts"]
        assert listed["account"]["state"] == "needs_reconnect"


def _connect_in_a_browser(**acts: str) -> str:
    """Run connect_account beside a person who opens the address as soon as it is printed."""

    class Terminal(io.StringIO):
        """Where the address appears."""

        def write(self, text: str) -> int:
            if address := re.search(r"http\S+", text):
                threading.Thread(target=_answer, args=[address[0]], kwargs=acts).start()
            return super().write(text)

    out = io.StringIO()
    call_command("connect_account", "google", timeout=5, stdout=out, stderr=Terminal())
    return out.getvalue()


def _answer(address: str, *, decision: str = "allow", refused: str = "\n", **more: str) -> None:
    """Open the consent page and allow what it asks for, but for the scopes that are refused."""
    page = urlsplit(address)
    asked = {name: values[0] for name, values in parse_qs(page.query).items()} | more
    form = [*asked.items(), ("account", WORK), ("decision", decision)]
    form += [("granted", scope) for scope in asked["scope"].split() if refused not in scope]
    consent = f"{page.scheme}://{page.netloc}{page.path}"
    with urllib.request.urlopen(consent, urlencode(form).encode(), timeout=5):
        """The browser has followed the way back to us by now."""


def test_the_sandbox_prints_the_environment_that_leads_to_it() -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    lines = dict(process.stdout.readline().strip().split("=", 1) for _ in range(6))
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{lines['GOOGLE_API_ROOT']}calendar/v3/users/me/calendarList")
    with error.value:
        assert error.value.code == 401
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


def test_the_sandbox_names_its_seeds() -> None:
    assert code_of("sandbox", "--port", "0", "--seed-data", "nope") == 2
