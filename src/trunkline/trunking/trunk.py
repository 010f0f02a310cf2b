"""One trunk at work: its registration, its health, the way of a call through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trunkline.base.errors import RemoteProtocolError, TransportError
from trunkline.base.wheel import Alarm
from trunkline.call.target import Target
from trunkline.net.dns import Hop
from trunkline.net.flow import Flow
from trunkline.proto.sip.digest_client import DigestClient
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.escapes import escape_user
from trunkline.ua.challenges import Authorizer
from trunkline.ua.next_hops import request_by
from trunkline.ua.registrations import Registration

if TYPE_CHECKING:
    from trunkline.trunking.plan import TrunkPlan
    from trunkline.trunking.trunks import Trunks


class Trunk(Alarm):
    """``registration`` is None for one that is not registered. Times are the loop's.

    ``reachable`` is what the last OPTIONS found, None before the first; ``sources`` the addresses of its servers.
    """

    __slots__ = (
        "_cnonce",
        "digest",
        "hop",
        "owner",
        "plan",
        "reachable",
        "registration",
        "since",
        "sources",
        "trouble",
    )

    def __init__(
        self,
        owner: Trunks,
        plan: TrunkPlan,
        digest: DigestClient | None,
        registration: Registration | None,
        cnonce: Callable[[], str],
    ) -> None:
        super().__init__()
        self.owner = owner
        self.plan = plan
        self.digest = digest
        self.registration = registration
        self.reachable: bool | None = None
        self.hop: Hop | None = None
        self.sources: frozenset[str] = frozenset()
        self.since = owner.endpoint.now()
        self.trouble = ""
        self._cnonce = cnonce

    # Calls

    def target(self, number: str) -> Target:
        """Where a call to a number goes: our credentials, the Service-Route of our registration, its server first.

        Nothing else of the caller's goes with it, least of all credentials: a trunk has its own.
        """
        plan = self.plan
        dialled = plan.dialled(number)
        uri = f"sip:{escape_user(dialled)}@{plan.host}{plan.suffix}"
        route = self.registration.route if self.registration is not None else ""
        return Target(
            uri,
            label=f"{dialled} by {plan.name}",
            route=route,
            profile=plan.sdp_profile,
            encryption=plan.encryption,
            sticky=self.registration.hop if self.registration is not None else self.hop,
            authorizer=self.authorizer if self.digest is not None else None,
            caller=self.caller,
            callee=f"<sip:{escape_user(dialled)}@{plan.bare_host}>",
            identity=plan.policy,
        )

    @property
    def caller(self) -> str:
        """From as the other side sees it: the number that the operator wants, else who the registrar says we are."""
        plan = self.plan
        if plan.caller_id:
            return f"<sip:{escape_user(plan.caller_id)}@{plan.domain}>"
        if self.registration is not None and self.registration.associated:
            return f"<{self.registration.associated[0]}>"
        return f"<{plan.address}>" if plan.username else ""

    def authorizer(self) -> Authorizer:
        """Answers the challenges of one request."""
        if self.digest is None:
            raise RemoteProtocolError("this trunk has no password", 403)
        return Authorizer(self.digest, self._cnonce)

    # Health

    @property
    def state(self) -> str:
        """In a word: that of the registration, else what OPTIONS found."""
        if self.registration is not None:
            return self.registration.status(self.owner.endpoint.now())[0]
        return {None: "unknown", True: "reachable", False: "unreachable"}[self.reachable]

    @property
    def is_up(self) -> bool:
        """Whether calls can be expected to go out: registered where that is wanted, and not silent to OPTIONS."""
        return self.reachable is not False and self.state in {"registered", "reachable"}

    def fire(self, now: float) -> None:
        self.owner.spawn(self.ping())

    async def ping(self) -> None:
        """RFC 3261 §11: any answer but 503 and none shows that it is there."""
        plan, endpoint = self.plan, self.owner.endpoint
        sticky = self.registration.hop if self.registration is not None else self.hop
        try:
            ways = await self.owner.next_hops.ways(plan.server, sticky=sticky)
            self.sources = frozenset(hop.address for hop in ways.ahead)
            reached = await request_by(endpoint, ways, self._options(endpoint.ids.call_id()))
        except (TransportError, RemoteProtocolError) as error:
            self._note(reachable=False, trouble=str(error))
        else:
            status = reached.response.status
            self.hop = reached.hop or self.hop
            alive = reached.flow is not None and status != 503
            self._note(reachable=alive, trouble="" if alive else f"{status} {reached.response.reason}")
        self.owner.rest(self)

    def _options(self, call_id: str) -> Callable[[Flow], Draft]:
        plan, endpoint = self.plan, self.owner.endpoint
        tag = endpoint.ids.tag()
        sender = plan.address if plan.username else f"sip:{plan.domain}"

        def draft(flow: Flow) -> Draft:
            return Draft(
                "OPTIONS",
                plan.server,
                f"<{sender}>;tag={tag}",
                f"<sip:{plan.bare_host}>",
                call_id,
                1,
                contact=endpoint.contact(flow),
                extra=f"Accept: application/sdp\r\n{endpoint.capabilities}",
            )

        return draft

    def _note(self, *, reachable: bool, trouble: str) -> None:
        self.trouble = trouble
        if reachable is not self.reachable:
            self.reachable, self.since = reachable, self.owner.endpoint.now()
            self.owner.on_change(self)
