"""Everything the sandbox remembers: small tables and event books, written through to SQLite.

Memory is what requests read. Each request's writes reach the file in one transaction before
its answer leaves, so a killed sandbox comes back with all it ever acknowledged.
"""

from __future__ import annotations

import errno
import json
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Any

from integrations.sandbox.book import Book, Event

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (name TEXT, key TEXT, value TEXT, PRIMARY KEY (name, key));
CREATE TABLE IF NOT EXISTS events (
    calendar TEXT, id TEXT, number INTEGER, seq INTEGER, dropped INTEGER, raw BLOB,
    PRIMARY KEY (calendar, id));
"""

UPSERT = "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"


class StateUnusable(OSError):
    """The state folder is locked by another sandbox, or holds no sandbox's state."""


class Table(dict[str, dict[str, Any]]):
    """Rows of one kind by key. Read it as a dict; write through `Store.put` and `Store.drop`."""


class Store:
    """The state of one sandbox; `path` is its folder, or None for memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self.tables: dict[str, Table] = {}
        self.books: dict[str, Book] = {}
        self.seq = int(time.time()) * 1000  # etags of two lives of a sandbox never agree
        self._rows: dict[tuple[str, str], dict[str, Any] | None] = {}
        self._events: dict[tuple[str, str], Event] = {}
        self._lost_books: set[str] = set()
        self._file = self._open(path) if path else None
        self.instance = self._instance()

    def __getitem__(self, name: str) -> Table:
        return self.tables.setdefault(name, Table())

    def put(self, name: str, key: str, value: dict[str, Any]) -> dict[str, Any]:
        """Set one row and return it."""
        self[name][key] = value
        self._rows[name, key] = value
        return value

    def drop(self, name: str, key: str) -> None:
        """Remove one row; nothing happens where there is none."""
        self[name].pop(key, None)
        self._rows[name, key] = None

    def next_seq(self) -> int:
        """Return the next change number: one order over every change of every calendar."""
        self.seq += 1
        return self.seq

    def book(self, calendar: str) -> Book:
        """Return the events of a calendar."""
        return self.books.setdefault(calendar, Book())

    def put_event(self, calendar: str, event: Event) -> None:
        """Store an event whose `seq` is already the newest."""
        self.book(calendar).put(event)
        self.rewrite_event(calendar, event)

    def rewrite_event(self, calendar: str, event: Event) -> None:
        """Write an event already in its book to the file again."""
        if self._file:
            self._events[calendar, event.id] = event

    def drop_book(self, calendar: str) -> None:
        """Forget every event of a calendar."""
        self.books.pop(calendar, None)
        self._lost_books.add(calendar)

    def commit(self) -> None:
        """Write what changed since the last commit; cheap when nothing did."""
        if self._file and (self._rows or self._events or self._lost_books):
            self._write(self._file)
        self._rows.clear()
        self._events.clear()
        self._lost_books.clear()

    def clear(self) -> None:
        """Forget everything, tokens and journal included."""
        self.tables.clear()
        self.books.clear()
        if self._file:
            with self._file:
                self._file.executescript("DELETE FROM rows; DELETE FROM events;")
        self._rows.clear()
        self._events.clear()
        self.instance = self._instance()

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        if self._file:
            self._file.close()
            self._file = None

    def _instance(self) -> str:
        """Return the name of this life of the state; tokens of another life are dead."""
        row = self["meta"].get("instance") or {"name": secrets.token_hex(4)}
        return str(self.put("meta", "instance", row)["name"])

    def _open(self, path: Path) -> sqlite3.Connection:
        path.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(path / "sandbox.sqlite3", check_same_thread=False, timeout=1)
        try:
            file.execute("PRAGMA locking_mode=EXCLUSIVE")
            file.execute("PRAGMA journal_mode=WAL")
            file.execute("PRAGMA synchronous=NORMAL")
            file.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            file.close()
            message = f"{path}: {error}; is another sandbox running there?"
            raise StateUnusable(errno.EBUSY, message) from error
        for name, key, value in file.execute("SELECT name, key, value FROM rows ORDER BY rowid"):
            self[name][key] = json.loads(value)
        self._load_events(file)
        return file

    def _load_events(self, file: sqlite3.Connection) -> None:
        order = "SELECT calendar, id, number, seq, dropped, raw FROM events ORDER BY seq"
        for calendar, name, number, seq, dropped, raw in file.execute(order):
            zone = self["calendar"].get(calendar, {}).get("timeZone", "UTC")
            event = Event.read(name, raw, seq=seq, zone=zone, dropped=bool(dropped))
            event.number = number
            self.book(calendar).load(event)
            self.seq = max(self.seq, seq)
        for book in self.books.values():
            book.sort()
        self.seq = max(self.seq, self["meta"].get("seq", {}).get("value", 0))

    def _write(self, file: sqlite3.Connection) -> None:
        self._rows["meta", "seq"] = {"value": self.seq}
        gone = [pair for pair, value in self._rows.items() if value is None]
        kept = [(*pair, json.dumps(v)) for pair, v in self._rows.items() if v is not None]
        events = [
            (cal, e.id, e.number, e.seq, int(e.dropped), e.raw)
            for (cal, _), e in self._events.items()
        ]
        with file:
            file.executemany("DELETE FROM events WHERE calendar = ?", zip(self._lost_books))
            file.executemany("DELETE FROM rows WHERE name = ? AND key = ?", gone)
            file.executemany(UPSERT, kept)  # keeps the order in which rows were born
            file.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?)", events)
