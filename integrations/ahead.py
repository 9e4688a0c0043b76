"""The next question may be asked while the last answer is still being worked on."""

from collections.abc import Mapping
from contextlib import suppress

from integrations.wire import BackgroundHttp, Head, Waiting
from sync.core.provider import Refusal


class AheadHttp:
    """A `BackgroundHttp` that can be told which request comes next.

    What was asked ahead answers the next request if it is that one. If another request comes
    first, the answer is dropped: whoever reads one thing after another sees them in that order.
    """

    def __init__(self, http: BackgroundHttp) -> None:
        self._http = http
        self._ahead: tuple[tuple[object, ...], Waiting] | None = None

    def ask_ahead(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make the request that comes next by now; what goes wrong shows when it is made."""
        self._ahead = None
        with suppress(Refusal):
            self._ahead = (uri, method, body), self._http.begin(uri, method, body, headers)

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Head, bytes]:
        """Make one call, or wait for it if it was made ahead."""
        asked, self._ahead = self._ahead, None
        if asked and asked[0] == (uri, method, body):
            return asked[1]()
        return self._http.request(uri, method, body, headers)

    def begin(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Waiting:
        """Make one call in the background, and return what waits for its answer."""
        self._ahead = None
        return self._http.begin(uri, method, body, headers)
