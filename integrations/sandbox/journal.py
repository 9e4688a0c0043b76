"""The journal of requests: who asked for what and what came of it; no bodies, no tokens."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.world import Query, World

KEPT = 5000
_SHOWN = (
    "conferenceDataVersion", "eventTypes", "maxResults", "orderBy", "sendUpdates", "showDeleted",
    "singleEvents", "supportsAttachments", "timeMax", "timeMin", "updatedMin",
)  # fmt: skip


class Journal:
    """Numbered entries, oldest first; the newest `KEPT` survive."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self._next = max([int(key) for key in self._store["journal"]], default=0) + 1

    def add(self, entry: dict[str, Any]) -> None:
        """Append an entry under the next number."""
        self._store.put("journal", str(self._next), {"number": self._next} | entry)
        self._store.drop("journal", str(self._next - KEPT))
        self._next += 1

    def entries(self, after: int = 0) -> list[dict[str, Any]]:
        """Return what came after entry number `after`."""
        return [row for row in self._store["journal"].values() if row["number"] > after]

    def clear(self) -> None:
        """Forget all entries; numbers go on."""
        for key in list(self._store["journal"]):
            self._store.drop("journal", key)


def shown_query(query: Query) -> dict[str, str]:
    """Return parameters with their values where those are harmless, else with `…`."""
    return {k: ",".join(v) if k in _SHOWN else "…" for k, v in sorted(query.items())}
