"""The floor of a client that forgets nothing: the bare batches, and the rows that writing takes.

Before a batch is sent its intents are in the database, and after it its answers; both while another
batch is in the air. Plain psycopg and one statement for each table, into tables with the same
indexes but no foreign keys, and not one decision: the rows are those that Lockstep wrote.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.floor import columns_of

Connection = psycopg.Connection[Any]

# What stands in the rows until their answers have come, table by table, in SQL.
_UNTIL_THEN: Mapping[str, Mapping[str, str]] = {
    "calendars_item": {"pending": "true"},
    "calendars_event": {},
    "sync_mapping": {
        **dict.fromkeys(("version", "ordinal", "base_hash", "remote_hash"), "''"),
        **{"base": "NULL", "facts": "'{}'", "raw": "NULL", "synced_revision": "0"},
    },
    "sync_syncitem": {"state": "'intended'", "closed_at": "NULL"},
}
_LEARNT = ", ".join(f"{name} = new.{name}" for name in _UNTIL_THEN["sync_mapping"])
# The tables' rows meet where a write is announced; `own` is the table that is asked for.
_JOINS = {
    "calendars_item": "own.id = written.item_id",
    "calendars_event": "own.item_id = written.item_id",
    "sync_mapping": "own.id = written.mapping_id",
    "sync_syncitem": "own.id = written.id",
}
_OF_WRITES = (
    "FROM sync_syncitem AS written JOIN {table} AS own ON {join}"
    " WHERE written.side = 'remote' AND written.action = 'create' ORDER BY written.id"
)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one table as COPY takes them, one line for each write."""

    into: str
    lines: list[bytes]


def send_and_write_down(database: str, posts: Sequence[Callable[[], None]], batch: int) -> float:
    """Make the posts one after the other, each a batch of so many writes; seconds."""
    with psycopg.connect(database, autocommit=True) as connection, _tables(connection):
        rows = {table: _rows(connection, table) for table in _UNTIL_THEN}
        answers = _answers(connection)
        intents = rows.pop("sync_syncitem")
        with ThreadPoolExecutor(1) as air:
            started = time.perf_counter()
            with connection.transaction():
                for drawn in rows.values():
                    _copy(connection, drawn, 0, len(drawn.lines))
                _copy(connection, intents, 0, batch)
            for start, post in zip(range(0, len(answers), batch), posts, strict=True):
                on_its_way = air.submit(post)
                with connection.transaction():
                    _close(connection, answers[max(start - batch, 0) : start])
                    _copy(connection, intents, start + batch, start + 2 * batch)
                on_its_way.result()
            with connection.transaction():
                _close(connection, answers[-batch:])
            return time.perf_counter() - started


@contextmanager
def _tables(connection: Connection) -> Iterator[None]:
    """Make the tables, and drop them."""
    for table in _UNTIL_THEN:
        connection.execute(f"CREATE TABLE floor_{table} (LIKE {table} INCLUDING ALL)")
    try:
        yield
    finally:
        for table in _UNTIL_THEN:
            connection.execute(f"DROP TABLE floor_{table}")


def _rows(connection: Connection, table: str) -> _Rows:
    """Return a table's rows as they were before the answers, in the order of the writes."""
    names, until_then = columns_of(connection, table), _UNTIL_THEN[table]
    values = ", ".join(until_then.get(name.strip('"'), f"own.{name}") for name in names)
    written = _OF_WRITES.format(table=table, join=_JOINS[table])
    with connection.cursor().copy(f"COPY (SELECT {values} {written}) TO STDOUT") as source:
        lines = b"".join(source).splitlines(keepends=True)
    return _Rows(f"COPY floor_{table} ({', '.join(names)}) FROM STDIN", lines)


def _answers(connection: Connection) -> list[dict[str, Any]]:
    """Return the mappings as the answers left them, each with the write that was answered."""
    written = _OF_WRITES.format(table="sync_mapping", join=_JOINS["sync_mapping"])
    rows = connection.execute(f"SELECT written.id::text, to_jsonb(own) {written}")
    names = ("id", "item_id", *_UNTIL_THEN["sync_mapping"])
    return [{"write": pk, **{name: row[name] for name in names}} for pk, row in rows]


def _copy(connection: Connection, rows: _Rows, start: int, end: int) -> None:
    with connection.cursor().copy(rows.into) as target:
        target.write(b"".join(rows.lines[start:end]))


def _close(connection: Connection, answers: Sequence[dict[str, Any]]) -> None:
    """Write down the answers to one batch."""
    if not answers:
        return
    connection.execute(
        f"UPDATE floor_sync_mapping AS old SET {_LEARNT}"  # noqa: S608
        " FROM json_populate_recordset(NULL::sync_mapping, %s) AS new WHERE old.id = new.id",
        [json.dumps(answers)],
    )
    connection.execute(
        "UPDATE floor_sync_syncitem SET state = 'done', closed_at = now()"
        " WHERE id = ANY(%s::uuid[])",
        [[answer["write"] for answer in answers]],
    )
    connection.execute(
        "UPDATE floor_calendars_item SET pending = false WHERE id = ANY(%s::uuid[])",
        [[answer["item_id"] for answer in answers]],
    )
