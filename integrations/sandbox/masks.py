"""Partial responses: the `fields` parameter (`items(id,start/date),nextPageToken`, `*`)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from integrations.sandbox.errors import ApiError
from integrations.sandbox.shapes import shape

Mask = dict[str, Any]  # name -> Mask of what is below it; an empty Mask keeps all of it


@lru_cache(maxsize=256)
def parse_mask(text: str, resource: str) -> Mask:
    """Return the tree of a `fields` value; raise the 400 for bad grammar or unknown names."""
    words = re.findall(r"[(),/]|[^(),/]+", text.replace(" ", ""))
    mask = _selection(words)
    if words:
        raise _bad(text)
    _check(mask, shape(resource))
    return mask


def _selection(words: list[str]) -> Mask:
    mask: Mask = {}
    while True:
        _path(words, mask)
        if not words or words[0] != ",":
            return mask
        words.pop(0)


def _path(words: list[str], mask: Mask) -> None:
    name = words.pop(0) if words else ""
    if not re.fullmatch(r"\*|[\w-]+", name):
        raise _bad(name)
    follows = words.pop(0) if words and words[0] in "/(" else ""
    below: Mask = {}
    if follows == "/":
        _path(words, below)
    elif follows == "(":
        below = _selection(words)
        if not words or words.pop(0) != ")":
            raise _bad(name)
    mask.update(_union(mask, {name: below}))


def _union(one: Mask, other: Mask) -> Mask:
    both = {**one, **other}
    for name in one.keys() & other.keys():
        whole = not one[name] or not other[name]
        both[name] = {} if whole else _union(one[name], other[name])
    return both


def _check(mask: Mask, wanted: Any) -> None:
    while isinstance(wanted, list):
        wanted = wanted[0]
    for name, below in mask.items():
        if not isinstance(wanted, dict) or not (name in wanted or "*" in (*wanted, name)):
            raise _bad(name)
        kinds = wanted.values() if name == "*" else [wanted.get(name, wanted.get("*"))]
        if below and name != "*":
            _check(below, *kinds)


def _bad(name: str) -> ApiError:
    return ApiError(400, "invalidParameter", f"Invalid field selection {name}", location="fields")


def apply(mask: Mask, value: Any) -> Any:
    """Return the part of a JSON value that a mask keeps."""
    if not mask:
        return value
    if isinstance(value, list):
        return [apply(mask, item) for item in value]
    if not isinstance(value, dict):
        return value
    every = mask.get("*")
    if every is not None:
        return {key: apply(mask.get(key) or every, item) for key, item in value.items()}
    return {key: apply(below, value[key]) for key, below in mask.items() if key in value}
