"""Calls in one account's name: the access token on every request, renewed when it is old."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from integrations.google.oauth import Grant, OAuthClient, renew
from integrations.wire import BackgroundHttp, Head, Waiting
from sync.core.provider import Refusal, Remedy


class GrantStore(Protocol):
    """Where an account's grant is kept between runs, for every process."""

    def load(self) -> Grant:
        """Return the grant as it stands now."""

    def save(self, grant: Grant) -> None:
        """Keep a renewed grant."""


class AuthorizedHttp:
    """A `BackgroundHttp` that speaks in one account's name.

    Two processes that renew at the same time harm nothing: Google keeps both access tokens alive,
    and a refused refresh token is given up only if no other process has stored a newer grant.
    """

    def __init__(
        self,
        http: BackgroundHttp,
        client: OAuthClient,
        store: GrantStore,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._client = client
        self._store = store
        self._clock = clock
        self._grant = store.load()

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> tuple[Head, bytes]:
        """Make one call; after a 401 renew the token and make it once more."""
        self._be_fresh()
        answer = self._http.request(uri, method, body, self._signed(headers))
        return self._again_if_refused(answer, uri, method, body, headers)

    def begin(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Waiting:
        """Make one call in the background; what is stored of a renewal is stored by the caller."""
        self._be_fresh()
        waiting = self._http.begin(uri, method, body, self._signed(headers))
        return lambda: self._again_if_refused(waiting(), uri, method, body, headers)

    def renew(self) -> None:
        """Get a new access token and store it; `Refusal` FREEZE when the grant is dead."""
        if self._another_renewed():
            return
        try:
            self._grant = renew(self._grant, self._client, self._http, clock=self._clock)
        except Refusal as error:
            if error.remedy is Remedy.FREEZE and self._another_renewed():
                return
            error.certain = True  # whatever was to be sent with the token has not been sent
            raise
        self._store.save(self._grant)

    def _another_renewed(self) -> bool:
        """Look whether another process, or a person connecting anew, has stored a good token."""
        mine, self._grant = self._grant, self._store.load()
        return self._grant != mine and self._grant.fresh(self._clock())

    def _be_fresh(self) -> None:
        if not self._grant.fresh(self._clock()):
            self.renew()

    def _signed(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        return {**(headers or {}), "authorization": f"Bearer {self._grant.access_token}"}

    def _again_if_refused(
        self,
        answer: tuple[Head, bytes],
        uri: str,
        method: str,
        body: str | bytes | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[Head, bytes]:
        if answer[0].status != 401:
            return answer
        self.renew()
        return self._http.request(uri, method, body, self._signed(headers))
