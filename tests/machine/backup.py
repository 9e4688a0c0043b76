"""Backups of Lockstep's rows, and going back to one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, transaction

APPS = ("integrations", "calendars", "sync", "conflicts")


@dataclass(frozen=True)
class Backup:
    """Every row of every table of Lockstep's own, by table."""

    rows: dict[str, list[tuple[Any, ...]]]


def make_backup() -> Backup:
    """Read all rows, as pg_dump would."""
    with transaction.atomic(), connection.cursor() as cursor:
        return Backup({table: _read(cursor, table, names) for table, names in _tables()})


def restore(backup: Backup) -> None:
    """Put the rows of a backup in the place of all that there is."""
    with transaction.atomic(), connection.cursor() as cursor:
        forget(cursor)
        for table, names in _tables():
            _write(cursor, table, names, backup.rows[table])


def forget_everything() -> None:
    """Empty every table of Lockstep's own."""
    with transaction.atomic(), connection.cursor() as cursor:
        forget(cursor)


def forget(cursor: Any) -> None:
    """Empty the tables in the order in which nothing refers to what goes."""
    cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    for table, _ in _tables():
        cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own names


def _tables() -> Iterator[tuple[str, list[str]]]:
    """Yield each table with the columns that are not computed."""
    for app in APPS:
        for model in apps.get_app_config(app).get_models(include_auto_created=True):
            fields = model._meta.concrete_fields
            yield (
                model._meta.db_table,
                [f.column for f in fields if f.column and not getattr(f, "generated", False)],
            )


def _read(cursor: Any, table: str, names: list[str]) -> list[tuple[Any, ...]]:
    columns = ", ".join(f'"{name}"' for name in names)
    with cursor.copy(f'COPY (SELECT {columns} FROM "{table}") TO STDOUT') as copy:  # noqa: S608
        return list(copy.rows())


def _write(cursor: Any, table: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    columns = ", ".join(f'"{name}"' for name in names)
    with cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)
