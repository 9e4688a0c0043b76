"""What the commands print: plain for cron, one document for scripts, and no secret for anybody."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.environment import BASE_DIR
from tests.e2e.conftest import ANSI, environment_of
from tests.e2e.lockstep import Lockstep
from tests.e2e.people import HOME, WORK, People

TITLE = "Talk about the merger"
# A title is other people's input: markup, control characters and a change of direction.
NASTY = "[bold]Offer[/bold] \x1b[31mred\x1b[0m \u202egnitirw\u202c"


def test_for_cron_a_plain_line_a_calendar(blocking: Lockstep, people: People) -> None:
    people.add(WORK, TITLE)

    said = blocking.run("sync_calendars")

    assert said.out.splitlines() == [
        f"{HOME} ({HOME}): done; create there 1",
        f"{WORK} ({WORK}): done; take in 1",
    ]
    assert said.err == ""


def test_what_failed_is_said_without_being_asked(blocking: Lockstep, people: People) -> None:
    people.add(WORK, TITLE)
    people.fault("error", "events.insert", calendar=HOME, status=400, times=None)

    failed, line, *_ = blocking.run("sync_calendars", code=1).out.splitlines()

    assert failed.startswith(f"{HOME} ({HOME}): failed")
    assert "create there" in line
    assert "calendar.events.insert: 400" in line
    assert TITLE not in line


def test_without_being_asked_no_titles_and_with_verbose_the_titles(
    blocking: Lockstep, people: People
) -> None:
    people.add(WORK, TITLE)

    assert TITLE not in blocking.run("sync_calendars", "--dry-run").out
    assert TITLE in blocking.run("sync_calendars", "--dry-run", "--verbose").out
    assert TITLE in blocking.run("sync_calendars", "--verbose").out


def test_one_json_document_also_when_something_fails(blocking: Lockstep, people: People) -> None:
    people.add(WORK, TITLE)
    people.fault("html", "events.list", calendar=HOME, times=None)

    reports = blocking.sync(code=1)

    assert {r["name"]: r["state"] for r in reports.all} == {HOME: "failed", WORK: "done"}
    assert set(reports.of(WORK)) == {
        *("collection", "name", "account", "state", "operation"),
        *("counts", "holds", "error", "changes"),
    }


def test_titles_of_other_people_cannot_paint_on_our_terminal(
    connected: Lockstep, people: People
) -> None:
    people.add(WORK, NASTY)

    said = connected.run("sync_calendars", "--verbose")

    assert "[bold]Offer[/bold] [31mred[0m gnitirw" in said.out
    assert ANSI not in said.out


def test_on_a_terminal_it_is_coloured(connected: Lockstep, people: People, tmp_path: Path) -> None:
    people.add(WORK, TITLE)
    ours, theirs = pty.openpty()
    environment = {**environment_of(people.sandbox, tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "manage.py", "sync_calendars"]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(
        command, cwd=BASE_DIR, env={**environment, "TERM": "xterm-256color"}, **streams
    ) as process:
        os.close(theirs)
        shown = everything(ours)
    assert process.returncode == 0
    assert ANSI in shown
    assert "done; take in 1" in re.sub(rf"{ANSI}\[[0-9;?]*[A-Za-z]", "", shown)
    assert TITLE not in shown


def everything(terminal: int) -> str:
    """Read what is shown on a terminal until its other end is closed, and close it."""
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux says so when the other end is closed
            chunk = b""
        if not chunk:
            os.close(terminal)
            return b"".join(chunks).decode()
        chunks.append(chunk)


@pytest.mark.parametrize("style", ["plain", "json"])
def test_the_most_talkative_log_tells_neither_titles_nor_tokens(
    people: People, blocking: Lockstep, tmp_path: Path, style: str
) -> None:
    people.add(WORK, TITLE, description="Confidential agenda", location="Harbour office")
    people.secrets |= {"Confidential agenda", "Harbour office"}
    loud = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": style}
    lockstep = Lockstep(environment_of(people.sandbox, tmp_path) | loud)

    lockstep.run("sync_calendars", "--dry-run")
    lockstep.run("sync_calendars")
    people.fault("truncated_json", "events.list", times=None)
    lockstep.run("sync_calendars", "--force-full", code=1)
    people.sandbox.post("grants/revoke", account=WORK)
    people.clear_faults()
    lockstep.run("sync_calendars", code=1)

    blocking.everything_said += lockstep.everything_said  # looked through at the end


def test_lists_as_documents(blocking: Lockstep, people: People) -> None:
    calendars = json.loads(blocking.run("list_calendars", "--json").out)
    rules = json.loads(blocking.run("busy_rule", "list", "--json").out)

    assert {a["account"]["email"] for a in calendars["accounts"]} == {WORK, HOME}
    assert [rule["title"] for rule in rules["rules"]] == ["Busy", "Busy"]
