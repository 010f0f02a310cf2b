"""Who may take a call over: by INVITE with Replaces, or by dialling ``**`` and a number (RFC 3891 §3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from trunkline.base.errors import CallFailed
from trunkline.base.story import Story
from trunkline.call.call import Call
from trunkline.call.context import CallContext
from trunkline.call.leg import Leg
from trunkline.call.referrals import MAX_LEGS
from trunkline.call.referring import leg_of
from trunkline.call.registry import Calls
from trunkline.call.replacement import Replacement
from trunkline.net.flow import Flow
from trunkline.pbx.handing_on import HandingOn
from trunkline.proto.sip.dialog_names import parse_replaces
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.reasons import Q850, reason_phrase
from trunkline.proto.sip.transaction.incoming import Incoming


class Place(NamedTuple):
    """What a newcomer takes over: the place of ``leg``, which talks to ``stays``; or a call that rings."""

    call: Call
    leg: Leg | None = None
    stays: Leg | None = None


class PickingUp:
    """Finds the place that an INVITE asks for. ``allowed()`` says whether others' ringing calls may be picked up.

    A call that talks is taken over by who talks already, from another of its phones, and by nobody else.
    """

    def __init__(
        self,
        context: CallContext,
        calls: Calls,
        handing_on: HandingOn,
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._context = context
        self._calls = calls
        self._handing_on = handing_on
        self.allowed = allowed

    def named(self, request: Request, tenant: str, user: str) -> Place:
        """The place that a Replaces names; raises CallFailed, and RemoteProtocolError for a malformed one."""
        if "Join" in request.headers:
            raise _no(400, "pickup.join")  # RFC 3911 §4: not both
        name = parse_replaces(request.headers["Replaces"])
        found = leg_of(self._context, name, tenant)
        if found is None:
            raise _no(481, "pickup.unknown_dialog")
        call, leg = found
        if leg.done:
            raise _no(603, "pickup.over")
        if call.transfer is not None:
            raise _no(491, "transfer.busy")
        if leg.outcome.answered_at is None:
            return self._ringing(call, leg, user)
        _must_have_room(call)
        if name.early_only:
            raise _no(486, "pickup.answered")
        bridge = call.bridge
        if bridge is None or leg not in {bridge.a, bridge.b}:
            raise _no(488, "transfer.nobody")
        if self._handing_on.number_of(call, leg) != user:
            raise _no(403, "pickup.not_yours")
        return Place(call, leg, bridge.other(leg))

    def at(self, tenant: str, number: str, user: str) -> Place | None:
        """The call that rings longest at an extension, if one does; raises CallFailed when it is not to be had."""
        ringing = [
            (leg.outcome.started_at, leg, call)
            for call in self._calls.active.values()
            if call.tenant == tenant
            and call.fork is not None
            and call.transfer is None
            and call.bridge is None
            for leg in call.fork.branches
            if not leg.done and self._handing_on.number_of(call, leg) == number
        ]
        if not ringing:
            return None
        _, leg, call = min(ringing, key=lambda each: each[0])
        return self._ringing(call, leg, user)

    def _ringing(self, call: Call, leg: Leg, user: str) -> Place:
        # RFC 3891 §3: an early dialog is replaced only by who sent its INVITE, and that is us towards a callee.
        if call.fork is None or leg not in call.fork.branches or call.bridge is not None:
            raise _no(481, "pickup.not_ringing")
        if not self.allowed() and self._handing_on.number_of(call, leg) != user:
            raise _no(403, "pickup.not_allowed")
        _must_have_room(call)
        return Place(call)

    def take(self, place: Place, incoming: Incoming, flow: Flow, user: str, story: Story) -> None:
        """Put the newcomer there; raises RemoteProtocolError when its INVITE makes no dialog."""
        call = place.call
        replacement = Replacement(call, incoming, flow, user, self._handing_on)
        call.story.extend(story.steps)
        if place.leg is not None and place.stays is not None:
            replacement.take_over(place.leg, place.stays)
        else:
            replacement.pick_up()


def _must_have_room(call: Call) -> None:
    if len(call.legs) >= MAX_LEGS:
        raise _no(603, "transfer.too_many")


def _no(status: int, code: str) -> CallFailed:
    return CallFailed(status, reason_phrase(status), Q850.get(status, 31), code)
