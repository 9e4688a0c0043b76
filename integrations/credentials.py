"""An account's credentials, sealed in its row."""

import json
from dataclasses import dataclass, field
from typing import Protocol

from django.conf import settings

from integrations.google.oauth import Grant
from integrations.models import Account
from integrations.vault import Place, Vault


def place_of(account: Account) -> Place:
    """Return the one place where an account's sealed credentials open."""
    return Place(
        table="integrations_account",
        column="credentials",
        row=str(account.pk),
        workspace=str(account.workspace_id),
        service=account.service,
    )


class Secret(Protocol):
    """Whatever an account's credentials are: a grant, a login, an address that is a secret."""

    def to_json(self) -> str:
        """Return everything as text."""


@dataclass(frozen=True, slots=True)
class FeedAddress:
    """Where a feed is, which often only those know who may read it, and what it was named here."""

    url: str = field(repr=False)
    name: str = ""

    def to_json(self) -> str:
        """Return everything as text, to be sealed."""
        return json.dumps({"url": self.url, "name": self.name})

    @classmethod
    def from_json(cls, text: str) -> "FeedAddress":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def sealed(account: Account, secret: Secret) -> str:
    """Return credentials as they are stored in the account's row."""
    return Vault(settings.TOKEN_ENCRYPTION_KEYS).seal(secret.to_json(), place_of(account))


def opened(account: Account) -> str:
    """Return the text of the credentials as they are stored now; raises `CannotOpen`."""
    row = Account.objects.values_list("credentials", flat=True).get(pk=account.pk)
    return Vault(settings.TOKEN_ENCRYPTION_KEYS).open(row, place_of(account))


class StoredGrant:
    """The grant of one account, shared through its row by all processes.

    Without `keep` a renewed grant lives only as long as this object: the row stays as it is.
    """

    def __init__(self, account: Account, *, keep: bool = True) -> None:
        self._account = account
        self._keep = keep
        self._renewed: Grant | None = None

    def load(self) -> Grant:
        """Return the grant as it stands now; raises `CannotOpen`."""
        if self._renewed:
            return self._renewed
        return Grant.from_json(opened(self._account))

    def save(self, grant: Grant) -> None:
        """Keep a renewed grant."""
        if not self._keep:
            self._renewed = grant
            return
        mine = Account.objects.filter(pk=self._account.pk)
        mine.update(credentials=sealed(self._account, grant))
