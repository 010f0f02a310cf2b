"""A dry run of a call: identify, authenticate, normalise, route, fork, media."""

from __future__ import annotations

from trunkline.app.explain.asked import Dialled, dialled_of, place_of
from trunkline.app.explain.authenticate import authenticate
from trunkline.app.explain.fork import place_of_binding, ring, ring_trunk
from trunkline.app.explain.identify import identify
from trunkline.app.explain.media import media
from trunkline.app.explain.routing import route
from trunkline.app.explain.telling import Telling
from trunkline.app.explain.view import Place, View
from trunkline.base.messages import ExplainNumber, Explanation
from trunkline.pbx.directory import TenantEntry
from trunkline.pbx.one_phone import OnePhone, phone_of
from trunkline.pbx.route import Decision

_SECURE = frozenset({"TLS", "WSS"})


def explain_described(view: View, tenant: str, ask: ExplainNumber) -> Explanation:
    """What a call would meet; raises Refused for what cannot be meant."""
    dialled = dialled_of(ask.number, ask.domain)
    place = _from(view, tenant, ask, place_of(ask.source, ask.transport))
    out = Telling()
    subject = f"{ask.caller} would call {ask.number}"
    owner = identify(view, tenant, dialled.domain, place, "INVITE", out)
    if owner is None:
        return out.explanation(subject)
    peer = view.live.peer_of(place.address) if view.live is not None and place.address else ""
    if peer:
        text = f"{place.address} is the peer {peer}: it is not challenged, and rings extensions alone"
        out.tell("identify.peer", text, peer=peer)
    caller = "" if peer else authenticate(view, owner, ask.caller, place, out)
    if out.over:
        return out.explanation(subject)
    _carry(view, owner, caller, dialled, place, out)
    decided = next(
        step for step in reversed(out.steps) if step.stage == "route" and step.code != "route.rival"
    )
    return out.explanation(subject, decided.code, _summary(out))


def _from(view: View, tenant: str, ask: ExplainNumber, said: Place) -> Place:
    """Where the caller is: as it was said, else where it is registered from."""
    known = view.bindings(tenant, ask.caller)
    if said.address or not known:
        return said
    home = place_of_binding(known[0])
    return Place(home.address, said.transport or home.transport)


def _carry(view: View, owner: TenantEntry, caller: str, dialled: Dialled, place: Place, out: Telling) -> None:
    """From the number to the media, as far as it comes."""
    find = view.live.find_phone if view.live is not None else None
    phone = phone_of(dialled.uri, owner.id, find) if dialled.uri is not None else None
    decision = route(view, owner, caller, dialled.user if phone is None else phone.user, out)
    if not out.over and phone is not None:
        _one_phone(phone, out)
    secure = dialled.uri is not None and dialled.uri.scheme == "sips"
    if not out.over and secure and place.transport and place.transport not in _SECURE:
        out.refuse(480, "route.sips_insecure", f"a sips call needs TLS, and it came by {place.transport}")
    if out.over:
        return
    callees = _fork(view, owner, decision, phone, out, secure=secure)
    if callees is not None and not decision.pickup:
        media(view, place, callees, _profile(view, decision), out)


def _one_phone(phone: OnePhone, out: Telling) -> None:
    """The same as ``OnePhone.script`` tells."""
    if phone.targets is None:
        out.refuse(404, "route.gruu_unknown", "the address names one phone, and none has it (any more)")
    elif not phone.targets:
        out.refuse(480, "route.gruu_gone", f"the phone of {phone.user} that is meant is not registered")
    else:
        out.tell("route.gruu", f"one phone of {phone.user} is meant: {phone.targets[0].label}")


def _fork(
    view: View, owner: TenantEntry, decision: Decision, phone: OnePhone | None, out: Telling, *, secure: bool
) -> list[Place] | None:
    """Where the callees are; None when a sips call reaches none of them."""
    if decision.pickup:
        text = f"if a call rings at {decision.pickup} it is answered here; else 480 (pickup.nothing_rings)"
        out.tell("fork.pickup", text)
        return []
    if decision.service is not None or decision.room or decision.socket:
        out.tell("fork.service", "nobody is rung: the exchange answers")
        return []
    if decision.trunk is not None:
        return ring_trunk(decision.trunk, decision.number, out)
    entry = decision.extension
    if entry is None or phone is not None:
        return []
    places = ring(view, owner, entry, out, secure=secure)
    if secure and not any(
        step.code.startswith("fork.") and step.code != "fork.insecure" for step in out.steps
    ):
        out.refuse(
            480, "route.sips_unreachable", f"a sips call needs TLS, and {entry.number} is not reached by it"
        )
        return None
    if not places and not any(step.code == "fork.asleep" for step in out.steps):
        out.tell(
            "fork.nobody",
            f"no way to {entry.number} promises anything",
            f"trunkline explain --register {entry.number}",
        )
    return places


def _profile(view: View, decision: Decision) -> str:
    return decision.trunk.plan.sdp_profile if decision.trunk is not None else view.profile


def _summary(out: Telling) -> str:
    if any(step.code == "fork.nobody" for step in out.steps):
        return "the call goes ahead, and will most likely end with 480"
    doubts = sum(bool(step.hint) for step in out.steps if step.code != "identify.offline")
    if not doubts:
        return "the call goes ahead"
    return f"the call goes ahead, but look at the {'hint' if doubts == 1 else 'hints'} above"
