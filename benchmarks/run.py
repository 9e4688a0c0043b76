"""`make bench`: first import, nothing changed, 1 % changed; each with its ratio to a floor."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import product
from integrations.sandbox.client import Sandbox

ACCOUNT = "work@example.com"
REPEAT = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what Lockstep took, beside its floor (seconds)."""

    what: str
    events: int
    lockstep: product.Measured
    floor: float
    floor_is: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as folder, _world(events, Path(folder)) as box:
        idle, rows = _measure(box)
    _print(idle, rows)


@contextmanager
def _world(events: int, folder: Path) -> Iterator[Sandbox]:
    """A sandbox with one large calendar, and a database of our own that stays up between runs."""
    with Sandbox(f"large:{events}") as box:
        os.environ |= {
            "LOCKSTEP_ENV_FILE": os.devnull,
            "LOCKSTEP_DATA_DIR": str(folder),
            "GOOGLE_API_ROOT": f"{box.url}/",
            "GOOGLE_TOKEN_URI": f"{box.url}/token",
            "GOOGLE_CLIENT_ID": box.client_id,
            "GOOGLE_CLIENT_SECRET": box.client_secret,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        from config.embedded import start_missing

        holders = start_missing()
        try:
            yield box
        finally:
            for holder in holders:
                holder.release()


def _measure(box: Sandbox) -> tuple[product.Measured, list[Row]]:
    database = _connect(box)
    from benchmarks.floor import BareClient, copy_again

    bare = BareClient(box, ACCOUNT)
    fetched, ids = bare.fetch()
    first = product.manage("sync_calendars")
    copied, _ = copy_again(database)
    imported = Row("first import", len(ids), first, fetched + copied, "fetch, parse and COPY")

    idle = product.median_of([product.idle() for _ in range(REPEAT)])
    asked, _ = bare.fetch()
    nothing = product.median_of([product.manage("sync_calendars") for _ in range(REPEAT)])
    quiet = Row("nothing changed", 0, nothing, idle.wall + asked, "idle Django and one request")

    share = ids[::100]
    bare.retitle(share, "Moved to the large room")
    fetched, _ = bare.fetch()
    copied, _ = copy_again(database, share=0.01)
    changed = product.manage("sync_calendars")
    floor = idle.wall + fetched + copied
    some = Row("1 % changed", len(share), changed, floor, "idle Django, fetch, parse and COPY")
    return idle, [imported, quiet, some]


def _connect(box: Sandbox) -> str:
    """Prepare the database and connect the account, its whole past included; the address."""
    import django

    product.manage("migrate", "--verbosity", "0")
    token = box.refresh_token(ACCOUNT)
    product.manage("connect_account", "google", "--refresh-token", "-", standard_input=token)
    django.setup()
    from django.db import connection

    from integrations.models import Collection

    Collection.objects.update(past_days=36_500)
    parameters = connection.get_connection_params()
    return " ".join(
        f"{name}={parameters[name]}"
        for name in ("host", "port", "user", "dbname")
        if parameters.get(name)
    )


def _print(idle: product.Measured, rows: list[Row]) -> None:
    table = Table(title="Lockstep beside its floor, measured in the same run")
    for heading in ("run", "events", "wall s", "own CPU s", "memory MB", "floor s", "× floor"):
        table.add_column(heading, justify="left" if heading == "run" else "right")
    for row in rows:
        run = row.lockstep
        table.add_row(
            row.what,
            f"{row.events:,}",
            f"{run.wall:.2f}",
            f"{run.cpu:.2f}",
            f"{run.memory:.0f}",
            f"{row.floor:.2f}",
            f"{run.wall / row.floor:.1f}",
        )
    console = Console()
    console.print(table)
    for row in rows:
        console.print(f"floor of {row.what}: {row.floor_is}")
    console.print(f"idle Django: {idle.wall:.2f} s, {idle.memory:.0f} MB")


if __name__ == "__main__":
    main()
