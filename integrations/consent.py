"""Getting a person's consent in a browser, from a command."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from integrations import registry
from integrations.google.loopback import ConsentRefused, ConsentTimedOut, Loopback
from integrations.google.oauth import Grant
from integrations.http import Http
from sync.core.provider import Refusal


class CannotConnect(Exception):
    """An account was not connected; the text says why and what to do."""


def consent_to_google(
    *, email_hint: str, announce: Callable[[str], None], seconds: float, port: int = 0
) -> Grant:
    """Get a person's consent in a browser: `announce` is told the address to open.

    Waits at most `seconds` on a loopback address. Raises `CannotConnect`.
    """
    client = registry.google_client()
    if not client.client_id:
        raise CannotConnect(
            "GOOGLE_CLIENT_ID is empty: create an OAuth client of type «Desktop app» and set "
            "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET (docs/connecting-google.md)"
        )
    try:
        with Loopback(port) as loopback:
            announce(loopback.consent.address(client, email_hint=email_hint))
            code = loopback.wait(seconds)
            grant = loopback.consent.exchange(client, code, Http(), clock=time.time)
    except ConsentTimedOut as late:
        raise CannotConnect(f"{late}; start again, or use --refresh-token") from None
    except ConsentRefused as no:
        raise CannotConnect(_REFUSED.get(str(no), f"Google answered {no}")) from None
    except OSError as error:
        raise CannotConnect(f"cannot listen on port {port}: {error.strerror}") from None
    except Refusal as refusal:
        raise CannotConnect(f"Google did not exchange the code: {refusal}") from None
    if not grant.refresh_token:
        raise CannotConnect(
            "Google sent no refresh token; remove Lockstep at "
            "https://myaccount.google.com/connections and connect again"
        )
    return grant


_REFUSED: Final[Mapping[str, str]] = {
    "access_denied": "access was denied in the browser (or the account is not among the test users "
    "of the OAuth consent screen)",
    "admin_policy_enforced": "the administrator of the organisation does not allow these scopes",
    "org_internal": "the OAuth client is internal to another organisation",
}
