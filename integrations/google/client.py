"""googleapiclient on its bundled discovery documents, with our addresses and our HTTP."""

import json
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urljoin

from googleapiclient.errors import HttpError

from integrations.ahead import AheadHttp
from integrations.google.errors import misread, refusal
from integrations.retries import Sleep, for_reads, for_writes
from integrations.wire import BackgroundHttp, HttpLike
from sync.core.provider import Refusal, Remedy

if TYPE_CHECKING:
    from googleapiclient.http import HttpRequest

GOOGLE: Final = "https://www.googleapis.com/"


class _NoHttp:
    """Stands where the shared resources keep an HTTP object: every call brings its own."""

    def request(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("requests are executed with the HTTP object of an account")


@cache
def _service(api: str, version: str, root: str) -> Any:
    """Build an API's resources once per process; `root` takes the place of Google's address.

    `client_options.api_endpoint` would leave batch and upload addresses at Google.
    """
    # Loaded when the first account needs it: it takes as long as all of Django's models.
    from googleapiclient.discovery import build_from_document
    from googleapiclient.discovery_cache import get_static_doc

    document = json.loads(get_static_doc(api, version))
    if root:
        document["rootUrl"] = root
        document["baseUrl"] = urljoin(root, document["servicePath"])
    return build_from_document(document, http=_NoHttp())


@cache
def _resource(api: str, version: str, root: str, name: str) -> Any:
    return getattr(_service(api, version, root), name)()


class Api:
    """One of Google's APIs in one account's name, every refusal as the port's `Refusal`.

    `calls` counts calls as the quota does: each part of a batch is one.
    """

    service: str

    def __init__(self, http: HttpLike, *, root: str = "", sleep: Sleep = time.sleep) -> None:
        """Take the root of all Google APIs, with a slash at its end; "" is Google's own."""
        self.http = http
        self.root = root or GOOGLE
        self.sleep = sleep
        self.calls = 0

    def read(self, call: str, request: "HttpRequest") -> dict[str, Any]:
        """Make a call that changes nothing, with short retries, and return its JSON object."""
        answer: dict[str, Any] = for_reads(sleep=self.sleep)(self._object, call, request)
        return answer

    def write(self, call: str, request: "HttpRequest") -> dict[str, Any]:
        """Make a call that changes something; try again only what surely was not done.

        Returns {} for a deletion, which answers without content.
        """
        answer: dict[str, Any] = for_writes(sleep=self.sleep)(self._object, call, request)
        return answer

    def _object(self, call: str, request: "HttpRequest") -> dict[str, Any]:
        self.calls += 1
        try:
            answer = request.execute(http=self.http)
        except HttpError as error:
            head = error.resp
            raise self.refused(call, head.status, error.content, head) from None
        except Refusal as error:
            raise self.named(error, call) from None
        except UnicodeDecodeError:
            raise misread(self.service, call, 200, "not text") from None
        if call.endswith(".delete") and answer == "":  # what googleapiclient makes of a 204
            return {}
        if not isinstance(answer, dict):  # it passes on whatever is no JSON
            raise misread(self.service, call, 200, "not a JSON object")
        return answer

    def refused(
        self, call: str, status: int, content: bytes, headers: Mapping[str, str]
    ) -> Refusal:
        """Return the port's error; a token refused even after its renewal freezes the account."""
        error = refusal(self.service, call, status, content, headers)
        if error.remedy is Remedy.REFRESH:
            error.remedy = Remedy.FREEZE
        return error

    def named(self, error: Refusal, call: str) -> Refusal:
        """Give a refusal of the HTTP layer, which knows no calls, the name of the call."""
        if error.call != "http":
            return error
        return Refusal(
            error.remedy,
            call=f"{self.service}.{call}",
            reason=error.reason,
            certain=error.certain,
        )


class Calendar(Api):
    """The Calendar API, version 3."""

    service = "calendar"
    http: AheadHttp

    def __init__(self, http: BackgroundHttp, *, root: str = "", sleep: Sleep = time.sleep) -> None:
        """Take the same as `Api`, and the resources that are kept."""
        super().__init__(AheadHttp(http), root=root, sleep=sleep)
        self.events = _resource("calendar", "v3", root, "events")
        self.calendar_list = _resource("calendar", "v3", root, "calendarList")
        self.batch_uri = urljoin(self.root, "batch/calendar/v3")

    def ask_ahead(self, request: "HttpRequest") -> None:
        """Make the call that is read next by now."""
        self.http.ask_ahead(request.uri, request.method, request.body, request.headers)


class Identity(Api):
    """The part of the OAuth2 API that tells who gave a grant."""

    service = "oauth2"

    def userinfo(self) -> dict[str, Any]:
        """Return the person's `id` (the OpenID `sub`) and, if allowed, `email`."""
        return self.read("userinfo", _resource("oauth2", "v2", self.root, "userinfo").get())
