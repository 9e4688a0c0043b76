"""An account's credentials, sealed in its row."""

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


def sealed(account: Account, grant: Grant) -> str:
    """Return a grant as it is stored in the account's row."""
    return Vault(settings.TOKEN_ENCRYPTION_KEYS).seal(grant.to_json(), place_of(account))


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
        row = Account.objects.values_list("credentials", flat=True).get(pk=self._account.pk)
        vault = Vault(settings.TOKEN_ENCRYPTION_KEYS)
        return Grant.from_json(vault.open(row, place_of(self._account)))

    def save(self, grant: Grant) -> None:
        """Keep a renewed grant."""
        if not self._keep:
            self._renewed = grant
            return
        mine = Account.objects.filter(pk=self._account.pk)
        mine.update(credentials=sealed(self._account, grant))
