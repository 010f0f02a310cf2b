"""Calls of mobile apps: what an app asks about a call by its token.

A token is a UUID, bound to one device and one call. ``owner`` as in ``devices``: what is another's is refused with
``call.unknown``, 404. What is over is refused with ``call.over``, 410, what another device has with
``call.elsewhere``, 409.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.devices import SipAccount
from trunkline.base.messages.request import PAGE, Command, Query


@message("app-call.placed")
class CallPlaced(Message):
    """``sdp_answer`` is empty when the reply did not wait for the callee."""

    call_token: str
    sdp_answer: str = ""


@message("app-call.place")
class PlaceCall(Command[CallPlaced]):
    """Call somebody from an app, by its device or by credentials; ``wait`` is for the callee's answer.

    ``key`` makes it idempotent: the same key of the same owner within a day is the same call. Whoever asked and leaves
    cancels the task that waits, and with it the call. Refused: ``call.failed`` 502 (504 when nobody answered) with the
    ``sip_status``, ``account.domain`` 422, ``account.tries`` 429, ``call.destination`` 422, ``call.key`` 422,
    ``call.sdp`` 422, ``device.unknown`` 404, ``device.inactive`` 410, ``call.limit`` 429, ``call.draining`` 503.
    """

    owner: str
    destination: str
    sdp_offer: str
    device_id: str = ""
    account: SipAccount | None = None
    wait: bool = True
    key: str = ""


@message("app-call.one")
class AppCallOffer(Message):
    """``caller`` is ``user@domain`` without scheme; ``sdp_offer`` the offer as it came, "" when the app makes it."""

    call_token: str
    caller: str
    caller_name: str | None
    sdp_offer: str
    call_id: str = ""
    expires_at: float = 0.0


@message("app-call.get")
class GetAppCall(Query[AppCallOffer]):
    """The offer of a call that waits for its app: fetching it tells that the device was reached."""

    call_token: str
    owner: str | None = None


@message("app-call.done")
class AppCallDone(Message):
    """It was done; ``sdp_answer`` is what the other party said to a change, ``status`` a SIP status where one came."""

    sdp_answer: str = ""
    status: int = 0


@message("app-call.ringing")
class RingingAppCall(Command[AppCallDone]):
    """The phone rings."""

    call_token: str
    owner: str | None = None


@message("app-call.accept")
class AcceptAppCall(Command[AppCallDone]):
    """Take the call; the same again is no harm, another description is refused with ``call.accepted``, 409.

    Refused too: ``call.sdp`` 422.
    """

    call_token: str
    sdp: str
    owner: str | None = None


@message("app-call.reject")
class RejectAppCall(Command[AppCallDone]):
    """Do not take it: ``reason`` ``declined`` (603) or ``busy`` (486)."""

    call_token: str
    reason: str = "declined"
    owner: str | None = None


@message("app-call.hang-up")
class HangUpAppCall(Command[AppCallDone]):
    """End it, in whatever state it is."""

    call_token: str
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class AppCallRow:
    """``status`` is ``pending``, ``active``, ``ended`` or ``unknown``; ``state`` the hand-over's own word.

    ``reason`` and ``ended_at`` (Unix seconds) are those of an ended call; ``sip_status`` where one ended it.
    """

    call_token: str
    status: str
    state: str = ""
    direction: str = "in"
    reason: str = ""
    ended_at: float = 0.0
    sip_status: int = 0
    device_id: str = ""
    peer: str = ""
    started_at: float = 0.0
    held: bool = False


@message("app-call.status")
class AppCallStatus(Message):
    """One call."""

    call: AppCallRow


@message("app-call.ask-status")
class AskAppCall(Query[AppCallStatus]):
    """How a call is; with ``wait_s`` the reply waits for a change from ``seen``, so long at most.

    Never refused: a call that nobody knows is ``unknown``.
    """

    call_token: str
    owner: str | None = None
    wait_s: float = 0.0
    seen: str = ""


@message("app-call.page")
class AppCallList(Message):
    """The newest first."""

    rows: tuple[AppCallRow, ...] = ()
    next: str | None = None


@message("app-call.list")
class ListAppCalls(Query[AppCallList]):
    """Calls that are pending or active."""

    owner: str | None = None
    limit: int = PAGE
    after: str | None = None


@message("app-call.dtmf")
class PressKeys(Command[AppCallDone]):
    """Send ``digits`` (0-9 * # A-D, 32 at most), each ``duration_ms`` long. Refused: ``call.not_active`` 409."""

    call_token: str
    digits: str
    duration_ms: int = 160
    owner: str | None = None


@message("app-call.hold")
class HoldAppCall(Command[AppCallDone]):
    """Hold or resume. With ``sdp_offer`` the app says how; else its last description is sent with another direction.

    Refused: ``call.not_active`` 409, ``call.refused`` 502 with ``sip_status``.
    """

    call_token: str
    held: bool = True
    sdp_offer: str = ""
    owner: str | None = None


@message("app-call.transfer")
class TransferAppCall(Command[AppCallDone]):
    """Hand the other party on to ``destination`` (blind transfer). Refused as ``HoldAppCall``."""

    call_token: str
    destination: str
    owner: str | None = None


@message("app-call.answer-change")
class AnswerAppChange(Command[AppCallDone]):
    """What the app says to a change that the other party asked for (event ``call.renegotiate``); ``sdp`` "" refuses.

    Refused: ``call.nothing_asked`` 409.
    """

    call_token: str
    sdp: str = ""
    owner: str | None = None
    renegotiation: int = field(default=0)
