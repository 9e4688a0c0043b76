"""The first import of one calendar, and the runs after it with 0, 1 and 100 changes."""

from collections.abc import Iterator

from benchmarks import fixed, product
from benchmarks.floor import BareClient, copy_again
from benchmarks.installation import Installation, installation
from benchmarks.product import Measured
from benchmarks.table import Row

CHANGES = (0, 1, 100)
CLIENT = ("client", "secret")


def rows(sizes: list[int]) -> Iterator[Row]:
    """Measure calendars of these sizes, each in an installation of its own."""
    for size in sizes:
        with fixed.serving(size) as url, installation(_environment(url)) as lockstep:
            yield from _one_calendar(size, url, lockstep)


def _fetched(url: str) -> Measured:
    """Fetch and parse everything in a process of its own, as Lockstep does."""
    arguments = (url, fixed.ACCOUNT, "token", *CLIENT)
    return product.median_of(
        [product.measure("benchmarks/bare.py", *arguments) for _ in range(product.REPEAT)]
    )


def _environment(url: str) -> dict[str, str]:
    return {
        "GOOGLE_API_ROOT": f"{url}/",
        "GOOGLE_TOKEN_URI": f"{url}/token",
        "GOOGLE_CLIENT_ID": CLIENT[0],
        "GOOGLE_CLIENT_SECRET": CLIENT[1],
    }


def _one_calendar(size: int, url: str, lockstep: Installation) -> Iterator[Row]:
    connect = ("connect_account", "google", "--refresh-token", "-")
    product.manage(*connect, standard_input="token")
    lockstep.see_all()
    bare = BareClient(url, fixed.ACCOUNT, "token", CLIENT)
    idle, fetched = product.idle(), _fetched(url)
    first = product.manage("sync_calendars")
    floor = fetched.wall + copy_again(lockstep.database)
    what = "a process that fetches and parses, and COPY"
    yield Row(f"first import of {size:,}", first, floor, what)
    bare.fetch()  # for the cursor
    lockstep.ask("VACUUM ANALYZE")
    for number in CHANGES:
        fetches, runs = [], []
        for _ in range(product.REPEAT):
            fixed.bump(url, number)
            fetches.append(bare.fetch())
            runs.append(product.manage("sync_calendars"))
        floor = idle.wall + sorted(fetches)[len(fetches) // 2]
        what = f"{number:,} changes in {size:,}"
        yield Row(what, product.median_of(runs), floor, "an idle Django, fetch and parse")
