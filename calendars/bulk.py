"""Write many rows at once: COPY for new ones, pipelined updates for known ones.

Measured against the ORM on the same rows, COPY is about seven times as fast; everything that
handles single rows uses the ORM.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models
from django.db.models import Lookup


@models.CharField.register_lookup
@models.UUIDField.register_lookup
class AnyOf(Lookup):
    """`field__any=[...]`: like `in`, with the whole list as one parameter."""

    lookup_name = "any"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Compare the field with an array."""
        field, parameters = self.process_lhs(compiler, connection)
        return f"{field} = ANY(%s)", (*parameters, self.rhs)


def insert(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows, given as sequences in the order of `columns` (field attribute names)."""
    names = ", ".join(_column(model, name) for name in columns)
    with connection.cursor() as cursor:
        statement = f"COPY {_table(model)} ({names}) FROM STDIN"  # names are ours, not input
        with cursor.copy(statement) as target:
            for row in rows:
                target.write_row(row)


def update(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Update rows by primary key; each row holds the new values, then the key."""
    names = ", ".join(f"{_column(model, name)} = %s" for name in columns)
    statement = f"UPDATE {_table(model)} SET {names} WHERE {_column(model, 'pk')} = %s"  # noqa: S608
    values = list(rows)
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(statement, values)


def dumps(value: Any) -> str | None:
    """Return the text of a JSON column; None stays NULL."""
    if value is None:
        return None
    if not value and value.__class__ in _EMPTY:
        return _EMPTY[value.__class__]
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Most JSON columns of most rows are empty; encoding those one by one would show.
_EMPTY = {list: "[]", dict: "{}"}


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _column(model: type[models.Model], name: str) -> str:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    return connection.ops.quote_name(str(field.column))  # type: ignore[union-attr]
