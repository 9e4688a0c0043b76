"""Death at a chosen call to a service: before it is made, or after it was answered."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

from integrations.http import Http


class Killed(BaseException):
    """The process is gone; nobody catches this."""


@contextmanager
def dies_at_call(number: int, *, answered: bool) -> Iterator[None]:
    """Let the process die at the call with this number, if it comes to it."""
    made = 0
    request = Http.request

    def counted(self: Http, *args: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        if made == number and not answered:
            raise Killed
        answer = request(self, *args, **options)
        if made == number:
            raise Killed
        return answer

    with mock.patch.object(Http, "request", counted), suppress(Killed):
        yield
