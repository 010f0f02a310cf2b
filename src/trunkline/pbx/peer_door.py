"""The door of peers: INVITEs of other exchanges and carriers, which are known by where they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from trunkline.base.story import Story
from trunkline.call.call import Call, Script
from trunkline.call.context import CallContext
from trunkline.call.identity import IdentityPolicy, caller_of
from trunkline.call.refusals import refusal_of
from trunkline.call.registry import Calls
from trunkline.call.target import Target, static_targets
from trunkline.call.verification import Mode, verified
from trunkline.media.leg_security import Encryption
from trunkline.net.flow import Flow
from trunkline.pbx import scripts
from trunkline.pbx.directory import Directory, Entry
from trunkline.pbx.door import printable
from trunkline.pbx.route import CallRequest, Decision, Snapshot, decide
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri
from trunkline.ua.stir import StirVerifier, claim_of


class Peer(NamedTuple):
    """Who sends us calls: its ``name``, the tenant that they are for, what it is believed and how it is checked."""

    name: str
    tenant: str
    policy: IdentityPolicy = IdentityPolicy()
    verify: Mode = Mode.MARK
    number: str = ""
    """The extension that all its calls ring, whatever number it dials; "" for the number."""
    encryption: Encryption = "off"


class PeerDoor:
    """Claims INVITEs of peers, and lets them ring extensions; services and other peers are not theirs to call.

    ``peer_of(flow)`` tells whose flow it is, or None: the request is somebody else's then. Without a ``verifier`` no
    signature is checked.
    """

    methods = frozenset({"INVITE"})

    def __init__(
        self,
        peer_of: Callable[[Flow], Peer | None],
        directory: Directory,
        snapshot: Snapshot,
        context: CallContext,
        calls: Calls,
        targets: Callable[[str, Entry], list[Target]],
        verifier: StirVerifier | None = None,
    ) -> None:
        self._peer_of = peer_of
        self._directory = directory
        self._snapshot = snapshot
        self._context = context
        self._calls = calls
        self._targets = targets
        self.verifier = verifier
        self.has_apps: Callable[[str, str], object] = lambda _tenant, _number: False
        """Whether an extension has apps: a call to one must be on disk before its caller relies on us."""
        self.trunk_of: Callable[[Request, Flow], Peer | None] | None = None
        """Whose call it is when it comes by a trunk of ours."""

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        peer = None if self.trunk_of is None else self.trunk_of(incoming.request, flow)
        if peer is None and (peer := self._peer_of(flow)) is None:
            return False
        if self._context.endpoint.draining:
            incoming.respond(503, extra="Retry-After: 60\r\n")
            return True
        refusal = refusal_of(incoming.request, self._context.endpoint.call_tags)
        if refusal is not None:
            incoming.respond(refusal[0], extra=refusal[1])
            return True
        self._start(incoming, flow, peer)
        return True

    def _start(self, incoming: Incoming, flow: Flow, peer: Peer) -> None:
        request = incoming.request
        story = Story(incoming.now)
        dialled = peer.number or printable(parse_uri(request.uri).user)
        domain = self._directory.domain_of(peer.tenant)
        caller = caller_of(request, peer.policy, domain, partial(story.add, incoming.now))
        story.add(incoming.now, "call.received", f"{peer.name} calls {dialled}", flow=flow.token)
        # No extension of ours is the caller, whatever its number is: a limit of ours is not its limit.
        decision = decide(CallRequest(peer.tenant, "", dialled, incoming.now), self._snapshot)
        story.extend(decision.steps)
        call = Call(self._context, peer.tenant, caller, dialled, story)
        call.encryption = peer.encryption
        script = self._script(decision, peer.tenant)
        verifier = self.verifier
        if verifier is not None and _is_checked(peer, "Identity" in request.headers):
            script = verified(script, verifier, claim_of(request, trusted=peer.policy.trusted), peer.verify)
        callee = decision.extension
        hold = callee is not None and bool(self.has_apps(peer.tenant, callee.number))
        call.begin(incoming, flow, script, hold=hold)
        call.caller_leg.outcome.outside = True
        self._calls.add(call, () if callee is None else (callee.number,))

    def _script(self, decision: Decision, tenant: str) -> Script:
        if decision.extension is not None:
            return scripts.ring(static_targets(self._targets(tenant, decision.extension)))
        return scripts.refuse(decision.status or 404, decision.code or "route.unknown_number")


def _is_checked(peer: Peer, signed: bool) -> bool:
    return peer.verify is not Mode.OFF and (signed or peer.verify is Mode.REQUIRE)
