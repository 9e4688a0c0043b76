"""The tables that a world fills: emptied, summed up, kept aside and brought back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

APPS = ("calendars", "conflicts", "integrations", "sync")

Backup = Sequence[tuple[str, bytes]]


def forget_everything() -> None:
    """Empty the tables; quicker than TRUNCATE for so few rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(";".join(f"DELETE FROM {m._meta.db_table}" for m in _filled()))  # noqa: S608


def digest() -> dict[str, object]:
    """Return a sum of all rows of each table: two are equal if nothing has changed."""
    sums: dict[str, object] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True):
            cursor.execute(f"SELECT sum(hashtextextended(t::text, 0)) FROM {table} t")  # noqa: S608
            sums[table] = cursor.fetchone()
    return sums


@contextmanager
def onlooker() -> Iterator[Any]:
    """Another connection: it sees what is committed, as everybody does once a process is dead."""
    other = connection.copy()
    try:
        yield other
    finally:
        other.close()


def back_up(seen_by: Any = connection) -> Backup:
    """Keep all rows aside, as a backup does."""
    kept = []
    with seen_by.cursor() as cursor:
        for model in _filled():
            with cursor.copy(f"COPY {_columns(model)} TO STDOUT") as rows:
                kept.append((_columns(model), b"".join(bytes(row) for row in rows)))
    return kept


def restore(backup: Backup) -> None:
    """Put the rows of a backup in the place of those that are there."""
    with transaction.atomic():
        forget_everything()
        with connection.cursor() as cursor:
            for columns, rows in backup:
                with cursor.copy(f"COPY {columns} FROM STDIN") as target:
                    target.write(rows)


def _filled() -> list[type[models.Model]]:
    """Return all models of ours; constraints are looked at when a transaction ends."""
    return [model for name in APPS for model in apps.get_app_config(name).get_models()]


def _columns(model: type[models.Model]) -> str:
    """Name a table with the columns that are not worked out by the database."""
    fields = [f for f in model._meta.local_concrete_fields if not f.generated]
    names = ", ".join(f'"{field.column}"' for field in fields)
    return f"{model._meta.db_table} ({names})"
