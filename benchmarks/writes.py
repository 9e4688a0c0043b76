"""A thousand busy blocks written: Lockstep beside the same batches sent by a bare session.

And beside one that writes down what it does, as whoever must not forget has to.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import requests

from benchmarks import product
from benchmarks.durable import send_and_write_down
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
            yield from _one_target(box, lockstep, delay)


def _environment(box: Sandbox) -> dict[str, str]:
    return {
        "GOOGLE_API_ROOT": f"{box.url}/",
        "GOOGLE_TOKEN_URI": f"{box.url}/token",
        "GOOGLE_CLIENT_ID": box.client_id,
        "GOOGLE_CLIENT_SECRET": box.client_secret,
    }


def _one_target(box: Sandbox, lockstep: Installation, delay: float) -> Iterator[Row]:
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
    what = f"{BLOCKS:,} blocks, {delay * 1000:.0f} ms a call"
    with _session(bare) as session:
        posts = _posts(box, session, blocks)
        floor = nothing.wall + _seconds(posts)
        yield Row(what, took, floor, "a run with nothing to do, and bare batches")
        floor = nothing.wall + send_and_write_down(lockstep.database, posts, BATCH)
        yield Row(f"{what}, written down", took, floor, "the same, and the same rows written")


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


def _session(bare: BareClient) -> requests.Session:
    """Open a session that may send batches."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {bare.service._http.credentials.token}"
    session.headers["Content-Type"] = "multipart/mixed; boundary=part"
    return session


def _posts(
    box: Sandbox, session: requests.Session, blocks: Sequence[dict[str, Any]]
) -> list[Callable[[], None]]:
    """Return what inserts the events, one call for each batch, which reads the answers."""
    path = f"/calendar/v3/calendars/{TARGET}/events"
    calls = [_call(path, json.dumps(block)) for block in blocks]
    batches = [calls[start : start + BATCH] for start in range(0, len(calls), BATCH)]
    return [partial(_post, session, f"{box.url}/batch/calendar/v3", batch) for batch in batches]


def _post(session: requests.Session, address: str, calls: Sequence[str]) -> None:
    parts = (_PART.format(n=n, call=call) for n, call in enumerate(calls))
    answer = session.post(address, data=("".join(parts) + "--part--\r\n").encode())
    if answer.text.count("HTTP/1.1 200") != len(calls):
        raise product.Failed("a bare batch was refused")


def _seconds(posts: Sequence[Callable[[], None]]) -> float:
    """Send the batches one after the other; seconds."""
    started = time.perf_counter()
    for post in posts:
        post()
    return time.perf_counter() - started


def _call(path: str, body: str) -> str:
    size = f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}"
    return f"POST {path}?sendUpdates=none HTTP/1.1\r\n{size}\r\n\r\n{body}"
