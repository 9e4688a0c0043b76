"""Sealing of credentials at rest: AES-256-GCM, bound to the row that bears them.

A sealed text reads `g1.<key id>.<base64url of nonce, ciphertext and tag>`. The header and the
`Place` are authenticated, so a changed byte, a swapped key id and a value copied to another row,
column, workspace or service are all noticed. Keys come as "keyid:64hex,…": the first one seals,
every one opens, so a new key is put in front and the old one stays until all rows are sealed anew.
"""

import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FORMAT: Final = "g1"
_NONCE_BYTES: Final = 12


class BadKeys(ValueError):
    """TOKEN_ENCRYPTION_KEYS cannot be used as it stands."""


class CannotOpen(ValueError):
    """A sealed text cannot be opened: another key, another place, or damage."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed text lives; it opens nowhere else."""

    table: str
    column: str
    row: str
    workspace: str
    service: str

    def associated_data(self, header: str) -> bytes:
        """Return what is authenticated beside the text."""
        where = f"{self.table}.{self.column}:{self.row}"
        return "\n".join(("lockstep", header, where, self.workspace, self.service)).encode()


class Vault:
    """Seals and opens texts with a set of keys."""

    def __init__(self, keys: str) -> None:
        """Take the keys as they stand in TOKEN_ENCRYPTION_KEYS; `BadKeys` says what is wrong."""
        self._keys: Mapping[str, AESGCM] = {
            name: AESGCM(bytes.fromhex(key)) for name, key in _parsed(keys).items()
        }
        self.primary = next(iter(self._keys))

    def seal(self, text: str, place: Place) -> str:
        """Return the text sealed with the first key."""
        header, nonce = f"{_FORMAT}.{self.primary}", os.urandom(_NONCE_BYTES)
        sealed = self._keys[self.primary].encrypt(
            nonce, text.encode(), place.associated_data(header)
        )
        return f"{header}.{urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, place: Place) -> str:
        """Return the text; `CannotOpen` says why not, without showing any of it."""
        header, _, body = sealed.rpartition(".")
        name = key_of(sealed)
        if name not in self._keys:
            known = ", ".join(self._keys)
            raise CannotOpen(f"sealed with key {name!r}; TOKEN_ENCRYPTION_KEYS has only: {known}")
        try:
            data = urlsafe_b64decode(body)
            nonce, ciphertext = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            place_data = place.associated_data(header)
            return self._keys[name].decrypt(nonce, ciphertext, place_data).decode()
        except (InvalidTag, ValueError):
            raise CannotOpen(
                f"{place.table}.{place.column} of row {place.row} is damaged, was copied from "
                f"another row, or key {name!r} is not the one it was sealed with"
            ) from None


def key_of(sealed: str) -> str:
    """Return the id of the key that sealed a text; `CannotOpen` if it is no sealed text."""
    parts = sealed.split(".")
    if len(parts) != 3 or parts[0] != _FORMAT:
        raise CannotOpen("this is not a sealed text")
    return parts[1]


def _parsed(keys: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for position, entry in enumerate((e.strip() for e in keys.split(",") if e.strip()), start=1):
        match = re.fullmatch(r"([A-Za-z0-9_-]{1,40}):([0-9A-Fa-f]{64})", entry)
        if not match:
            raise BadKeys(
                f"TOKEN_ENCRYPTION_KEYS: entry {position} is not keyid:64hex (a name of letters, "
                "digits, - and _, a colon, 64 hexadecimal digits); make one with "
                "`python -c 'import secrets; print(\"k1:\" + secrets.token_hex(32))'`"
            )
        if match[1] in found:
            raise BadKeys(f"TOKEN_ENCRYPTION_KEYS: key id {match[1]!r} is there twice")
        found[match[1]] = match[2]
    if not found:
        raise BadKeys("TOKEN_ENCRYPTION_KEYS is empty; it needs at least one keyid:64hex")
    return found
