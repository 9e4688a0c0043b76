"""Reset and cleanup from end to end: the commands, against Google's sandbox, over HTTP."""

import io
import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command

from integrations.models import Workspace
from integrations.sandbox import Sandbox
from sync.models import SyncItem
from tests.integrations.conftest import HOME, WORK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sandbox(google_settings: Sandbox) -> Sandbox:
    """Work blocks home: a dinner there, and the blocks of a talk and of a series.

    One occurrence of the series was moved, and a person pasted a copy of the talk's block.
    """
    google_settings.post("faults/clear")
    _add(google_settings, WORK, "Confidential talk", 9)
    series = _add(google_settings, WORK, "Standup", 11, recurrence=["RRULE:FREQ=DAILY;COUNT=4"])
    _move_second_occurrence(google_settings, series)
    _add(google_settings, HOME, "Dinner", 19)
    for email in (WORK, HOME):
        _connect(google_settings, email)
    _run("busy_rule", "add", "--source", WORK, "--target", HOME)
    _run("sync_calendars")
    _paste_a_block(google_settings)
    return google_settings


def _add(sandbox: Sandbox, who: str, title: str, hour: int, **more: Any) -> str:
    event = {"summary": title, **_times(_tomorrow(hour)), **more}
    return str(sandbox.post("events", account=who, calendar=who, event=event)["id"])


# The same for a whole run of the tests: midnight must not part a series from its occurrences.
_NOW = datetime.now(ZoneInfo("Europe/Berlin"))


def _tomorrow(hour: int) -> datetime:
    return _NOW.replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _times(start: datetime) -> dict[str, Any]:
    moments = {"start": start, "end": start + timedelta(hours=1)}
    return {
        name: {"dateTime": moment.isoformat(), "timeZone": "Europe/Berlin"}
        for name, moment in moments.items()
    }


def _move_second_occurrence(sandbox: Sandbox, series: str) -> None:
    second = _tomorrow(11) + timedelta(days=1)
    sandbox.post(
        "events/edit",
        account=WORK,
        calendar=WORK,
        id=series,
        original_start=second.isoformat(),
        changes=_times(second + timedelta(hours=3)),
    )


def _paste_a_block(sandbox: Sandbox) -> None:
    """Copy and paste an event with its private properties, as duplicating in Google does."""
    kept = ("start", "end", "extendedProperties")
    block = next(e for e in _events(sandbox) if e["summary"] == "Busy" and "recurrence" not in e)
    event = {name: block[name] for name in kept} | {"summary": "Pasted"}
    sandbox.post("events", account=HOME, calendar=HOME, event=event)


def _connect(sandbox: Sandbox, email: str) -> None:
    _run("connect_account", "google", "--refresh-token", sandbox.refresh_token(email))


def _run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def _events(sandbox: Sandbox) -> list[dict[str, Any]]:
    """What takes place in the calendar at home."""
    events = sandbox.get("events", calendar=HOME)["events"]
    return [event for event in events if event["status"] != "cancelled"]


def _titles(sandbox: Sandbox) -> list[str]:
    return sorted(event["summary"] for event in _events(sandbox))


def _lose_database(sandbox: Sandbox) -> None:
    """Lose everything; connecting the account anew is all that is done afterwards."""
    Workspace.objects.all().delete()
    _connect(sandbox, HOME)


def test_a_reset_after_the_database_was_lost_removes_our_blocks_and_nothing_else(
    sandbox: Sandbox,
) -> None:
    assert _titles(sandbox) == ["Busy", "Busy", "Busy", "Dinner", "Pasted"]
    _lose_database(sandbox)
    mails = sandbox.get("journal")["mails"]

    seen = json.loads(_run("reset_calendar", "--calendar-id", HOME, "--dry-run", "--json"))
    assert _titles(sandbox) == ["Busy", "Busy", "Busy", "Dinner", "Pasted"]
    done = json.loads(_run("reset_calendar", "--calendar-id", HOME, "--confirm", "--json"))

    assert (seen["found"], seen["operation"]) == (2, None)
    assert done["counts"] == {"remote.delete": 2}
    assert _titles(sandbox) == ["Dinner", "Pasted"]
    assert _titles_at_work(sandbox) == ["Confidential talk", "Standup", "Standup"]
    assert sandbox.get("journal")["mails"] == mails


def _titles_at_work(sandbox: Sandbox) -> list[str]:
    return sorted(event["summary"] for event in sandbox.get("events", calendar=WORK)["events"])


@pytest.mark.parametrize("fault", ["lost_answer", "lost_request"])
def test_a_reset_whose_answers_are_lost_still_ends_well(sandbox: Sandbox, fault: str) -> None:
    sandbox.fault(fault, operation="batch")

    done = json.loads(_run("reset_calendar", "--calendar-id", HOME, "--confirm", "--json"))

    assert (done["state"], done["rules"]) == ("done", 1)
    assert _titles(sandbox) == ["Dinner", "Pasted"]
    assert not SyncItem.objects.filter(state="intended").exists()


def test_after_a_reset_the_rules_draw_their_blocks_anew_and_then_all_is_in_step(
    sandbox: Sandbox,
) -> None:
    _run("reset_calendar", "--calendar-id", HOME, "--confirm")

    _run("sync_calendars")
    _run("sync_calendars")

    assert _titles(sandbox) == ["Busy", "Busy", "Busy", "Dinner", "Pasted"]
    again = json.loads(_run("sync_calendars", "--json"))
    assert [report["changes"] for report in again["collections"]] == [[], []]
    assert "invariants hold" in _run("check_sync")


def test_a_cleanup_after_the_database_was_lost_removes_what_nothing_claims(
    sandbox: Sandbox,
) -> None:
    _run("cleanup_orphaned")
    assert _titles(sandbox) == ["Busy", "Busy", "Busy", "Dinner", "Pasted"]
    _lose_database(sandbox)

    _run("cleanup_orphaned")

    assert _titles(sandbox) == ["Dinner", "Pasted"]


def test_the_commands_explain_what_they_did(sandbox: Sandbox) -> None:
    block = next(e for e in _events(sandbox) if e["summary"] == "Busy" and "recurrence" in e)
    _run("reset_calendar", "--calendar-id", HOME, "--confirm")

    said = _run("explain_event", block["id"])

    assert "a busy block, a series, deleted" in said
    assert "genuine mark of rule" in said
    assert "the calendar was reset" in said
