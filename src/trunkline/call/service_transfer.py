"""A transfer to a number that we answer ourselves: whoever stays is asked for an offer, and talks to a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.call.agreement import ask
from trunkline.call.leg import Leg
from trunkline.call.service import ServiceMedia
from trunkline.call.transfer import Transfer, failure_of, must_be_there

if TYPE_CHECKING:
    from trunkline.call.call import Script
    from trunkline.call.referrals import Onward


class ServiceTransfer(Transfer):
    """Nobody is rung: either the party that stays can have the service, or all is as it was."""

    def go_on_in(self, onward: Onward, script: Script, stays: Leg) -> None:
        """Let ``stays`` be served by ``script`` from now on."""
        self._start(self._serve(onward, script, stays))

    async def _serve(self, onward: Onward, script: Script, stays: Leg) -> None:
        call = self._call
        try:
            service = await self._agree_on(stays)
        except (CallFailed, MediaError, RemoteProtocolError, TransportError) as error:
            failure = failure_of(error)
            text = f"{onward.number}: {failure.status} {failure.reason}"
            call.tell("transfer.failed", text, status=failure.status)
            self._progress.tell(failure.status, failure.reason, final=True)
            await self._return(stays, failure)
            return
        call.changes += 1
        call.bridge, call.service = None, service
        call.tell("transfer.done", f"{stays.outcome.number} talks to {onward.number}")
        self._referrals.count(call, stays)
        call.go_on_with(script)
        await self._succeeded()

    async def _agree_on(self, stays: Leg) -> ServiceMedia:
        service = ServiceMedia(self._call, stays)
        _, offer = await ask(stays, b"")
        answer = b""
        try:
            answer = await service.agree(offer)
            must_be_there(stays)
        finally:
            stays.acknowledge(answer)
        return service
