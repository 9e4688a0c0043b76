"""A sandbox with a state folder forgets nothing it ever acknowledged, not even when killed."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from integrations.sandbox import Sandbox
from tests.integrations.sandbox.caller import HOME, WORK, Caller, timed, whole

EVENTS = "calendars/primary/events"
ROOT = Path(__file__).resolve().parents[3]


def test_everything_survives_a_kill(tmp_path):
    sandbox = Sandbox("demo", state=tmp_path)
    sandbox.start()
    try:
        check_survival(sandbox)
    finally:
        sandbox.stop()


def check_survival(sandbox: Sandbox) -> None:
    work = Caller(sandbox, WORK)
    token, before = work.sync_token(), work.events()
    work.ok("POST", EVENTS, whole("2026-12-01", "2026-12-02", id="abcde"))
    work.ok("DELETE", f"{EVENTS}/democoffee")
    sandbox.fault("delay", operation="colors.get", nth=100)
    journal = sandbox.journal()
    sandbox.kill()
    sandbox.start()
    assert set(work.delta(token)) == {"abcde", "democoffee"}
    after = work.events()
    assert {n: e for n, e in after.items() if n != "abcde"} == {
        n: e for n, e in before.items() if n != "democoffee"
    }
    assert list(after) == [n for n in before if n != "democoffee"] + ["abcde"]
    assert sandbox.journal()[: len(journal)] == journal
    assert sandbox.get("faults")["faults"][0]["kind"] == "delay"
    assert (
        work.refused("POST", EVENTS, whole("2026-12-01", "2026-12-02", id="democoffee"))[0] == 409
    )
    work.session.close()


def test_series_and_guests_copies_survive_an_orderly_stop(tmp_path):
    with Sandbox("demo", state=tmp_path) as sandbox:
        home = Caller(sandbox, HOME)
        before = home.events(singleEvents=True, orderBy="startTime")
    with Sandbox("empty", state=tmp_path, port=sandbox.port) as again:
        assert again.url == sandbox.url
        assert home.events(singleEvents=True, orderBy="startTime") == before
        event = timed("2026-12-01T09:00", "2026-12-01T10:00", attendees=[{"email": WORK}])
        home.ok("POST", EVENTS, event)
    home.session.close()


def test_a_removed_calendar_stays_removed(tmp_path):
    with Sandbox("demo", state=tmp_path) as sandbox:
        name = sandbox.get("state")["calendars"][-1]["id"]
        sandbox.post("calendars/delete", account=HOME, calendar=name)
    with Sandbox("demo", state=tmp_path) as sandbox:
        assert name not in {one["id"] for one in sandbox.get("state")["calendars"]}


def test_a_sandbox_ends_with_the_process_that_started_it():
    script = (
        "from integrations.sandbox import Sandbox; s = Sandbox('empty'); s.start(); print(s.url)"
    )
    command = [sys.executable, "-c", f"{script}; import os, sys; sys.stdout.flush(); os._exit(1)"]
    url = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout
    port = int(url.strip().rsplit(":", 1)[1])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise AssertionError("the sandbox is still there")


def test_two_sandboxes_do_not_share_a_folder(tmp_path):
    command = [sys.executable, "-m", "integrations.sandbox", "--state", str(tmp_path)]
    with Sandbox("empty", state=tmp_path):
        second = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert second.returncode == 2
    assert "is another sandbox running there?" in second.stderr
    assert "Traceback" not in second.stderr


def test_an_unknown_seed_is_refused_with_the_names_that_exist():
    command = [sys.executable, "-m", "integrations.sandbox", "--seed-data", "carnival"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 2
    assert "empty, demo, large:N" in done.stderr


def test_a_large_seed_lists_completely_and_is_the_same_every_time():
    listings = []
    for _ in range(2):
        with Sandbox("large:3000") as sandbox:
            work = Caller(sandbox, WORK)
            listings.append(
                {e["summary"]: e["start"] for e in work.events(maxResults=2500).values()}
            )
            work.session.close()
    assert len(listings[0]) == 3000
    assert listings[0] == listings[1]
