"""Sync and page tokens: opaque to clients, bound to caller, collection and request shape.

A token dies (410) when the sandbox's state is another one, when all tokens were killed, or when
the caller's role changed; a token used with other parameters is refused (400).
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any

from integrations.sandbox.errors import ApiError, full_sync_required, invalid
from integrations.sandbox.world import Call


@dataclass(frozen=True, slots=True)
class Token:
    """Where a listing stands. `place` and `snapshot` belong to page tokens only.

    `seq` is the change number a listing starts after (0: everything), `snapshot` the one it
    reaches, `place` how far its pages have come, `shape` its parameters.
    """

    life: str
    kind: str
    collection: str
    account: str
    role: str
    shape: str
    seq: int
    snapshot: int = 0
    place: int = 0

    def text(self) -> str:
        """Return the token as clients see it."""
        packed = json.dumps(list(asdict(self).values()), separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def life(call: Call) -> str:
    """Return the name of the present generation of tokens."""
    epoch = call.world.store["meta"].get("token_epoch", {}).get("value", 0)
    return f"{call.world.store.instance}.{epoch}"


def kill_sync_tokens(store: Any) -> None:
    """Make every token handed out so far answer 410."""
    epoch = store["meta"].get("token_epoch", {}).get("value", 0)
    store.put("meta", "token_epoch", {"value": epoch + 1})


def read_token(text: str, parameter: str) -> Token:
    """Return the token behind its text; raise the 400 for anything else."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return Token(*json.loads(packed))
    except (ValueError, TypeError):
        raise invalid(f"Invalid {parameter} value.", parameter) from None


def open_token(call: Call, parameter: str, expected: Token) -> Token:
    """Return the caller's token of that parameter if it may be used for this very listing."""
    token = read_token(call.query.text(parameter), parameter)
    same = (token.kind, token.collection, token.account)
    if same != (expected.kind, expected.collection, expected.account):
        raise invalid(f"Invalid {parameter} value.", parameter)
    if (token.life, token.role) != (expected.life, expected.role):
        raise full_sync_required()
    strict = parameter == "pageToken" or call.world.option("strict_tokens")
    if strict and token.shape != expected.shape:
        raise ApiError(
            400,
            "invalid",
            f"The {parameter} belongs to a request with other parameters.",
            location=parameter,
        )
    return token


def shape_of(call: Call, names: tuple[str, ...]) -> str:
    """Return the values of the parameters that make one listing differ from another."""
    return json.dumps([sorted(call.query.many(name)) for name in names])
