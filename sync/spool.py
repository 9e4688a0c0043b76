"""A list on disk: what a preview has seen may be larger than memory."""

import pickle
import tempfile
from collections.abc import Iterator
from typing import Generic, TypeVar

Entry = TypeVar("Entry")

# What stays in memory before the file is really written.
_IN_MEMORY = 16 * 1024 * 1024


class Spool(Generic[Entry]):
    """Values written one after the other and read back in that order; gone with the object."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._length = 0

    def __del__(self) -> None:
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Append one value."""
        pickle.dump(entry, self._file, protocol=pickle.HIGHEST_PROTOCOL)
        self._length += 1

    def __iter__(self) -> Iterator[Entry]:
        self._file.seek(0)
        for _ in range(self._length):
            yield pickle.load(self._file)  # noqa: S301  (only what this process wrote)
