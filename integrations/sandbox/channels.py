"""Push channels: watch, stop, and the empty POSTs that say "something changed".

Messages leave in their own thread. The `sync` message may overtake the answer of `watch`; later
ones carry growing numbers, no body and no word about what changed.
"""

from __future__ import annotations

import base64
import hashlib
import queue
import random
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.errors import ApiError, invalid, not_found, required
from integrations.sandbox.roles import find_calendar
from integrations.sandbox.shapes import read_body, shape
from integrations.sandbox.world import Call, Reply, World

DEFAULT_SECONDS = 604_800
RETRIED = (500, 502, 503, 504)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def watch(call: Call) -> Reply:
    """Open a channel on events, rules, settings or the calendar list."""
    body = read_body(call.body, shape("Channel"))
    _check(call, body)
    kind, key = _watched(call)
    seconds = int((body.get("params") or {}).get("ttl") or DEFAULT_SECONDS)
    latest = int((call.world.clock.now().timestamp() + min(seconds, DEFAULT_SECONDS)) * 1000)
    path = {"events": f"calendars/{key}/events", "acl": f"calendars/{key}/acl"}
    channel = {
        "id": body["id"],
        "address": body["address"],
        "token": body.get("token", ""),
        "account": call.account,
        "watched": [kind, key],
        "resource_id": resource_id(kind, key),
        "resource_uri": f"{call.world.url}/calendar/v3/{path.get(kind, f'users/me/{kind}')}",
        "expiration": min(int(body.get("expiration") or latest), latest),
        "number": 1,
    }
    call.world.store.put("channel", channel["id"], channel)
    call.note["message"] = (channel["id"], "sync")
    return Reply(_resource(channel))


def _check(call: Call, body: dict[str, Any]) -> None:
    for name in ("id", "type", "address"):
        if not body.get(name):
            raise required(f"Missing {name}.")
    if len(body["id"]) > 64 or len(body.get("token") or "") > 256:
        raise invalid("Channel id or token too long.")
    if body["type"] not in ("web_hook", "webhook"):
        raise invalid("Unknown channel type.")
    if body["id"] in call.world.store["channel"]:
        raise ApiError(400, "channelIdNotUnique", f"Channel id {body['id']} not unique")
    parts = urlsplit(body["address"])
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        message = f"WebHook callback must be HTTPS: {body['address']}"
        raise ApiError(400, "push.webhookUrlNotHttps", message)


def _watched(call: Call) -> tuple[str, str]:
    """Return what the channel is on: a kind of resource, and a calendar or an account."""
    kind = call.note["operation"].split(".")[0]
    if kind not in ("events", "acl"):
        return kind, call.account
    calendar = find_calendar(call, call.args["calendarId"])
    if calendar.get("generated"):
        raise ApiError(
            400,
            "pushNotSupportedForRequestedResource",
            "Push notifications are not supported by this resource.",
            domain="calendar",
        )
    return kind, calendar["id"]


def resource_id(kind: str, key: str) -> str:
    """Return the opaque, stable name of a watched resource."""
    digest = hashlib.sha256(f"{kind} {key}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:20]).decode().rstrip("=")


def _resource(channel: dict[str, Any]) -> dict[str, Any]:
    token = {"token": channel["token"]} if channel["token"] else {}
    return {
        "kind": "api#channel",
        "id": channel["id"],
        "resourceId": channel["resource_id"],
        "resourceUri": channel["resource_uri"],
        **token,
        "expiration": str(channel["expiration"]),
    }


def stop(call: Call) -> Reply:
    """Close a channel of the caller's; unknown ones are a 404."""
    body = read_body(call.body, shape("Channel"))
    channel = call.world.store["channel"].get(body.get("id") or "")
    known = channel and channel["resource_id"] == body.get("resourceId")
    if not channel or not known or channel["account"] != call.account or channel.get("stopped"):
        raise not_found()
    call.world.store.put("channel", channel["id"], channel | {"stopped": True})
    return Reply(status=204)


@dataclass(frozen=True, slots=True)
class Message:
    """One POST to a channel's address."""

    address: str
    headers: dict[str, str]


class Courier:
    """Delivers messages one after the other; retries what Google would retry, three times."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._changed: set[tuple[str, str]] = set()
        self._queue: queue.Queue[Message | None] = queue.Queue()
        self._thread = threading.Thread(target=self._deliver, daemon=True)
        self._thread.start()
        world.changed = lambda kind, key: self._changed.add((kind, key))

    def announce(self, channel_id: str, state: str) -> None:
        """Queue one message for a channel."""
        channel = self._world.store["channel"][channel_id]
        self._queue.put(_message(channel, state))

    def send(self, message: Message) -> None:
        """Queue a message that no channel asked for."""
        if urlsplit(message.address).hostname not in _LOOPBACK:
            raise invalid("Only loopback addresses.", "address")
        self._queue.put(message)

    def flush(self, *, drop: bool = False, repeat: bool = False) -> None:
        """Queue a message for every live channel on what changed since the last flush."""
        changed, self._changed = self._changed, set()
        if drop or not changed:
            return
        now = self._world.clock.now().timestamp() * 1000
        for channel in list(self._world.store["channel"].values()):
            live = not channel.get("stopped") and channel["expiration"] > now
            if live and tuple(channel["watched"]) in changed:
                number = channel["number"] + random.randint(1, 5000)
                later = channel | {"number": number}
                self._world.store.put("channel", channel["id"], later)
                for _ in range(1 + repeat):
                    self._queue.put(_message(later, "exists"))

    def close(self) -> None:
        """Deliver what is queued and end the thread."""
        self._queue.put(None)
        self._thread.join(timeout=5)

    def _deliver(self) -> None:
        while (message := self._queue.get()) is not None:
            for _ in range(3):
                if _post(message) not in RETRIED:
                    break


def _message(channel: dict[str, Any], state: str) -> Message:
    headers = {
        "X-Goog-Channel-ID": channel["id"],
        "X-Goog-Resource-ID": channel["resource_id"],
        "X-Goog-Resource-URI": f"{channel['resource_uri']}?alt=json",
        "X-Goog-Resource-State": state,
        "X-Goog-Message-Number": str(channel["number"]),
        "X-Goog-Channel-Expiration": formatdate(channel["expiration"] / 1000, usegmt=True),
        "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
    }
    if channel["token"]:
        headers["X-Goog-Channel-Token"] = channel["token"]
    return Message(channel["address"], headers)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for what it is to Google: a message that was not delivered."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def _post(message: Message) -> int:
    """Return the receiver's status, 0 where nobody answered."""
    request = urllib.request.Request(  # noqa: S310 (https, or http on loopback: see _check)
        message.address, data=b"", headers=message.headers, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0
