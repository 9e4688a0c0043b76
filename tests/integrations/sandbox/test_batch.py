"""Batches: one status per part, conditions per part, limits, and parts that go wrong."""

import json
from email import message_from_bytes
from email.policy import HTTP

from integrations.sandbox import Sandbox
from tests.integrations.sandbox.caller import Caller, whole

EVENTS = "/calendar/v3/calendars/primary/events"
DAY = whole("2026-12-01", "2026-12-02")


def batch(caller: Caller, *parts: tuple[str, str, dict | None, dict[str, str]]) -> list[tuple]:
    """Send parts (method, path, body, headers); return (content id, status, JSON) of each."""
    chunks = []
    for number, (method, path, body, headers) in enumerate(parts):
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        text = json.dumps(body) if body is not None else ""
        chunks.append(
            f"--xyz\r\nContent-Type: application/http\r\nContent-ID: <part + {number}>\r\n\r\n"
            f"{method} {path} HTTP/1.1\r\nContent-Type: application/json\r\n{fields}\r\n{text}\r\n"
        )
    answer = caller.session.post(
        f"{caller.sandbox.url}/batch/calendar/v3",
        data="".join([*chunks, "--xyz--"]).encode(),
        headers={"Content-Type": 'multipart/mixed; boundary="xyz"'},
    )
    assert answer.status_code == 200, answer.text
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    return [read(part) for part in message_from_bytes(head + answer.content, policy=HTTP).walk()][
        1:
    ]


def read(part) -> tuple[str, int, dict]:
    if part.is_multipart():
        return "", 0, {}
    head, _, body = part.get_content().decode().replace("\r\n", "\n").partition("\n\n")
    return part["Content-ID"], int(head.split()[1]), json.loads(body) if body.strip() else {}


def insert(number: int) -> tuple[str, str, dict, dict]:
    return "POST", EVENTS, DAY | {"id": f"event{number}"}, {}


def test_parts_answer_in_their_order_with_their_own_status(work):
    work.ok("POST", "calendars/primary/events", DAY | {"id": "event1"})
    answers = batch(work, insert(0), insert(1), ("DELETE", f"{EVENTS}/event1", None, {}))
    assert [name for name, _, _ in answers] == [f"<response-part + {n}>" for n in range(3)]
    assert [status for _, status, _ in answers] == [200, 409, 204]


def test_conditions_hold_for_each_part(work):
    etags = [work.ok("POST", EVENTS[13:], DAY | {"id": f"event{n}"})["etag"] for n in range(2)]
    patch = {"summary": "New"}
    answers = batch(
        work,
        ("PATCH", f"{EVENTS}/event0", patch, {"If-Match": etags[0]}),
        ("PATCH", f"{EVENTS}/event1", patch, {"If-Match": '"stale"'}),
    )
    assert [status for _, status, _ in answers] == [200, 412]
    assert answers[1][2]["error"]["errors"][0]["reason"] == "conditionNotMet"


def test_a_part_may_speak_for_another_account(work, home):
    other = {"Authorization": home.session.headers["Authorization"]}
    batch(work, insert(0), ("POST", EVENTS, DAY | {"id": "event1"}, other))
    assert (set(work.events()), set(home.events())) == ({"event0"}, {"event1"})


def test_a_thousand_parts_are_the_limit(work):
    read = ("GET", "/calendar/v3/colors", None, {})
    assert len(batch(work, *[read] * 1000)) == 1000
    data = (
        b"".join(b"--x\r\n\r\nGET /calendar/v3/colors\r\n\r\n\r\n" for _ in range(1001)) + b"--x--"
    )
    answer = work.session.post(
        f"{work.sandbox.url}/batch/calendar/v3",
        data=data,
        headers={"Content-Type": "multipart/mixed; boundary=x"},
    )
    assert answer.status_code == 400


def test_one_part_may_meet_a_conflict_and_one_an_expired_token(work, sandbox):
    sandbox.fault("conflict", operation="events.insert", nth=2)
    sandbox.fault("error", status=401, reason="authError", operation="events.insert", nth=4)
    answers = batch(work, *[insert(number) for number in range(6)])
    reasons = [a["error"]["errors"][0]["reason"] for _, status, a in answers if status != 200]
    assert sorted(reasons) == ["authError", "conflict"]
    assert len(work.events()) == 4


def test_a_batch_may_be_applied_and_its_answer_lost(work, sandbox: Sandbox):
    sandbox.fault("lost_answer", operation="batch")
    try:
        batch(work, insert(0), insert(1))
    except OSError:
        assert set(work.events()) == {"event0", "event1"}
    else:
        raise AssertionError("the answer arrived")


def test_one_part_may_be_applied_and_answer_an_error(work, sandbox):
    sandbox.fault("lost_answer", operation="events.insert", part=True)
    answers = batch(work, insert(0), insert(1))
    assert sorted(status for _, status, _ in answers) == [200, 500]
    assert set(work.events()) == {"event0", "event1"}


def test_parts_count_against_the_quota_and_working_location_is_refused(work, sandbox):
    place = DAY | {"eventType": "workingLocation", "visibility": "public"}
    place |= {"transparency": "transparent", "workingLocationProperties": {"type": "homeOffice"}}
    ((_, status, _),) = batch(work, ("POST", EVENTS, place, {}))
    assert status == 400
    sandbox.post("options", quota_per_minute_user=3)
    answers = batch(work, *[insert(number) for number in range(6)])
    assert [status for _, status, _ in answers].count(403) >= 3
