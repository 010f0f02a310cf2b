"""The exchange's door: INVITEs of our extensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.base.errors import CallFailed
from trunkline.base.story import Story
from trunkline.call.audio_socket import AudioSocketPlan
from trunkline.call.call import Call, Script
from trunkline.call.context import CallContext
from trunkline.call.headers import lacks_preconditions
from trunkline.call.identity import asks_to_be_unknown
from trunkline.call.party import Party
from trunkline.call.refusals import refusal_of
from trunkline.call.registry import Calls
from trunkline.call.target import Target, static_targets
from trunkline.media.preconditions import MARK as PRECONDITIONS
from trunkline.media.preconditions import refusal_of_preconditions
from trunkline.net.flow import Flow
from trunkline.pbx import scripts
from trunkline.pbx.directory import Directory, Entry, TenantEntry
from trunkline.pbx.handing_on import HandingOn, is_secure
from trunkline.pbx.meeting import meeting
from trunkline.pbx.one_phone import FindPhone, OnePhone, phone_of
from trunkline.pbx.picking_up import PickingUp, Place
from trunkline.pbx.route import MAX_DIALLED, CallRequest, Decision, Service, Snapshot, decide
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.registrar.sleeping import able
from trunkline.ua.authentication import Authenticator

# Calls need no extension of their peers, and no peer may need one of us yet.
_SERVICES: Final[dict[Service, Script]] = {
    Service.ECHO: scripts.echo,
    Service.TONE: scripts.tone,
    Service.TIME: scripts.say_time,
    Service.TALK_BACK: scripts.talk_back,
}


class ExchangeDoor:
    """Claims INVITEs: challenges, decides and starts the call.

    ``targets(tenant, extension)`` gives the contacts to ring; ``on_refused(source, story)`` hears of wrong
    credentials. A draining endpoint takes no new calls.
    """

    methods = frozenset({"INVITE"})

    def __init__(
        self,
        directory: Directory,
        snapshot: Snapshot,
        authenticator: Authenticator,
        context: CallContext,
        calls: Calls,
        targets: Callable[[str, Entry], list[Target]],
        on_refused: Callable[[str, Story], None] = lambda _source, _story: None,
    ) -> None:
        self.directory = directory
        self.snapshot = snapshot
        self.authenticator = authenticator
        self.context = context
        self.calls = calls
        self.targets = targets
        self._on_refused = on_refused
        self.handing_on = context.referrals = HandingOn(directory, snapshot, calls, targets)
        self.picking_up = PickingUp(context, calls, self.handing_on)
        context.endpoint.support("norefersub", "replaces", "tdialog")
        self.find_phone: FindPhone | None = None
        self.has_apps: Callable[[str, str], object] = lambda _tenant, _number: False
        """Whether an extension has apps: a call to one must be on disk before its caller relies on us."""
        self.services = dict(_SERVICES)
        """What each service does; a script of yours may take the place of ours."""
        self.handing_on.services = self.services
        self.sockets: dict[str, AudioSocketPlan] = {}
        """Programs that callers talk to, by their numbers."""
        self.handing_on.sockets = self.sockets

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        request = incoming.request
        if self.context.endpoint.draining:
            incoming.respond(503, extra="Retry-After: 60\r\n")
            return True
        refusal = refusal_of(request, self.context.endpoint.call_tags)
        if refusal is not None:
            self._refuse(incoming, *refusal)
            return True
        if PRECONDITIONS in request.body and lacks_preconditions(request):
            # RFC 3312 §8: what the caller insists on is not there, and we reserve nothing.
            self._refuse(incoming, 580, body=refusal_of_preconditions(request.body))
            return True
        address = parse_uri(request.uri)
        owner = self.directory.owner_of(address.host)
        if owner is None:
            self._refuse(incoming, 404)
            return True
        story = Story(incoming.now)
        user = self.authenticator.admit(incoming, owner.realm, owner.ha1, story)
        if user is None:
            if story.last_code == "auth.wrong":
                self._on_refused(flow.remote[0], story)
        else:
            self._start(incoming, flow, owner, user, address, story)
        return True

    def _refuse(self, incoming: Incoming, status: int, extra: str = "", body: bytes = b"") -> None:
        """Before we know who calls, and so only as often as strangers are answered at all."""
        if not self.authenticator.ignores(incoming):
            incoming.respond(status, extra=extra, body=body)

    def _start(
        self,
        incoming: Incoming,
        flow: Flow,
        owner: TenantEntry,
        user: str,
        address: SipUri,
        story: Story,
    ) -> None:
        tenant = owner.id
        phone = phone_of(address, tenant, self.find_phone) if "gr" in address.params else None
        dialled = printable(address.user if phone is None else phone.user)
        decision = decide(CallRequest(tenant, user, dialled, incoming.now), self.snapshot)
        story.add(incoming.now, "call.received", f"{user} calls {dialled}", flow=flow.token)
        story.extend(decision.steps)
        if "Replaces" in incoming.request.headers or decision.pickup:
            try:
                place = self._place(incoming.request, tenant, user, decision)
            except CallFailed as failure:
                story.add(incoming.now, "pickup.refused", str(failure), status=failure.status)
                decision.extension = decision.service = None
                decision.room = decision.socket = ""
                decision.status, decision.code = failure.status, failure.code
            else:
                if place is not None:
                    self.picking_up.take(place, incoming, flow, user, story)
                    return
        caller = owner.extensions.get(user)
        hidden = asks_to_be_unknown(incoming.request)
        name = caller.name if caller is not None else ""
        party = Party(user, owner.domain, name, anonymous=hidden)
        if hidden:
            story.add(incoming.now, "identity.anonymous", f"{user} stays unknown to the callee")
        call = Call(self.context, tenant, party, dialled, story)
        if address.scheme == "sips":
            script = self._secured(decision, tenant, call, flow, phone)
        elif phone is not None and (decision.extension is not None or phone.targets is None):
            script = phone.script(call)
        else:
            script = self.script(decision, tenant)
        callee = decision.extension
        # An app has no next hop within TLS, and a GRUU means a phone: none is rung then.
        may_ring_apps = phone is None and address.scheme != "sips"
        hold = may_ring_apps and callee is not None and bool(self.has_apps(tenant, callee.number))
        call.begin(incoming, flow, script, hold=hold)
        self.calls.add(call, (user,) if callee is None else (user, callee.number))

    def _place(self, request: Request, tenant: str, user: str, decision: Decision) -> Place | None:
        """The place in another call that an INVITE asks for; None when nothing rings there. Raises CallFailed."""
        if "Replaces" in request.headers:
            return self.picking_up.named(request, tenant, user)
        return self.picking_up.at(tenant, decision.pickup, user)

    def _secured(
        self, decision: Decision, tenant: str, call: Call, flow: Flow, phone: OnePhone | None
    ) -> Script:
        """For a sips URI: it came within TLS, and only contacts that are reached so are rung (RFC 3261 §26.2.2)."""
        if not flow.listener.is_secure:
            # RFC 5630 §4: each hop is within TLS; what was said on this one has been heard already.
            call.tell("route.sips_insecure", f"a sips call needs TLS, and it came by {flow.transport}")
            return scripts.refuse(480, "route.sips_insecure")
        if decision.extension is None and decision.trunk is None:
            return self.script(decision, tenant)
        if decision.trunk is not None:
            targets = [decision.trunk.target(decision.number)]
        else:
            targets = self.targets(tenant, decision.extension) if decision.extension is not None else []
        if phone is not None:
            if not phone.targets:
                return phone.script(call)
            targets = list(phone.targets)
        secure = able(targets, is_secure)
        if not secure:
            call.tell(
                "route.sips_unreachable", f"a sips call needs TLS, and {decision.number} is not reached by it"
            )
            return scripts.refuse(480, "route.sips_unreachable")
        return scripts.ring(static_targets(secure))

    def script(self, decision: Decision, tenant: str) -> Script:
        """What is done of a decision."""
        if decision.extension is not None:
            return scripts.ring(static_targets(self.targets(tenant, decision.extension)))
        if decision.service is not None:
            return self.services[decision.service]
        if decision.room:
            return meeting(decision.room)
        if decision.socket:
            return scripts.talk_to(self.sockets[decision.socket])
        if decision.trunk is not None:
            return scripts.ring(static_targets([decision.trunk.target(decision.number)]))
        return scripts.refuse(decision.status, decision.code)


def printable(dialled: str) -> str:
    """What was dialled, cut to what a number may have, fit for stories, records and terminals."""
    text = dialled[: MAX_DIALLED + 1]
    return text if text.isprintable() else ascii(text)[1:-1]
