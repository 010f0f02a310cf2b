"""A party asks for a transfer: what a REFER may ask, and how it is answered (RFC 3515, RFC 5589)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trunkline.base.errors import CallFailed, RemoteProtocolError
from trunkline.call.leg import Leg
from trunkline.call.refer_progress import ReferProgress
from trunkline.call.referrals import MAX_LEGS
from trunkline.call.ringing_transfer import RingingTransfer
from trunkline.call.service_transfer import ServiceTransfer
from trunkline.call.sip_leg import SipLeg
from trunkline.call.transfer import Transfer
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.dialog_names import DialogName, render_replaces
from trunkline.proto.sip.reasons import Q850, reason_phrase
from trunkline.proto.sip.refer import NO_SUBSCRIPTION, Referral, parse_refer
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.door import flow_of

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.context import CallContext
    from trunkline.call.referrals import Progress, Referrals
    from trunkline.proto.sip.uri import SipUri


def refer_within(call: Call, leg: Leg, incoming: Incoming) -> None:
    """A REFER within the dialog of a leg: the subscription lives in that dialog."""
    session = leg.session if isinstance(leg, SipLeg) else None
    if session is None or session.dialog is None:
        incoming.respond(481)
        return
    again = leg.id in call.referred
    call.referred = (*call.referred, leg.id) if not again else call.referred
    _refer(
        call,
        leg,
        incoming,
        dialog=session.dialog,
        contact=session.contact,
        flow=session.in_dialog_flow,
        event_id=str(incoming.request.cseq[0]) if again else "",
    )


def refer_outside(call: Call, leg: Leg, incoming: Incoming) -> None:
    """A REFER outside of it, by who proved to be the leg's party: the subscription has a dialog of its own.

    Raises RemoteProtocolError when the request makes none.
    """
    endpoint = call.context.endpoint
    flow = flow_of(incoming)
    dialog = Dialog.of_request(incoming.request, endpoint.ids.tag(), flow.token)
    _refer(
        call,
        leg,
        incoming,
        dialog=dialog,
        contact=endpoint.contact(flow),
        flow=lambda: endpoint.flow_for(flow, dialog),
        event_id="",
    )


def _refer(
    call: Call, leg: Leg, incoming: Incoming, *, dialog: Dialog, contact: str, flow: Any, event_id: str
) -> None:
    referrals = call.context.referrals
    if referrals is None:
        _answer(incoming, 603, dialog)
        return
    try:
        referral = parse_refer(incoming.request)
        progress = ReferProgress(
            call.context, dialog, flow, contact, event_id=event_id, silent=referral.is_silent
        )
        begin = _plan(call, leg, referral, referrals, progress)
    except (CallFailed, RemoteProtocolError) as error:
        call.tell("transfer.refused", f"{leg.outcome.number} may not transfer: {error}", status=error.status)
        _answer(incoming, error.status, dialog, reason=error.reason)
        return
    # RFC 6665 §8.3.1: 200, which means what 202 meant.
    refuses = NO_SUBSCRIPTION if referral.is_silent else ""
    _answer(incoming, 200, dialog, extra=f"Contact: {contact}\r\n{refuses}")
    begin()


def refer_for(call: Call, leg: Leg, uri: SipUri, progress: Progress) -> None:
    """The party of a leg that sends no REFER asks for the same (blind transfer)."""
    referrals = call.context.referrals
    try:
        if referrals is None:
            raise _no(603, "transfer.refused")
        begin = _plan(call, leg, Referral(uri, None, "", is_silent=False), referrals, progress)
    except CallFailed as error:
        call.tell("transfer.refused", f"{leg.outcome.number} may not transfer: {error}", status=error.status)
        progress.tell(error.status, error.reason, final=True)
        return
    begin()


def _answer(incoming: Incoming, status: int, dialog: Dialog, reason: str = "", extra: str = "") -> None:
    incoming.respond(status, reason=reason, extra=extra, to_tag=dialog.local_tag)


def _plan(call: Call, leg: Leg, referral: Referral, referrals: Referrals, progress: Progress) -> Any:
    """What to do once the REFER is answered; raises CallFailed."""
    stays = _across(call, leg)
    if call.transfer is not None:
        raise _no(491, "transfer.busy")
    if len(call.legs) >= MAX_LEGS:
        raise _no(603, "transfer.too_many")
    name = referral.replaces
    if name is not None:
        found = leg_of(call.context, name, call.tenant)
        if found is not None:
            return _plan_attended(call, leg, stays, name, found, progress)
        if _is_ours(call.context, name):
            raise _no(481, "transfer.unknown_dialog")  # it is over, and who is outside is told nothing of it
    onward = referrals.route(call, leg, stays, referral.uri)
    if name is not None:
        if onward.script is not None:
            raise _no(481, "transfer.unknown_dialog")
        onward = onward._replace(replaces=render_replaces(name))
    call.tell("transfer.asked", f"{leg.outcome.number} hands {stays.outcome.number} on to {onward.number}")
    script = onward.script
    if script is not None:
        return lambda: ServiceTransfer(call, leg, progress, referrals).go_on_in(onward, script, stays)
    return lambda: Transfer(call, leg, progress, referrals).go_on_to(onward, stays)


def _is_ours(context: CallContext, name: DialogName) -> bool:
    """Whether a dialog is, or was, one with us: by the identifier that we gave it."""
    ids = context.endpoint.ids
    tags = name.local_tag, name.remote_tag
    return ids.has_minted(name.call_id) or any(
        tag.startswith(ids.prefix) and ids.owner_of(tag) is not None for tag in tags
    )


def _plan_attended(
    call: Call,
    leg: Leg,
    stays: Leg,
    name: DialogName,
    found: tuple[Call, SipLeg],
    progress: Progress,
) -> Any:
    other, consulted = found
    referrals = call.context.referrals
    if referrals is None or other is call:
        raise _no(603, "transfer.same_call")
    if referrals.number_of(other, consulted) != referrals.number_of(call, leg):
        raise _no(403, "transfer.not_yours")
    if consulted.done:
        raise _no(603, "transfer.dialog_over")
    if name.early_only and consulted.outcome.answered_at is not None:
        raise _no(486, "transfer.answered")
    if other.transfer is not None:
        raise _no(491, "transfer.busy")
    fork = other.fork
    if fork is not None and consulted is other.legs[0] and not fork.decided.done():
        text = f"{leg.outcome.number} hands {stays.outcome.number} on to {fork.errand.number}, which rings"
        call.tell("transfer.asked", text)
        return lambda: RingingTransfer(call, leg, progress, referrals).wait_for(other, fork, stays)
    moves = _across(other, consulted)
    transfer = Transfer(call, leg, progress, referrals)
    call.tell(
        "transfer.asked", f"{leg.outcome.number} joins {stays.outcome.number} and {moves.outcome.number}"
    )
    if moves.outcome.direction == "in" and stays.outcome.direction == "out":
        # The call that the remaining caller began goes on: its story tells the whole.
        transfer.take_place_in(other)
        return lambda: transfer.bring_together(call, moves, stays, consulted)
    return lambda: transfer.bring_together(other, stays, moves, leg)


def leg_of(context: CallContext, name: DialogName, tenant: str) -> tuple[Call, SipLeg] | None:
    """The leg whose dialog is named so, in a call of the tenant."""
    sessions = context.endpoint.sessions
    # Who learned of a dialog by watching its phone (RFC 4235) names it as that phone would, the other way round.
    session = sessions.get(name.key) or sessions.get(name.across.key)
    leg = session.user if session is not None else None
    if not isinstance(leg, SipLeg):
        return None
    call: Call | None = getattr(leg.observer, "call", None)
    return (call, leg) if call is not None and call.tenant == tenant else None


def _across(call: Call, leg: Leg) -> Leg:
    """The party that ``leg`` talks to; raises CallFailed when there is none that could be handed on."""
    bridge = call.bridge
    if bridge is None or leg not in {bridge.a, bridge.b}:
        raise _no(603, "transfer.nobody")
    stays = bridge.other(leg)
    if stays.done or leg.done:
        raise _no(481, "transfer.party_left")
    return stays


def _no(status: int, code: str) -> CallFailed:
    return CallFailed(status, reason_phrase(status), Q850.get(status, 31), code)
