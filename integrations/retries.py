"""The one policy for short retries inside a process; longer waits travel as `Refusal`s."""

import time
from collections.abc import Callable
from typing import Final

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from sync.core.provider import Refusal, Remedy

TRIES: Final = 3
LONGEST_SECONDS: Final = 10.0

Sleep = Callable[[float], None]
_full_jitter = wait_random_exponential(multiplier=1, max=4)


def for_reads(*, sleep: Sleep = time.sleep) -> Retrying:
    """Return the policy for calls that change nothing: whatever may pass is tried again."""
    return _policy(lambda refusal: True, sleep)


def for_writes(*, sleep: Sleep = time.sleep) -> Retrying:
    """Return the policy for calls that change something: only what surely was not done."""
    return _policy(lambda refusal: refusal.certain, sleep)


def _policy(again: Callable[[Refusal], bool], sleep: Sleep) -> Retrying:
    def retryable(error: BaseException) -> bool:
        return isinstance(error, Refusal) and error.remedy is Remedy.RETRY and again(error)

    return Retrying(
        retry=retry_if_exception(retryable),
        wait=_wait,
        stop=stop_after_attempt(TRIES) | stop_before_delay(LONGEST_SECONDS),
        sleep=sleep,
        reraise=True,
    )


def _wait(state: RetryCallState) -> float:
    """Wait as long as the service asks for (Retry-After), else a while drawn by full jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Refusal) else None
    return _full_jitter(state) if asked is None else asked
