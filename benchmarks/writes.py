"""A thousand busy blocks written: Lockstep beside the same batches sent by a bare session."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import requests

from benchmarks import product
from benchmarks.floor import BareClient
from benchmarks.installation import Installation, installation
from benchmarks.table import Row
from integrations.sandbox.client import Sandbox

SOURCE, TARGET = "work@example.com", "home@example.com"
BLOCKS, BATCH = 1_000, 50
DELAYS = (0.0, 0.05)
_PART = "--part\r\nContent-Type: application/http\r\nContent-ID: <{n}>\r\n\r\n{call}\r\n"


def rows(sizes: list[int]) -> Iterator[Row]:
    """Measure with no latency and with 50 ms for each call; `sizes` bound nothing here."""
    for delay in DELAYS:
        with Sandbox(f"large:{BLOCKS}") as box, installation(_environment(box)) as lockstep:
            yield _one_target(box, lockstep, delay)


def _environment(box: Sandbox) -> dict[str, str]:
    return {
        "GOOGLE_API_ROOT": f"{box.url}/",
        "GOOGLE_TOKEN_URI": f"{box.url}/token",
        "GOOGLE_CLIENT_ID": box.client_id,
        "GOOGLE_CLIENT_SECRET": box.client_secret,
    }


def _one_target(box: Sandbox, lockstep: Installation, delay: float) -> Row:
    connect = ("connect_account", "google", "--refresh-token", "-")
    for account in (SOURCE, TARGET):
        product.manage(*connect, standard_input=box.refresh_token(account))
    lockstep.see_all()
    product.manage("sync_calendars")
    nothing = product.median_of([product.manage("sync_calendars") for _ in range(product.REPEAT)])
    whole_past = ("--past-days", "3650", "--future-days", "3650")
    product.manage("busy_rule", "add", "--source", SOURCE, "--target", TARGET, *whole_past)
    if delay:
        box.fault("delay", operation="batch", seconds=delay, times=None)
    took = product.manage("sync_calendars")
    bare, blocks = _blocks(box)
    if len(blocks) != BLOCKS:
        raise product.Failed(f"{len(blocks)} blocks were written")
    seconds = _send(box, bare, blocks)
    what = f"{BLOCKS:,} blocks, {delay * 1000:.0f} ms a call"
    return Row(what, took, nothing.wall + seconds, "a run with nothing to do, and bare batches")


def _blocks(box: Sandbox) -> tuple[BareClient, list[dict[str, Any]]]:
    """Read the blocks that Lockstep wrote, as bodies to be written once more."""
    client = (box.client_id, box.client_secret)
    bare = BareClient(box.url, TARGET, box.refresh_token(TARGET), client)
    stated = ("etag", "id", "htmlLink", "iCalUID", "updated", "organizer", "sequence")
    return bare, [
        {name: value for name, value in event.items() if name not in stated}
        for page in bare.pages()
        for event in page
    ]


def _send(box: Sandbox, bare: BareClient, blocks: Sequence[dict[str, Any]]) -> float:
    """Insert events in batches, one after the other, and read the answers; seconds."""
    path = f"/calendar/v3/calendars/{TARGET}/events"
    calls = [_call(path, json.dumps(block)) for block in blocks]
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {bare.service._http.credentials.token}"
        session.headers["Content-Type"] = "multipart/mixed; boundary=part"
        started = time.perf_counter()
        for start in range(0, len(calls), BATCH):
            parts = enumerate(calls[start : start + BATCH])
            body = "".join(_PART.format(n=n, call=call) for n, call in parts) + "--part--\r\n"
            answer = session.post(f"{box.url}/batch/calendar/v3", data=body.encode())
            if answer.text.count("HTTP/1.1 200") != len(calls[start : start + BATCH]):
                raise product.Failed("a bare batch was refused")
        return time.perf_counter() - started


def _call(path: str, body: str) -> str:
    size = f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}"
    return f"POST {path}?sendUpdates=none HTTP/1.1\r\n{size}\r\n\r\n{body}"
