"""Calls that come in for apps: targets of a fork, the script of a gateway's call, and what a crash left of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import structlog

from trunkline.base.errors import CallFailed, LocalProtocolError
from trunkline.base.ids import uuid4
from trunkline.call.target import Target, static_targets
from trunkline.mobile.hand_over import HandOver
from trunkline.mobile.outgoing_call import KEPT as PLACED
from trunkline.mobile.ringing import Claims, Ringing
from trunkline.mobile.rows import put_back
from trunkline.mobile.words import FINAL, GONE
from trunkline.model.device import MobileCall, MobileDevice
from trunkline.proto.sip.reasons import reason_phrase

if TYPE_CHECKING:
    from trunkline.call.call import Call, Script
    from trunkline.call.fork import Fork
    from trunkline.mobile.office import Office

log = structlog.get_logger("mobile")

MOST_DEVICES: Final = 32
_NO_ONE: Final = 20  # ITU-T Q.850: subscriber absent


class IncomingCalls:
    """Makes a hand-over for each device that a call rings. A target is for one call."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.claims = Claims()
        self._ringing: dict[Call | Fork, Ringing] = {}
        self._kept: dict[str, HandOver] = {}  # by leg, until the calls that outlived a crash are taken up

    def targets(self, devices: Iterable[MobileDevice]) -> list[Target]:
        """A target for each device that can be woken or is there already."""
        ring_s, encryption = self.office.policy.ring_s, self.office.policy.encryption
        sides = [HandOver(self.office, one, self._enter) for one in devices if one.active][:MOST_DEVICES]
        for to_come, side in enumerate(reversed(sides)):
            side.to_come = to_come
        return [
            Target("", app=side, label=side.label, ring_timeout_s=ring_s, encryption=encryption)
            for side in sides
        ]

    def script(self, tenant: str, account_id: str) -> Script:
        """Ring the devices of an account and let the parties talk."""

        async def ring_devices(call: Call) -> None:
            targets = self.targets(self.office.devices.of_account(tenant, account_id))
            if not targets:
                raise CallFailed(480, reason_phrase(480), _NO_ONE, "mobile.no_device")
            await call.connect(static_targets(targets), self.office.policy.ring_s)
            await call.over()

        return ring_devices

    def gone(self, device: MobileDevice) -> None:
        """A device was removed, or is somebody else's now: what rings there ends, and its caller does not wait."""
        for ringing in tuple(self._ringing.values()):
            for one in tuple(ringing.entered):
                if one.device_id == device.id:
                    one.step(GONE)

    def __len__(self) -> int:
        return len(self._ringing)

    def _enter(self, one: HandOver, leg: Any) -> Ringing:
        call: Call = leg.call
        asks = call.fork or call  # a call that is handed on rings anew, for whom stays
        ringing = self._ringing.get(asks)
        if ringing is None:
            ringing = self._ringing[asks] = Ringing(
                self.office, call, self.claims, lambda _ringing: self._ringing.pop(asks, None)
            )
        if not one.token:
            one.token = uuid4()  # 122 random bits: whoever knows it, and owns the device, has the call
            one.facts = ringing.facts
            one.peer = ringing.facts.caller
        ringing.enter(one)
        self.office.calls.add(one)
        return ringing

    # After a crash

    def load(self, rows: Iterable[MobileCall]) -> None:
        """The hand-overs that the process before us had, before calls are taken up; other rows are passed over."""
        for row in rows:
            if row.state.startswith(PLACED):
                continue
            device = self.office.devices.find(row.tenant, row.device_id)
            if device is None:
                self.office.journal.forget(((row.tenant, row.id),))
                continue
            one = HandOver(self.office, device, self._enter)
            try:
                put_back(one, row)
            except LocalProtocolError as error:
                log.warning("a hand-over was lost in a crash", call=row.call, why=str(error))
                self.office.journal.forget(((row.tenant, row.id),))
                continue
            self.office.calls.add(one)
            if one.state in FINAL:
                self.office.calls.over(one)
            else:
                self._kept[row.leg] = one

    def sides(self, leg_id: str, _data: dict[str, Any]) -> HandOver | None:
        """The app's side of a leg that is taken up (``call.restored.Sides``)."""
        return self._kept.get(leg_id)

    def resume(self, calls: Iterable[Call]) -> None:
        """Go on with those whose calls go on; a token of any other is told that we were restarted."""
        kept, self._kept = self._kept, {}
        back = []
        for call in calls:
            for leg in call.legs:
                one = kept.get(leg.id)
                if one is not None and not leg.done:
                    del kept[leg.id]
                    one.resume(leg)
                    back.append(one)
        for one in sorted(back, key=lambda one: one.wake_up.shared):
            self.claims.take(one)
        for one in kept.values():
            if one.state not in FINAL:  # else it was told so while its call was taken up
                one.tell("call.ended", reason="restarted", sip_status=0)
                one.lose("restarted")
