"""A call that an app places: what it is told until somebody answers, and who waits for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

from trunkline.base.errors import CallFailed, LocalProtocolError
from trunkline.base.messages import Refused
from trunkline.base.messages.app_calls import CallPlaced
from trunkline.mobile.app_party import ACTIVE, OVER, PENDING, AppParty
from trunkline.mobile.call_journal import body_of
from trunkline.mobile.words import ANSWERED, CONFIRMED, ENDED, RINGING
from trunkline.model.device import MobileCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline.mobile.office import Office

DIALLING: Final = "dialling"
KEPT: Final = "out_"  # what a kept state begins with: it tells placed calls from those that came in
_STATUS: Final = {DIALLING: PENDING, RINGING: PENDING, ANSWERED: ACTIVE, CONFIRMED: ACTIVE, ENDED: OVER}
_NO_ANSWER: Final = 408


class OutgoingCall(AppParty):
    """``settled`` is set when it was answered, or is over; ``on_over`` hears of its end, once."""

    direction: ClassVar[str] = "out"

    def __init__(
        self,
        office: Office,
        token: str,
        tenant: str,
        owner: str,
        device_id: str,
        peer: str,
        on_over: Callable[[OutgoingCall], None],
    ) -> None:
        super().__init__(office, token, tenant, owner, device_id, peer)
        self.state = DIALLING
        self.answer = ""
        self.failure: CallFailed | None = None
        self.settled = asyncio.Event()
        self.waiters = 0
        self.unproven = ""  # the account, when nobody has registered with these credentials
        self.abandoned = False  # who waited for it left before it was answered
        self._on_over = on_over
        self._kept_as = ("", "")  # the ids of its call and its leg, once it is written down

    @property
    def status(self) -> str:
        return _STATUS[self.state]

    # Waiting

    async def outcome(self, within_s: float) -> CallPlaced:
        """Wait for the answer; a call for which nobody waits any more is cancelled.

        Refused: ``call.failed`` 502, or 504 when nobody answered, with ``sip_status``.
        """
        self.waiters += 1
        try:
            async with asyncio.timeout(within_s):
                await self.settled.wait()
        except TimeoutError:
            if not self.settled.is_set():  # else the answer came in the very last moment
                self._give_up()
                raise _refusal(CallFailed(_NO_ANSWER, "Nobody answered")) from None
        except asyncio.CancelledError:
            if self.waiters == 1:
                self.abandoned = True
                self._give_up()  # though it be answered in this moment: nobody is told of it
            raise
        finally:
            self.waiters -= 1
        if self.failure is not None:
            raise _refusal(self.failure)
        return CallPlaced(call_token=self.token, sdp_answer=self.answer)

    def _give_up(self) -> None:
        if self.leg is not None:
            self.leg.leave()

    # What the call says (call.app_leg.AppSide)

    def offered(self, leg: Any, body: bytes) -> None:
        """It is nobody's to take: the app began it."""

    def progressed(self, _leg: Any, status: int, body: bytes) -> None:
        self.sip_status = status
        if self.state == DIALLING and status >= 180:
            self._become(RINGING)
        self.tell("call.progress", sip_status=status, sdp=_text(body))

    def answered(self, _leg: Any, body: bytes) -> None:
        self.sip_status = 200
        self.answer = _text(body)
        self._become(ANSWERED)
        self.tell("call.answered", sdp_answer=self.answer)
        self.settled.set()

    def confirmed(self, _leg: Any, body: bytes) -> None:
        self._become(CONFIRMED)
        if body:  # the answer to a later offer of the app's, which an ACK brought
            self.tell("call.confirmed", sdp_answer=_text(body))

    def failed(self, _leg: Any, failure: CallFailed) -> None:
        self.failure = failure
        self.sip_status = failure.status
        self._end(failure.reason)

    def ended(self, _leg: Any, reason: str, code: str, by: str) -> None:
        if not self.settled.is_set():
            self.failure = CallFailed(487, "Request Terminated", code=code)
            self.sip_status = 487
        self._end(_reason(code, by))

    # Its life

    def kept(self, call: str, leg: str) -> MobileCall:
        """What the process after a crash needs."""
        self._kept_as = call, leg
        data = {
            "peer": self.peer,
            "started_at": self.started_at,
            "held": self.held,
            "ended_at": self.ended_at,
            "reason": self.reason,
            "sip_status": self.sip_status,
        }
        state = KEPT + self.state
        return MobileCall(
            self.tenant,
            self.token,
            call,
            leg,
            self.device_id,
            self.owner,
            state,
            body_of(data),
            self.office.wall(),
        )

    def put_back(self, row: MobileCall, data: dict[str, Any]) -> None:
        """What the process before us had written down; raises LocalProtocolError for what cannot be read."""
        try:
            self.held = bool(data.get("held"))
            self.started_at = float(data.get("started_at") or self.started_at)
            self.ended_at = float(data.get("ended_at") or 0.0)
            self.reason, self.sip_status = str(data.get("reason", "")), int(data.get("sip_status", 0))
        except (TypeError, ValueError) as error:
            raise LocalProtocolError("a kept call of an app cannot be read") from error
        self._kept_as = row.call, row.leg
        if row.state == KEPT + ENDED:
            self.state = ENDED
            self.settled.set()

    def lose(self, reason: str) -> None:
        """The process died meanwhile, and the call with it."""
        self._end(reason)

    def drop(self) -> None:
        """It was refused before it began: nobody has heard of it."""
        self.abandoned = True
        self.failure = CallFailed(503, "The call could not be placed")
        self.state = ENDED
        self.settled.set()
        self._on_over(self)

    def _become(self, state: str) -> None:
        if self.state != ENDED:
            self.state = state
            self.wake()

    def _end(self, reason: str) -> None:
        if self.state == ENDED:
            return
        self.reason = reason
        self.ended_at = self.office.wall()
        self._become(ENDED)
        self.tell("call.ended", reason=reason, sip_status=self.sip_status)
        self.settled.set()
        self.forget()
        self.office.journal.keep(self.kept(*self._kept_as))  # its token is answered after a crash too
        self.office.calls.over(self)
        self._on_over(self)


def _reason(code: str, by: str) -> str:
    if code == "call.cancelled":
        return "cancelled"
    if code == "call.hangup":
        return "bye_from_remote" if by == "callee" else "hangup"
    return code.rpartition(".")[2] or "ended"


def _refusal(failure: CallFailed) -> Refused:
    status = 504 if failure.status in {408, 504} or failure.code == "call.no_answer" else 502
    if failure.status in {401, 407}:
        # The PBX says that somebody is to say who he is; we have, and it asks again.
        detail, reason = "the account or its password is wrong", failure.reason
    else:
        detail, reason = failure.reason, ""
    return Refused("call.failed", detail, "", status, sip_status=failure.status, reason=reason)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")
