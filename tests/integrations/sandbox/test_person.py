"""The page where a person acts on the other side, used as a browser without script would."""

import re
from html import unescape

import requests

from tests.integrations.sandbox.caller import HOME, WORK, Caller, timed


def page(sandbox, path: str = "/", **query: str) -> str:
    answer = requests.get(f"{sandbox.url}{path}", params=query, timeout=10)
    assert answer.status_code == 200
    assert "script" not in answer.headers["Content-Security-Policy"]
    return answer.text


def send(sandbox, action: str, **form: str) -> requests.Response:
    address = f"{sandbox.url}/person/{action}"
    return requests.post(address, data=form, timeout=10, allow_redirects=False)


def done(sandbox, action: str, **form: str) -> None:
    answer = send(sandbox, action, **form)
    assert answer.status_code == 303, unescape(answer.text)


def test_the_page_shows_the_account_chosen_and_escapes_what_people_wrote(demo):
    work, home = page(demo), page(demo, account=HOME)
    assert "Stand-up" in work
    assert "Stand-up" not in home
    assert "&lt;script&gt;alert" in home
    assert "<script" not in home
    assert "http://" not in re.sub(r'value="[^"]*"', "", home)


def test_a_person_adds_edits_and_deletes(sandbox, work):
    at = {"account": WORK, "calendar": WORK}
    day = work.sandbox.get("state")["now"][:10]
    done(sandbox, "create", **at, summary="Tea & <b>cake</b>", start=day, end="2099-01-01")
    ((name, event),) = work.events().items()
    assert event["summary"] == "Tea & <b>cake</b>"
    assert "Tea &amp; &lt;b&gt;cake&lt;/b&gt;" in page(sandbox)
    shown = page(sandbox, "/person/event", **at, id=name)
    assert f'value="{day}"' in shown
    edit = {"summary": "Tea", "start": f"{day} 16:00", "end": f"{day} 17:00"}
    done(sandbox, "edit", **at, id=name, **edit, location="Kitchen")
    event = work.events()[name]
    assert (event["summary"], event["location"]) == ("Tea", "Kitchen")
    assert event["start"]["dateTime"].startswith(f"{day}T16:00:00")
    done(sandbox, "delete", **at, id=name)
    assert work.events() == {}


def test_a_title_alone_changes_nothing_else(sandbox, work):
    event = timed("2026-12-01T09:00", "2026-12-01T10:00", "America/New_York", id="abcde")
    old = work.ok("POST", "calendars/primary/events", event)
    shown = page(sandbox, "/person/event", account=WORK, calendar=WORK, id="abcde")
    times = dict(re.findall(r'name="(start|end)"[^>]* value="([^"]*)"', shown))
    done(sandbox, "edit", account=WORK, calendar=WORK, id="abcde", summary="Title", **times)
    new = work.events()["abcde"]
    assert (new["summary"], new["start"], new["sequence"]) == ("Title", old["start"], 0)


def test_a_person_moves_one_occurrence_cancels_one_and_changes_the_rest(sandbox, work):
    event = timed("2026-12-01T09:00", "2026-12-01T10:00", id="abcde", summary="Daily")
    work.ok(
        "POST", "calendars/primary/events", event | {"recurrence": ["RRULE:FREQ=DAILY;COUNT=5"]}
    )
    at = {"account": WORK, "calendar": WORK}
    times = {"start": "2026-12-02 15:00", "end": "2026-12-02 16:00"}
    second, third, fourth = (f"abcde_2026120{day}T080000Z" for day in (2, 3, 4))
    assert "One occurrence of a" in page(sandbox, "/person/event", **at, id=second)
    done(sandbox, "edit", **at, id=second, summary="Daily", **times)
    done(sandbox, "delete", **at, id=third)
    done(sandbox, "split", **at, id=fourth, summary="From now on")
    found = work.events(singleEvents=True, orderBy="startTime").values()
    assert [(e["summary"], e["start"]["dateTime"][8:16]) for e in found] == [
        ("Daily", "01T09:00"), ("Daily", "02T15:00"),
        ("From now on", "04T09:00"), ("From now on", "05T09:00"),
    ]  # fmt: skip


def test_a_person_moves_an_event_to_another_calendar(demo):
    caller = Caller(demo, WORK)
    team = "teamcalendar@group.calendar.google.com"
    done(demo, "move", account=WORK, calendar=WORK, id="democoffee", destination=team)
    assert "democoffee" in caller.events(team)
    caller.session.close()


def test_a_mistake_is_explained_and_changes_nothing(sandbox, work):
    form = {"account": WORK, "calendar": WORK, "start": "tomorrow", "end": "2026-12-02"}
    answer = send(sandbox, "create", **form)
    assert 'role="alert"' in answer.text
    assert "Write times as" in answer.text
    assert work.events() == {}
    answer = send(sandbox, "edit", account=WORK, calendar=WORK, id="nothing")
    assert "Not Found" in answer.text
    assert requests.get(f"{sandbox.url}/person/event?id=x", timeout=10).status_code == 200
    assert send(sandbox, "explode").status_code == 404


def test_faults_and_requests_are_seen_and_set_on_the_page(sandbox, work):
    done(sandbox, "fault", kind="error", operation="colors.get", times="1")
    assert work.refused("GET", "colors") == (503, "backendError")
    shown = page(sandbox)
    assert "<td>colors.get" in shown
    assert "1 of 1" in shown
    done(sandbox, "clear_faults")
    assert sandbox.get("faults")["faults"] == []


def test_the_page_works_before_there_is_anybody(process):
    process.post("reset", seed_data="empty")
    assert "No accounts yet" in page(process)
