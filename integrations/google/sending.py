"""Sending prepared calls: one alone plainly, several as a batch, each with its own answer."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from integrations import wire
from integrations.google.batch import PartAnswer, decode, encode
from integrations.google.client import Calendar
from integrations.google.errors import misread, refusal
from integrations.google.writing import Call
from integrations.retries import for_writes
from sync.core.provider import Refusal, Remedy

Answer = dict[str, Any] | Refusal
Waiting = Callable[[], list[Answer]]


def send(calendar: Calendar, calls: Sequence[Call]) -> Waiting:
    """Carry out the calls; what is returned waits for their answers and returns them in order.

    A batch is on its way at once. A deletion answers {}.
    """
    if len(calls) < 2:
        return lambda: [_alone(calendar, call) for call in calls]
    return _Batch(calendar, calls).answers


def _alone(calendar: Calendar, call: Call) -> Answer:
    try:
        return calendar.write(call.name, call.request)
    except Refusal as error:
        return error


class _Batch:
    """Calls that are sent together, and together again while some were told to come back soon."""

    def __init__(self, calendar: Calendar, calls: Sequence[Call]) -> None:
        self._calendar = calendar
        self._calls = calls
        self._answers: dict[int, Answer] = {}
        self._on_its_way: Waiting | None = self._post(calls)

    def answers(self) -> list[Answer]:
        """Return one answer for each call, in order."""
        with suppress(Refusal):  # what is raised last is among the answers
            for_writes(sleep=self._calendar.sleep)(self._send_pending)
        return [self._answers[n] for n in range(len(self._calls))]

    def _send_pending(self) -> None:
        """Send what has no answer yet or may be tried again; raise if some of it must wait."""
        pending = [n for n in range(len(self._calls)) if _again(self._answers.get(n))]
        answers = self._on_its_way or self._post([self._calls[n] for n in pending])
        self._on_its_way = None
        self._answers.update(zip(pending, answers(), strict=True))
        for n in pending:
            if _goes_alone(self._answers[n]):
                self._answers[n] = _alone(self._calendar, self._calls[n])
        waiting = [a for a in self._answers.values() if isinstance(a, Refusal) and _again(a)]
        if waiting:
            raise max(waiting, key=lambda error: error.retry_after or 0.0)

    def _post(self, calls: Sequence[Call]) -> Waiting:
        """Make the batch call in the background; what is returned waits for each part's answer."""
        headers, body = encode([call.request for call in calls])
        self._calendar.calls += len(calls)
        try:
            http, address = self._calendar.http, self._calendar.batch_uri
            return partial(self._read, calls, http.begin(address, "POST", body, headers))
        except Refusal as error:
            return partial(self._refused, calls, error)

    def _read(self, calls: Sequence[Call], answer: wire.Waiting) -> list[Answer]:
        try:
            head, content = answer()
            if head.status != 200:
                raise self._calendar.refused("batch", head.status, content, head)
        except Refusal as error:
            return self._refused(calls, error)
        parts = decode(head.get("content-type", ""), content, len(calls))
        return [_part_answer(call, part) for call, part in zip(calls, parts, strict=True)]

    def _refused(self, calls: Sequence[Call], error: Refusal) -> list[Answer]:
        """What befalls the batch as a whole befalls each of its parts."""
        return [self._calendar.named(error, "batch")] * len(calls)


def _part_answer(call: Call, part: PartAnswer | None) -> Answer:
    if part is None:
        return misread("calendar", call.name, 200, "no answer in the batch")
    if part.status >= 300:
        return refusal("calendar", call.name, part.status, part.content, part.headers)
    if call.name == "events.delete" and part.status == 204:
        return {}
    answer = _json(part.content)
    return answer or misread("calendar", call.name, part.status, "not a JSON object")


def _json(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _again(answer: Answer | None) -> bool:
    """Say whether a call is still to be sent: it has no answer, or was surely not carried out."""
    if isinstance(answer, Refusal):
        return answer.remedy is Remedy.RETRY and answer.certain
    return answer is None


def _goes_alone(answer: Answer) -> bool:
    """Say whether a part collided with its neighbours, or its token was refused.

    A single call renews the token before it is made once more.
    """
    if not isinstance(answer, Refusal):
        return False
    return answer.remedy is Remedy.REFRESH or (answer.status, answer.reason) == (409, "conflict")
