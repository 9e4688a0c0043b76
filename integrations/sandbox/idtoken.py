"""OpenID Connect id tokens, signed with RS256 like Google's, and the keys to check them."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from integrations.sandbox.world import World

KEY_ID = "sandbox"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@cache
def _key() -> rsa.RSAPrivateKey:
    """Return the signing key of this process, made on first use."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def id_token(world: World, account: dict[str, Any], client: str) -> str:
    """Return a signed id token for a person and an application, good for an hour."""
    now = int(world.clock.now().timestamp())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": client,
        "azp": client,
        "sub": account["sub"],
        "email": account["email"],
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
    }
    head = {"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
    signature = _key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encoded(signature)}"


def certificates() -> dict[str, Any]:
    """Return the public key as a JSON web key set."""
    numbers = _key().public_key().public_numbers()
    size = (numbers.n.bit_length() + 7) // 8
    key = {
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "kid": KEY_ID,
        "n": _encoded(numbers.n.to_bytes(size, "big")),
        "e": _encoded(numbers.e.to_bytes(3, "big")),
    }
    return {"keys": [key]}
