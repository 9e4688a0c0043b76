"""Wait for something elsewhere while the caller goes on."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def in_background(work: Callable[[], T]) -> Callable[[], T]:
    """Begin the work in a thread of its own; what is returned waits for its result, or raises.

    The work must not touch the database: a connection belongs to one thread.
    """
    future: Future[T] = Future()
    Thread(target=_carry_out, args=(work, future), daemon=True).start()
    return future.result


def _carry_out(work: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
