"""A backup of the database, taken and restored within a test."""

from django.apps import apps
from django.core import serializers
from django.db import connection, transaction

_APPS = ("integrations", "calendars", "sync", "conflicts")


def back_up() -> str:
    """Return every row that Lockstep keeps, as a backup holds it."""
    rows = [row for model in _models() for row in model._default_manager.all()]
    return serializers.serialize("json", rows)


@transaction.atomic
def restore(backup: str) -> None:
    """Put the database back to how it was; whatever came after is forgotten."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for model in reversed(_models()):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608 - ours
        for row in serializers.deserialize("json", backup):
            row.save(force_insert=True)


def _models() -> list:
    own = [model for name in _APPS for model in apps.get_app_config(name).get_models()]
    return [model for model in own if model._meta.managed]
