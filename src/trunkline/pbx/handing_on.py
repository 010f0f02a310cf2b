"""Who may hand a call on, whereto, and for whom the call counts then: ``call.referrals`` by the exchange's rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from trunkline.base.errors import CallFailed
from trunkline.call.audio_socket import AudioSocketPlan
from trunkline.call.call import Call, Script
from trunkline.call.leg import Leg
from trunkline.call.party import Party
from trunkline.call.referrals import Onward
from trunkline.call.registry import Calls
from trunkline.call.sip_leg import SipLeg
from trunkline.call.target import Target, static_targets
from trunkline.pbx.directory import Directory, Entry
from trunkline.pbx.meeting import meeting
from trunkline.pbx.route import CallRequest, Decision, Service, Snapshot, decide, normalise
from trunkline.pbx.scripts import talk_to
from trunkline.proto.sip.reasons import Q850, reason_phrase
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.registrar.sleeping import able
from trunkline.registrar.waking import rousing


class HandingOn:
    """Transfers are decided on the transferor's behalf, as if it called the new party itself.

    ``recalls()`` says whether a transferor that left is rung again when its transfer fails.
    """

    def __init__(
        self,
        directory: Directory,
        snapshot: Snapshot,
        calls: Calls,
        targets: Callable[[str, Entry], list[Target]],
        recalls: Callable[[], bool] = lambda: True,
    ) -> None:
        self._directory = directory
        self._snapshot = snapshot
        self._calls = calls
        self._targets = targets
        self.recalls = recalls
        self.services: Mapping[Service, Script] = {}
        self.sockets: Mapping[str, AudioSocketPlan] = {}
        """What the numbers do that ring nobody."""

    # call.referrals.Referrals

    def route(self, call: Call, leg: Leg, stays: Leg, uri: SipUri) -> Onward:
        tenant = call.tenant
        number = self.number_of(call, leg)
        if not number:
            raise _no(403, "transfer.stranger")  # who is no extension dials nothing here
        if self._directory.tenant_of(uri.host) != tenant:
            raise _no(404, "transfer.foreign_domain")
        decision = decide(
            CallRequest(tenant, number, uri.user, call.context.endpoint.now()), self._without(call)
        )
        call.story.extend(decision.steps)
        script = self.services.get(decision.service) if decision.service is not None else None
        if decision.room:
            script = meeting(decision.room)
        elif decision.socket:
            script = talk_to(self.sockets[decision.socket])
        targets = self._targets_of(tenant, decision) if script is None else []
        if uri.scheme == "sips":
            targets = _secure(targets, leg, anywhere=script is not None)
        entry = decision.extension
        self.count(call, leg, stays, also=entry.number if entry is not None else "")
        referrer = (
            "" if entry is None else self.party_of(call, leg).uri
        )  # nobody outside is told who transfers
        shown = self.party_of(call, stays)
        onward = rousing(static_targets(targets), call, shown)
        return Onward(onward, decision.number, shown, referrer, script)

    def _targets_of(self, tenant: str, decision: Decision) -> list[Target]:
        if decision.extension is not None:
            return self._targets(tenant, decision.extension)
        if decision.trunk is not None:
            return [decision.trunk.target(decision.number)]
        raise _no(decision.status or 404, decision.code or "route.unknown_number")

    def back(self, call: Call, leg: Leg, stays: Leg) -> Onward | None:
        entry = self._directory.extension(call.tenant, self.number_of(call, leg))
        if entry is None or not self.recalls():
            return None
        targets = self._targets(call.tenant, entry)
        if not targets:
            return None
        shown = self.party_of(call, stays)
        onward = rousing(static_targets(targets), call, shown)
        return Onward(onward, entry.number, shown, self.party_of(call, leg).uri)

    def number_of(self, call: Call, leg: Leg) -> str:
        outcome = leg.outcome
        if outcome.outside:
            return ""
        entry = self._directory.extension(call.tenant, normalise(outcome.number))
        return entry.number if entry is not None else ""

    def count(self, call: Call, *legs: Leg, also: str = "") -> None:
        numbers = [self.number_of(call, leg) for leg in legs]
        self._calls.count(call, tuple(number for number in (*numbers, also) if number))

    def connected(self, call: Call, leg: Leg, towards: Leg) -> str:
        party = self.party_of(call, leg)
        # RFC 3325 §5: nobody outside is told, and nobody of who wants to stay unknown.
        if not party.number or party.anonymous or not self.number_of(call, towards):
            return ""
        return f"P-Asserted-Identity: {party.name_addr}\r\n"

    def party_of(self, call: Call, leg: Leg) -> Party:
        """Who a leg's party is for those it talks to."""
        if leg is call.legs[0] and leg.outcome.direction == "in" and call.origin_of(leg) is None:
            return call.caller
        number = self.number_of(call, leg)
        domain = self._directory.domain_of(call.tenant)
        entry = self._directory.extension(call.tenant, number)
        if entry is not None:
            return Party(number, domain, entry.name, anonymous=leg.outcome.hidden)
        return Party(leg.outcome.number, domain, anonymous=leg.outcome.hidden)

    # Parts

    def _without(self, call: Call) -> Snapshot:
        """The snapshot as if the call that is handed on were over: it takes nobody a second time."""
        load = self._snapshot.load

        def left(tenant: str, number: str) -> int:
            return load(tenant, number) - (call.parties.count(number) if tenant == call.tenant else 0)

        return replace(self._snapshot, load=left)


def _secure(targets: list[Target], leg: Leg, *, anywhere: bool) -> list[Target]:
    """RFC 5630 §4: a sips address was asked for within TLS, and only contacts that are reached so are rung.

    ``anywhere``: nobody is to be rung.
    """
    session = leg.session if isinstance(leg, SipLeg) else None
    if session is None or not session.flow.listener.is_secure:
        raise _no(480, "route.sips_insecure")
    secure = able(targets, is_secure)
    if not secure and not anywhere:
        raise _no(480, "route.sips_unreachable")
    return secure


def is_secure(target: Target) -> bool:
    """Whether the next hop towards a contact is within TLS; an app has none."""
    if target.app is not None:
        return False
    if target.flow is not None:
        return target.flow.listener.is_secure
    return parse_uri(target.uri).target.transport in {"tls", "wss"}


def _no(status: int, code: str) -> CallFailed:
    return CallFailed(status, reason_phrase(status), Q850.get(status, 31), code)
