"""Push channels: real callbacks, their headers, and messages that come late, twice or never."""

import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integrations.sandbox.caller import WORK, whole

EVENTS = "calendars/primary/events"
DAY = whole("2026-12-01", "2026-12-02")


class Receiver:
    """A little web hook that keeps the headers of every message."""

    def __init__(self) -> None:
        self.messages: queue.Queue[dict[str, str]] = queue.Queue()
        self.statuses: list[int] = []
        receiver = self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"] or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.messages.put(headers | {"body": self.rfile.read(length).decode()})
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.send_header("Location", receiver.address)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self) -> dict[str, str]:
        return self.messages.get(timeout=5)

    def silent(self) -> bool:
        try:
            self.messages.get(timeout=0.3)
        except queue.Empty:
            return True
        return False


@pytest.fixture
def hook() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def channel(hook: Receiver, name: str = "channel-1", **fields: object) -> dict[str, object]:
    return {"id": name, "type": "web_hook", "address": hook.address, "token": "secret"} | fields


def test_a_channel_says_sync_then_exists_with_growing_numbers_and_no_body(work, hook):
    opened = work.ok("POST", f"{EVENTS}/watch", channel(hook))
    sync = hook.next()
    assert sync["x-goog-resource-state"] == "sync"
    assert sync["x-goog-message-number"] == "1"
    assert sync["x-goog-channel-token"] == "secret"
    assert sync["x-goog-channel-id"] == "channel-1"
    assert sync["x-goog-resource-id"] == opened["resourceId"]
    assert sync["x-goog-channel-expiration"].endswith("GMT")
    assert sync["body"] == ""
    numbers = []
    for _ in range(2):
        work.ok("POST", EVENTS, DAY)
        message = hook.next()
        assert message["x-goog-resource-state"] == "exists"
        numbers.append(int(message["x-goog-message-number"]))
    assert 1 < numbers[0] < numbers[1]


def test_changes_by_people_and_by_guests_are_announced_too(work, home, sandbox, hook):
    home.ok("POST", f"{EVENTS}/watch", channel(hook))
    hook.next()
    event = DAY | {"attendees": [{"email": "home@example.com"}]}
    sandbox.post("events", account=WORK, calendar=WORK, event=event)
    assert hook.next()["x-goog-resource-state"] == "exists"


def test_calendar_list_and_rules_can_be_watched(work, sandbox, hook):
    work.ok("POST", "users/me/calendarList/watch", channel(hook, "list"))
    work.ok("POST", "calendars/primary/acl/watch", channel(hook, "acl"))
    assert {hook.next()["x-goog-channel-id"] for _ in range(2)} == {"list", "acl"}
    work.ok("POST", "calendars", {"summary": "New"})
    assert hook.next()["x-goog-channel-id"] == "list"
    rule = {"scope": {"type": "default"}, "role": "reader"}
    work.ok("POST", "calendars/primary/acl", rule)
    assert hook.next()["x-goog-channel-id"] == "acl"


def test_an_id_is_never_used_twice_and_a_stopped_channel_is_silent(work, hook):
    opened = work.ok("POST", f"{EVENTS}/watch", channel(hook))
    hook.next()
    again = work.refused("POST", f"{EVENTS}/watch", channel(hook))
    assert again == (400, "channelIdNotUnique")
    names = {"id": opened["id"], "resourceId": opened["resourceId"]}
    work.ok("POST", "channels/stop", names)
    work.ok("POST", EVENTS, DAY)
    assert hook.silent()
    assert work.refused("POST", "channels/stop", names) == (404, "notFound")
    again = work.refused("POST", f"{EVENTS}/watch", channel(hook))
    assert again == (400, "channelIdNotUnique")


def test_a_channel_of_somebody_else_cannot_be_stopped(work, home, hook):
    opened = work.ok("POST", f"{EVENTS}/watch", channel(hook))
    names = {"id": opened["id"], "resourceId": opened["resourceId"]}
    assert home.refused("POST", "channels/stop", names) == (404, "notFound")


def test_a_channel_expires(work, sandbox, hook):
    now = 1000 * 1000 * 1000 * 1000 * 10
    opened = work.ok("POST", f"{EVENTS}/watch", channel(hook, expiration=str(now)))
    assert int(opened["expiration"]) < now
    hook.next()
    short = channel(hook, "channel-2", params={"ttl": "60"})
    assert work.ok("POST", f"{EVENTS}/watch", short)["expiration"] < opened["expiration"]
    hook.next()
    sandbox.post("options", clock_offset_seconds=3000)
    work.ok("POST", EVENTS, DAY)
    assert hook.next()["x-goog-channel-id"] == "channel-1"
    assert hook.silent()


def test_a_failing_hook_is_tried_again_only_where_google_would(work, hook):
    hook.statuses = [503, 204, 302]
    work.ok("POST", f"{EVENTS}/watch", channel(hook))
    assert hook.next()["x-goog-message-number"] == hook.next()["x-goog-message-number"] == "1"
    work.ok("POST", EVENTS, DAY)
    hook.next()
    assert hook.silent()


def test_messages_may_be_dropped_repeated_or_forged(work, sandbox, hook):
    work.ok("POST", f"{EVENTS}/watch", channel(hook))
    hook.next()
    sandbox.fault("drop_message", operation="events.insert")
    work.ok("POST", EVENTS, DAY)
    assert hook.silent()
    sandbox.fault("repeat_message", operation="events.insert")
    work.ok("POST", EVENTS, DAY)
    assert hook.next()["x-goog-message-number"] == hook.next()["x-goog-message-number"]
    forged = {"X-Goog-Channel-ID": "unknown", "X-Goog-Resource-State": "exists"}
    sandbox.post("messages", address=hook.address, headers=forged)
    assert hook.next()["x-goog-channel-id"] == "unknown"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"address": "http://hub.example.com/hook"}, "push.webhookUrlNotHttps"),
        ({"id": ""}, "required"),
        ({"id": "x" * 65}, "invalid"),
        ({"token": "x" * 257}, "invalid"),
        ({"type": "carrier_pigeon"}, "invalid"),
    ],
)
def test_a_bad_channel_is_refused(work, hook, change, reason):
    assert work.refused("POST", f"{EVENTS}/watch", channel(hook) | change) == (400, reason)


def test_generated_calendars_cannot_be_watched(work, sandbox, hook):
    name = sandbox.post("calendars", account=WORK, summary="Holidays", generated=True)["id"]
    refused = work.refused("POST", f"calendars/{name}/events/watch", channel(hook))
    assert refused == (400, "pushNotSupportedForRequestedResource")
