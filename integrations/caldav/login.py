"""Who we are at a server, and how it wants that proved: Basic or Digest (RFC 7617, RFC 7616)."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from requests.auth import HTTPDigestAuth
from requests.utils import parse_dict_header

BASIC: Final = "basic"
DIGEST: Final = "digest"


@dataclass(frozen=True, slots=True)
class Login:
    """A person at a server: the address that was given, the name, the password.

    `scheme` is how the server wanted it proved, `principal` the person's address there, and
    `addresses` are the person's e-mail addresses in lower case. The password never shows.
    """

    url: str
    user: str
    password: str = field(repr=False)
    scheme: str = BASIC
    principal: str = ""
    addresses: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return everything as text, to be sealed."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Login":
        """Read what `to_json` wrote."""
        said = json.loads(text)
        return cls(**{**said, "addresses": tuple(said["addresses"])})


def scheme_in(challenge: str, *, encrypted: bool) -> str:
    """Choose from a WWW-Authenticate header, "" if it offers nothing that we speak.

    Over a plain connection Digest goes before Basic, which would show the password.
    """
    said = challenge.lower()
    offered = [name for name in (BASIC, DIGEST) if name in said]
    if not offered:
        return ""
    return offered[0] if encrypted else offered[-1]


class Proof:
    """Makes the Authorization header of each request; learns from a challenge."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._digest: HTTPDigestAuth | None = None

    @property
    def counts(self) -> bool:
        """Say whether each header counts those before it, so that their order matters (Digest)."""
        return self._digest is not None or self._login.scheme == DIGEST

    def header(self, method: str, url: str) -> Mapping[str, str]:
        """Return the header, empty as long as a challenge is missing that it must answer."""
        if self._digest is not None:
            said = self._digest.build_digest_header(method, url)  # type: ignore[no-untyped-call]
            return {"authorization": said} if said else {}
        if self._login.scheme == DIGEST:
            return {}
        pair = f"{self._login.user}:{self._login.password}".encode()
        return {"authorization": f"Basic {b64encode(pair).decode()}"}

    def learn(self, challenge: str) -> bool:
        """Take a challenge in; says whether it is worth trying again.

        It is not after the same nonce was refused: then the password is wrong.
        """
        start = challenge.lower().find(DIGEST)
        if start < 0 or (self._login.scheme == BASIC and BASIC in challenge.lower()):
            return False
        said = parse_dict_header(challenge[start + len(DIGEST) :])  # type: ignore[no-untyped-call]
        if self._digest is not None and said.get("stale", "").lower() != "true":
            return False
        self._digest = HTTPDigestAuth(self._login.user, self._login.password)
        self._digest.init_per_thread_state()
        self._digest._thread_local.chal = said  # type: ignore[attr-defined]
        return True
