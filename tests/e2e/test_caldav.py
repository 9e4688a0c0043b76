"""A calendar on a CalDAV server, connected and kept in step as the documentation says."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from config.environment import BASE_DIR
from conflicts.models import Conflict
from integrations.models import Account
from tests.e2e.conftest import environment_of
from tests.e2e.dav import FAMILY, HTML, PASSWORD, USER, Family, connecting
from tests.e2e.local import (
    collection,
    delete,
    fingerprint,
    local_titles,
    rename,
    sync_at_once,
    tables_that_tell,
)
from tests.e2e.lockstep import Lockstep, Reports
from tests.e2e.people import People
from tests.e2e.test_output import everything


def look_then_act(lockstep: Lockstep, family: Family, *options: str) -> Reports:
    """Look and act; the two must agree, and the look must leave no trace on either side."""
    before, written = fingerprint(), family.gate.writes()
    planned = lockstep.preview(*options)
    assert fingerprint() == before
    assert family.gate.writes() == written
    done = lockstep.sync(*options)
    assert done.changes == planned.changes
    return done


def settles(family: Family) -> None:
    """Two further syncs change and write nothing."""
    written = family.gate.writes()
    assert [sync_at_once() for _ in range(2)] == [0, 0]
    assert family.gate.writes() == written


def test_from_nothing_to_the_first_sync_with_commands_alone(
    lockstep: Lockstep, family: Family
) -> None:
    family.add("Swimming", "Pool")
    family.add("School", day=2, hour=9, repeats=True)
    document = json.loads(family.connect(lockstep, "--json"))
    assert document["created"] is True
    assert [(c["remote_id"], c["selected"]) for c in document["calendars"]] == [(FAMILY, True)]
    assert FAMILY in lockstep.run("list_calendars").out

    done = look_then_act(lockstep, family)

    assert done.counts() == {"local.create": 2}
    assert local_titles(FAMILY) == ["School", "Swimming"]
    assert lockstep.sync().changes == set()
    assert family.gate.writes() == 0


@pytest.mark.parametrize("way", ["a file", "a variable"])
def test_the_password_comes_from(
    way: str, lockstep: Lockstep, family: Family, people: People, tmp_path: Path
) -> None:
    file = tmp_path / "password.txt"
    file.write_text(f"{PASSWORD}\n")
    command = ("connect_account", "caldav", "--url", family.gate.url, "--user", USER)
    variable = {"CALDAV_PASSWORD": PASSWORD} if way == "a variable" else {}
    environment = environment_of(people.sandbox, tmp_path)
    shell = Lockstep({**environment, "LOG_LEVEL": "DEBUG", **variable})

    shell.run(*command, *([] if variable else ["--password-file", str(file)]))
    shell.run("sync_calendars")

    assert collection(FAMILY).selected
    lockstep.everything_said += shell.everything_said  # looked through at the end
    for form in (PASSWORD, json.dumps(PASSWORD)[1:-1], quote(PASSWORD)):
        assert tables_that_tell(form) == []
    assert tables_that_tell(FAMILY)


def test_a_person_is_asked_and_what_they_type_is_not_shown(
    lockstep: Lockstep, family: Family, people: People, tmp_path: Path
) -> None:
    environment = {**environment_of(people.sandbox, tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "manage.py", "connect_account", "caldav"]
    command += ["--url", family.gate.url, "--user", USER]
    ours, theirs = pty.openpty()
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(
        command, cwd=BASE_DIR, env=environment, start_new_session=True, **streams
    ) as process:
        os.close(theirs)
        shown = ""
        while "Password of home:" not in shown:
            shown += os.read(ours, 4096).decode()
        os.write(ours, f"{PASSWORD}\n".encode())
        shown += everything(ours)
    assert (process.returncode, "Connected." in shown) == (0, True)
    assert PASSWORD not in shown
    assert collection(FAMILY).selected


@pytest.mark.parametrize(
    ("user", "password", "address", "advice"),
    [
        (USER, "a guess", "", "does not accept this name and password"),
        (USER, PASSWORD, "http://127.0.0.1:9", "nobody answers at this address"),
        (USER, PASSWORD, "ftp://dav.example.com", "begins with https"),
        ("work", "work password", "", "no calendar for events"),
    ],
    ids=["wrong password", "no server", "no address", "no calendar"],
)
def test_what_cannot_be_connected_is_told_in_plain_words(
    lockstep: Lockstep, family: Family, user: str, password: str, address: str, advice: str
) -> None:
    family.secrets |= {"a guess", "work password"}

    said = lockstep.run(*connecting(address or family.gate.url, user), stdin=password, code=1)

    assert advice in said.err
    assert (said.out, "Traceback" in said.err) == ("", False)
    assert not Account.objects.exists()


def test_a_web_page_is_no_caldav_server(lockstep: Lockstep, family: Family) -> None:
    family.gate.instead = lambda request: HTML

    assert "no CalDAV server answers at this address" in family.connect(lockstep, code=1)
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (("--password-file", "-"), "No password: give one on standard input"),
        (("--password-file", "/nowhere/password.txt"), "/nowhere/password.txt cannot be read"),
    ],
)
def test_without_a_password_it_says_how_to_give_one(
    lockstep: Lockstep, family: Family, options: tuple[str, ...], advice: str
) -> None:
    command = ("connect_account", "caldav", "--url", family.gate.url, "--user", USER)

    assert advice in lockstep.run(*command, *options, code=2).err
    assert family.gate.passed == []


def test_edits_on_each_side_and_in_series_travel(at_home: Lockstep, family: Family) -> None:
    family.add("Dentist", "Harbour")
    family.add("Parcel", day=2, hour=17)
    series = family.add("School", day=2, hour=9, repeats=True)
    family.change_occurrence(series, 1, "School trip", "Museum")
    family.cancel_occurrence(series, 3)
    family.put("swimming", "SUMMARY:Swimming", "X-PHONE-COLOUR:blue as the water")
    sync_at_once()
    assert local_titles(FAMILY) == ["Dentist", "Parcel", "School", "School trip", "Swimming"]
    family.edit(family.find("Dentist"), location="Market square")
    family.shift(family.find("School trip"), day=3, hour=14)
    family.cancel_occurrence(series, 4)
    rename("Swimming", "Swimming lesson")
    rename("School trip", "Museum trip")

    done = look_then_act(at_home, family)

    # the dentist, the series, its moved occurrence; the lesson, and the trip's new name
    assert done.counts() == {"local.update": 3, "remote.update": 2}
    names = ["Dentist", "Museum trip", "Parcel", "School", "Swimming lesson"]
    assert family.titles() == local_titles(FAMILY) == names
    assert "X-PHONE-COLOUR:blue as the water" in family.texts()["swimming.ics"]
    settles(family)


def test_deletions_on_each_side_travel(at_home: Lockstep, family: Family) -> None:
    for number in range(4):
        family.add(f"Lesson {number}", day=1 + number)
    sync_at_once()
    family.delete(family.find("Lesson 0"))
    delete("Lesson 1")

    done = look_then_act(at_home, family)

    assert done.counts() == {"local.delete": 1, "remote.delete": 1}
    assert family.titles() == local_titles(FAMILY) == ["Lesson 2", "Lesson 3"]
    settles(family)


def test_a_clash_waits_for_a_person_and_overwrites_nothing(
    at_home: Lockstep, family: Family
) -> None:
    family.add("Lunch")
    sync_at_once()
    family.edit(family.find("Lunch"), title="Brunch")
    rename("Lunch", "Supper")
    family.secrets |= {"Brunch", "Supper"}

    done = look_then_act(at_home, family)

    assert [(c[1], c[2]) for c in done.changes] == [("local", "conflict")]
    assert (family.titles(), local_titles(FAMILY)) == (["Brunch"], ["Supper"])
    conflict = Conflict.objects.get(outcome="open")
    assert (conflict.local["title"], conflict.remote["title"]) == ("Supper", "Brunch")
    settles(family)


def test_a_mass_deletion_is_held_until_somebody_allows_it(
    at_home: Lockstep, family: Family
) -> None:
    lessons = [family.add(f"Lesson {number}", day=1 + number) for number in range(8)]
    sync_at_once()
    for lesson in lessons[:7]:
        family.delete(lesson)

    held = at_home.sync(code=3)

    assert held.all[0]["state"] == "held"
    assert len(local_titles(FAMILY)) == 8
    assert at_home.sync("--allow-mass-delete").counts() == {"local.delete": 7}
    assert local_titles(FAMILY) == family.titles() == ["Lesson 7"]
    settles(family)
