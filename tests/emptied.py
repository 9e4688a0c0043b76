"""Empties all tables after a test whose transactions were committed.

Django truncates them and makes content types and permissions anew: slow for so few rows, and no
test changes the latter.
"""

from django.db import connection, transaction

KEPT = {"django_content_type", "auth_permission"}


def empty_tables() -> None:
    """Delete all rows; foreign keys are looked at when the transaction ends."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(";".join(f"DELETE FROM {t}" for t in tables if t not in KEPT))  # noqa: S608
