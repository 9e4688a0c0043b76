"""How values are shown in the admin: escaped, and without characters that mislead the eye."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from sync.core.text import clean

NOTHING = "-"
EMPTY: tuple[Any, ...] = (None, "", [], {})


def readable(value: Any) -> str:
    """Return any JSON value as text for people, line by line without control characters."""
    if value in EMPTY:
        return NOTHING
    match value:
        case str():
            text = value
        case {"at": at, "zone": zone}:
            text = f"{at} {zone}"
        case {"date": date}:
            text = str(date)
        case _:
            text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    return "\n".join(clean(line) for line in text.splitlines())


def link(to: Model | None, text: str = "") -> str:
    """Return a link to a row's page."""
    if to is None:
        return NOTHING
    address = reverse(
        f"admin:{to._meta.app_label}_{to._meta.model_name}_change", args=[quote(to.pk)]
    )
    return format_html('<a href="{}">{}</a>', address, clean(text or str(to)) or NOTHING)


def list_link(model: type[Model], text: str, **lookups: object) -> str:
    """Return a link to a list of rows, filtered."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    query = {name: str(value) for name, value in lookups.items()}
    return format_html('<a href="{}?{}">{}</a>', address, urlencode(query), text)


def folded(summary: str, value: Any) -> str:
    """Return a value that unfolds on a click."""
    if value is None:
        return NOTHING
    return format_html(
        '<details class="lockstep"><summary>{}</summary><pre>{}</pre></details>',
        summary,
        readable(value),
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = NOTHING) -> str:
    """Return a small table; cells are escaped unless they are links of ours."""
    body = [(_cells("<td>{}</td>", row),) for row in rows]
    if not body:
        return empty
    return format_html(
        '<table class="lockstep"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        _cells("<th>{}</th>", headings),
        format_html_join("", "<tr>{}</tr>", body),
    )


def _cells(cell: str, values: Iterable[Any]) -> str:
    return format_html_join("", cell, ((value,) for value in values))


def differences(versions: Mapping[str, Mapping[str, Any] | None], names: Iterable[str] = ()) -> str:
    """Return versions of one record side by side, field by field, where they differ.

    `versions` are given by their headings; None is a version in which the record is not there.
    `names` adds fields to those that differ.
    """
    present = list(versions.values())
    named = {name for version in present for name in version or {}}
    differing = {name for name in named if any(_differ(name, present[0], v) for v in present)}
    rows = [
        (name, *(_field(version, name) for version in present))
        for name in sorted(differing | ({*names} - {"*"}))
    ]
    return table(["field", *versions], rows, empty="no difference")


def _differ(name: str, one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Compare two versions of a field; one that is empty is like one that is missing."""
    first, second = (one or {}).get(name), (other or {}).get(name)
    return bool(first != second and not (first in EMPTY and second in EMPTY))


def _field(version: Mapping[str, Any] | None, name: str) -> str:
    return "(not there)" if version is None else readable(version.get(name))
