"""An app as a party of a call, whoever began it: what its live channel and its REST door have in common."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

from trunkline.base.errors import CallFailed
from trunkline.base.messages.app_calls import AppCallOffer, AppCallRow
from trunkline.call.leg import Info
from trunkline.mobile.ports import AppLine

if TYPE_CHECKING:
    from trunkline.mobile.office import Office

PENDING: Final = "pending"
ACTIVE: Final = "active"
OVER: Final = "ended"

MAX_INFO: Final = 8192


class AppParty:
    """One app's part in one call, known by its ``token``. It is a ``call.app_leg.AppSide``.

    ``state`` is its own word, ``status`` what apps are told; ``peer`` is ``user@domain`` of the other party.
    Who waits for either to be another waits for ``changed``.
    """

    direction: ClassVar[str] = "in"

    def __init__(
        self, office: Office, token: str, tenant: str, owner: str, device_id: str, peer: str = ""
    ) -> None:
        self.office = office
        self.token = token
        self.tenant = tenant
        self.owner = owner
        self.device_id = device_id
        # Ids begin with the time, which two devices of a user may share.
        self.label = f"app {device_id[-8:]}" if device_id else "app"
        self.peer = peer
        self.state = ""
        self.leg: AppLine | None = None
        self.started_at = office.wall()
        self.ended_at = 0.0
        self.reason = ""
        self.sip_status = 0
        self.held = False
        self.elsewhere = False  # another device of the owner has, or had, the call
        self.renegotiation = 0
        self._asked = False
        self._awaited: asyncio.Event | None = None  # most are never waited for

    @property
    def changed(self) -> asyncio.Event:
        """Set by the next change; each has one of its own."""
        if self._awaited is None:
            self._awaited = asyncio.Event()
        return self._awaited

    @property
    def status(self) -> str:
        """``pending``, ``active`` or ``ended``."""
        raise NotImplementedError

    @property
    def line(self) -> AppLine:
        """Its leg, which must be there."""
        assert self.leg is not None  # noqa: S101  (nobody knows its token before)
        return self.leg

    def join(self, leg: Any) -> None:
        """This leg is ours. Its record is found by our token, which apps and the operator's list of calls name."""
        self.leg = leg
        leg.outcome.sip_call_id = self.token

    @property
    def home(self) -> str:
        """The domain that a number without one means, "" when nothing names it."""
        return self.peer.rpartition("@")[2]

    def row(self) -> AppCallRow:
        """What apps are told of it."""
        return AppCallRow(
            call_token=self.token,
            status=self.status,
            state=self.state,
            direction=self.direction,
            reason=self.reason,
            ended_at=self.ended_at,
            sip_status=self.sip_status,
            device_id=self.device_id,
            peer=self.peer,
            started_at=self.started_at,
            held=self.held,
        )

    def offer_row(self) -> AppCallOffer:
        """What an app that was woken for it is told; one that began it itself learns nothing new."""
        return AppCallOffer(call_token=self.token, caller=self.peer, caller_name=None, sdp_offer="")

    def tell(self, name: str, **data: Any) -> None:
        """An event for all devices of the owner."""
        self.office.live.tell(self.tenant, self.owner, name, self.token, self.device_id, data)

    def wake(self) -> None:
        """Whoever waits for a change has one."""
        if self._awaited is not None:
            self._awaited.set()
            self._awaited = None

    # What an app does

    def hang_up(self) -> None:
        """End it, in whatever state it is."""
        self.line.leave()

    def answer_change(self, body: bytes, number: int) -> bool:
        """What the app says to a change; empty refuses. False when nothing is asked, or nothing of this number."""
        if not self._asked or number not in {0, self.renegotiation}:
            return False
        self._asked = False
        if body:
            self.line.answer_change(body)
        else:
            self.line.refuse_change(488)
        return True

    # What the call says (call.app_leg.AppSide)

    def asked(self, _leg: Any, body: bytes) -> bool:
        """The other party changes the session; an app that does not listen cannot say anything to it."""
        if not self.office.live.is_live(self.device_id):
            return False
        self.renegotiation += 1
        self._asked = True
        offer = body.decode("utf-8", "surrogateescape")
        self.tell("call.renegotiate", sdp_offer=offer, renegotiation=self.renegotiation)
        return True

    def withdrawn(self, _leg: Any) -> None:
        """It does not want the change any more, or the app has not answered in time."""
        self._asked = False
        self.tell("call.changed", held=self.held, renegotiation=self.renegotiation, withdrawn=True)

    def informed(self, _leg: Any, info: Info) -> bool:
        """INFO or MESSAGE within the call."""
        if not self.office.live.is_live(self.device_id) or len(info.body) > MAX_INFO:
            return False
        self.tell("call.info", content_type=info.content_type, body=info.body.decode("utf-8", "replace"))
        return True

    def taken(self, _leg: Any) -> None:
        """The caller was told that this app has the call."""

    def progressed(self, _leg: Any, status: int, body: bytes) -> None:
        """It rings, for whoever calls."""

    def answered(self, _leg: Any, body: bytes) -> None:
        """They talk, for whoever calls."""

    def failed(self, leg: Any, failure: CallFailed) -> None:
        """Nobody answered, for whoever calls; a leg that was given up says so too."""

    def forget(self) -> None:
        """It is over: let go of the leg."""
        self._asked = False
        self.leg = None
