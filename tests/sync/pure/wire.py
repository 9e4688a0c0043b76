"""A worker's line to its service: what it asks for is done, fails, or comes late."""

from typing import TYPE_CHECKING, Any

from sync.core.provider import Outcome, Refusal, Remedy
from tests.sync.pure.listing import Listing
from tests.sync.pure.run import Call
from tests.sync.pure.service import Service

if TYPE_CHECKING:
    from tests.sync.pure.world import World


class Killed(BaseException):
    """The process died here."""


class Wire:
    """Carries the calls of one worker."""

    def __init__(self, world: "World", service: Service) -> None:
        self.world, self.service = world, service
        self.listing = Listing(world, service, service.only)

    def answer(self, call: Call) -> Any:
        """Carry a call out, or let it fail before or after."""
        if not self.world.calm:
            self._fail_on_the_way(call)
            self._fail_at_the_door(call)
        self.service.check_open(call.verb)
        answer = self._carry_out(call)
        if self._strikes("answer lost"):
            raise _unanswered(call, "answer lost")
        return answer

    def die(self, fault: str) -> None:
        """Let the process die here, if it must."""
        if self._strikes(fault):
            raise Killed(fault)

    def _strikes(self, fault: str) -> bool:
        return self.world.faults.strikes(fault)

    def _carry_out(self, call: Call) -> Any:
        if call.verb == "page":
            return self.listing.page(*call.args)
        if call.verb == "read":
            return self.service.read(*call.args)
        outcome = Outcome(call.args[0], copy=self.service.write(call.args[0]))
        self.die("kill in")
        return outcome

    def _fail_on_the_way(self, call: Call) -> None:
        """Lose a request, or let it arrive after it was given up."""
        writing = call.verb == "write"
        if self._strikes("request lost"):
            raise _unanswered(call, "request lost")
        if writing and self._strikes("late arrival"):
            self.world.late.append((self.service, call.args[0]))
            raise _unanswered(call, "on its way")
        if self._strikes("5xx"):
            if writing and self.world.rng.random() < 0.5:
                self.service.check_open(call.verb)
                self.service.write(call.args[0])
            raise Refusal(Remedy.RETRY, call=call.verb, status=503, certain=False)

    def _fail_at_the_door(self, call: Call) -> None:
        """Let the service refuse without looking at what is asked for."""
        verb = call.verb
        if self._strikes("429"):
            raise Refusal(Remedy.RETRY, call=verb, status=429)
        if self._strikes("429 with Retry-After"):
            raise Refusal(Remedy.RETRY, call=verb, status=429, retry_after=90)
        if self._strikes("403 for the quota"):
            raise Refusal(Remedy.HOLD, call=verb, status=403, reason="quotaExceeded")
        if verb == "write" and self._strikes("403 for one record"):
            raise Refusal(Remedy.PARK, call=verb, status=403, reason="forbiddenForNonOrganizer")


def _unanswered(call: Call, reason: str) -> Refusal:
    return Refusal(Remedy.RETRY, call=call.verb, reason=reason, certain=False)
